"""Every engine against torch in float32: the zoo, half precision, deep images, what is kept, what is refused."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import torch

from realsr_mod.inference.engines import choose
from realsr_mod.inference.engines.base import usable_cores
from realsr_mod.inference.engines.choose import could_be_faster, engine_for
from realsr_mod.inference.upscaler import Upscaler
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.runtime.devices import best_precision
from realsr_mod.weights import graphs as graphs_module
from realsr_mod.weights.catalog import entries
from realsr_mod.weights.graphs import find_graphs, kept_folder, read_graphs
from realsr_mod.weights.locate import locate
from realsr_mod.weights.release import load_restorer, save_model

SIZES = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
WHOLE = [entry.name for entry in entries() if entry.backbone is None]  # the others have no graphs of their own
PHOTO = skimage.data.chelsea()[80:120, 130:160]


def ask(name, **settings):
    for package in (name,) if name != "torch" else ():
        pytest.importorskip(package)
    return Upscaler.load(settings.pop("model"), engine=name, device="cpu", tile=32, overlap=8, **settings)


def db(found, expected):
    return -10 * np.log10(np.mean((found.clip(0, 1) - expected.clip(0, 1)) ** 2))


@pytest.fixture(scope="module")
def exact():
    """By the model's name, what the network itself gives for the photo in float32, in tiles as `ask` has them."""
    return {name: ask("torch", model=name, precision="float32")(PHOTO / np.float32(255)) for name in WHOLE}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "torch"])
def test_engines_agree_on_the_zoo(engine, name, exact):
    upscaler = ask(engine, model=name)
    assert upscaler.engine.name == engine
    deep = upscaler(PHOTO.astype(np.uint16) * 257)  # stays float32: auto is for 8 bits
    assert np.abs(deep / 65535 - exact[name].clip(0, 1)).max() < 1e-4
    if "bfloat16" in upscaler.engine.precisions:
        half = ask(engine, model=name, precision="bfloat16")(PHOTO / np.float32(255))
        assert 50 < db(half, exact[name]) < 90
        assert len(np.unique(half)) > 0.5 * half.size  # bfloat16 has 256 values from 1/2 to 1: no steps


