import pytest
from omegaconf import OmegaConf

from realsr_mod.analysis.exploration import chosen_taps
from realsr_mod.analysis.models import named_models
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.networks.srresnet import SRResNet
from realsr_mod.weights.release import save_model


def release(folder, name):
    sizes = {"scale": 2, "channels": 4, "num_blocks": 1}
    config = {"_target_": "realsr_mod.networks.srresnet.SRResNet", **sizes}
    save_model(SRResNet(**sizes), folder, config, {"name": name})
    return str(folder)


def test_models_are_called_by_their_names_and_told_apart_by_their_folders(tmp_path):
    a, b, c = (release(tmp_path / folder, name) for folder, name in (("1", "srgan"), ("2", "srresnet"), ("3", "srgan")))
    assert named_models(a) == {"srgan": a}
    assert named_models(OmegaConf.create([a, b, c])) == {"srgan 1": a, "srresnet": b, "srgan 3": c}
    assert named_models(OmegaConf.create({"before": a, "after": c})) == {"before": a, "after": c}
    with pytest.raises(ValueError, match="two models are called 'srgan 1'"):
        named_models(OmegaConf.create([a, a]))


def test_without_a_model_the_newest_run_is_taken_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no trained model under runs/"):
        named_models(None)
    release(tmp_path / "runs" / "srresnet" / "a" / "model", "srresnet")
    (tmp_path / "runs" / "srresnet" / "a" / "summary.json").write_text("{}")
    assert named_models(None) == {"srresnet": "runs/srresnet/a"}
    assert "runs/srresnet/a, the newest" in capsys.readouterr().out
    assert named_models("newest") == {"srresnet": "newest"}
    assert "runs/srresnet/a, the newest" in capsys.readouterr().out


def test_taps():
    kdsr, srresnet = KDSRNet(2, 4, 1, 1), SRResNet(2, 4, 4)
    assert chosen_taps(kdsr, None) == ("embedding", "distilled")
    assert chosen_taps(srresnet, None) == ("rb4",)
    assert chosen_taps(srresnet, "all") == ("conv1", "rb1", "rb2", "rb3", "rb4", "up1")
    assert chosen_taps(srresnet, OmegaConf.create(["rb2", "refine"])) == ("rb2", "refine")
    with pytest.raises(ValueError, match=r"SRResNet has no embedding; try taps=rb4"):
        chosen_taps(srresnet, "embedding")
