"""Writing files so that nobody ever reads half of one."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_write(path: str | Path, mode: str = "wb", sync: bool = False) -> Iterator[IO[Any]]:
    """Open a file that takes the place of `path` when the block ends; if it fails, `path` stays as it was.

    Args:
        path: of the file; its folder must exist.
        mode: `wb`, or `w` for text in UTF-8.
        sync: also wait until file and folder are on the disk, so that a power cut loses neither the old nor the new.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp")  # short: `path` may have the longest name there is
    try:
        with temporary.open(mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if sync:
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON atomically: a reader sees the old file or the new one, never half of one."""
    with atomic_write(path, "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")


def read_json(path: str | Path, most_bytes: int = 10_000_000) -> Any:
    """Read JSON that may come from anyone. Raises ValueError, naming the file, for what is none or far too long."""
    length = Path(path).stat().st_size
    if length > most_bytes:
        raise ValueError(f"{path}: {length / 1e6:.0f} MB; at most {most_bytes / 1e6:g} MB are read of such a file")
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({_first_line(error)})") from error


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:80] if str(error) else type(error).__name__


def _sync_folder(folder: Path) -> None:
    """Have the disk remember a file's new name; systems that cannot (Windows) are left alone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
