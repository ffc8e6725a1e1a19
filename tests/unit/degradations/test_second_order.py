"""The second-order pipeline as a whole."""

import pytest
import torch
from omegaconf import OmegaConf
from randomness import generator
from skimage import data
from skimage.registration import phase_cross_correlation
from torch.utils._python_dispatch import TorchDispatchMode

from realsr_mod.degradations import camera_noise, canvas, random_resize, second_order
from realsr_mod.degradations.base import map_params, row, rows
from realsr_mod.degradations.noise import quantize
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.degradations.sharpen import usm_sharpen
from realsr_mod.runtime.compose import instantiate
from realsr_mod.runtime.config import CONF_DIR

MODULES = (camera_noise, canvas, random_resize, second_order)  # those that ask whether they may look at values


def photo(size):
    pixels = torch.from_numpy(data.astronaut()[:size, 150 : 150 + size].copy())
    return pixels.permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def degradation():
    return SecondOrder(scale=4)


@pytest.fixture(scope="module")
def hr():
    return torch.cat([photo(96), photo(96).flip(-1)]).repeat(3, 1, 1, 1)


@pytest.fixture
def on_device(monkeypatch):
    """Make the CPU behave as a device whose values the host must not look at."""
    for module in MODULES:
        monkeypatch.setattr(module, "can_look", lambda tensor: False)


def test_replay_is_bit_equal_and_rows_are_independent(degradation, hr):
    params = degradation.sample(hr.shape, generator())
    lr = degradation(hr, params)
    assert lr.shape == (6, 3, 24, 24)
    assert torch.equal(degradation(hr, params), lr)
    alone = [degradation(hr[i : i + 1], row(params, i)) for i in range(6)]
    assert torch.equal(torch.cat(alone), lr)
    assert torch.equal(degradation(hr[[4, 1]], rows(params, [4, 1])), lr[[4, 1]])


def test_whole_batch_on_a_canvas_gives_the_same_images(degradation, hr, on_device, monkeypatch):
    params = degradation.sample(hr.shape, generator(1))
    together = degradation(hr, params)
    for module in MODULES:
        monkeypatch.setattr(module, "can_look", lambda tensor: True)
    alone = degradation(hr, params)
    # rounding in JPEG turns a difference in the last bit into a step now and then
    difference = (together - alone).abs()
    assert (difference > 0.5 / 255).float().mean() < 0.01
    assert difference.max() < 0.1


class HostReads(TorchDispatchMode):
    """Count what would make the host wait for a GPU: reading values, or copying a table to it."""

    NAMES = ("_local_scalar_dense", "nonzero", "masked_select", "lift_fresh", "is_nonzero", "equal", "index")

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket.__name__ in self.NAMES:
            self.found.append(str(function))
        return function(*args, **(kwargs or {}))


def test_host_never_waits_for_the_device(degradation, hr, on_device):
    degradation(hr[:1], degradation.sample((1, *hr.shape[1:]), generator()))  # constants are made once
    with HostReads() as reads:
        degradation(hr, degradation.sample(hr.shape, generator()))
    assert reads.found == []
    with HostReads() as reads:
        hr.max().item()
    assert reads.found  # the counter works


def test_no_global_randomness_is_read_or_moved(degradation, hr):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = degradation(hr[:2], degradation.sample((2, *hr.shape[1:]), generator()))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(degradation(hr[:2], degradation.sample((2, *hr.shape[1:]), generator())), first)


def test_result_is_8_bit_and_target_is_sharpened(degradation, hr):
    lr = degradation(hr, degradation.sample(hr.shape, generator(2)))
    assert torch.equal(lr, quantize(lr))
    assert torch.equal(degradation.target(hr), usm_sharpen(hr))
    assert torch.equal(SecondOrder(4, sharpen=False).target(hr), hr)


