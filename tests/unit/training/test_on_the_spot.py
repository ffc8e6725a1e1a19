import pytest

from realsr_mod.networks.srresnet import SRResNet
from realsr_mod.training import on_the_spot
from realsr_mod.weights.release import save_model


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A folder with a finished run of experiment=srresnet, four channels wide; training is only noted."""
    size = {"scale": 4, "channels": 4, "num_blocks": 1, "global_residual": True}
    network = {"_target_": "realsr_mod.networks.srresnet.SRResNet", **size}
    save_model(SRResNet(**size), tmp_path / "run" / "model", network, {"name": "srresnet"})
    (tmp_path / "run" / "summary.json").write_text("{}")
    monkeypatch.setattr(on_the_spot, "_train", lambda cfg: cfg)
    return tmp_path


def test_a_finished_run_is_taken_if_its_network_is_the_one_asked_for(runs):
    assert on_the_spot.model_of("srresnet", 5, runs) == runs / "run"
    assert on_the_spot.model_of("srresnet", 5, runs, ["network.channels=4", "data.batch_size=2"]) == runs / "run"
    cfg = on_the_spot.model_of("srresnet", 5, runs, ["network.channels=8"])
    assert (cfg.name, cfg.trainer.max_steps, cfg.network.channels) == ("srresnet", 5, 8)


def test_what_an_experiment_builds_on_is_found_too(runs):
    cfg = on_the_spot.model_of("srgan", 5, runs)
    assert cfg.start_from == str(runs / "run")


@pytest.mark.parametrize("text", ["", "null", "{", '{"network": null}', '{"network": {"_target_": "os.system"}}'])
def test_a_damaged_run_is_named_and_passed_over(text, runs, caplog):
    (runs / "other" / "model").mkdir(parents=True)
    (runs / "other" / "summary.json").write_text("{}")  # the newest
    (runs / "other" / "model" / "config.json").write_text(text)
    (runs / "other" / "model" / "model.safetensors").write_bytes(b"")
    assert on_the_spot.model_of("srresnet", 5, runs) == runs / "run"
    assert "other: damaged and left out" in caplog.text
