"""The relation by gradients, on networks whose gradients are known.

Legend: K tasks, P parameters.
"""

from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from skimage import data as photos

from realsr_mod.data.batch import SRBatch
from realsr_mod.data.datamodule import EmbeddedDataModule
from realsr_mod.degradations.resize import resize
from realsr_mod.methods.drtl.bank import AuxiliaryBank
from realsr_mod.methods.drtl.gradient import agreement, mean_gradient, task_gradients
from realsr_mod.methods.drtl.module import WeightedPretraining
from realsr_mod.methods.drtl.support import SupportDataModule
from realsr_mod.networks.base import SRNetwork

SHARP = {"sharpen_amount": [2, 2], "sharpen_sigma_px": [1, 1]}
TASKS = {"blur": {"sigma_px": [2.4, 2.4]}, "nothing": {}, "sharp": SHARP}


class Sharpener(SRNetwork):
    """Bicubic enlargement plus theta times what a small mean filter takes away."""

    scale = 2

    def __init__(self, theta=0.0):
        super().__init__()
        self.theta = torch.nn.Parameter(torch.tensor(theta))
        self.frozen = torch.nn.Parameter(torch.ones(3), requires_grad=False)

    def restore(self, lr, embedding):
        up = resize(lr, scale=2)
        return up + self.theta * (up - torch.nn.functional.avg_pool2d(up, 3, 1, 1))


@pytest.fixture
def blurred_pairs(tmp_path):
    """Two pairs of a camera that blurs."""
    bank = AuxiliaryBank(2, TASKS)
    for side in ("HR", "LR"):
        (tmp_path / side).mkdir()
    for i in range(2):
        hr = torch.from_numpy(np.ascontiguousarray(photos.astronaut()[:128, 128 * i : 128 * i + 160]))
        hr_13HW = hr.permute(2, 0, 1)[None].float() / 255
        lr_13HW = bank(hr_13HW, bank.of_tasks(torch.tensor([0]), hr_13HW.shape, torch.Generator().manual_seed(i)))
        for side, image in (("HR", hr_13HW), ("LR", lr_13HW)):
            pixels = (image[0].permute(1, 2, 0) * 255).round().byte().numpy()
            Image.fromarray(pixels).save(tmp_path / side / f"{i}.png")
    return tmp_path


def embedded(bank):
    return EmbeddedDataModule(degradation=bank, scale=2, hr_crop_px=32, batch_size=8, val_crop_px=32)


def support_of(folder):
    return SupportDataModule(str(folder), scale=2, hr_crop_px=32, batch_size=8)


def test_the_gradient_is_the_mean_over_batches_and_skips_what_is_frozen():
    network = Sharpener(theta=1.0)
    lr = torch.zeros(1, 3, 4, 4)
    lr[..., 2] = 1
    batches = [SRBatch(lr, torch.full((1, 3, 8, 8), value)) for value in (-9.0, 9.0, 9.0)]
    one = mean_gradient(network, batches[:1], torch.nn.L1Loss())
    assert one.shape == (1,)
    assert one.item() != 0
    # far below and far above the truth, L1's gradients are opposite
    torch.testing.assert_close(mean_gradient(network, batches, torch.nn.L1Loss()), -one / 3)


def test_agreement_is_one_for_the_same_gradient_and_less_for_one_that_leads_too_far():
    support_P = torch.tensor([3.0, 4.0])
    tasks_KP = torch.tensor([[3.0, 4.0], [1.5, 2.0], [6.0, 8.0], [9.0, 12.0], [0.0, 0.0], [-3.0, -4.0]])
    # all along one line, so that scaling changes nothing: r (2 cos - r) with r the ratio of lengths
    expected_K = torch.tensor([1.0, 0.75, 0.0, -3.0, 0.0, -3.0])
    torch.testing.assert_close(agreement(tasks_KP, support_P), expected_K, rtol=0, atol=1e-5)


def test_no_parameter_decides_alone_because_its_gradients_are_large():
    tasks_KP = torch.tensor([[1000.0, 1.0, 1.0], [1000.0, -1.0, -1.0]])
    support_P = torch.tensor([-1000.0, 1.0, 1.0])
    plain_K = 1 - (tasks_KP - support_P).square().sum(1) / support_P.square().sum()
    torch.testing.assert_close(plain_K, torch.tensor([-3.0, -3.0]), rtol=0, atol=1e-4)
    # every parameter counts once: one of three differs in sign, all three do
    torch.testing.assert_close(agreement(tasks_KP, support_P), 1 - torch.tensor([4 / 3, 4.0]), rtol=1e-4, atol=1e-4)


def test_a_task_that_undoes_what_the_camera_does_agrees_with_it(blurred_pairs):
    bank = AuxiliaryBank(2, TASKS)
    before = bank.probabilities
    data, support = embedded(bank), support_of(blurred_pairs)
    relation_K = agreement(*task_gradients(Sharpener(), data, bank, support, torch.nn.L1Loss()))
    assert relation_K[:2].min() > 0.5  # to enlarge, some sharpening is good in any case
    assert relation_K[2] < 0  # to undo sharpening is to blur
    assert bank.probabilities == before


def test_weights_are_measured_once_when_training_starts(blurred_pairs, tmp_path):
    def module():
        return WeightedPretraining(
            Sharpener(),
            relation="gradient",
            pairs=str(blurred_pairs),
            weight_temperature=0.5,
            support=partial(support_of, blurred_pairs),
            optimizer=partial(torch.optim.SGD, lr=0.1),
        )

    def trainer(steps):
        return pl.Trainer(
            accelerator="cpu", max_steps=steps, limit_val_batches=0, use_distributed_sampler=False, logger=False,
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
            default_root_dir=tmp_path,
        )  # fmt: skip

    first, bank = module(), AuxiliaryBank(2, TASKS)
    run = trainer(1)
    run.fit(first, embedded(bank))
    data, support = embedded(AuxiliaryBank(2, TASKS)), support_of(blurred_pairs)
    relation_K = agreement(*task_gradients(Sharpener(), data, data.degradation, support, torch.nn.L1Loss()))
    expected = relation_K.div(0.5).softmax(0).tolist()
    assert first.weighting.weights == pytest.approx(dict(zip(TASKS, expected, strict=True)))
    assert bank.probabilities == pytest.approx(expected)
    run.save_checkpoint(tmp_path / "last.ckpt")

    second, bank = module(), AuxiliaryBank(2, TASKS)
    second.network.theta.data.fill_(50.0)  # where all gradients would be others
    trainer(2).fit(second, embedded(bank), ckpt_path=tmp_path / "last.ckpt")
    assert second.weighting.weights == first.weighting.weights
    assert bank.probabilities == pytest.approx(expected)
