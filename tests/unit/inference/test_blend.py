"""Models between two others: weights, engines, what is kept, and what does not blend."""

import copy

import ncnn_files
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from realsr_mod.inference import blend as blend_module
from realsr_mod.inference.blend import blend, texture_pair, textured
from realsr_mod.inference.engines.choose import engine_for
from realsr_mod.inference.upscaler import Upscaler
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.networks.base import EmbeddingRange
from realsr_mod.networks.srvgg import SRVGGNetCompact
from realsr_mod.weights import catalog, graphs
from realsr_mod.weights.locate import locate
from realsr_mod.weights.release import load_restorer, read_config, save_model

SIZES = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
TARGET = {"_target_": "realsr_mod.methods.kdsr.network.KDSRNet", **SIZES}
PHOTO = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    for module in (blend_module, graphs):
        monkeypatch.setattr(module, "cache_folder", lambda *parts: tmp_path.joinpath("cache", *parts))
    return tmp_path / "cache"


def network(seed: int = 0, changed: float = 0) -> KDSRNet:
    torch.manual_seed(seed)
    made = KDSRNet(**SIZES)
    made.embedding_range = EmbeddingRange(
        [-1 - changed] * made.embedding_dim, [1 + changed] * made.embedding_dim, [changed] * made.embedding_dim
    )
    generator = torch.Generator().manual_seed(9)
    for parameter in made.parameters():
        parameter.data += changed * torch.randn(parameter.shape, generator=generator) * parameter.data.abs().mean()
    return made.eval()


@pytest.fixture
def pair(tmp_path):
    save_model(network(), tmp_path / "a", TARGET, {})
    save_model(network(changed=0.2), tmp_path / "b", TARGET, {})
    return tmp_path / "a", tmp_path / "b"


def test_weights_lie_between_and_so_does_what_is_known(pair):
    a, b = map(load_restorer, pair)
    made = load_restorer(blend(*pair, 0.25))
    for key, value in made.state_dict().items():
        torch.testing.assert_close(value, 0.75 * a.state_dict()[key] + 0.25 * b.state_dict()[key])
    assert made.embedding_range.low_D[0] == pytest.approx(-1.2)
    assert made.embedding_range.high_D[0] == pytest.approx(1.2)
    assert made.embedding_range.typical_D[0] == pytest.approx(0.05)
    shown = Upscaler.load(pair[0], blend=(pair[1], 0.25), tile=0)(PHOTO)
    np.testing.assert_array_equal(shown, Upscaler(made, tile=0)(PHOTO))
    assert np.abs(shown.astype(int) - Upscaler(a, tile=0)(PHOTO)).max() > 0
    assert read_config(blend(*pair, 0.25))["name"] == "a + 25 percent b"


def test_the_ends_are_the_models_themselves(pair):
    assert blend(*pair, 0) == locate(pair[0])
    assert blend(*pair, 0.999) == locate(pair[1])


def test_half_precision_stays_half(pair, tmp_path):
    save_model(network().half(), tmp_path / "half", TARGET, {})
    made = blend(tmp_path / "half", pair[1], 0.5)
    assert {value.dtype for value in load_file(made.weights).values()} == {torch.float16}


def test_a_blend_is_made_once_and_the_oldest_make_room(pair, cache, monkeypatch):
    monkeypatch.setattr(blend_module, "MOST_KEPT", 2)
    made = blend(*pair, 0.5)
    before = made.weights.stat().st_mtime_ns
    assert blend(*pair, 0.5).weights.stat().st_mtime_ns == before
    for share in (0.2, 0.3):
        blend(*pair, share)
    assert not made.path.exists()
    assert len(list((cache / "blended").iterdir())) == 2


def test_other_architectures_and_shares_are_refused(pair, tmp_path):
    sizes = SIZES | {"restorer_blocks": 2}
    save_model(KDSRNet(**sizes), tmp_path / "larger", {**TARGET, **sizes}, {})
    with pytest.raises(ValueError, match="a and larger are networks of two architectures"):
        blend(pair[0], tmp_path / "larger", 0.5)
    with pytest.raises(ValueError, match=r"the share of b must be between 0 \(none\) and 1 \(it alone\), got 1.2"):
        blend(*pair, 1.2)


