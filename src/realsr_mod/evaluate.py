"""Measure models, or bicubic, on folders of photos under fixed degradations.

    python -m realsr_mod.evaluate model=newest data.root=Set5 protocol=gaussian8
    python -m realsr_mod.evaluate model=kdsr-real-x4 data.root=[Set5,Set14]
    python -m realsr_mod.evaluate model=RUN data.root=my_pairs protocol=paired
    python -m realsr_mod.evaluate model=[RUN,bicubic] metrics=[psnr_y,niqe]
    python -m realsr_mod.evaluate model=RUN data.root=photos shard=1/2 output=p/
    python -m realsr_mod.evaluate join=p output=all.json
    python -m realsr_mod.evaluate suite=classic model=RUN data.root=benchmarks

Figures go to runs/evaluate/DATE_TIME/evaluation.json; their means are shown.
Several models are compared: one table, with intervals by paired bootstrap, and
comparison.html, where their images lie side by side under a divider. A suite is
tables as papers have them, with their figures, as Markdown and LaTeX.
"""

from typing import TYPE_CHECKING

from realsr_mod.runtime.hydra_command import run_command

if TYPE_CHECKING:
    from omegaconf import DictConfig


def evaluate(cfg: "DictConfig") -> float:
    """Measure what `cfg` names; see `realsr_mod.analysis.evaluation` and `.suite`, which take seconds to import."""
    if cfg.get("suite"):
        from realsr_mod.analysis.suite import evaluate_suite

        return evaluate_suite(cfg)
    from realsr_mod.analysis import evaluation

    return evaluation.evaluate(cfg)


def main() -> None:
    run_command("evaluate", evaluate, __doc__)


if __name__ == "__main__":
    main()
