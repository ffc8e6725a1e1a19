"""Processes that torchrun or srun started to train together, on one machine or several: what the first decides holds.

Where Lightning starts them, the first is the command and hands its folder to the others. Here each is a command of its
own, with a clock of its own: which folder is new, or which run `resume=auto` means, the first says to all.
"""

import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = timedelta(minutes=10)  # for machines that start at different times
_stores: list[Any] = []  # kept open until this process ends, as the others read from the first one's


def started_together() -> tuple[int, int] | None:
    """Rank and number of the processes that torchrun or srun started; None if this one is alone, or Lightning's."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if "SLURM_PROCID" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1 and not _is_interactive():
        return int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"])
    return None


def is_first() -> bool:
    """Whether this process decides for those that train with it: it is alone, or the first."""
    together = started_together()
    return together[0] == 0 if together else "LOCAL_RANK" not in os.environ


def agreed(what: str, decide: Callable[[], T]) -> T:
    """What the first process decides, for all that were started with it; of plain JSON values.

    Where it fails, it raises, and the others end with status 1. A process that is alone just decides.
    """
    together = started_together()
    if together is None:
        return decide()
    store, key = _store(together[0]), f"realsr_mod/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}/{what}"
    if together[0] > 0:
        said: dict[str, Any] = json.loads(store.get(key))
        if "decided" not in said:
            sys.exit(1)  # the first says why
        decided: T = said["decided"]
        return decided
    try:
        decision = decide()
    except BaseException:
        store.set(key, json.dumps({}))
        raise
    store.set(key, json.dumps({"decided": decision}))
    return decision


def _store(rank: int) -> Any:
    """Where the first process writes: torchrun's own store, or one beside the port of the training."""
    if not _stores:
        from torch.distributed import TCPStore  # type: ignore[attr-defined]  # its __init__ says so in another way

        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            address, port, serves = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), False
        else:
            address, port = _meeting_place()
            serves = rank == 0
        _stores.append(TCPStore(address, port, is_master=serves, wait_for_workers=False, timeout=_PATIENCE))
    return _stores[0]


def _meeting_place() -> tuple[str, int]:
    """The first machine, as Lightning finds it, and the port after the one that the training will take."""
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    if "MASTER_ADDR" in os.environ and "MASTER_PORT" in os.environ:
        return os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]) + 1
    slurm = SLURMEnvironment()
    return slurm.main_address, slurm.main_port + 1


def _is_interactive() -> bool:
    return os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