def test_networks_that_learned_apart_are_named(pair, tmp_path, caplog):
    """The same function with its channels in another order, as two trainings give them, is nothing halfway."""
    blend(*pair, 0.5)
    assert not caplog.records
    torch.manual_seed(0)
    one = SRVGGNetCompact(scale=2, channels=8, num_convs=0)
    for parameter in one.parameters():
        parameter.data *= 4
    other = copy.deepcopy(one)
    for layer, axes in ((0, (0,)), (1, (0,)), (2, (1,))):
        for name, parameter in other.body[layer].named_parameters():
            if not (layer == 2 and name == "bias"):
                parameter.data = parameter.data.flip(axes)
    target = {"_target_": "realsr_mod.networks.srvgg.SRVGGNetCompact", "scale": 2, "channels": 8, "num_convs": 0}
    save_model(one, tmp_path / "one", target, {})
    save_model(other, tmp_path / "other", target, {})
    blend(tmp_path / "one", tmp_path / "other", 0.5)
    assert "one and other do not blend" in caplog.text


def test_models_of_ncnn_blend(tmp_path):
    one = ncnn_files.compact().save(tmp_path / "one.param")
    content = bytearray(one.with_suffix(".bin").read_bytes())
    (tmp_path / "two.param").write_text(one.read_text())
    content[-4:] = np.float32(1.5).tobytes()  # the last bias
    (tmp_path / "two.bin").write_bytes(content)
    a, b = (load_restorer(tmp_path / f"{name}.param") for name in ("one", "two"))
    made = load_restorer(blend(one, tmp_path / "two.param", 0.5))
    last = list(made.state_dict())[-1]
    assert b.state_dict()[last][-1] == 1.5
    assert made.state_dict()[last][-1] == pytest.approx((a.state_dict()[last][-1].item() + 1.5) / 2)


def test_a_blend_of_the_zoos_runs_by_its_graphs(tmp_path):
    pytest.importorskip("openvino", reason="not installed: pip install 'realsr-mod[fast]'")
    other = load_restorer("kdsr-real-x4")
    for parameter in other.parameters():
        parameter.data *= 1.03
    config = read_config("kdsr-real-x4")["network"]
    save_model(other, tmp_path / "other", config, {})
    made = blend("kdsr-real-x4", tmp_path / "other", 0.5)
    engine, network = engine_for(made, "openvino"), load_restorer(made)
    lr = np.random.default_rng(0).random((1, 3, 17, 23), np.float32)
    with torch.no_grad():
        embedding = network.embed(torch.from_numpy(lr))
        expected = network.restore(torch.from_numpy(lr), embedding).numpy()
    np.testing.assert_allclose(engine.embed(lr, "float32"), embedding[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(engine.restore(lr, embedding[0].numpy(), "float32"), expected, atol=1e-4)
    assert engine_for(made).name in ("openvino", "torch")  # which one, the machine says


def test_a_pair_of_the_zoo_is_found_from_either_half(tmp_path, pair, monkeypatch):
    monkeypatch.setattr(catalog, "ZOO_DIR", tmp_path / "zoo")
    zoo = {"parameters": 1, "sliders": [], "measured": [], "stages": []}
    zoo |= dict.fromkeys(("made_for", "trained_on", "weak_at", "license", "command"), "")
    method = "realsr_mod.methods.kdsr.module.KDSRStudent"
    for name, more, changed in (("plain", {}, 0), ("rough", {"fidelity": "plain"}, 0.2), ("third", {}, 0.1)):
        save_model(network(changed=changed), tmp_path / "zoo" / name, TARGET, {"method": method, "zoo": zoo | more})
    for half in ("plain", "rough"):
        assert [model.path.name for model in texture_pair(half)] == ["plain", "rough"]
        assert textured(half, 1).path.name == "rough"
        assert textured(half, 0.5) == blend("plain", "rough", 0.5)
    assert texture_pair("third") is None
    with pytest.raises(ValueError, match=r"third has no counterpart .* or choose one of plain and rough"):
        textured("third", 0.5)
    assert textured("third", 1, pair[0]) == locate(pair[0])
