"""Processes that belong together: who saves on a signal, and who ends when its parent does."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

SAVING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)
)
_PARENT = "REALSR_MOD_PARENT"  # process number of the command that started this one
_LOOK_EVERY_S = 1.0


def leave_signals_to_parent(worker: int = 0) -> None:
    """For data-loading workers, which get a terminal's or a cluster's signals too: the main process saves and ends."""
    for number in SAVING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def run_child(command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run a command that deals with Ctrl-C itself (the terminal sends it to both); returns its status.

    Other signals that ask to stop are passed on to it. If this process is killed, the child is asked to save and stop.
    """
    child_environment = {**(os.environ if environment is None else environment), _PARENT: str(os.getpid())}
    process = subprocess.Popen(command, env=child_environment)
    previous = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    for number in SAVING_SIGNALS:
        if number != signal.SIGINT:
            previous[number] = signal.signal(number, lambda received, _: process.send_signal(received))
    try:
        return process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def finding_modules(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which `python -P -m MODULE` finds what this process would import, from the same places.

    Without `-P` Python looks in the current folder as well, which may be one that came from somebody else.
    """
    return {**environment, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}


def end_with_parent() -> None:
    """End this process soon after the one that started it: a child of `run_child` saves first, a rank stops at once."""
    parent = os.environ.get(_PARENT)
    if "LOCAL_RANK" in os.environ and _started_by_lightning():
        _watch_parent(os.getppid(), lambda: os._exit(1))  # it would wait for the others for ever
    elif parent == str(os.getppid()):
        _watch_parent(os.getppid(), lambda: os.kill(os.getpid(), signal.SIGTERM))
    elif parent is not None and not _is_alive(int(parent)):
        raise ChildProcessError("the command that started this one has ended; stopping too")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started_by_lightning() -> bool:
    """Lightning's launcher starts the ranks of one machine as children of the first; torchrun and SLURM do not."""
    return "TORCHELASTIC_RUN_ID" not in os.environ and "SLURM_PROCID" not in os.environ


def _watch_parent(parent: int, end: Callable[[], object]) -> None:
    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        end()

    threading.Thread(target=look, name="end with parent", daemon=True).start()
