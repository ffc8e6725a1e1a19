"""Pipelines by name, and params on disk."""

import json

import pytest
import torch
from safetensors.torch import save_file

from realsr_mod.degradations.classic import Bicubic, ClassicDegradation
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.degradations.spatial import SpatialDegradation
from realsr_mod.degradations.stored import (
    build_degradation,
    check_params,
    flatten,
    load_params,
    read_degradation,
    save_params,
    unflatten,
)

GENERATOR_SEED = 4


def drawn(degradation):
    return degradation.sample((1, 3, 32, 32), torch.Generator().manual_seed(GENERATOR_SEED))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bicubic", Bicubic),
        ("classic_iso", ClassicDegradation),
        ("second_order", SecondOrder),
        ("spatial_classic", SpatialDegradation),
        ("spatial_second_order", SpatialDegradation),
    ],
)
def test_params_come_back_from_disk_and_replay(name, kind, tmp_path):
    config = read_degradation(name, scale=2)
    degradation = build_degradation(config)
    assert type(degradation) is kind
    assert degradation.scale == 2
    params = drawn(degradation)
    save_params(tmp_path / "one.safetensors", params, config)
    loaded, loaded_config = load_params(tmp_path / "one.safetensors")
    assert loaded_config == config
    check_params(loaded, degradation)
    hr = torch.rand(1, 3, 32, 32)
    assert torch.equal(build_degradation(loaded_config)(hr, loaded), degradation(hr, params))
    assert [path.name for path in tmp_path.iterdir()] == ["one.safetensors"]


def test_flatten_and_back():
    nested = {"a": {"b": torch.ones(1), "c": {"d": torch.zeros(2)}}, "e": torch.ones(3)}
    assert set(flatten(nested)) == {"a/b", "a/c/d", "e"}
    assert unflatten(flatten(nested)) == nested


def test_own_file_is_read_with_the_scale_filled_in(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("_target_: realsr_mod.degradations.classic.ClassicDegradation\nscale: ${scale}\nkernel_size: 7\n")
    assert read_degradation(str(path), 3) == {
        "_target_": "realsr_mod.degradations.classic.ClassicDegradation",
        "scale": 3,
        "kernel_size": 7,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kernel_size: 7", "needs the key _target_"),
        ("- 1", "needs the key _target_"),
        ("a: [", "not a configuration that can be read"),
        ("_target_: x\ny: ${nowhere}", "nothing but .*scale.* is filled in"),
    ],
)
def test_file_that_is_no_configuration_is_named(text, message, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_degradation(str(path), 4)


def test_unknown_name_lists_what_there_is():
    known = "bicubic, camera_shake, classic_aniso"
    with pytest.raises(FileNotFoundError, match=f"classic: no such degradation; give one of {known}"):
        read_degradation("classic", 4)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"_target_": "realsr_mod.degradations.classic.Bicubic", "scale": 4, "sigma": 1}, "sigma"),
        ({"_target_": "realsr_mod.degradations.noise.Quantize"}, "Quantize is a part of a degradation"),
        ({"_target_": "realsr_mod.degradations.classic.Nothing"}, "Nothing"),
    ],
)
def test_what_cannot_be_built_is_named(config, message):
    with pytest.raises(ValueError, match=message):
        build_degradation(config)


@pytest.mark.parametrize(
    "config",
    [
        {"_target_": "os.system", "command": "true"},
        {"_target_": "realsr_mod.degradations.stored.os.system", "command": "true"},
        {"_target_": "realsr_mod.degradations.stored.instantiate"},
        {"_target_": "realsr_mod.degradations.classic.Bicubic", "scale": {"_target_": "builtins.exit"}},
        {"_target_": "realsr_mod.degradations.classic.Bicubic", "scale": [{"_target_": "builtins.exit"}]},
        {"scale": 4},
    ],
)
def test_params_file_cannot_name_foreign_code(config, tmp_path):
    path = tmp_path / "one.safetensors"
    save_file({"a": torch.ones(1)}, path, {"degradation": json.dumps(config)})
    with pytest.raises(ValueError, match=r"only classes of realsr_mod|lacks|expected a mapping"):
        load_params(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "one.safetensors"
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_params(path)
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="not a params file"):
        load_params(path)
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(ValueError, match="not a params file"):
        load_params(path)


def test_params_of_another_pipeline_or_of_a_batch_are_refused():
    second_order = SecondOrder(4)
    with pytest.raises(ValueError, match=r"drawn by another pipeline: SecondOrder misses blur1/beta.* blur/sigma_x"):
        check_params(drawn(ClassicDegradation(4)), second_order)
    batch = second_order.sample((2, 3, 32, 32), torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="not those of one image"):
        check_params(batch, second_order)
