"""Running the real commands in an empty folder."""

from pathlib import Path
from subprocess import CompletedProcess

import pytest
from commands import forked


@pytest.fixture
def run(tmp_path, tmp_path_factory):
    """Run a command in an empty folder; returns the finished process, output and errors in one text."""

    def run(*arguments: str, check: bool = True, cwd: Path = tmp_path) -> CompletedProcess[str]:
        done = forked(arguments, cwd, tmp_path_factory.mktemp("said") / "output.txt", timeout_s=200)
        assert not check or done.returncode == 0, done.stdout
        return done

    return run
