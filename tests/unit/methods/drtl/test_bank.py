import pytest
import torch
from omegaconf import OmegaConf
from randomness import generator

from realsr_mod.degradations.base import row, stack_rows
from realsr_mod.degradations.blur import blur
from realsr_mod.degradations.classic import Bicubic, ClassicDegradation
from realsr_mod.degradations.jpeg import JPEG
from realsr_mod.degradations.kernels import gaussian_kernels
from realsr_mod.degradations.noise import quantize
from realsr_mod.methods.drtl.bank import AuxiliaryBank
from realsr_mod.runtime.config import CONF_DIR

TASKS = OmegaConf.to_container(OmegaConf.load(CONF_DIR / "degradation" / "auxiliary.yaml").tasks)


def photo(batch=1, side=32):
    return torch.rand(batch, 3, side, side, generator=generator(9))


def one_task(**levels):
    """A bank whose task 0 is the given one; the other does nothing."""
    return AuxiliaryBank(2, {"asked": levels, "nothing": {}})


def degrade(bank, hr, task=0):
    params = bank.of_tasks(torch.full((len(hr),), task), hr.shape, generator())
    return bank(hr, params), params


def test_every_row_has_its_task_and_can_be_replayed_alone():
    bank = AuxiliaryBank(2, TASKS)
    assert len(bank.names) > 10
    hr = photo(len(TASKS))
    params = bank.of_tasks(torch.arange(len(TASKS)), hr.shape, generator())
    lr = bank(hr, params)
    assert lr.shape == (len(TASKS), 3, 16, 16)
    for i in range(len(TASKS)):
        torch.testing.assert_close(bank(hr[i : i + 1], row(params, i)), lr[i : i + 1], rtol=0, atol=1.01 / 255)
    assert torch.equal(bank(hr, params), lr)
    assert torch.equal(stack_rows([row(params, i) for i in range(3)])["task"], torch.arange(3))


def test_a_task_without_levels_is_bicubic_downscaling():
    hr = photo(2)
    assert torch.equal(degrade(one_task(sigma_px=[1, 1]), hr, task=1)[0], Bicubic(2)(hr, {}))


def test_an_isotropic_task_blurs_as_the_classic_pipeline_with_the_drawn_sigma():
    hr = photo(3)
    lr, params = degrade(one_task(sigma_px=[0.5, 2.0]), hr)
    sigma = params["blur"]["sigma_x"]
    assert 0.5 <= sigma.min() < sigma.max() <= 2.0
    expected = ClassicDegradation(2)(hr, {"blur": {"sigma_x": sigma}})
    torch.testing.assert_close(lr, expected, rtol=0, atol=1.01 / 255)


def test_an_anisotropic_task_draws_both_widths():
    _, params = degrade(one_task(sigma_px=[2, 3], sigma_across_px=[0.2, 0.6]), photo(4))
    blur = params["blur"]
    assert blur["is_on"].all()
    assert (blur["sigma_x"] >= 2).all()
    assert (blur["sigma_y"] <= 0.6).all()
    assert torch.equal(blur["family"], torch.ones(4, dtype=torch.int64))


def test_noise_has_the_level_that_was_asked_for():
    hr = torch.full((1, 3, 128, 128), 0.5)
    lr, _ = degrade(one_task(noise_sigma_255=[20, 20]), hr)
    assert (lr - 0.5).std().item() * 255 == pytest.approx(20, rel=0.05)
    lr, params = degrade(one_task(poisson_scale=[2, 2]), hr)
    assert params["noise"]["is_poisson"].all()
    assert (lr - 0.5).std().item() == pytest.approx(2 * (0.5 / 256) ** 0.5, rel=0.05)


