import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import convolve

from realsr_mod.data.protocols import Blur, FixedClassic, Gaussian8, Paired, RealPairs, Seeded
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.degrade import degrade
from realsr_mod.images.rgb import read_rgb
from realsr_mod.images.tensors import to_tensor


@pytest.fixture
def photos(tmp_path):
    generator = np.random.default_rng(0)
    for name, size in {"a.png": (33, 46), "b.png": (24, 24)}.items():
        Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8)).save(tmp_path / name)
    return tmp_path


def test_blur_is_the_textbook_formula(photos):
    protocol = FixedClassic(4, [{"sigma_px": 1.8}])
    case = next(iter(protocol.cases(photos)))
    assert case.hr.shape == (1, 3, 32, 44)  # cropped to a multiple of the scale
    axis = np.arange(21) - 10
    kernel = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * 1.8**2))
    kernel /= kernel.sum()
    blurred = np.stack([convolve(channel, kernel, mode="mirror") for channel in case.hr[0].double().numpy()])
    lr = resize(torch.tensor(blurred)[None].float(), scale=1 / 4)
    expected = (lr.clamp(0, 1) * 255).round() / 255
    assert (case.lr - expected).abs().max() <= 1.01 / 255  # a rounding may fall the other way
    assert (case.lr - expected).abs().mean() < 1e-4


def test_every_image_under_every_condition_without_randomness(photos):
    protocol = FixedClassic(2, [{}, {"sigma_px": 1.2}, {"sigma_px": [3.0, 1.0], "theta_deg": 45}], [0, 10])
    first, second = list(protocol.cases(photos)), list(protocol.cases(photos))
    assert len(first) == protocol.count(photos) == 12
    assert [case.condition for case in first[:6]] == [
        "no blur",
        "no blur, noise 10",
        "σ 1.2",
        "σ 1.2, noise 10",
        "σ 3.0×1.0 at 45°",
        "σ 3.0×1.0 at 45°, noise 10",
    ]
    assert all(torch.equal(a.lr, b.lr) for a, b in zip(first, second, strict=True))
    noise = first[1].lr - first[0].lr
    inside = (first[0].lr > 0.15) & (first[0].lr < 0.85)
    assert noise[inside].std().item() * 255 == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize(
    ("scale", "widths"),
    [
        (2, "0.9 1.0 1.1 1.2 1.3 1.4 1.5 1.6"),
        (3, "1.35 1.5 1.65 1.8 1.95 2.1 2.25 2.4"),
        (4, "1.8 2.0 2.2 2.4 2.6 2.8 3.0 3.2"),
    ],
)
def test_gaussian8_has_the_literatures_widths_of_each_scale(scale, widths):
    assert [str(blur) for blur, _ in Gaussian8(scale).conditions] == [f"σ {width}" for width in widths.split()]
    with pytest.raises(ValueError, match="scale 2, 3 and 4, got 8"):
        Gaussian8(8)


def test_direction_of_an_anisotropic_blur():
    bar = torch.zeros(1, 3, 40, 40)
    bar[..., 20] = 1
    protocol = FixedClassic(2, [{}])
    along = protocol.degrade(bar, Blur((6.0, 0.5), theta_deg=90), 0, 0)
    across = protocol.degrade(bar, Blur((6.0, 0.5), theta_deg=0), 0, 0)
    assert along[..., 10].mean() > 3 * across[..., 10].mean()


def test_drawn_degradations_hang_on_the_name_alone_and_are_those_of_the_degrade_command(photos, tmp_path_factory):
    (photos / "more").mkdir()
    (photos / "b.png").rename(photos / "more" / "b.png")
    protocol = Seeded(4, SecondOrder(4), seeds=[0, 5])
    cases = {(case.name, case.condition): case for case in protocol.cases(photos)}
    assert len(cases) == protocol.count(photos) == 4
    (photos / "a.png").unlink()  # the other image's neighbour
    again = next(iter(protocol.cases(photos)))
    assert torch.equal(again.lr, cases["more/b.png", "seed 0"].lr)
    assert not torch.equal(again.lr, cases["more/b.png", "seed 5"].lr)
    written = tmp_path_factory.mktemp("lr")
    degrade([photos], written, seed=5)
    expected = torch.tensor(read_rgb(written / "more" / "b.png")).permute(2, 0, 1)[None] / 255
    assert torch.equal(cases["more/b.png", "seed 5"].lr, expected)


@pytest.mark.parametrize("sharpen", [True, False])
def test_truth_of_a_drawn_degradation_is_what_networks_are_trained_towards(photos, sharpen):
    degradation = SecondOrder(4, sharpen=sharpen)
    case = next(iter(Seeded(4, degradation).cases(photos)))
    photo = to_tensor(photos / case.name, 4)
    assert torch.equal(case.hr, degradation.target(photo))
    assert torch.equal(case.hr, photo) != sharpen


def test_pairs_of_another_scale_are_named(photos, tmp_path):
    for folder, size in {"HR": (24, 24), "LR": (8, 8)}.items():
        (tmp_path / "pairs" / folder).mkdir(parents=True)
        Image.new("RGB", size).save(tmp_path / "pairs" / folder / "x.png")
    assert [case.name for case in Paired(3).cases(tmp_path / "pairs")]
    with pytest.raises(ValueError, match=r"HR is 24x24; at scale=2 it must be 16x16"):
        list(Paired(2).cases(tmp_path / "pairs"))


@pytest.mark.parametrize(
    ("folders", "names"),
    [(("HR", "LR"), ("Canon_001_LR4", "Canon_001_LR4")), (("test_HR", "test_LR"), ("DSC_1_x4", "DSC_1_x1"))],
)
def test_published_real_pairs(tmp_path, folders, names):
    for folder, name, side in zip(folders, names, (512, 128), strict=True):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (side, side)).save(tmp_path / folder / f"{name}.png")
    protocol = RealPairs(4, lr_side_px=128, published_count=100)
    (case,) = protocol.cases(tmp_path)
    assert (case.condition, case.hr.shape[-1], protocol.count(tmp_path)) == ("1 of 100", 512, 1)
    (case,) = RealPairs(4, lr_side_px=128, published_count=1).cases(tmp_path)
    assert case.condition == "real pairs"
    with pytest.raises(ValueError, match=r"crops are 32x32 and 128x128\. For whole photos take protocol=paired"):
        list(RealPairs(4, lr_side_px=32, published_count=1).cases(tmp_path))
    with pytest.raises(ValueError, match="this set is ×4, the model is ×2"):
        RealPairs(2, lr_side_px=128, published_count=1)
