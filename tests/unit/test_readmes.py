"""What the Markdown files say exists: links, commands, experiments, and the README's length."""

import re
import subprocess
from pathlib import Path

import pytest

from realsr_mod.runtime.reference import EXPERIMENT, choices

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for path in ROOT.rglob("*.md") if not {".venv", "site", "runs", "docs"} & set(path.relative_to(ROOT).parts)
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def name(path):
    return path.relative_to(ROOT).as_posix()


def anchors(path):
    """The anchors of a file's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_there_are_files():
    assert {"README.md", "CONTRIBUTING.md", "src/realsr_mod/methods/README.md"} <= {name(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_relative_link_leads_somewhere(path):
    for target in LINK.findall(path.read_text("utf-8")):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_command_and_experiment_is_there(path):
    text = path.read_text("utf-8")
    for module in re.findall(r"python -m realsr_mod\.([\w.]+)", text):
        assert (ROOT / "src/realsr_mod" / f"{module.replace('.', '/')}.py").is_file(), module
    for experiment in re.findall(r"experiment=([\w/]*\w)(?![\w/]*[…,])", text):
        assert experiment in {*choices(EXPERIMENT), "edges"}, experiment  # the example of methods/README.md
    for script in re.findall(r"python (benchmarks/\w+\.py)", text):
        assert (ROOT / script).is_file(), script


def test_the_readme_can_be_read_in_one_go():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_make_help_lists_every_target():
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert set(targets) - {"help"} <= set(re.findall(r"make ([\w-]+)", said))
