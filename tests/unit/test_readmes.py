"""What the Markdown files say is there: links, files, commands with their options, experiments and keys."""

import re
import shlex
import subprocess
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import typer
from hydra import compose, initialize_config_dir

from realsr_mod.runtime.config import CONF_DIR
from realsr_mod.runtime.reference import EXPERIMENT, choices, keys

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "realsr_mod"
NOT_OURS = {"build", "dist", "runs", "site"}
FILES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part in NOT_OURS or part.startswith(".") for part in path.relative_to(ROOT).parts)
)
TODAY = [path for path in FILES if path.name != "CHANGELOG.md"]  # which names what was once
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ *```(\S*).*?\n(.*?)^ *```$", re.M | re.S)
COMMAND = re.compile(r"python -m realsr_mod\.([\w.]+)([^`#\n]*)")
HYDRA = ("train", "evaluate", "explore")
EXAMPLE = "edges"  # of methods/README.md, which tests/integration/test_own_method.py follows


def name(path):
    return path.relative_to(ROOT).as_posix()


def text_of(path):
    """A file with its commands on one line each."""
    return path.read_text("utf-8").replace("\\\n", " ")


def anchors(path):
    """The anchors of a file's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def spans(text):
    """What stands in backticks within a line."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def test_there_are_files():
    assert {"README.md", "CONTRIBUTING.md", "docs/configuration/index.md", "src/realsr_mod/methods/README.md"} <= {
        name(path) for path in FILES
    }


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_relative_link_leads_somewhere(path):
    written = name(path) == "docs/configuration/index.md"  # whose neighbours are made when the site is
    for target in LINK.findall(path.read_text("utf-8")):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists() or (written and found.name == "experiments.md"), target
        assert not anchor or anchor in anchors(found), target


@pytest.mark.parametrize("path", FILES, ids=name)
def test_there_is_one_title_and_every_block_of_code_names_its_language(path):
    text = path.read_text("utf-8")
    assert len(re.findall(r"^# ", FENCE.sub("", text), re.M)) == 1
    for language, code in FENCE.findall(text):
        assert language or "━" in code, code  # what a command prints is in none


@pytest.mark.parametrize("path", TODAY, ids=name)
def test_every_file_that_is_named_by_its_folder_is_there(path):
    places = (path.parent, ROOT, ROOT / "src", PACKAGE, CONF_DIR)
    for span in spans(text_of(path)):
        if not re.fullmatch(r"[\w.-]+(/[\w.{},-]+)+\.(py|yaml)", span) or re.search(rf"NAME|/X/|{EXAMPLE}", span):
            continue
        listed = re.search(r"\{([\w,]+)\}", span)
        for one in listed[1].split(",") if listed else [""]:
            file = re.sub(r"\{[\w,]+\}", one, span)
            assert any((place / file).is_file() for place in places), file


@cache
def command_of(module):
    """The options of a command that takes options, by the words of its command line that choose them."""
    command = typer.main.get_command(import_module(f"realsr_mod.{module}").app)
    inner = getattr(command, "commands", {"": command})
    return {word: {option for parameter in one.params for option in parameter.opts} for word, one in inner.items()}


def composed(module, words):
    """What Hydra makes of a command line; raises what it would. Of a sweep, its first job."""
    overrides = [word for word in words if "=" in word]
    if "-m" in words:
        overrides = [
            re.sub(r"=(?:tag\(log,)?(?:(?:interval|choice)\()?([^\[{,(]*),.*", r"=\1", word) for word in overrides
        ]
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return compose(module, overrides=overrides)


@pytest.mark.parametrize("path", TODAY, ids=name)
def test_every_command_is_accepted_as_it_is_printed(path):
    for module, rest in COMMAND.findall(text_of(path)):
        assert (PACKAGE / f"{module.replace('.', '/')}.py").is_file(), module
        words = shlex.split(rest, comments=True)
        if EXAMPLE in rest:
            continue
        if module in HYDRA:
            assert not set(re.findall(r" --?[a-z][\w-]*", rest)) - {
                " -m",
                " --help",
                " --cfg",
                " --trust",
                " --config-dir",
            }, rest
            if "--help" not in words:
                composed(module, words)
            continue
        known = command_of(module)
        options = {word for word in words if word.startswith("-") and not word[1:].isdigit()} - {"--help"}
        assert options <= known[words[0] if words and words[0] in known else next(iter(known))], rest


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_experiment_and_benchmark_is_there(path):
    text = text_of(path)
    for listed in re.findall(r"experiment=([\w/,]+)", text):
        assert set(listed.split(",")) <= {*choices(EXPERIMENT), EXAMPLE, "a", "b"}, listed
    for script, rest in re.findall(r"python (benchmarks/\w+\.py)([^`#\n]*)", text):
        code = (ROOT / script).read_text("utf-8")
        for option in re.findall(r"--(?:no-)?([a-z-]+)", rest):  # --no-half is half's other side
            assert f'"--{option}"' in code or f"{option.replace('-', '_')}: " in code, f"{script} --{option}"


@cache
def keys_of(group):
    """Every key that some choice of a group has."""
    return {key for choice in choices(group) for key in keys(group, choice)}


@pytest.mark.parametrize("path", TODAY, ids=name)
def test_every_key_that_is_named_is_one(path):
    groups = "adversarial|callbacks|data|degradation|method|network|perceptual|output_distillation|scheduler|trainer"
    for span in spans(text_of(path)):
        found = re.match(rf"({groups})\.(?!py$)(\w+)(=|$)", span)
        of_a_sweep = found and f"{found[1]}.{found[2]}" in keys_of("sweep")  # which adds callbacks
        assert not found or of_a_sweep or found[2] in keys_of(found[1]), span


def test_the_readme_can_be_read_in_one_go():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_make_help_lists_every_target():
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert set(targets) - {"help"} <= set(re.findall(r"make ([\w-]+)", said))
