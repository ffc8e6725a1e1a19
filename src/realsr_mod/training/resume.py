"""Going on with a run that was interrupted: `resume=RUN` and `resume=auto`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from realsr_mod.runtime.folders import hold
from realsr_mod.runtime.overrides import in_quotes, is_override
from realsr_mod.training.foreign import check_foreign
from realsr_mod.training.runs import last_checkpoint, read_overrides, unfinished_run, unfinished_sweep
from realsr_mod.weights.locate import SUMMARY_NAME

FIXED_WHEN_RESUMED = (
    "method", "scheduler", "network", "degradation", "seed", "scale", "pairs", "relation", "init",
)  # fmt: skip
LENGTH = "trainer.max_steps"  # may change where the learning rate does not go by it


def resumed_arguments(arguments: Sequence[str]) -> list[str]:
    """Turn `resume=RUN` or `resume=auto` into the overrides and the folder of the run that goes on.

    The run's own overrides come first, then what is given now, so `resume=RUN` alone is enough.
    `resume=auto` takes the newest unfinished run that was started with the same overrides; without one it starts anew.
    For a sweep (`-m`) it takes the newest unfinished sweep of the same overrides: finished jobs are not done again. A
    search (`sweep=optuna`) goes on by itself.
    The folder is held from here on, before Hydra writes into it.
    """
    wanted = [item.removeprefix("resume=") for item in arguments if item.startswith("resume=")]
    others = [item for item in arguments if not item.startswith("resume=")]
    flags = [item for item in others if not is_override(item)]  # Hydra wants them first
    if is_search(arguments):
        return [*others, *_search_dir(others)]
    if not wanted or wanted[-1] == "null":
        return list(arguments)
    if wanted[-1] != "auto":
        run = Path(wanted[-1].strip("'\"")).expanduser()
        given, anew = read_overrides(run), {_key(item) for item in others}
        kept = [item for item in given if _key(item) not in anew]  # what is given now is trusted
        check_foreign(run, kept)
        check_resumable(run, [item for item in others if item not in given])
        hold(run)
        settings = [item for item in (*kept, *others) if is_override(item)]
        return [*flags, *settings, *_going_on(run, "hydra.run.dir")]
    settings = [item for item in others if is_override(item)]
    given = [item for item in settings if not item.startswith(("hydra", "finish="))]
    roots = [item.removeprefix("runs_dir=") for item in given if item.startswith("runs_dir=")]
    is_sweep = bool({"-m", "--multirun"} & set(flags))
    find, key = (unfinished_sweep, "hydra.sweep.dir") if is_sweep else (unfinished_run, "hydra.run.dir")
    found = find((roots or ["runs"])[-1], given)
    if found is None:
        what = "sweep" if is_sweep else "run"
        print(f"resume=auto: no unfinished {what} of this command, starting a new one", flush=True)
        return others
    hold(found)
    return [*flags, *settings, *_going_on(found, key)]


def is_search(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for a search, whose folder is that of its command."""
    return "sweep=optuna" in arguments and not {"-m", "--multirun"}.isdisjoint(arguments)


def _search_dir(arguments: Sequence[str]) -> list[str]:
    """The folder of a search, unless one is given: the same for the same command, so that several work on one study."""
    if any(item.startswith("hydra.sweep.dir=") for item in arguments):
        return []
    given = dict(item.split("=", 1) for item in arguments if "=" in item)
    about = sorted(item for item in arguments if not item.startswith(("-", "hydra.", "runs_dir=")))
    name = given.get("name", given.get("experiment", "train")).rpartition("/")[2]
    safe = "".join(letter for letter in name if letter.isalnum() or letter in "_-")[:40]
    key = hashlib.sha256("\n".join(about).encode()).hexdigest()[:8]
    return [f"hydra.sweep.dir={in_quotes(str(Path(given.get('runs_dir', 'runs')) / 'sweeps' / f'{safe}_{key}'))}"]


def _key(override: str) -> str:
    return override.partition("=")[0].strip("+~ ")


def goes_on_by_folder(run: Path) -> bool:
    """Whether `resume=RUN` takes this run, or only its own command and `resume=auto` do."""
    try:
        check_foreign(run, read_overrides(run))
    except (ValueError, OSError):
        return False
    return True


def _going_on(folder: Path, key: str) -> list[str]:
    print(f"resuming {folder}", flush=True)
    place = in_quotes(str(folder.resolve()))
    return [f"resume={place if key == 'hydra.run.dir' else 'auto'}", f"{key}={place}"]


def check_resumable(run: Path, added: Sequence[str]) -> None:
    """Raise if the run has finished, or if an added override would change what its checkpoint has fixed."""
    advice = f"to train on from its weights, start a new run with start_from={run}"
    if (run / SUMMARY_NAME).exists():
        raise ValueError(f"{run} has finished; {advice}")
    for item in added:
        if _key(item) == LENGTH and schedule_has_a_length(run):
            raise ValueError(
                f"{item} cannot change when {run} is resumed: its learning rate goes by the length of the training; to "
                f"end it now, add finish=true instead; {advice}"
            )
        if item.lstrip("+~").startswith(FIXED_WHEN_RESUMED):
            raise ValueError(
                f"{item} cannot change when {run} is resumed: its checkpoint goes on as it began; {advice}"
            )


def schedule_has_a_length(run: Path) -> bool:
    """Whether the learning rate of a run is laid out over all of its steps, as one_cycle's is."""
    from omegaconf import OmegaConf

    from realsr_mod.runtime.compose import clear_groups_taken_away, compose

    overrides = read_overrides(run)
    cfg = compose("train", overrides)
    clear_groups_taken_away(cfg, overrides)
    return cfg.scheduler is not None and LENGTH in OmegaConf.to_yaml(cfg.scheduler, resolve=False)


def steps_done(checkpoint: str | None) -> int:
    """After how many steps `finish=true` ends a training: those of its checkpoint. Raises ValueError if it has none."""
    from realsr_mod.training.checkpointing import CheckedCheckpointIO

    if checkpoint is None:
        raise ValueError(
            "finish=true ends an interrupted training where it stands, and no checkpoint of one is there; give "
            "resume=RUN, or resume=auto and the training's own command"
        )
    return int(CheckedCheckpointIO().load_checkpoint(checkpoint)["global_step"])


def checkpoint_to_resume(cfg: DictConfig, run: Path) -> str | None:
    """The checkpoint in `run` if the run is resumed and has got that far, else None: it begins at step 0."""
    checkpoint = last_checkpoint(run) if cfg.resume else None
    return None if checkpoint is None else str(checkpoint)
