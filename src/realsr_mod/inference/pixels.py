"""Images of any kind as pixels, and back: Pillow, NumPy, torch and `Image` all become (H, W, C) arrays.

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha), B batch; h, w a tile's size.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np
from PIL import Image

from realsr_mod.images.image import LoadedImage
from realsr_mod.images.read import from_pil
from realsr_mod.images.transparency import resized_channels
from realsr_mod.images.write import to_pil
from realsr_mod.inference.arrays import Array, Arrays

if TYPE_CHECKING:  # whoever brings a tensor has torch already; others need not wait for it
    from torch import Tensor

ImageType = TypeVar("ImageType", "Image.Image", "np.ndarray", "Tensor", "LoadedImage")


@dataclass(frozen=True)
class Source:
    """The colours of an image, read tile by tile as float RGB."""

    pixels_HWC: np.ndarray

    @property
    def colors(self) -> int:
        return 1 if self.pixels_HWC.shape[2] < 3 else 3

    @cached_property
    def is_gray(self) -> bool:
        """Whether all its colours are the same, so that the result's must be."""
        first = self.pixels_HWC[:, :, 0]
        return all(np.array_equal(first, self.pixels_HWC[:, :, color]) for color in range(1, self.colors))

    @property
    def white(self) -> float:
        """The value of white: 255, 65535, or 1 for floats."""
        dtype = self.pixels_HWC.dtype
        return float(np.iinfo(dtype).max) if dtype.kind == "u" else 1.0

    def read(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(1, 3, h, w) at these row and column indices; grey is repeated."""
        tile_hwC = self.pixels_HWC[rows][:, columns, : self.colors].astype(np.float32) / np.float32(self.white)
        tile_hw3 = np.broadcast_to(tile_hwC, (*tile_hwC.shape[:2], 3))
        return np.array(tile_hw3.transpose(2, 0, 1)[None], order="C")  # a copy: torch warns of what cannot be written

    def quantized(self, rows_3HW: Array, arrays: Arrays) -> np.ndarray:
        """Float RGB rows as the image's kind of pixels, (n, W, colours), of a grey image (n, W, 1)."""
        rows = rows_3HW if not self.is_gray else rows_3HW.mean(0)[None]
        return arrays.pixels(rows, self.white, self.pixels_HWC.dtype)


def apply_to_pixels(enlarge: Callable[[np.ndarray], np.ndarray], image: ImageType) -> ImageType:
    """Run (H, W, C) pixels through `enlarge` and give back the kind of image that came."""
    if isinstance(image, LoadedImage):
        return replace(image, pixels_HWC=enlarge(image.pixels_HWC))
    if isinstance(image, Image.Image):
        loaded = from_pil(image)
        return to_pil(replace(loaded, pixels_HWC=enlarge(loaded.pixels_HWC)))
    if _is_tensor(image):
        tensor: Any = image
        return _apply_to_tensor(enlarge, tensor)  # type: ignore[no-any-return]
    pixels: Any = np.asarray(image)
    if pixels.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise ValueError(f"pixels must be uint8, uint16 or float in [0, 1], got {pixels.dtype}")
    if pixels.ndim not in (2, 3) or 0 in pixels.shape or (pixels.ndim == 3 and pixels.shape[2] > 4):
        raise ValueError(f"a NumPy image is (H, W) or (H, W, 1 to 4), got {pixels.shape}")
    result: Any = enlarge(pixels[:, :, None])[:, :, 0] if pixels.ndim == 2 else enlarge(pixels)
    return result  # type: ignore[no-any-return]


def _is_tensor(image: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(image, torch.Tensor)


def _apply_to_tensor(enlarge: Callable[[np.ndarray], np.ndarray], image: Any) -> Any:
    import torch

    if image.ndim == 4:
        return torch.stack([_apply_to_tensor(enlarge, row) for row in image])
    if image.ndim != 3 or image.shape[0] not in (1, 3) or 0 in image.shape:
        raise ValueError(f"a torch image is (C, H, W) or (B, C, H, W) with 1 or 3 channels, got {tuple(image.shape)}")
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise ValueError(f"a torch image is uint8 or float in [0, 1], got {image.dtype}")
    values = image.detach().cpu()
    pixels = (values if image.dtype == torch.uint8 else values.float()).permute(1, 2, 0).numpy()
    return torch.from_numpy(enlarge(pixels)).permute(2, 0, 1).contiguous().to(image)


def enlarged_alpha(alpha_HW: np.ndarray, scale: int) -> np.ndarray:
    """Transparency made `scale` times larger by bicubic interpolation; networks are not made for it."""
    height, width = alpha_HW.shape
    larger = cv2.resize(np.ascontiguousarray(alpha_HW), (width * scale, height * scale), interpolation=cv2.INTER_CUBIC)
    return larger if larger.dtype.kind == "u" else larger.clip(0, 1)


def resized(pixels_HWC: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pixels at another size of at least 1x1: averaged over areas when shrinking, bicubic when growing."""
    height, width = max(height, 1), max(width, 1)
    if pixels_HWC.shape[:2] == (height, width):
        return pixels_HWC
    shrinks = height * width < pixels_HWC.shape[0] * pixels_HWC.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    if pixels_HWC.shape[2] in (2, 4):
        return resized_channels(pixels_HWC, (width, height), interpolation)
    out = cv2.resize(pixels_HWC, (width, height), interpolation=interpolation)
    out = out if out.ndim == 3 else out[:, :, None]
    return out if out.dtype.kind == "u" else out.clip(0, 1)
