"""Every notebook runs, at settings that take seconds, and is stored with the outputs of its own cells."""

import base64
import copy
import io
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import pytest
from PIL import Image

from realsr_mod.runtime import plugins

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
DATA = ["data.hr_crop_px=32", "data.batch_size=2"]
SETTINGS = {
    "1_degradations": {"SIDE": 64},
    "2_kdsr": {"network.channels": 4, "network.encoder_blocks": 1, "network.restorer_blocks": 1},
    "3_mmrealsr": {"network.channels": 4, "network.num_blocks": 1, "network.growth": 2},
    "4_ddr": {"network.channels": 4, "network.num_blocks": 4},
    "5_drtl": {"network.channels": 4, "network.embedding_dim": 8},
    "6_camera": {"STEPS": 2, "WATCH": (0, 1), "CHANNELS": 4, "CROP_PX": 32},
    "7_your_method": {"network.channels": 4, "network.num_blocks": 1},
}
MOST_BYTES = 1_000_000  # of a notebook: a code host shows it
by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def store():
    spec = spec_from_file_location("store", FOLDER / "store.py")
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def read(path):
    return nbformat.read(path, as_version=4)


def png_of(size):
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def parameters(name, runs):
    """What the cell tagged `parameters` is followed by."""
    if "." not in next(iter(SETTINGS[name])):  # its own, no configuration's
        return SETTINGS[name]
    overrides = [*DATA, *(f"{key}={value}" for key, value in SETTINGS[name].items())]
    return {"COUNT": 12, "STEPS": 1, "RUNS": str(runs), "OVERRIDES": overrides}


def test_there_is_a_setting_for_every_notebook():
    assert [path.stem for path in NOTEBOOKS] == list(SETTINGS)


@by_name
def test_notebook_runs_and_draws(path, tmp_path, monkeypatch):
    notebook = read(path)
    assert notebook.cells[0].cell_type == "markdown"
    matplotlib.use("Agg")
    drawn = []
    monkeypatch.setattr(plt, "show", lambda: drawn.append(plt.gcf().axes))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where a model trained on the spot is kept
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv(plugins.TRUST, "")  # the last one trusts a package
    monkeypatch.setattr(sys, "path", list(sys.path))
    namespace = {"__name__": path.stem}
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        exec(compile(cell.source, f"{path.name} {cell.id}", "exec"), namespace)
        if "parameters" in cell.metadata.get("tags", []):
            namespace |= parameters(path.stem, tmp_path / "no_runs")
    plt.close("all")
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_method"]:
        del sys.modules[name]
    assert len(drawn) >= 3
    assert all(drawn)


@by_name
def test_the_stored_outputs_are_of_these_cells_and_say_nothing_of_a_machine(path, store):
    notebook = read(path)
    nbformat.validate(notebook)
    remedy = f"the code has changed since; run: python notebooks/store.py {path.stem}"
    assert notebook.metadata.stored.sources_sha256 == store.sources_hash(notebook), remedy
    code = store.code_cells(notebook)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    assert not re.findall(r"/(?:home|root|tmp|Users|work)\b", " ".join(store.printed(cell) for cell in code))
    assert sum(len(store.pictures(cell)) for cell in code) >= 3
    assert path.stat().st_size < MOST_BYTES


def test_what_comes_out_otherwise_is_said(store):
    stored = read(FOLDER / "3_mmrealsr.ipynb")
    assert list(store.differences(stored, stored)) == []
    stored.cells = [cell for cell in store.code_cells(stored) if store.pictures(cell)][:1]
    (cell,) = stored.cells
    cell.outputs.append(nbformat.v4.new_output("stream", text="gain 0.52 dB, 1.0e-02 of it\n"))

    def after(change):
        fresh = copy.deepcopy(stored)
        change(fresh.cells[0].outputs)
        return list(store.differences(stored, fresh))

    def prints(text):
        return lambda outputs: outputs[-1].update(text=text)

    assert after(prints("gain 0.53 dB, 1.1e-02 of it\n")) == []  # one in the last digit
    assert after(prints("gain 0.54 dB, 1.0e-02 of it\n")) == [f"{cell.id}: 0.52 is stored, now 0.54"]
    assert "other words" in after(prints("loss 0.52 dB, 1.0e-02 of it\n"))[0]
    assert "pictures of other sizes" in after(lambda outputs: outputs.pop(0))[0]
    black = nbformat.v4.new_output("display_data", data={"image/png": png_of(store.picture_of(cell.outputs[0]).size)})
    assert "differs by" in after(lambda outputs: outputs.__setitem__(0, black))[0]
    cell.metadata["tolerance"] = 0.1
    assert after(prints("gain 0.56 dB, 1.0e-02 of it\n")) == []
    assert after(prints("gain 0.62 dB, 1.0e-02 of it\n")) == [f"{cell.id}: 0.52 is stored, now 0.62"]


@pytest.mark.fault
@pytest.mark.timeout(3600)
@by_name
def test_a_notebook_run_anew_gives_what_is_stored(path, store):
    assert list(store.differences(read(path), store.executed(path))) == []
