"""NIQE: how far an image's local statistics are from those of pristine photos (Mittal, Soundararajan, Bovik 2013).

No truth is needed; lower is more natural. The pristine photos' statistics are those of the authors' release, as BasicSR
carries them (Apache-2.0); the computation follows BasicSR's, which follows the authors' MATLAB program.

Legend: H and W an image's size, N blocks, F 18 features at each of two scales.
"""

from functools import cache
from importlib.resources import files

import numpy as np
import torch
from safetensors.numpy import load
from scipy.ndimage import correlate1d
from scipy.special import gamma
from torch import Tensor

from realsr_mod.degradations.noise import quantize
from realsr_mod.degradations.resize import resize
from realsr_mod.images.luma import rgb_to_y

BLOCK_PX = 96
_WINDOW_PX, _WINDOW_SIGMA_PX = 7, 7 / 6
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))  # neighbours whose products are looked at
_ALPHAS = np.arange(0.2, 10.001, 0.001)  # shapes of a generalized Gaussian that are tried
_RATIOS = gamma(2 / _ALPHAS) ** 2 / (gamma(1 / _ALPHAS) * gamma(3 / _ALPHAS))


def niqe(sr_B3HW: Tensor, border: int = 0) -> Tensor:
    """NIQE of RGB images in [0, 1], rounded to 8 bits, on luma without `border` px on each side: (B,), float64.

    Raises ValueError for images without two blocks of 96 px, whose statistics could not vary.
    """
    height, width = (side - 2 * border for side in sr_B3HW.shape[-2:])
    if (height // BLOCK_PX) * (width // BLOCK_PX) < 2:
        raise ValueError(
            f"a {sr_B3HW.shape[-2]}x{sr_B3HW.shape[-1]} image is too small for NIQE: two blocks of {BLOCK_PX} px must "
            f"remain after cutting {border} px on each side; use larger images, or leave niqe out of the metrics"
        )
    values = [_niqe(_luma_255(image[None], border)) for image in sr_B3HW]
    return torch.tensor(values, dtype=torch.float64, device=sr_B3HW.device)


def _luma_255(image_13HW: Tensor, border: int) -> np.ndarray:
    luma = rgb_to_y(quantize(image_13HW.detach().double().cpu()))[0, 0].numpy() * 255
    height, width = luma.shape
    rounded: np.ndarray = luma[border : height - border, border : width - border].round().astype(np.float32)
    return rounded


def _niqe(luma_HW: np.ndarray) -> float:
    rows, columns = (side // BLOCK_PX for side in luma_HW.shape)
    luma_HW = luma_HW[: rows * BLOCK_PX, : columns * BLOCK_PX]
    with torch.autocast("cpu", enabled=False):  # a validation in bfloat16 would halve in bfloat16
        half = resize(torch.from_numpy(luma_HW)[None, None], scale=0.5)[0, 0].numpy()
    features_NF = np.concatenate([_features(luma_HW, BLOCK_PX), _features(half, BLOCK_PX // 2)], axis=1)
    mean_F, covariance_FF = _pristine()
    distance_F = mean_F - np.nanmean(features_NF, axis=0)
    whole_NF = features_NF[~np.isnan(features_NF).any(axis=1)]  # a flat block has no statistics
    own_FF = np.cov(whole_NF, rowvar=False) if len(whole_NF) > 1 else np.zeros_like(covariance_FF)
    return float(np.sqrt(distance_F @ np.linalg.pinv((covariance_FF + own_FF) / 2) @ distance_F))


def _features(luma_HW: np.ndarray, block_px: int) -> np.ndarray:
    """Eighteen features of each block, (N, 18): the shape and spread of normalized luma and of neighbours' products."""
    normalized = _normalized(luma_HW)
    rows, columns = (side // block_px for side in luma_HW.shape)
    blocks = normalized.reshape(rows, block_px, columns, block_px).swapaxes(1, 2).reshape(-1, block_px, block_px)
    with np.errstate(divide="ignore", invalid="ignore"):  # flat blocks: NaN, left out by whoever averages
        alpha, left, right = _asymmetric_gaussian(blocks)
        features = [alpha, (left + right) / 2]
        for shift in _SHIFTS:
            alpha, left, right = _asymmetric_gaussian(blocks * np.roll(blocks, shift, axis=(1, 2)))
            features += [alpha, (right - left) * gamma(2 / alpha) / gamma(1 / alpha), left, right]
    return np.stack(features, axis=1)


def _normalized(luma_HW: np.ndarray) -> np.ndarray:
    """Luma less its local mean, over its local deviation plus one; in float32, as the figures of papers are."""
    steps = np.arange(_WINDOW_PX) - _WINDOW_PX // 2
    line = np.exp(-(steps**2) / (2 * _WINDOW_SIGMA_PX**2))
    line /= line.sum()

    def blurred(x_HW: np.ndarray) -> np.ndarray:
        along: np.ndarray = correlate1d(correlate1d(x_HW, line, 0, mode="nearest"), line, 1, mode="nearest")
        return along

    mean = blurred(luma_HW)
    deviation = np.sqrt(np.abs(blurred(luma_HW**2) - mean**2))
    normalized: np.ndarray = (luma_HW - mean) / (deviation + 1)
    return normalized


def _asymmetric_gaussian(blocks_NHW: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit an asymmetric generalized Gaussian to each block: shape, left and right scale, (N,) each."""
    x = blocks_NHW.reshape(len(blocks_NHW), -1)
    left, right = (np.sqrt((x**2 * side).sum(1) / side.sum(1)) for side in (x < 0, x > 0))
    ratio = left / right
    spread = np.abs(x).mean(1) ** 2 / (x**2).mean(1)
    wanted = spread * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    alpha = _ALPHAS[np.abs(_RATIOS - wanted[:, None]).argmin(1)]
    scale = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    return alpha, left * scale, right * scale


@cache
def _pristine() -> tuple[np.ndarray, np.ndarray]:
    """The statistics of pristine photos: mean (36,) and covariance (36, 36)."""
    content = load(files(__package__).joinpath("niqe.safetensors").read_bytes())
    return content["mean"], content["covariance"]
