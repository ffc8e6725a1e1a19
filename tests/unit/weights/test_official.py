"""Official checkpoints: the papers' functions, exact round trips, hostile and broken files refused."""

import os
import pickle
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.weights.official import load_official, to_official
from realsr_mod.weights.release import load_model

KDSR = ["kdsr_student_x4", "kdsr_student_x2", "kdsr_teacher_x4", "kdsr_teacher_x2"]
RRDB = ["rrdbnet_x4", "rrdbnet_x2"]


def official_state(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix("state."): value for key, value in tensors.items() if key.startswith("state.")}


@pytest.mark.parametrize("name", KDSR)
@torch.no_grad()
def test_kdsr_gives_its_programs_numbers(golden, name):
    tensors, metadata = golden(name)
    network = load_official(official_state(tensors))
    images = [tensors["input.lr"]] + ([tensors["input.hr"]] if "teacher" in name else [])
    embedding = network.embed(*images)
    assert network.scale == metadata["scale"]
    assert network.sees_hr == ("teacher" in name)
    torch.testing.assert_close(embedding, tensors["output.idr"], atol=1e-4, rtol=0)
    torch.testing.assert_close(network.restore(tensors["input.lr"], embedding), tensors["output.sr"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", RRDB)
@torch.no_grad()
def test_rrdbnet_gives_its_programs_numbers(golden, name):
    tensors, metadata = golden(name)
    network = load_official(official_state(tensors))
    assert network.scale == metadata["scale"]
    torch.testing.assert_close(network(tensors["input.lr"]), tensors["output.sr"], atol=1e-4, rtol=0)


@torch.no_grad()
def test_mmrealsr_gives_its_programs_numbers(golden):
    tensors, _ = golden("mmrealsr_small")
    network = load_official(official_state(tensors))
    degrees = network.embed(tensors["input.lr"])
    torch.testing.assert_close(degrees, tensors["output.degrees"], atol=1e-4, rtol=0)
    sr_auto = network.restore(tensors["input.lr"], degrees)
    sr_set = network.restore(tensors["input.lr"], torch.tensor([[0.0, 1.0]]).expand(2, 2))
    torch.testing.assert_close(sr_auto, tensors["output.sr_auto"], atol=1e-4, rtol=0)
    torch.testing.assert_close(sr_set, tensors["output.sr_blur0_noise1"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", [*KDSR, *RRDB, "mmrealsr_small"])
def test_round_trip_keeps_keys_and_bits(golden, name):
    state = official_state(golden(name)[0])
    written = to_official(load_official(state))
    assert written.keys() == state.keys()
    assert all(torch.equal(written[key], state[key]) for key in state)


def test_scale_1_of_real_esrgan_is_recognised():
    network = RRDBNet(scale=1, channels=4, num_blocks=1, growth=2)
    again = load_official(to_official(network))
    x = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    assert again.scale == 1
    torch.testing.assert_close(again(x), network(x))


@pytest.mark.parametrize("name", RRDB)
@torch.no_grad()
def test_esrgan_s_first_program_is_read_and_today_s_layout_written(golden, name):
    tensors, _ = golden(name)
    state = official_state(tensors)
    renames = {"conv_body": "trunk_conv", "conv_up": "upconv", "conv_hr": "HRconv", "rdb": "RDB"}
    first = {}
    for key, value in state.items():
        for today, then in renames.items():
            key = key.replace(today, then)
        first[re.sub(r"^body\.", "RRDB_trunk.", key)] = value
    assert {"RRDB_trunk.0.RDB1.conv1.weight", "trunk_conv.bias", "upconv2.weight", "HRconv.bias"} <= first.keys()
    network = load_official(first)
    torch.testing.assert_close(network(tensors["input.lr"]), tensors["output.sr"], atol=1e-4, rtol=0)
    assert to_official(network).keys() == state.keys()


def by_place(network: RRDBNet) -> dict[str, Tensor]:
    """The state of an RRDBNet as ESRGAN's first files have it, where modules are counted in a Sequential."""
    restorer, state = network.restorer, {}

    def put(place: str, conv: torch.nn.Module) -> None:
        state[f"model.{place}.weight"], state[f"model.{place}.bias"] = conv.weight.detach(), conv.bias.detach()

    put("0", restorer.head)
    for i, block in enumerate(restorer.blocks):
        for j, dense in enumerate(block.dense):
            for k, conv in enumerate(dense.convs):
                put(f"1.sub.{i}.RDB{j + 1}.conv{k + 1}.0", conv)
    put(f"1.sub.{len(restorer.blocks)}", restorer.fuse)
    for i in range(restorer.doublings):
        put(str(3 * (i + 1)), getattr(restorer, f"up{i + 1}"))
    put(str(3 * restorer.doublings + 2), restorer.refine)
    put(str(3 * restorer.doublings + 4), restorer.to_rgb)
    return state


@pytest.mark.parametrize(("scale", "doublings"), [(1, 0), (2, 1), (4, 2), (8, 3), (2, 2)])
@torch.no_grad()
def test_esrgan_s_first_files_are_read(scale, doublings):
    network = RRDBNet(scale, channels=4, num_blocks=2, growth=2, doublings=doublings).eval()
    again = load_official(by_place(network))
    x = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    assert again.scale == scale
    assert torch.equal(again(x), network(x))
    assert again(x).shape == (1, 3, 8 * scale, 12 * scale)


def test_esrgan_s_first_files_with_more_in_them_are_refused():
    state = by_place(RRDBNet(4, channels=4, num_blocks=1, growth=2))
    with pytest.raises(ValueError, match=r"RRDBNet .*which has no model\.1\.sub\.0\.RDB1\.conv1x1\.weight"):
        load_official(state | {"model.1.sub.0.RDB1.conv1x1.weight": torch.zeros(2, 4, 1, 1)})  # ESRGAN+


@pytest.mark.parametrize("wrap", ["params", "params_ema", "params-ema", "state_dict", "model", "netG", "module"])
def test_wrappers(golden, wrap):
    state = official_state(golden("rrdbnet_x4")[0])
    noise = {key: torch.zeros_like(value) for key, value in state.items()}
    wrapped = {
        "params": {"params": state},
        "params_ema": {"params": noise, "params_ema": state},  # the averaged weights win
        "params-ema": {"params-ema": state},
        "state_dict": {"epoch": 3, "state_dict": state},
        "model": {"optimizer": {}, "model": state},
        "netG": {"netG": state, "netD": noise},
        "module": {f"module.{key}": value for key, value in state.items()},
    }[wrap]
    written = to_official(load_official(wrapped))
    assert all(torch.equal(written[key], state[key]) for key in state)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_load_model_takes_official_files(golden, tmp_path, suffix):
    tensors, _ = golden("rrdbnet_x2")
    path = tmp_path / f"weights{suffix}"
    state = official_state(tensors)
    save_file(state, path) if suffix == ".safetensors" else torch.save({"params": state}, path)
    network = load_model(path)
    assert isinstance(network, RRDBNet)
    assert not network.training
    torch.testing.assert_close(network(tensors["input.lr"]), tensors["output.sr"], atol=1e-4, rtol=0)


class Hostile:
    """Unpickled without care, this makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


@pytest.mark.parametrize("write", [torch.save, lambda content, path: Path(path).write_bytes(pickle.dumps(content))])
def test_hostile_pickle_is_refused_and_not_run(tmp_path, write):
    marker, path = tmp_path / "executed", tmp_path / "hostile.pth"
    write({"params": Hostile(marker)}, path)
    with pytest.raises(ValueError, match=r"hostile.pth: refused.*could run code"):
        load_model(path)
    assert not marker.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_file_is_named(golden, tmp_path, suffix):
    path = tmp_path / f"half{suffix}"
    state = official_state(golden("rrdbnet_x4")[0])
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=f"half{suffix}: truncated or damaged"):
        load_official(path)


@pytest.mark.parametrize("content", [b"", b"hello, I am a text", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_other_files_are_refused_in_a_sentence(tmp_path, content):
    path = tmp_path / "odd.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"odd.pth: .*not? (a )?checkpoint"):
        load_official(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 67040989\n", "a Git-LFS pointer"),
        ("\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page, not weights"),
    ],
)
def test_what_a_download_left_instead_is_named(tmp_path, suffix, content, message):
    path = tmp_path / f"model{suffix}"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"model{suffix}: {message}"):
        load_model(path)


def test_a_file_of_huge_layers_that_are_not_in_it_takes_no_memory():
    state = {"conv_first.weight": torch.zeros(1_000_000, 3, 3, 3), "conv_hr.weight": torch.zeros(1, 1, 3, 3)}
    state |= {"body.0.rdb1.conv1.weight": torch.zeros(1, 1, 3, 3), "conv_last.weight": torch.zeros(3, 1, 3, 3)}
    with pytest.raises(ValueError, match="weights do not fit RRDBNet"):
        load_official(state)  # a convolution of these channels has 9e12 weights


def test_wrong_architecture_is_named():
    with pytest.raises(ValueError, match=r"not an architecture .*KDSR student.*first keys are layer1.weight"):
        load_official({"layer1.weight": torch.zeros(3, 3)})


@pytest.mark.parametrize("key", [0, True, None])
def test_keys_that_are_no_strings_are_no_architecture(tmp_path, key):
    path = tmp_path / "odd.pth"
    torch.save({key: torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=rf"odd.pth: not an architecture .*first keys are {re.escape(str(key))}"):
        load_model(path)


def test_stray_missing_and_misshapen_tensors_are_named(golden):
    state = official_state(golden("kdsr_student_x4")[0])
    with pytest.raises(ValueError, match=r"KDSR student, which has no G.extra.weight"):
        load_official(state | {"G.extra.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"missing restorer\.fuse\.bias"):
        load_official({key: value for key, value in state.items() if key != "G.body.1.bias"})
    with pytest.raises(ValueError, match=r"restorer\.fuse\.bias is \(5,\), expected \(16,\)"):
        load_official(state | {"G.body.1.bias": torch.zeros(5)})


def test_images_in_0_255_are_refused(golden):
    state = official_state(golden("kdsr_student_x4")[0])
    with pytest.raises(ValueError, match=r"G.sub_mean.bias.*images in \[0, 1\]"):
        load_official(state | {"G.sub_mean.bias": 255 * state["G.sub_mean.bias"]})


def test_an_estimator_that_the_layout_cannot_hold_is_not_written():
    sizes = {"channels": 4, "num_blocks": 1, "growth": 2, "estimator_widths": (4, 8), "estimator_blocks": (1, 1)}
    written = to_official(MMRealSRNet(**sizes, estimator_downscales=(2, 1)))
    assert "de_net.body.1.1.weight" in written
    with pytest.raises(ValueError, match="no official layout"):  # its stride of 1 would be read back as 2
        to_official(MMRealSRNet(**sizes, estimator_downscales=(1, 1)))
