"""Going on with a run that was interrupted: `resume=RUN` and `resume=auto`."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from realsr_mod.runtime.overrides import in_quotes, is_override
from realsr_mod.training.runs import LAST_CHECKPOINT, read_overrides, unfinished_run
from realsr_mod.weights.locate import SUMMARY_NAME

FIXED_WHEN_RESUMED = (
    "method", "scheduler", "network", "degradation", "seed", "scale", "trainer.max_steps", "pairs", "relation", "init",
)  # fmt: skip


def resumed_arguments(arguments: Sequence[str]) -> list[str]:
    """Turn `resume=RUN` or `resume=auto` into the overrides and the folder of the run that goes on.

    The run's own overrides come first, then what is given now, so `resume=RUN` alone is enough.
    `resume=auto` takes the newest unfinished run that was started with the same overrides; without one it starts anew.
    """
    wanted = [item.removeprefix("resume=") for item in arguments if item.startswith("resume=")]
    others = [item for item in arguments if not item.startswith("resume=")]
    if not wanted or wanted[-1] == "null":
        return list(arguments)
    if wanted[-1] == "auto":
        given = [item for item in others if is_override(item) and not item.startswith("hydra")]
        roots = [item.removeprefix("runs_dir=") for item in others if item.startswith("runs_dir=")]
        run = unfinished_run((roots or ["runs"])[-1], given)
        if run is None:
            print("resume=auto: no unfinished run of this command, starting a new one", flush=True)
            return others
    else:
        run = Path(wanted[-1].strip("'\""))
        given = read_overrides(run)
        added = [item for item in others if item not in given]
        check_resumable(run, added)
        others = [*given, *added]
    print(f"resuming {run}", flush=True)
    flags = [item for item in others if not is_override(item)]  # Hydra wants them first
    others = [item for item in others if is_override(item)]
    folder = in_quotes(str(run.resolve()))
    return [*flags, *others, f"resume={folder}", f"hydra.run.dir={folder}"]


def check_resumable(run: Path, added: Sequence[str]) -> None:
    """Raise if the run has finished, or if an added override would change what its checkpoint has fixed."""
    advice = f"to train on from its weights, start a new run with start_from={run}"
    if (run / SUMMARY_NAME).exists():
        raise ValueError(f"{run} has finished; {advice}")
    for item in added:
        if item.lstrip("+~").startswith(FIXED_WHEN_RESUMED):
            raise ValueError(
                f"{item} cannot change when {run} is resumed: its checkpoint goes on as it began; {advice}"
            )


def checkpoint_to_resume(cfg: DictConfig, run: Path) -> str | None:
    """The checkpoint in `run` if the run is resumed and has got that far, else None: it begins at step 0."""
    checkpoint = run / LAST_CHECKPOINT
    return str(checkpoint) if cfg.resume and checkpoint.is_file() else None
