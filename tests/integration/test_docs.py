import html
import re
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

import realsr_mod
from realsr_mod.runtime import reference

ROOT = Path(__file__).parents[2]
READMES = [path.parent for path in (ROOT / "src").rglob("README.md")]


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id):
    """The documentation, built once from what lies in the repository; a warning is an error."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "site"  # one for all processes of the tests
    with FileLock(f"{folder}.lock"):
        if not (folder / "index.html").is_file():
            command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder


def text_of(page):
    """What a reader sees, with single spaces where there are any."""
    shown = re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8").replace("<br", " <br"))
    return " ".join(html.unescape(shown).split())


def test_every_readme_of_the_package_is_a_page_and_in_the_navigation(site):
    front = (site / "index.html").read_text(encoding="utf-8")
    assert len(READMES) > 5
    for folder in READMES:
        path = folder.relative_to(ROOT).as_posix()
        assert (site / path / "index.html").is_file()
        assert f'href="{path}/"' in front


def test_every_choice_is_explained_with_its_keys_and_their_types(site):
    for group in reference.groups("train").values():
        if group.folder in ("experiment", "sweep"):
            continue
        page = site / "configuration" / group.folder / "index.html"
        assert all(f'id="{name}"' in page.read_text(encoding="utf-8") for name in group.choices)
    text = text_of(site / "configuration" / "data" / "index.html")
    assert "data.val_crop_px int | None = 512" in text
    assert reference.keys("data", "folder")["cache_gib"].sentence in text


def test_every_experiment_says_what_it_chooses_and_sets(site):
    text = text_of(site / "configuration" / "experiments" / "index.html")
    for name in reference.choices("experiment"):
        assert f" {name}¶" in text
    assert "Builds on a run of zoo/mmrealsr_stage3 (start_from)." in text


def test_public_names_have_signatures(site):
    page = site / "api" / "index.html"
    for name in realsr_mod.__all__:
        assert f'id="{getattr(realsr_mod, name).__module__}.{name}"' in page.read_text(encoding="utf-8")
    assert "forward(hr_BCHW: Tensor, params: Params) -> Tensor" in text_of(page)


def test_a_page_fetches_nothing_from_elsewhere(site):
    loading = re.compile(
        r'<(?:script|img|iframe)[^>]*src="(?:https?:)?//|<link[^>]*rel="(?:stylesheet|preconnect)"[^>]*//'
    )
    assert not [page for page in site.rglob("*.html") if loading.search(page.read_text(encoding="utf-8"))]
