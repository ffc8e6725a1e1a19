"""Train a model: `python -m realsr_mod.train experiment=kdsr_student`, with `-m` for sweeps, `--help` for more."""

from omegaconf import DictConfig

from realsr_mod.runtime.hydra_command import run_command


def train(cfg: DictConfig) -> float:
    """Train what `cfg` describes; see `realsr_mod.training.trainer`, which takes seconds to import."""
    from realsr_mod.training.trainer import job

    return job(cfg)


def main() -> None:
    run_command("train", train, prepare)


def prepare(arguments: list[str]) -> list[str]:
    """The command line; where it asks to go on with a run, that run's."""
    if not any(argument.startswith("resume=") for argument in arguments):
        return arguments
    from realsr_mod.training.resume import resumed_arguments

    return resumed_arguments(arguments)


if __name__ == "__main__":
    main()
