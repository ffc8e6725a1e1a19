"""Train a network that super-resolves real photos.

    python -m realsr_mod.train experiment=kdsr_student
    python -m realsr_mod.train experiment=srresnet data=folder data.root=photos
    python -m realsr_mod.train experiment=kdsr_student trainer=gpu
    python -m realsr_mod.train resume=runs/kdsr_student/2026-01-31_12-00-00
    python -m realsr_mod.train experiment=kdsr_student resume=auto
    python -m realsr_mod.train -m experiment=srresnet seed=0,1,2
    python -m realsr_mod.train -m sweep=optuna experiment=srresnet \\
        'method.optimizer.lr=tag(log,interval(1e-4,1e-2))'

Every key of a run with its value, without running it:

    python -m realsr_mod.train experiment=kdsr_student --cfg job

Results go to runs/NAME/DATE_TIME: model/, images/, checkpoints/, metrics.csv,
summary.json.
"""

from typing import TYPE_CHECKING

from realsr_mod.runtime.hydra_command import run_command

if TYPE_CHECKING:
    from omegaconf import DictConfig


def train(cfg: "DictConfig") -> float:
    """Train what `cfg` describes; see `realsr_mod.training.trainer`, which takes seconds to import."""
    from realsr_mod.training.trainer import job

    return job(cfg)


def prepare(arguments: list[str]) -> list[str]:
    """Give a run that goes on, or a search, its overrides and its folder; see `realsr_mod.training.resume`."""
    if not any(argument.startswith(("resume=", "sweep=optuna")) for argument in arguments):
        return arguments
    from realsr_mod.training.resume import resumed_arguments

    return resumed_arguments(arguments)


def main() -> None:
    run_command("train", train, __doc__, prepare)


if __name__ == "__main__":
    main()
