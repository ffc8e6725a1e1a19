"""The study of a search, an Optuna study that lies where all who work on it see it."""

import functools
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from realsr_mod.metrics.named import metric_named

FILES = {"journal": "study.journal", "sqlite": "study.db"}  # in the sweep's folder


@functools.cache
def open_storage(folder: Path, storage: str) -> BaseStorage:
    """The storage of a study: `journal` or `sqlite`, files in the sweep's folder, or the address of a database.

    The journal is the one for folders that several machines share; sqlite does not go with NFS.
    """
    if storage == "journal":
        return JournalStorage(JournalFileBackend(str(folder / FILES[storage])))
    if storage == "sqlite":
        return optuna.storages.get_storage(f"sqlite:///{folder / FILES[storage]}")
    if "://" not in storage:
        raise ValueError(f"hydra.sweeper.storage={storage}: journal, sqlite, or an address such as postgresql://…")
    return optuna.storages.get_storage(storage)


def open_study(folder: Path, storage: str, rank_by: str) -> optuna.Study:
    """The study of a sweep's folder, begun if there is none yet. It goes for what is better of `rank_by`."""
    return optuna.create_study(
        storage=open_storage(folder.resolve(), storage),
        study_name=folder.resolve().name,
        direction="maximize" if metric_named(rank_by).higher_is_better else "minimize",
        load_if_exists=True,
    )


def live_trial(study: optuna.Study, number: int) -> optuna.trial.Trial:
    """A trial that goes on, as `ask` made it, maybe in a process that is gone."""
    return optuna.trial.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)
