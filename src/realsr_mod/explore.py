"""See what networks know about degradation: `python -m realsr_mod.explore model=RUN data.root=Set14`."""

from pathlib import Path

from omegaconf import DictConfig

from realsr_mod.runtime.hydra_command import run_command


def explore(cfg: DictConfig) -> Path:
    """Study what `cfg` names; see `realsr_mod.analysis.exploration`, which takes seconds to import."""
    from realsr_mod.analysis import exploration

    return exploration.explore(cfg)


def main() -> None:
    run_command("explore", explore)


if __name__ == "__main__":
    main()
