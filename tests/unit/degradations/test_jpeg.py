"""JPEG against Pillow's encoder, row by row."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from realsr_mod.degradations.jpeg import JPEG, _constants, _from_blocks, _to_blocks


def pillow(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.array(Image.open(file))


def to_tensor(pixels):
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("quality", [30, 50, 75, 95])
@pytest.mark.parametrize("photo", ["astronaut", "coffee"])
def test_equals_pillow_to_40_db(photo, quality):
    pixels = np.ascontiguousarray(getattr(data, photo)()[:300, 80:337])  # sides that are no multiples of 16
    ours = JPEG()(to_tensor(pixels), {"quality": torch.tensor([float(quality)])})
    psnr = -10 * torch.log10(((ours - to_tensor(pillow(pixels, quality))) ** 2).mean())
    assert psnr > 40


def test_every_row_has_its_own_quality():
    x = torch.rand(3, 3, 24, 40, generator=torch.Generator().manual_seed(0))
    quality = torch.tensor([10.0, 60.0, 95.0])
    together = JPEG()(x, {"quality": quality})
    alone = [JPEG()(x[i : i + 1], {"quality": quality[i : i + 1]}) for i in range(3)]
    assert torch.equal(together, torch.cat(alone))
    errors = (together - x).square().mean((1, 2, 3))
    assert errors[0] > errors[1] > errors[2]


def test_dct_is_orthonormal_and_blocks_come_back():
    dct = _constants(torch.device("cpu")).dct
    torch.testing.assert_close(dct @ dct.mT, torch.eye(64), atol=1e-6, rtol=0)
    x = torch.rand(2, 3, 16, 24)
    blocks = _to_blocks(x)
    assert torch.equal(blocks[0, 1].view(8, 8), x[0, 0, :8, 8:16])
    assert torch.equal(_from_blocks(blocks, x.shape), x)


def test_result_is_8_bit_within_bounds():
    x = torch.rand(1, 3, 17, 9) * 3 - 1
    result = JPEG()(x, {"quality": torch.tensor([30.0])}) * 255
    assert result.shape == x.shape
    torch.testing.assert_close(result, result.round(), atol=1e-4, rtol=0)
    assert result.min() >= 0
    assert result.max() <= 255


@pytest.mark.parametrize("wrong", [(0, 50), (50, 101), (60, 50)])
def test_quality_range_is_checked(wrong):
    with pytest.raises(ValueError, match="quality_range"):
        JPEG(wrong)