def test_every_row_gets_its_own_choices(degradation):
    params = degradation.sample((300, 3, 64, 64), generator())
    assert params["last"]["is_jpeg_first"].float().mean() == pytest.approx(0.5, abs=0.08)
    assert params["sinc"]["is_on"].float().mean() == pytest.approx(0.8, abs=0.08)
    assert params["sinc"]["is_sinc"].all()
    for name, high in (("noise1", 30), ("noise2", 25)):
        sigma = params[name]["sigma"] * 255
        assert 1 <= sigma.min() < 3
        assert high - 3 < sigma.max() <= high
        assert params[name]["is_poisson"].float().mean() == pytest.approx(0.5, abs=0.1)
        assert params[name]["is_grey"].float().mean() == pytest.approx(0.4, abs=0.1)
    for name in ("jpeg1", "jpeg2"):
        assert 30 <= params[name]["quality"].min() < 33
        assert 92 < params[name]["quality"].max() <= 95
    assert 0.3 <= params["resize2"]["factor"].min() < params["resize2"]["factor"].max() <= 1.2
    map_params(params, lambda tensor: pytest.fail("not (B,)") if tensor.shape != (300,) else tensor)


def clean_params(degradation, hr, factor1, factor2):
    """Nothing but the resizes, and JPEG at its best."""
    params = degradation.sample(hr.shape, generator())
    ones = torch.ones(len(hr))
    for name in ("blur1", "blur2", "sinc"):
        params[name]["is_on"] = ones < 0
    for name in ("noise1", "noise2"):
        params[name] |= {"is_poisson": ones < 0, "sigma": 0 * ones}
    for name in ("jpeg1", "jpeg2"):
        params[name]["quality"] = 100 * ones
    area = torch.zeros(len(hr), dtype=torch.int64)
    params["resize1"] = {"factor": factor1 * ones, "filter": area}
    params["resize2"] = {"factor": factor2 * ones, "filter": area}
    params["last"]["filter"] = area
    return params


@pytest.mark.parametrize("jpeg_first", [False, True])
@pytest.mark.parametrize("factors", [(1.0, 1.0), (1.5, 1.2), (0.43, 0.77)])
def test_clean_pass_lands_on_the_lr_grid(factors, jpeg_first):
    degradation, hr = SecondOrder(4, sharpen=False), photo(256)
    params = clean_params(degradation, hr, *factors)
    params["last"]["is_jpeg_first"] = torch.tensor([jpeg_first])
    lr, expected = degradation(hr, params), resize(hr, 0.25)
    shift, *_ = phase_cross_correlation(lr[0].mean(0).numpy(), expected[0].mean(0).numpy(), upsample_factor=50)
    assert abs(shift).max() <= 0.06
    assert (lr - expected).abs().mean() < (0.02 if min(factors) == 1 else 0.04)


def test_edits_do_what_they_say(degradation):
    hr = photo(128)
    params = clean_params(degradation, hr, 1.0, 1.0)
    clean = degradation(hr, params)
    energy = lambda x: x.diff(dim=-1).square().mean()
    blurrier = {**params, "blur1": params["blur1"] | {"is_on": torch.tensor([True]), "sigma_x": torch.tensor([3.0])}}
    blurrier["blur1"] |= {"family": torch.tensor([0]), "is_sinc": torch.tensor([False]), "size": torch.tensor([21])}
    assert energy(degradation(hr, blurrier)) < 0.8 * energy(clean)
    noisier = {**params, "noise2": params["noise2"] | {"sigma": torch.tensor([0.1])}}
    assert (degradation(hr, noisier) - clean).std() == pytest.approx(0.1, rel=0.35)
    lossier = {**params, "jpeg2": {"quality": torch.tensor([5.0])}}
    assert (degradation(hr, lossier) - clean).abs().mean() > 0.01


def test_configuration_spells_out_the_defaults(degradation):
    config = OmegaConf.create({"scale": 4, "degradation": OmegaConf.load(CONF_DIR / "degradation/second_order.yaml")})
    configured = instantiate(config.degradation)
    expected = degradation.sample((4, 3, 32, 32), generator(5))
    drawn = configured.sample((4, 3, 32, 32), generator(5))
    torch.testing.assert_close(drawn, expected, rtol=0, atol=0)
    assert configured.ops.keys() == degradation.ops.keys()


@pytest.mark.parametrize("size", [(4, 4), (8, 20), (12, 4)])
def test_tiny_images_work(degradation, size):
    hr = torch.rand(2, 3, *size, generator=generator())
    lr = degradation(hr, degradation.sample(hr.shape, generator()))
    assert lr.shape == (2, 3, size[0] // 4, size[1] // 4)
    assert lr.isfinite().all()


def test_odd_hr_size_says_what_to_do(degradation):
    with pytest.raises(ValueError, match="HR size must be a multiple of scale=4, got 30x48; crop it to 28x48"):
        degradation.sample((1, 3, 30, 48), generator())
