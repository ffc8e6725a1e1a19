"""Measure a model beside bicubic: `python -m realsr_mod.evaluate model=RUN data.root=Set14 protocol=gaussian8`."""

from omegaconf import DictConfig

from realsr_mod.runtime.hydra_command import run_command


def evaluate(cfg: DictConfig) -> float:
    """Measure what `cfg` names; see `realsr_mod.analysis.evaluation`, which takes seconds to import."""
    from realsr_mod.analysis import evaluation

    return evaluation.evaluate(cfg)


def main() -> None:
    run_command("evaluate", evaluate)


if __name__ == "__main__":
    main()
