"""What was released before the package was rearranged still loads: `tests/old_runs` was made by the version before."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file

from realsr_mod.training.prerequisites import fitting_run
from realsr_mod.weights import catalog
from realsr_mod.weights.locate import finished_runs, locate
from realsr_mod.weights.release import load_model

OLD = Path(__file__).parents[2] / "old_runs"
RUNS = ("drtl_relation", "kdsr_student", "srresnet")


def test_all_of_them_are_found_as_runs():
    assert sorted(run.name for run in finished_runs(OLD)) == list(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_before_loads_with_its_weights(name):
    location = locate(OLD / name)
    weights, state = load_file(location.weights), load_model(location).state_dict()
    assert location.kind == "released"
    assert state.keys() == weights.keys()
    assert all(torch.equal(state[key], weights[key]) for key in state)


def test_a_run_of_before_still_serves_as_a_prerequisite(tmp_path):
    shutil.copytree(OLD / "srresnet", tmp_path / "srresnet")
    need = {"experiment": "srresnet", "name": "srresnet", "same": ["scale", "degradation", "network"]}
    old = OmegaConf.load(OLD / "srresnet" / ".hydra" / "config.yaml")
    cfg = {key: old[key] for key in ("scale", "degradation", "network")}
    asked = OmegaConf.create({"runs_dir": str(tmp_path), "prerequisites": {"start_from": need}, **cfg})
    assert fitting_run(asked, "start_from") == tmp_path / "srresnet"
    asked.network.channels = 99
    assert fitting_run(asked, "start_from") is None


@pytest.mark.parametrize("name", sorted(path.stem for path in (OLD / "zoo").glob("*.json")))
def test_the_zoo_of_before_loads_as_the_same_function(name, tmp_path):
    shutil.copy(OLD / "zoo" / f"{name}.json", tmp_path / "config.json")
    shutil.copy(catalog.read_entry(name).weights, tmp_path / "model.safetensors")
    assert "licence" in json.loads((tmp_path / "config.json").read_text())["zoo"]  # it is the old form
    old, new = load_model(tmp_path).state_dict(), load_model(name).state_dict()
    assert old.keys() == new.keys()
    assert all(torch.equal(old[key], new[key]) for key in old)
