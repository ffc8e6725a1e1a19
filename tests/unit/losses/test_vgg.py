"""VGG19's features from files in torchvision's layout, made small by asking for early layers only."""

import hashlib
import pickle

import pytest
import torch
import torch.nn.functional as F

from realsr_mod.losses.vgg import VGG19Features, layer_names, load_vgg19

SHAPES = {"features.0": (64, 3), "features.2": (64, 64), "features.5": (128, 64)}  # conv1_1, conv1_2, conv2_1


@pytest.fixture
def state():
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, (width, in_channels) in SHAPES.items():
        state[f"{name}.weight"] = 0.1 * torch.randn(width, in_channels, 3, 3, generator=generator)
        state[f"{name}.bias"] = 0.1 * torch.randn(width, generator=generator)
    return state


@pytest.fixture
def weights_file(tmp_path, state):
    path = tmp_path / "vgg19.pth"
    torch.save(state, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_features_are_taken_before_the_relu_and_after_the_pool(state):
    image = torch.rand(1, 3, 8, 10, generator=torch.Generator().manual_seed(1))
    found = VGG19Features(["conv2_1", "conv1_2"], state)(image)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    x = F.conv2d((image - mean) / std, state["features.0.weight"], state["features.0.bias"], padding=1)
    conv1_2 = F.conv2d(F.relu(x), state["features.2.weight"], state["features.2.bias"], padding=1)
    pooled = F.max_pool2d(F.relu(conv1_2), 2)
    conv2_1 = F.conv2d(pooled, state["features.5.weight"], state["features.5.bias"], padding=1)
    assert found.keys() == {"conv1_2", "conv2_1"}
    assert found["conv1_2"].min() < 0
    torch.testing.assert_close(found["conv1_2"], conv1_2)
    torch.testing.assert_close(found["conv2_1"], conv2_1)


def test_every_layer_reads_torchvisions_position():
    # torchvision.models.vgg19().features has its convolutions at these places; expanded zeros cost no memory
    places = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    widths = [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    state = {}
    for place, width, in_channels in zip(places, widths, [3, *widths], strict=False):
        state[f"features.{place}.weight"] = torch.zeros(1).expand(width, in_channels, 3, 3)
        state[f"features.{place}.bias"] = torch.tensor([float(place)]).expand(width)
    features = VGG19Features(["conv5_4"], state)
    assert layer_names()[0] == "conv1_1"
    assert [getattr(features, f"{name}_bias")[0].item() for name in layer_names()] == places


def test_nothing_trains_and_no_checkpoint_holds_it(state):
    features = VGG19Features(["conv1_2"], state)
    assert list(features.parameters()) == []
    assert features.state_dict() == {}


def test_unknown_layer_and_wrong_weights_are_named(state):
    with pytest.raises(ValueError, match="conv6_1"):
        VGG19Features(["conv6_1"], state)
    with pytest.raises(ValueError, match=r"need features\.7\.weight of shape \(128, 128, 3, 3\) for conv2_2"):
        VGG19Features(["conv2_2"], state)


def test_file_is_read_when_its_digest_agrees(weights_file, state):
    path, digest = weights_file
    loaded = load_vgg19(path, digest[:8])
    torch.testing.assert_close(loaded["features.2.weight"], state["features.2.weight"])
    with pytest.raises(ValueError, match=r"SHA-256 begins with .* expected 00000000"):
        load_vgg19(path, "00000000")
    with pytest.raises(ValueError, match="at least the first 8"):
        load_vgg19(path, digest[:4])


def test_a_url_goes_through_the_cache(weights_file, tmp_path, monkeypatch):
    path, digest = weights_file
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "vgg19.pth").write_bytes(path.read_bytes())
    assert "features.0.weight" in load_vgg19("https://example.invalid/vgg19.pth", digest)


def test_a_url_that_cannot_be_reached_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def offline(*_args, **_kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(FileNotFoundError, match=r"no route to host.*perceptual=null"):
        load_vgg19("https://example.invalid/vgg19.pth", "dcbb9e9d")


@pytest.mark.parametrize("weights", [None, "nowhere/vgg19.pth"])
def test_without_weights_the_error_says_what_to_do(weights):
    with pytest.raises(FileNotFoundError, match=r"perceptual\.weights .* perceptual=null"):
        load_vgg19(weights, "dcbb9e9d")


def test_a_pickle_with_code_is_refused(tmp_path):
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"features.0.weight": print}))
    with pytest.raises(ValueError, match=r"refused|damaged"):
        load_vgg19(path, hashlib.sha256(path.read_bytes()).hexdigest())
