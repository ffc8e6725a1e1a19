"""The explorer, as a person types it, and its page in a real browser."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.networks.srresnet import SRResNet
from realsr_mod.weights.release import save_model

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
KDSR = {"scale": 4, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1, "sees_hr": True}
SRRESNET = {"scale": 4, "channels": 4, "num_blocks": 4}


@pytest.fixture
def models(tmp_path):
    """A teacher and an SRResNet, small and random, and a folder of photos."""
    torch.manual_seed(0)
    for network, name, size in ((KDSRNet(**KDSR), "teacher", KDSR), (SRResNet(**SRRESNET), "srresnet", SRRESNET)):
        target = f"{type(network).__module__}.{type(network).__name__}"
        save_model(network, tmp_path / name, {"_target_": target, **size}, {"name": name})
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (48, 40, 3), np.uint8)).save(tmp_path / "photos" / f"{i}.png")


def test_two_networks_side_by_side_in_a_page_that_needs_no_network(run, tmp_path, models):
    conditions = "conditions.levels=[{}, {blur: 2}, {noise: 20}]"
    arguments = ["model=[teacher,srresnet]", "data.root=photos", "data.crop_px=32", "taps=null", conditions]
    done = run("explore", *arguments, "output=report")
    assert re.search(r"srresnet +rb4", done.stdout)
    folder = tmp_path / "report"
    figures = json.loads((folder / "figures.json").read_text())["studies"]
    assert [(one["model"], one["tap"]) for one in figures] == [
        ("teacher", "embedding"),
        ("teacher", "distilled"),
        ("srresnet", "rb4"),
    ]
    assert [one["sees_hr"] for one in figures] == [True, True, False]
    assert figures[2]["length"] == 4
    rows = list(csv.DictReader((folder / "teacher_embedding.csv").open()))
    assert len(rows) == 18
    assert rows[6]["condition"] == "blur σ 2"
    assert (rows[6]["blur"], rows[6]["noise"]) == ("2", "")
    assert {"e0", "e3", "taken_for"} <= rows[0].keys()
    assert Image.open(folder / "srresnet_rb4.png").width > 1000
    assert "it was shown the true image" in (folder / "report.html").read_text()
    check_in_browser(folder / "report.html")


def check_in_browser(page_path):
    """Dots show their photo under the mouse; nothing is fetched; nothing fails."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1120, "height": 1000})
        failures, fetched = [], []
        page.on("pageerror", lambda error: failures.append(error))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(page_path.as_uri())
        page.wait_for_function("() => window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
        hovered = page.evaluate(HOVER_FIRST_DOT)
        page.mouse.move(*hovered)
        page.wait_for_function(TOOLTIP_IMAGE)
        assert not failures
        assert all(url.startswith(("file:", "data:", "blob:")) for url in fetched)
        browser.close()


# Where on the screen the first dot of the first plot is; and whether a tooltip shows an image, inside its shadow DOM.
HOVER_FIRST_DOT = """() => {
  const plot = Bokeh.index.roots[0];
  plot.el.scrollIntoView();
  const {x0, y0} = plot.model.renderers[0].data_source.data, box = plot.el.getBoundingClientRect();
  return [box.left + plot.frame.x_scale.compute(x0[0]), box.top + plot.frame.y_scale.compute(y0[0])];
}"""
TOOLTIP_IMAGE = """() => {
  const deep = root => [...root.querySelectorAll("*")].flatMap(e => [e, ...(e.shadowRoot ? deep(e.shadowRoot) : [])]);
  return deep(document).some(e => e.tagName == "IMG" && e.src.startsWith("data:image/webp") && e.width == 128
    && e.closest(".strip") == null && e.getBoundingClientRect().width > 0);
}"""
