"""How every command says what a user can mend: one sentence, no traceback, status 1."""

import difflib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

USER_ERRORS: tuple[type[Exception], ...] = (ValueError, OSError)


def print_error(message: object) -> None:
    """Print `error: MESSAGE` to standard error, as it is: no line is broken and no bracket taken for a colour."""
    console = Console(stderr=True, soft_wrap=True)
    console.print("error:", style="red", end=" ")
    console.print(str(message), markup=False, highlight=False)


@contextmanager
def user_errors() -> Iterator[None]:
    """End the program with a sentence and status 1 where the block raises what a user can mend."""
    try:
        yield
    except USER_ERRORS as error:
        print_error(error)
        sys.exit(1)


def nearest(wrong: str, known: Sequence[str]) -> str:
    """Ask whether the nearest of `known` was meant; nothing if none is near."""
    near = difflib.get_close_matches(wrong, known, n=1)
    return f"did you mean '{near[0]}'? " if near else ""


def suggestion(wrong: str, known: Sequence[str], what: str) -> str:
    """Name the nearest of `known`, if one is near, and list them all as `what`."""
    return f"{nearest(wrong, known)}{what}: {', '.join(sorted(known))}"
