import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

import realsr_mod
from realsr_mod.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "realsr_mod", *arguments], capture_output=True, text=True)


def test_all_commands_are_listed_and_lie_where_their_names_say():
    shown = run().stdout
    assert run("--help").stdout == shown
    for name, told in COMMANDS.items():
        assert f"  {name} " in shown
        assert told in shown
        assert 'if __name__ == "__main__":' in Path(find_spec(f"realsr_mod.{name}").origin).read_text()
    assert max(map(len, shown.splitlines())) <= 80


def test_every_module_of_the_root_that_runs_is_a_command():
    package = Path(realsr_mod.__file__).parent
    runs = {path.stem for path in package.glob("*.py") if 'if __name__ == "__main__":' in path.read_text()}
    assert runs - {"__main__"} <= COMMANDS.keys()


def test_listing_and_dispatch_import_no_other_command():
    code = (
        "import sys; sys.argv = ['realsr', 'train', '--help']; from realsr_mod.__main__ import main; main();"
        "print([name for name in sys.modules if name in ('torch', 'hydra', 'typer')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("Train a network")
    assert done.stderr == "[]\n"


@pytest.mark.parametrize("name", ["train", "degrade"])
def test_a_command_runs_as_by_its_own_module(name):
    alone = subprocess.run([sys.executable, "-m", f"realsr_mod.{name}", "--help"], capture_output=True, text=True)
    assert run(name, "--help").stdout == alone.stdout


def test_the_version_is_shown():
    assert run("--version").stdout == f"{realsr_mod.__version__}\n"


def test_an_unknown_name_is_answered_with_the_nearest():
    done = run("trian")
    assert done.returncode == 2
    assert "there is no command 'trian'; did you mean 'train'?" in done.stderr


def test_the_console_script_is_the_same():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["realsr"] == "realsr_mod.__main__:main"
