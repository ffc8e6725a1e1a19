"""Running the real commands in an empty folder."""

import subprocess
from pathlib import Path

import pytest
from commands import command, environment


@pytest.fixture
def run(tmp_path):
    """Run a command in an empty folder; returns the finished process, output and errors in one text."""

    def run(*arguments: str, check: bool = True, cwd: Path = tmp_path) -> subprocess.CompletedProcess:
        done = subprocess.run(
            command(*arguments),
            cwd=cwd,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=200,
        )
        assert not check or done.returncode == 0, done.stdout
        return done

    return run
