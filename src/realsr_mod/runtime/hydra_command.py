"""The way into every Hydra command: its help at once, then the configuration, and errors that a person can act on."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from realsr_mod.runtime.config import CONF_DIR
from realsr_mod.runtime.errors import user_errors
from realsr_mod.runtime.help import print_help, topics
from realsr_mod.runtime.plugins import take_options

_USERS_WISH = "REALSR_MOD_FULL_ERROR"

if TYPE_CHECKING:  # hydra takes half a second to import; `--help` need not wait for it
    from omegaconf import DictConfig


def run_command(
    config_name: str,
    task: "Callable[[DictConfig], object]",
    usage: str | None = None,
    prepare: Callable[[list[str]], list[str]] = lambda arguments: arguments,
) -> None:
    """Run `task` under `conf/CONFIG_NAME.yaml` and the command line; end with one clear message where it fails.

    `--trust PACKAGE` and `--config-dir FOLDER` let it use what is not ours, see `realsr_mod.runtime.plugins`.

    With `--help` print `usage` and what can be set instead. `prepare` may change the command line before Hydra reads
    it; a process that Lightning starts gets its parent's, those that torchrun or srun start the first one's.
    """
    with user_errors():
        sys.argv[1:] = take_options(sys.argv[1:])
    about = topics(sys.argv[1:])
    if about is not None:
        with user_errors():
            print_help(config_name, usage or "", about)
        return
    import hydra
    from omegaconf import OmegaConf

    from realsr_mod.runtime.compose import main_options
    from realsr_mod.runtime.config_errors import USER_ERRORS, explain
    from realsr_mod.runtime.folders import new_folder
    from realsr_mod.runtime.overrides import flags_first, readable, without_null
    from realsr_mod.runtime.ranks import agreed, is_first, started_together

    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ.setdefault(_USERS_WISH, str(traceback_wanted))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the message is ours
    try:
        if started_together() or "LOCAL_RANK" not in os.environ:
            is_sweep = not {"-m", "--multirun"}.isdisjoint(sys.argv)
            given = [without_null(readable(argument, is_sweep)) for argument in flags_first(sys.argv[1:])]
            sys.argv[1:] = agreed("arguments", lambda: prepare(given))
            if not is_first():
                sys.argv.append("hydra.output_subdir=null")  # the first writes the configuration down
        OmegaConf.register_new_resolver(
            "new_folder",
            lambda *parts: agreed(f"folder {parts}", lambda: new_folder(*parts)),
            use_cache=True,
            replace=True,
        )
        hydra.main(config_path=str(CONF_DIR), config_name=config_name, **main_options())(task)()
    except USER_ERRORS as error:
        if traceback_wanted:
            raise
        print(f"\nerror: {explain(error, config_name, sys.argv[1:])}", file=sys.stderr)
        sys.exit(1)


def users_environment() -> dict[str, str]:
    """The environment for another command of ours: as the user gave it, without what `run_command` has set."""
    environment = dict(os.environ)
    if environment.pop(_USERS_WISH, "False") != "True":
        environment.pop("HYDRA_FULL_ERROR", None)
    return environment
