"""Every notebook runs from top to bottom, at settings that take seconds, and is stored without outputs."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
DATA = ["data.hr_crop_px=32", "data.batch_size=2"]
SETTINGS = {
    "1_degradations": {"SIDE": 64},
    "2_kdsr": {"network.channels": 4, "network.encoder_blocks": 1, "network.restorer_blocks": 1},
    "3_mmrealsr": {"network.channels": 4, "network.num_blocks": 1, "network.growth": 2},
    "4_ddr": {"network.channels": 4, "network.num_blocks": 4},
    "5_drtl": {"network.channels": 4, "network.embedding_dim": 8},
}


def parameters(name, runs):
    """What the cell tagged `parameters` is followed by."""
    if name == "1_degradations":
        return SETTINGS[name]
    overrides = [*DATA, *(f"{key}={value}" for key, value in SETTINGS[name].items())]
    return {"COUNT": 12, "STEPS": 1, "RUNS": str(runs), "OVERRIDES": overrides}


def test_there_is_a_setting_for_every_notebook():
    assert [path.stem for path in NOTEBOOKS] == list(SETTINGS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_draws(path, tmp_path, monkeypatch):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert notebook.cells[0].cell_type == "markdown"
    matplotlib.use("Agg")
    drawn = []
    monkeypatch.setattr(plt, "show", lambda: drawn.append(plt.gcf().axes))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where a model trained on the spot is kept
    monkeypatch.chdir(path.parent)
    namespace = {"__name__": path.stem}
    for cell in code:
        exec(compile(cell.source, f"{path.name} {cell.id}", "exec"), namespace)
        if "parameters" in cell.metadata.get("tags", []):
            namespace |= parameters(path.stem, tmp_path / "no_runs")
    plt.close("all")
    assert len(drawn) >= 3
    assert all(drawn)
