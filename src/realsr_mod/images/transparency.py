"""Transparent images for networks and resizing, which look at colors that nobody sees.

What lies under fully transparent pixels is arbitrary, often black; a network would draw it into the visible edge, and
take it for a part of the photo that it estimates the degradation of.

Legend: H height, W width, C channels (2 grey + alpha, 4 RGB + alpha).
"""

import cv2
import numpy as np


def with_visible_colors(pixels_HWC: np.ndarray) -> np.ndarray:
    """The image with its visible colors continued under what is transparent, mirrored at the visible edge.

    A mirror keeps noise and texture as they are, where a smear of the nearest color would look like less of both. Where
    the mirror image is not visible either, the nearest visible color is taken. An image that is visible everywhere, or
    nowhere, comes back as it is. Any kind of pixels; alpha stays.
    """
    if pixels_HWC.shape[2] not in (2, 4):
        return pixels_HWC
    visible = pixels_HWC[:, :, -1] > 0
    if visible.all() or not visible.any():
        return pixels_HWC
    height, width = visible.shape
    _, labels = cv2.distanceTransformWithLabels(
        (~visible).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    place_of = np.zeros(labels.max() + 1, np.intp)
    place_of[labels[visible]] = np.flatnonzero(visible)
    rows, columns = np.nonzero(~visible)
    near_rows, near_columns = np.divmod(place_of[labels[~visible]], width)
    across = np.clip(2 * near_rows - rows, 0, height - 1), np.clip(2 * near_columns - columns, 0, width - 1)
    seen = visible[across]
    source_rows = np.where(seen, across[0], near_rows)
    source_columns = np.where(seen, across[1], near_columns)
    filled = pixels_HWC.copy()
    filled[rows, columns, :-1] = pixels_HWC[source_rows, source_columns, :-1]
    return filled


def resized_channels(pixels_HWC: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """(H, W, 2 or 4) at another size (width, height): colors count as much as they are visible, plane by plane."""
    alpha = pixels_HWC[:, :, -1]
    if alpha.all() and (alpha == alpha.flat[0]).all():
        return cv2.resize(pixels_HWC, size, interpolation=interpolation)
    out = np.empty((size[1], size[0], pixels_HWC.shape[2]), pixels_HWC.dtype)
    out[:, :, -1] = cv2.resize(alpha, size, interpolation=interpolation)
    weights = alpha.astype(np.float32)
    total = cv2.resize(weights, size, interpolation=interpolation)
    white = np.iinfo(out.dtype).max if out.dtype.kind == "u" else 1.0
    for channel in range(pixels_HWC.shape[2] - 1):
        plane = np.ascontiguousarray(pixels_HWC[:, :, channel])
        straight = cv2.resize(plane, size, interpolation=interpolation)
        weighted = cv2.resize(plane.astype(np.float32) * weights, size, interpolation=interpolation)
        with np.errstate(divide="ignore", invalid="ignore"):
            mixed = np.clip(weighted / total, 0, white)
        mixed = np.where(total > 1e-3 * white, mixed, straight)
        out[:, :, channel] = mixed.round() if out.dtype.kind == "u" else mixed
    return out
