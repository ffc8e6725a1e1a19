"""The web page in a real browser: upload, sliders, result, download, bad files. And its command."""

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from realsr_mod.images.read import read_image
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.weights.release import save_model

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MMREALSR = {"scale": 2, "channels": 8, "num_blocks": 1, "growth": 4, "estimator_widths": [4]}
MMREALSR |= {"estimator_blocks": [1], "estimator_downscales": [1]}
KDSR = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
WAIT_MS = 30_000


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("secret_server_folder")
    network = MMRealSRNet(**MMREALSR)
    for parameter in network.modulation.parameters():  # initialized so small that sliders would hardly show
        torch.nn.init.normal_(parameter, std=0.3)
    save_model(network, root / "sliders" / "one", {"_target_": _target(MMRealSRNet), **MMREALSR}, {})
    save_model(KDSRNet(**KDSR), root / "plain" / "two", {"_target_": _target(KDSRNet), **KDSR}, {})
    return root


def _target(network_class: type) -> str:
    return f"{network_class.__module__}.{network_class.__name__}"


@pytest.fixture(scope="module")
def address(models):
    """The page, served by the real command."""
    pytest.importorskip("gradio", reason="the web page's extra is not installed: pip install 'realsr-mod[app]'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--model", models / "sliders" / "one", "--model", models / "plain" / "two", "--port", port]
    arguments += ["--max-megapixels", 0.05, "--runs", models / "none"]
    command = [sys.executable, "-m", "realsr_mod.app", *map(str, arguments)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(300):
            time.sleep(0.2)
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}")
                break
            except OSError:
                assert server.poll() is None, server.stderr.read()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


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


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


PHOTO = png(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def upload(page, name: str, content: bytes) -> None:
    files = {"name": name, "mimeType": "image/png", "buffer": content}
    page.set_input_files("#photo input[type=file]", files)


def status(page, text: str) -> str:
    page.wait_for_function("text => document.querySelector('#status').innerText.includes(text)", arg=text)
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
    number.blur()


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
    assert page.locator("#blur").is_visible()
    page.click("#examples button >> nth=1")
    status(page, "blur")
    page.click("#model input")
    page.click("[role=option]:has-text('plain · two')")
    page.wait_for_selector("#blur", state="hidden")
    page.wait_for_function("() => !document.querySelector('#status').innerText.includes('blur')")
    assert not page.locator("#noise").is_visible()
    assert not page.locator("#reset").is_visible()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.png", b"I am a text", "not a PNG, JPEG, WebP, TIFF or BMP photo"),
        ("half.png", PHOTO[:2000], "truncated or damaged"),
        ("empty.png", b"", "the file is empty"),
        ("wide.png", png(np.zeros((300, 300, 3), np.uint8)), "300x300 pixels, the limit is 0.05 megapixels"),
    ],
)
def test_bad_file_gets_a_clear_message(page, name, content, message):
    upload(page, name, content)
    page.wait_for_selector(f"text={message}")
    shown = page.inner_text("body")
    assert name in shown
    assert not re.search(r"Traceback|/tmp|/home|site-packages|\.py|secret_server_folder", shown)


def test_a_model_that_is_not_there_is_named(tmp_path):
    pytest.importorskip("gradio", reason="the web page's extra is not installed: pip install 'realsr-mod[app]'")
    command = [sys.executable, "-m", "realsr_mod.app", "--model", "nowhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "nowhere: no model here" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named(models):
    pytest.importorskip("gradio", reason="the web page's extra is not installed: pip install 'realsr-mod[app]'")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "realsr_mod.app", "--model", models / "plain" / "two", "--port", port]
        done = subprocess.run([*map(str, command), "--runs", str(models / "none")], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"port {port} is taken; give --port N" in done.stderr
    assert "Traceback" not in done.stderr
    assert "http://" not in done.stderr + done.stdout


def test_the_address_is_said_once_the_page_is_served_and_nothing_is_left_behind(models, tmp_path):
    pytest.importorskip("gradio", reason="the web page's extra is not installed: pip install 'realsr-mod[app]'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "realsr_mod.app", "--model", models / "plain" / "two", "--port", port]
    command += ["--runs", models / "none"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    server = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True, env=environment)
    try:
        said = next((line for line in server.stderr if "http://" in line), "")
        urllib.request.urlopen(f"http://127.0.0.1:{port}")  # at the first try
        assert f"http://127.0.0.1:{port}" in said
        assert list(tmp_path.glob("realsr_mod_*"))
    finally:
        server.terminate()
        server.wait(60)
    assert not list(tmp_path.glob("realsr_mod_*"))
