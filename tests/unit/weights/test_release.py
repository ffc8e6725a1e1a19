import json

import pytest
import torch

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.weights.official import to_official
from realsr_mod.weights.release import load_model, read_config, save_model

SIZE = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
CONFIG = {"_target_": "realsr_mod.methods.kdsr.network.KDSRNet", **SIZE}


@pytest.fixture
def released(tmp_path):
    network = KDSRNet(**SIZE).eval()
    save_model(network, tmp_path / "model", CONFIG, {"name": "x"})
    return network, tmp_path


@pytest.mark.parametrize("part", ["", "model", "model/model.safetensors"])
def test_round_trip_from_run_folder_model_folder_or_file(released, part):
    network, folder = released
    lr = torch.rand(1, 3, 7, 5)
    assert torch.equal(load_model(folder / part)(lr), network(lr))


def test_other_weights_are_refused_by_key(released):
    _, folder = released
    config = json.loads((folder / "model/config.json").read_text())
    config["network"]["restorer_blocks"] = 2
    (folder / "model/config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"missing restorer\.blocks\.1"):
        load_model(folder)


@pytest.mark.parametrize("target", ["os.system", "realsr_mod.networks.base.SRBatch", "realsr_mod.nowhere.Net"])
def test_config_can_only_name_our_networks(released, target):
    _, folder = released
    (folder / "model/config.json").write_text(json.dumps({"network": {"_target_": target, "command": "true"}}))
    with pytest.raises(ValueError, match=target.replace(".", r"\.")):
        load_model(folder)


def test_no_model_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model here"):
        load_model(tmp_path)


def test_the_network_of_a_model_can_be_built_anew(released):
    network, folder = released
    torch.save({"params": to_official(network)}, folder / "official.pth")
    assert read_config(folder)["network"] == CONFIG
    official = read_config(folder / "official.pth")["network"]  # of any program that load_model reads
    assert {key: official[key] for key in CONFIG} == CONFIG
