"""The sweeper of `sweep=optuna`, in the one place where Hydra looks for sweepers.

Hydra imports every file of this folder whenever it starts, so that this one holds nothing but the way in.
"""

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class OptunaSweeper(Sweeper):
    """Has Optuna propose the values of a sweep's trials; see `realsr_mod.training.search`.

    Args:
        trials: how many there shall be, by all processes together.
        storage: where the study is kept: journal or sqlite, a file in the sweep's folder; or a database's address.
        params: sweep overrides by key, as on the command line, whose own replace them.
    """

    def __init__(self, trials: int, storage: str = "journal", params: DictConfig | None = None) -> None:
        self.trials, self.storage = trials, storage
        self.params = {str(key): value for key, value in (params or {}).items()}
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        try:
            import optuna  # noqa: F401
        except ModuleNotFoundError as error:
            raise ValueError("sweep=optuna needs an extra: pip install 'realsr-mod[optuna]'") from error
        from realsr_mod.training.search import run_search

        assert self.launcher is not None, "Hydra calls setup first"
        assert self.config is not None
        given = [f"{key}={value}" for key, value in self.params.items()]
        return run_search(self.config, [*given, *arguments], self.launcher, self.trials, self.storage)
