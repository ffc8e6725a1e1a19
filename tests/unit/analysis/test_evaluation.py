"""What evaluate calls its sets, and where it writes."""

from omegaconf import OmegaConf

from realsr_mod.analysis.evaluation import output_file, set_names


def test_sets_of_one_name_are_told_apart(tmp_path, monkeypatch):
    assert set_names(["data/Set5", "data/Set14"]) == ["Set5", "Set14"]
    assert set_names(["Canon/Test/HR", "Nikon/Test/HR"]) == ["Canon/Test/HR", "Nikon/Test/HR"]
    assert set_names(["a/all"]) == ["a/all"], "'all' is the row of all sets"
    (tmp_path / "Urban100").mkdir()
    monkeypatch.chdir(tmp_path / "Urban100")
    assert set_names(["."]) == ["Urban100"]


def test_the_output_is_ready_before_anything_is_measured(tmp_path):
    assert output_file(OmegaConf.create({"output": str(tmp_path)})) == tmp_path / "evaluation.json"
    output = output_file(OmegaConf.create({"output": str(tmp_path / "new" / "figures.json")}))
    assert output == tmp_path / "new" / "figures.json"
    assert output.parent.is_dir()
