"""Blind pairs: the page in a real browser, the numbered images, and the count of votes."""

import json
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pages import png, save_models
from PIL import Image
from typer.testing import CliRunner

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "preference.py"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHOTOS = 4
KEYS = {"left": "1", "right": "2", "none": " "}


def run(*arguments: object) -> str:
    spec = spec_from_file_location("preference", SCRIPT)
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    done = CliRunner().invoke(script.app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The folder of a page: three photos as they are and one made worse, a model and bicubic."""
    folder = tmp_path_factory.mktemp("preference")
    save_models(folder / "models")
    for name, number, side in (("real", 3, 24), ("sharp", 2, 64)):
        (folder / name).mkdir()
        for index in range(number):
            pixels = np.random.default_rng(index).integers(0, 256, (side, side, 3), np.uint8)
            (folder / name / f"{index}.png").write_bytes(png(pixels))
    places = ("--photos", folder / "real", "--sharp", folder / "sharp", "--degraded", 1, "--crop-px", 80, "--images")
    run("make", folder / "out", folder / "models/plain/two", "bicubic", *places)
    return folder / "out"


def key_of(made: Path) -> list[dict[str, str]]:
    return json.loads((made / "key.json").read_text())


def choice_of(pair: dict[str, str], wanted: str) -> str:
    return next((side for side in ("left", "right") if pair[side] == wanted), "none")


def test_every_photo_is_a_pair_and_sides_are_balanced(made):
    key = key_of(made)
    assert sorted((pair["photo"], pair["kind"]) for pair in key) == [
        ("0.png", "degraded"),
        *((f"{number}.png", "real") for number in range(3)),
    ]
    assert [pair["left"] for pair in key].count("two") == PHOTOS / 2
    assert all({pair["left"], pair["right"]} == {"two", "bicubic"} for pair in key)


def test_numbered_images_show_the_pairs_of_the_key(made):
    for number, pair in enumerate(key_of(made), 1):
        both = np.asarray(Image.open(made / "pairs" / f"{number:03d}.png")).astype(int)
        side = 80 if pair["kind"] == "real" else 64
        assert both.shape == (side + 26, 2 * side + 12, 3)
        left, right = both[22:-4, 4 : 4 + side], both[22:-4, -side - 4 : -4]
        assert np.abs(left - right).max() > 0
        if pair["kind"] == "real":  # the middle of what bicubic makes of the photo
            photo = Image.open(made.parent / "real" / pair["photo"]).resize((96, 96), Image.Resampling.BICUBIC)
            middle = np.asarray(photo).astype(int)[8:88, 8:88]
            bicubic, other = (left, right) if pair["left"] == "bicubic" else (right, left)
            assert np.abs(bicubic - middle).mean() < 8 < np.abs(other - middle).mean()


def test_lines_about_numbered_images_are_counted(made):
    votes = made / "me.txt"
    wanted = ["two", "two", "bicubic", "none"]
    choices = [choice_of(pair, name) for pair, name in zip(key_of(made), wanted, strict=True)]
    numbers = {"left": 1, "right": 2, "none": 0}
    votes.write_text("".join(f"{number:03d} {numbers[choice]}\n" for number, choice in enumerate(choices, 1)))
    line = next(line for line in run("count", votes).splitlines() if " all " in line)
    assert [cell.strip() for cell in line.split("│")[1:9]] == [
        "bicubic", "two", "all", "1", "2", "1", "33% [6%, 79%]", "1.000",
    ]  # fmt: skip


def test_the_page_takes_votes_by_keys_and_saves_what_is_counted(made, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="not installed: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    key = key_of(made)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.goto((made / "preference.html").as_uri())
        assert "bicubic" not in page.content(), "names can be read in the page"
        assert page.inner_text("#count") == f"1 of {PHOTOS}"
        page.keyboard.press("1")
        page.keyboard.press("u")  # another thought
        for pair, (_, after) in zip(key[:2], pairwise("123"), strict=False):
            page.keyboard.press(KEYS[choice_of(pair, "two")])
            assert page.inner_text("#count") == f"{after} of {PHOTOS}"
        kept = page.evaluate("Object.entries(localStorage)")  # put back, as a busy browser may not have stored them yet
        assert [len(json.loads(votes)) for _, votes in kept] == [2]
        page.add_init_script(f"for (const [key, votes] of {json.dumps(kept)}) localStorage.setItem(key, votes)")
        page.reload()
        assert page.inner_text("#count") == f"3 of {PHOTOS}"
        page.click("#in")
        assert page.inner_text("#zoom") == "1.5×"
        for choice in (choice_of(key[2], "bicubic"), "none"):
            page.keyboard.press(KEYS[choice])
        shares = page.locator("#tables tr", has_text="all").inner_text().split("\t")
        assert [cell.strip() for cell in shares] == ["bicubic", "two", "all", "1", "2", "1", "33 % [6 %, 79 %]"]
        with page.expect_download() as info:
            page.click("#save")
        info.value.save_as(tmp_path / "votes.json")
        browser.close()
    line = next(line for line in run("count", tmp_path / "votes.json").splitlines() if " all " in line)
    assert "33% [6%, 79%]" in line