def test_torch_and_openvino_are_quick_in_the_same_precision():
    quick = [ask(engine, model="kdsr-real-x4").engine.quick for engine in ("torch", "openvino")]
    assert quick == [best_precision("cpu")] * 2


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "torch"])
def test_calls_on_one_core_beside_each_other_give_the_same(engine, monkeypatch):
    upscaler = ask(engine, model="kdsr-real-x4")
    alone = upscaler(PHOTO)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(upscaler.engine, "cores", 2)

    def beside(number):
        with upscaler.engine.one_core():
            assert engine != "torch" or torch.get_num_threads() == 1
            return upscaler(PHOTO)

    try:
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(beside, range(2)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    for result in results:
        np.testing.assert_array_equal(result, alone)
    if engine == "openvino":
        streams = {key[2]: model.get_property("NUM_STREAMS") for key, model in upscaler.engine._models.items()}
        assert streams == {False: 1, True: usable_cores()}


def test_torch_gives_what_the_network_gives():
    """So that the engines cannot agree on something else."""
    network = load_restorer("kdsr-real-x4")
    lr = torch.from_numpy(PHOTO / np.float32(255)).permute(2, 0, 1)[None]
    with torch.no_grad():
        padded = torch.nn.functional.pad(lr, (16,) * 4, mode="reflect")
        expected = network.restore(padded, network.embed(lr))[0].permute(1, 2, 0)[64:-64, 64:-64]
    found = Upscaler(network, "cpu", "float32", tile=0, overlap=16, keep_colors=False)(PHOTO / np.float32(255))
    np.testing.assert_allclose(found, expected.clamp(0, 1), atol=1e-5)


def test_sliders_and_a_given_embedding_reach_the_graph():
    upscaler = ask("openvino", model="mmrealsr-x4", precision="float32")
    expected = ask("torch", model="mmrealsr-x4", precision="float32")
    image = PHOTO / np.float32(255)
    np.testing.assert_allclose(upscaler.embed(image), expected.embed(image), atol=1e-4)
    estimated, given = upscaler(image), {"embedding": torch.tensor([0.1, 0.3]), "noise": 1.0}
    found = upscaler(image, **given)
    np.testing.assert_allclose(found, expected(image, **given), atol=1e-4)
    assert np.abs(found - estimated).max() > 1e-2


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(graphs_module, "cache_folder", lambda *parts: tmp_path.joinpath("cache", *parts))
    openvino_engine = pytest.importorskip("realsr_mod.inference.engines.openvino_engine")
    monkeypatch.setattr(openvino_engine, "cache_folder", lambda *parts: tmp_path.joinpath("cache", *parts))
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    config = {"_target_": "realsr_mod.methods.kdsr.network.KDSRNet", **SIZES}
    save_model(KDSRNet(**SIZES), tmp_path / "model", config, {})
    return locate(tmp_path / "model")


def test_a_model_is_made_ready_once_and_belongs_to_its_weights(model, cache, caplog, monkeypatch):
    pytest.importorskip("onnxscript")
    engine = engine_for(model)
    assert (engine.name, could_be_faster(model, engine)) == ("torch", True)  # auto does not make a photo wait
    image = PHOTO / np.float32(255)
    expected = Upscaler(engine, precision="float32")(image)
    found = ask("openvino", model=model, precision="float32")(image)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert caplog.text.count("made ready") == 1
    monkeypatch.setattr(choose, "_make_graphs", None)  # not asked again
    assert engine_for(model, device="cpu").name == "openvino"
    compiled = list((cache / "openvino").glob("*.blob"))
    assert len(compiled) == 2  # restore, embed
    compiled[0].write_bytes(b"damaged")
    compiled[1].write_bytes(compiled[1].read_bytes()[:1000])
    np.testing.assert_allclose(ask("openvino", model=model, precision="float32")(image), expected, atol=1e-4)
    weights = bytearray(model.weights.read_bytes())
    weights[-1] ^= 1
    model.weights.write_bytes(weights)
    assert find_graphs(model) is None


@pytest.mark.parametrize("name", WHOLE)
def test_graphs_of_the_zoo_are_of_its_weights(name):
    """Where this fails, weights were renewed: `python -m realsr_mod.zoo graphs NAME`."""
    assert find_graphs(locate(name)).folder == locate(name).weights.parent


def test_only_the_zoo_brings_graphs_along(model, cache):
    """A graph is a program: one beside a stranger's weights is not run."""
    zoo = find_graphs(locate("kdsr-real-x4"))
    folder = model.weights.parent
    graphs_module.write_info(folder, replace(zoo.info, weights=graphs_module.sha256_of(model.weights)))
    for path in (zoo.restore, zoo.embed):
        (folder / path.name).write_bytes(path.read_bytes())
    assert read_graphs(folder) is not None
    assert find_graphs(model) is None
    assert engine_for(model, device="cpu").name == "torch"


def test_the_oldest_compiled_models_make_room(tmp_path):
    make_room = pytest.importorskip("realsr_mod.inference.engines.openvino_engine")._make_room
    for age in range(50):
        (tmp_path / f"{age}.blob").write_bytes(b"")
        os.utime(tmp_path / f"{age}.blob", (10**9 - age, 10**9 - age))
    make_room(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {str(age) for age in range(48)}


def test_what_cannot_be_is_refused_with_a_remedy(model, monkeypatch):
    with pytest.raises(ValueError, match="engine must be auto, torch, openvino, onnxruntime, got 'ncnn'"):
        engine_for(model, "ncnn")
    with pytest.raises(ValueError, match=r"works on the CPU, not on cuda:1; choose device=cpu or engine=torch"):
        engine_for(model, "onnxruntime", "cuda:1")
    with pytest.raises(ValueError, match=r"give the model to Upscaler\.load"):
        Upscaler(KDSRNet(**SIZES), engine="openvino")
    with pytest.raises(ValueError, match=r"onnxruntime has no float16 on this machine, only float32"):
        ask("onnxruntime", model="kdsr-real-x4", precision="float16")
    monkeypatch.setattr(choose, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs an extra: pip install 'realsr-mod\[fast\]'"):
        engine_for(model, "openvino")
    assert engine_for(locate("kdsr-real-x4")).name == "torch"


def test_folders_of_a_model_differ_by_its_files(model):
    before = kept_folder(model)
    model.config.write_text(model.config.read_text() + " ")
    assert kept_folder(model) != before
