"""Where tiles are put together: in the machine's memory, or on the device where they were made."""

from typing import Any, Protocol

import cv2
import numpy as np

Array = Any  # a NumPy array, or a tensor on a device: slices, arithmetic in place and shapes are the same


class Arrays(Protocol):
    """Arrays of one kind."""

    def zeros(self, *shape: int) -> Array:
        """Of float32."""

    def array(self, values: np.ndarray) -> Array:
        """The same values as float32 of this kind."""

    def is_finite(self, values: Array) -> bool:
        """Whether there is neither NaN nor infinity in it."""

    def pixels(self, rows_CHW: Array, white: float, dtype: np.dtype[Any]) -> np.ndarray:
        """Values from 0 to 1 as pixels (H, W, C) from 0 to `white`, clipped, integers rounded to even."""


class NumPyArrays:
    """In memory. One thread does this while the network's threads wait, so it passes over the values few times."""

    def zeros(self, *shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    def array(self, values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32)

    def is_finite(self, values: np.ndarray) -> bool:
        # A sum needs no second array; that of finite values may overflow all the same.
        return bool(np.isfinite(values.sum(dtype=np.float64)) or np.isfinite(values).all())

    def pixels(self, rows_CHW: np.ndarray, white: float, dtype: np.dtype[Any]) -> np.ndarray:
        if dtype.kind != "u":
            return (rows_CHW.clip(0, 1) * white).astype(dtype).transpose(1, 2, 0)
        depth = cv2.CV_8U if dtype == np.uint8 else cv2.CV_16U
        # cv2.multiply rounds and clips in one pass; its annotations know no numbers
        planes = [cv2.multiply(plane, white, dtype=depth) for plane in rows_CHW]  # type: ignore[call-overload]
        pixels: np.ndarray = cv2.merge(planes) if len(planes) > 1 else planes[0][:, :, None]
        return pixels


NUMPY = NumPyArrays()
