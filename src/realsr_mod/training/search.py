"""Searching a space of values by Optuna: `sweep=optuna`.

Any number of processes and machines that share the sweep's folder work on one study, each on one trial after another;
none waits for the others. The study says what was proposed, by whom it was measured, and where its run lies. A process
holds its trial as it holds a run's folder, so that one that is gone leaves it to the next, which goes on with the run
from its checkpoint. (Hydra's own plugin launches batches, waits for the slowest of each, and cannot end a trial
early; a trial whose process is gone stays as it is.)
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
from filelock import FileLock
from hydra.core.utils import JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from realsr_mod.metrics.named import metric_named
from realsr_mod.runtime.files import atomic_write, read_json
from realsr_mod.runtime.folders import hold, is_taken, let_go
from realsr_mod.training.pruning import read_pruned
from realsr_mod.training.runs import FAILURE_NAME, ranked_figure, read_summary
from realsr_mod.training.search_page import write_page
from realsr_mod.training.space import as_overrides, split
from realsr_mod.training.study import live_trial, open_study
from realsr_mod.weights.locate import SUMMARY_NAME

TURN = ".turn.lock"  # who holds it may take a trial
OVERRIDES, RUN, ERROR = "overrides", "run", "error"  # user attributes of a trial: how and where it is trained
_STARTUP_TRIALS = 10  # that are drawn by chance, before any is proposed by what others have shown


def run_search(
    config: DictConfig, overrides: Sequence[str], launcher: Launcher, trials: int, storage: str
) -> list[FrozenTrial]:
    """Train trials until the study has as many as it should; then write its page. Returns all of them.

    Args:
        config: of the sweep, Hydra's part included.
        overrides: of the command line, sweeps among them.
        launcher: that trains one trial, here or elsewhere.
        trials: how many there shall be, by all processes together.
        storage: see `realsr_mod.training.study.open_storage`.
    """
    if trials < 1:
        raise ValueError(f"hydra.sweeper.trials must be at least 1, got {trials}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = Path(config.hydra.sweep.dir)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / "multirun.yaml", "w") as file:
        file.write(OmegaConf.to_yaml(config))
    fixed, space = split(overrides)
    with FileLock(folder / TURN):  # one makes the tables of a new database
        study = open_study(folder, storage, config.rank_by)
    search = Search(folder, study, space, fixed, trials, config.seed)
    while (trial := search.take()) is not None:
        search.train(trial, launcher, config.rank_by)
    return search.end(config.rank_by)


class Search:
    """One process's work on a study.

    Args:
        folder: of the sweep.
        study: that others may be working on, too.
        space: what differs between trials, by key.
        fixed: overrides that all trials share.
        trials: how many there shall be.
        seed: of what is drawn.
    """

    def __init__(
        self,
        folder: Path,
        study: optuna.Study,
        space: dict[str, BaseDistribution],
        fixed: Sequence[str],
        trials: int,
        seed: int,
    ) -> None:
        self.folder, self.study, self.space = folder, study, space
        self.fixed, self.trials, self.seed = list(fixed), trials, seed
        self._mine: set[int] = set()  # the trials that this process works on

    def take(self) -> FrozenTrial | None:
        """A trial for this process alone: one that another process has left, else a new one; None if there are enough.

        One process at a time takes one, so that none is taken twice and there are never too many.
        """
        with FileLock(self.folder / TURN):
            known = self.study.get_trials(deepcopy=False)
            for trial in known:
                if trial.state == TrialState.RUNNING and self._is_left(trial):
                    if OVERRIDES in trial.user_attrs:
                        self._claim(trial.number)
                        return trial
                    self.study.tell(trial.number, state=TrialState.FAIL)  # its process ended while it was proposed
            if len(self.trials_of(known)) >= self.trials:
                return None
            return self._new(len(known))

    def _new(self, number: int) -> FrozenTrial:
        """Propose a trial. What is drawn depends on seed and number, and on what the study knows by then."""
        drawn = np.random.default_rng((self.seed, number)).integers(2**31)
        self.study.sampler = optuna.samplers.TPESampler(n_startup_trials=_STARTUP_TRIALS, seed=int(drawn))
        trial = self.study.ask(self.space)
        self._claim(trial.number)
        trial.set_user_attr(RUN, str(trial.number))
        trial.set_user_attr(OVERRIDES, [*self.fixed, *as_overrides(trial.params)])
        return self.study.get_trials(deepcopy=False)[trial.number]

    def _claim(self, number: int) -> None:
        place = self._claims(number)
        place.mkdir(parents=True, exist_ok=True)
        hold(place)
        self._mine.add(number)

    def _claims(self, number: int) -> Path:
        return self.folder / ".claims" / str(number)

    def _is_left(self, trial: FrozenTrial) -> bool:
        """Whether no process works on a trial: neither one that searches, nor a job that it has sent elsewhere."""
        run = self.folder / str(trial.number)
        if trial.number in self._mine:
            return False
        return not is_taken(self._claims(trial.number)) and not (run.is_dir() and is_taken(run))

    def train(self, trial: FrozenTrial, launcher: Launcher, rank_by: str) -> None:
        """Train a trial, or go on with it, and tell the study how it ended. A fault of the program is raised."""
        run = self.folder / trial.user_attrs[RUN]
        overrides = [item for item in trial.user_attrs[OVERRIDES] if not item.startswith("resume=")]
        if run.is_dir():
            print(f"going on with trial {trial.number}: {run}", flush=True)
            overrides.append("resume=auto")
        try:
            (job,) = launcher.launch([overrides], initial_job_idx=trial.number)
            if job.status == JobStatus.FAILED:
                self._tell(trial, TrialState.FAIL, error=str(job._return_value))
                _ = job.return_value  # raises
            self._tell(trial, *outcome(run, rank_by))
        finally:
            self._mine.discard(trial.number)
            let_go(self._claims(trial.number))

    def _tell(
        self, trial: FrozenTrial, state: TrialState, value: float | None = None, error: str | None = None
    ) -> None:
        if error is not None:
            live_trial(self.study, trial.number).set_user_attr(ERROR, error)
        self.study.tell(trial.number, value, state)

    def trials_of(self, known: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Those that count: all but what was never proposed as a whole."""
        return [trial for trial in known if OVERRIDES in trial.user_attrs]

    def end(self, rank_by: str) -> list[FrozenTrial]:
        """Write the page, say what was searched and what is left to others; returns the trials."""
        found = self.trials_of(self.study.get_trials(deepcopy=False))
        path = write_page(self.folder, self.study, found, metric_named(rank_by))
        running = sum(trial.state == TrialState.RUNNING for trial in found)
        if running:
            print(f"{running} of {len(found)} trials are with other processes, which will write the page anew")
        print(f"search    {path}", flush=True)
        return found


def outcome(run: Path, rank_by: str) -> tuple[TrialState, float | None, str | None]:
    """How a trial ended, by what lies in its folder: state, figure, error."""
    if (run / SUMMARY_NAME).is_file():
        figure = float(ranked_figure(read_summary(run), rank_by))
        return (
            (TrialState.FAIL, None, f"{rank_by} is {figure}")
            if np.isnan(figure)
            else (TrialState.COMPLETE, figure, None)
        )
    if (run / FAILURE_NAME).is_file():
        return TrialState.FAIL, None, str(read_json(run / FAILURE_NAME)["error"])
    if read_pruned(run) is not None:
        return TrialState.PRUNED, None, None
    return TrialState.FAIL, None, f"{run} holds no result"
