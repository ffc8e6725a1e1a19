"""How far degradations go: `web` lies between a camera's photos and the second-order pipeline."""

import torch
from randomness import generator
from skimage import data

from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.stored import build_degradation, read_degradation

DRAWS = 24


def mean_psnr_db(name: str) -> float:
    """Of LR images of one photo under draws of a degradation, against the photo made smaller and nothing else."""
    photo = torch.from_numpy(data.astronaut()[:192, 128:320].copy()).permute(2, 0, 1).float() / 255
    hr = photo.expand(DRAWS, -1, -1, -1)
    degradation = build_degradation(read_degradation(name, 4))
    lr = degradation(hr, degradation.sample(hr.shape, generator()))
    squares = (lr - resize(photo[None], scale=1 / 4)).square().mean(dim=(1, 2, 3))
    return (-10 * squares.log10()).mean().item()


def test_web_is_worse_than_mild_and_better_than_second_order():
    mild, web, severe = map(mean_psnr_db, ("mild", "web", "second_order"))
    assert mild - 3 > web > severe + 2
