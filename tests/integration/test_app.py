"""The web page in a real browser: upload, sliders, result, download, bad files. And its command."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from pages import PLAIN, Visitor, png, save_models, served

from realsr_mod.images.read import read_image

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_MS = 30_000
NO_GRADIO = "the web page's extra is not installed: pip install 'realsr-mod[app]'"


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    """What the command needs to offer two small models."""
    pytest.importorskip("gradio", reason=NO_GRADIO)
    return save_models(tmp_path_factory.mktemp("secret_server_folder"))


@pytest.fixture(scope="module")
def address(options, tmp_path_factory):
    """The page, served by the real command."""
    with served([*options, "--max-megapixels", "0.3"], tmp_path_factory.mktemp("page")) as page:
        yield page.address


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1240, "height": 900})
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    page.wait_for_selector("#examples img")
    yield page
    page.close()


PHOTO = png(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def upload(page, name: str, content: bytes) -> None:
    files = {"name": name, "mimeType": "image/png", "buffer": content}
    page.set_input_files("#photo input[type=file]", files)


def status(page, text: str) -> str:
    page.wait_for_function("text => document.querySelector('#status')?.innerText.includes(text)", arg=text)
    return page.inner_text("#status")


def downloaded(page, folder: Path) -> Path:
    with page.expect_download() as info:
        page.click("#download")
    path = folder / info.value.suggested_filename
    info.value.save_as(path)
    return path


def set_slider(page, name: str, value: float) -> None:
    number = page.locator(f"#{name} input[type=number]")
    number.fill(str(value))
    number.press("Enter")


def test_upload_slider_and_download(page, tmp_path):
    upload(page, "my photo.png", PHOTO)
    said = status(page, "60×40 → 120×80")
    for name in ("blur", "noise"):  # the sliders start at the estimate
        shown = float(page.input_value(f"#{name} input[type=number]"))
        assert 0 < shown < 1
        assert f"{name} {shown:.2f}" in said
    first = downloaded(page, tmp_path)
    assert first.name == "my photo_x2.png"
    before = read_image(first).pixels_HWC.astype(int)
    assert before.shape == (80, 120, 3)
    set_slider(page, "noise", 1)
    status(page, "noise 1.00")
    after = read_image(downloaded(page, tmp_path)).pixels_HWC
    assert np.abs(after - before).max() > 0
    page.click("#reset")
    status(page, re.search(r"noise [\d.]+", said)[0])
    np.testing.assert_array_equal(read_image(downloaded(page, tmp_path)).pixels_HWC, before)


def test_of_a_large_photo_a_part_is_shown_and_the_whole_made_on_demand_also_on_a_phone(page, tmp_path):
    page.set_viewport_size({"width": 390, "height": 844})
    pixels = np.random.default_rng(1).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    upload(page, "large.png", png(pixels))
    status(page, "A part, as the whole will be: 500×400 → 1000×800")
    assert not page.locator("#download").is_visible()
    shown = page.get_attribute("#view img >> nth=0", "src")
    box = page.locator("#overview img").bounding_box()
    page.locator("#overview img").click(position={"x": box["width"] - 5, "y": box["height"] - 5})
    page.wait_for_function("src => document.querySelector('#view img').src != src", arg=shown)
    page.locator("#noise").scroll_into_view_if_needed()
    assert page.locator("#view").bounding_box()["y"] >= 0  # still in view, beside the sliders
    with page.expect_download() as info:  # once it is ready
        page.click("#whole")
    info.value.save_as(tmp_path / "whole.png")
    assert info.value.suggested_filename == "large_x2.png"
    assert read_image(tmp_path / "whole.png").pixels_HWC.shape == (800, 1000, 3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_divider_can_be_dragged(page):
    page.click("#examples button >> nth=0")
    status(page, "128×128 → 256×256")
    assert page.locator("#view img").count() == 2
    page.wait_for_function("() => [...document.querySelectorAll('#view img')].every(i => i.complete && i.naturalWidth)")
    page.wait_for_timeout(500)  # the divider moves once more, to the middle of the loaded images
    handle = page.locator("#view .outer").first
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 120, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    moved = "x => document.querySelector('#view .outer').getBoundingClientRect().x < x"
    page.wait_for_function(moved, arg=box["x"] - 60)


def test_sliders_appear_only_for_models_that_have_them(page):
    assert not page.locator("#blur").is_visible()  # nothing is estimated yet
    page.click("#examples button >> nth=1")
    status(page, "blur")
    assert page.locator("#blur").is_visible()
    page.click("#model input")
    page.click(f"[role=option]:has-text('{PLAIN}')")
    page.wait_for_selector("#blur", state="hidden")
    page.wait_for_function("() => !document.querySelector('#status').innerText.includes('blur')")
    assert not page.locator("#noise").is_visible()
    assert not page.locator("#reset").is_visible()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.png", b"I am a text", "not a PNG, JPEG, WebP, TIFF, BMP, HEIC, AVIF, JPEG XL, GIF or PPM image"),
        ("half.png", PHOTO[:2000], "truncated or damaged"),
        ("empty.png", b"", "the file is empty"),
        ("wide.png", png(np.zeros((600, 600, 3), np.uint8)), "600x600 pixels, the limit is 0.3 megapixels"),
    ],
)
def test_bad_file_gets_a_clear_message(page, name, content, message):
    upload(page, name, content)
    page.wait_for_selector(f"text={message}")
    shown = page.inner_text("body")
    assert name in shown
    assert not re.search(r"Traceback|/tmp|/home|site-packages|\.py|secret_server_folder", shown)


def test_a_full_queue_is_said_in_words(page, address, options, tmp_path):
    with served([*options, "--max-megapixels", "4"], tmp_path / "page", before=SLOW_NETWORK) as busy:
        page.goto(busy.address)
        page.wait_for_selector("#examples img")
        visitors = [Visitor(busy, f"192.0.2.{number}") for number in range(6)]
        upscale = visitors[0].after(visitors[0].number("release"))
        for visitor in visitors:
            visitor.opens("my photo.png", PHOTO)
        for visitor in visitors:
            for _ in range(4):
                visitor.start(upscale, None, None, PLAIN, "2×", 0, 0, 0)
        page.click("#examples button >> nth=0")
        page.wait_for_selector("text=16 photos are waiting already, and no more may; try again in a minute.")


SLOW_NETWORK = """
import time
from realsr_mod.inference.studio import Studio
Studio.upscale = lambda *arguments: time.sleep(60)
"""


def refusal(folder: Path, *options: str) -> str:
    """What the command says that refuses to start; at once, without importing Gradio."""
    pytest.importorskip("gradio", reason=NO_GRADIO)
    command = [sys.executable, "-X", "importtime", "-m", "realsr_mod.app", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert not re.search(r"^import time:.* gradio$", done.stderr, re.M)
    assert "Traceback" not in done.stderr
    return re.sub(r"^import time:.*\n", "", done.stderr, flags=re.M) + done.stdout


def test_a_model_that_is_not_there_is_named(tmp_path):
    assert "nowhere: no model here" in refusal(tmp_path, "--model", "nowhere")


def test_a_name_that_is_none_is_refused_at_the_start(tmp_path):
    said = refusal(tmp_path, "--allowed-host", "https://photos.lan")
    assert "--allowed-host takes a name such as photos.example.org, got 'https://photos.lan'" in said


def test_a_taken_port_is_named(options, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = refusal(tmp_path, *options, "--port", port)
    assert f"port {port} is taken; give --port N" in said
    assert "http://" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "ctrl-c"])
def test_the_address_is_said_once_the_page_is_served_and_nothing_is_left_behind(options, tmp_path, number):
    with served(options, tmp_path) as page:
        urllib.request.urlopen(page.address)  # at the first try
        assert page.address in page.logged()
        Visitor(page).opens("my photo.png", PHOTO)
        [folder] = (path for path in page.left() if path.is_dir())
        assert list(folder.glob("uploads/*/my photo.png"))
        page.process.send_signal(number)
        assert page.process.wait(60) == 0
        assert not page.left()
        assert "Traceback" not in page.logged()
