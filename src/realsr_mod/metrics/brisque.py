"""BRISQUE: a quality score from an image's local statistics (Mittal, Moorthy, Bovik 2012), by the package `brisque`.

No truth is needed; 0 is best, 100 worst. The package carries the trained regression.
"""

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from realsr_mod.degradations.noise import quantize

NEEDS_EXTRA = "metrics=[brisque] needs an extra: pip install 'realsr-mod[brisque]'"


class Brisque:
    """BRISQUE of RGB images in [0, 1], rounded to 8 bits, without `border` px on each side: (B,), float64.

    Raises ImportError where the package is missing.
    """

    def __init__(self) -> None:
        try:
            from brisque import BRISQUE
        except ImportError as error:
            raise ImportError(NEEDS_EXTRA) from error
        self.model = BRISQUE(url=False)

    def __call__(self, sr_B3HW: Tensor, border: int = 0) -> Tensor:
        height, width = sr_B3HW.shape[-2:]
        inside = sr_B3HW[..., border : height - border, border : width - border]
        images = quantize(inside.detach().double().cpu()).permute(0, 2, 3, 1).numpy()
        scores = [_score(self.model, image) for image in images]
        return torch.tensor(scores, dtype=torch.float64, device=sr_B3HW.device)


def _score(model: Any, image_HW3: np.ndarray) -> float:
    """What the package's `score` computes, whose last step NumPy 2.5 refuses: its features are arrays of one number."""
    gray = image_HW3 @ np.array([0.2125, 0.7154, 0.0721])
    half = cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_CUBIC)
    features = np.concatenate([model.calculate_brisque_features(scale) for scale in (gray, half)])
    return float(model.calculate_image_quality_score([float(np.ravel(value)[0]) for value in features]))
