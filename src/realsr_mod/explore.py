"""See what networks know about degradation: a page, images, tables.

    python -m realsr_mod.explore model=newest data.root=Set14
    python -m realsr_mod.explore model=[runs/A,runs/B] taps=all
    python -m realsr_mod.explore 'model={a: runs/A, b: runs/B}' conditions=blur
    python -m realsr_mod.explore 'conditions.levels=[{}, {blur: 2}]'

Results go to runs/explore/DATE_TIME.
Needs the extra: pip install 'realsr-mod[explore]'
"""

from pathlib import Path
from typing import TYPE_CHECKING

from realsr_mod.runtime.hydra_command import run_command

if TYPE_CHECKING:
    from omegaconf import DictConfig


def explore(cfg: "DictConfig") -> Path:
    """Study what `cfg` names; see `realsr_mod.analysis.exploration`, which takes seconds to import."""
    from realsr_mod.analysis import exploration

    return exploration.explore(cfg)


def main() -> None:
    run_command("explore", explore, __doc__)


if __name__ == "__main__":
    main()