def test_a_sharpening_camera_adds_what_a_gaussian_takes_away_and_leaves_other_rows_alone():
    bank, hr = one_task(sharpen_amount=[0.8, 0.8], sharpen_sigma_px=[1.2, 1.2]), 0.25 + photo(2) / 2
    lr = bank(hr, bank.of_tasks(torch.tensor([0, 1]), hr.shape, generator()))
    small = Bicubic(2).chain.ops["down"](hr, {})
    smooth = blur(small, gaussian_kernels(*torch.tensor([[1.2], [1.2], [0.0]]), 13))
    torch.testing.assert_close(lr[0], quantize((small + 0.8 * (small - smooth))[0]), rtol=0, atol=1.01 / 255)
    assert torch.equal(lr[1:], Bicubic(2)(hr[1:], {}))


def test_params_from_before_there_was_sharpening_can_still_be_replayed():
    bank, hr = one_task(sigma_px=[1, 2]), photo()
    lr, params = degrade(bank, hr)
    del params["sharpen"]
    assert torch.equal(bank(hr, params), lr)


def test_jpeg_alone_is_the_jpeg_op_after_downscaling():
    hr = photo()
    lr, _ = degrade(one_task(jpeg_quality=[40, 40]), hr)
    small = Bicubic(2).chain.ops["down"](hr, {}).clamp(0, 1)
    assert torch.equal(lr, quantize(JPEG()(small, {"quality": torch.tensor([40.0])})))


def test_the_resize_chain_loses_detail_and_leaves_other_rows_alone():
    bank, hr = one_task(resize_factor=[0.25, 0.25]), photo(2, 64)
    lr = bank(hr, bank.of_tasks(torch.tensor([0, 1]), hr.shape, generator()))
    assert torch.equal(lr[1:], Bicubic(2)(hr[1:], {}))
    smooth, noisy = (image.diff(dim=-1).std() / image.std() for image in lr)
    assert smooth < 0.75 * noisy


def test_the_poster_inverts_and_has_few_colors():
    hr = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    lr, _ = degrade(one_task(poster_levels=[4, 4]), hr)
    assert len(lr.unique()) == 4
    assert lr[0, 0, 0, 0] == 1
    assert lr[0, 0, 0, -1] == 0


def test_tasks_are_drawn_in_groups_by_the_given_probabilities():
    bank = AuxiliaryBank(2, TASKS, group_rows=4)
    task = bank.sample((4000, 3, 8, 8), generator())["task"]
    assert (task.view(-1, 4) == task.view(-1, 4)[:, :1]).all()
    assert len(task.unique()) == len(TASKS)
    bank.draw_by([0.75, 0.25] + [0] * (len(TASKS) - 2))
    task = bank.sample((4000, 3, 8, 8), generator())["task"]
    assert (task == 0).float().mean().item() == pytest.approx(0.75, abs=0.05)
    assert task.max() == 1
    with pytest.raises(ValueError, match="need as many probabilities, got 2"):
        bank.draw_by([0.5, 0.5])


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"sigma": [1, 2]}, r"task odd: unknown \['sigma'\]; a task has sigma_px"),
        ({"sigma_px": [2, 1]}, r"task odd: sigma_px must be \[low, high\]"),
        ({"sigma_across_px": [1, 2]}, "needs sigma_px"),
        ({"sharpen_amount": [1, 2]}, "needs both sharpen_amount and sharpen_sigma_px"),
        ({"sharpen_amount": [1, 2], "sharpen_sigma_px": [1, 3]}, r"must end at 2.1 or below, got \[1, 3\]"),
        ({"noise_sigma_255": [1, 2], "poisson_scale": [1, 2]}, "Gaussian or Poisson"),
        ({"resize_factor": [0.5, 1.5]}, "must end at 1"),
        ({"poster_levels": [1, 2]}, "2 <= low"),
    ],
)
def test_a_task_that_makes_no_sense_is_named(levels, message):
    with pytest.raises(ValueError, match=message):
        AuxiliaryBank(2, {"odd": levels, "nothing": {}})


def test_a_bank_needs_something_to_compare():
    with pytest.raises(ValueError, match="at least two tasks"):
        AuxiliaryBank(2, {"blur": {"sigma_px": [1, 2]}})
