"""Do the two images of a pair show the same, pixel for pixel? Measured, and if wanted mended, by known libraries.

Images are uint8 RGB, (H, W, 3) the large one and (h, w, 3) the small one; s is the scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from skimage.registration import phase_cross_correlation

LONGEST_PX = 1024  # images are shrunk to this before a shift is looked for
MIN_QUADRANT_PX = 64  # smaller parts hold too little to find a shift by
MIN_MATCHES = 12  # points that must agree on one transform
RATIO = 0.75  # Lowe's: how much nearer the best match must be than the second


class AlignmentError(ValueError):
    """Two images could not be registered."""


def misalignment_px(hr: np.ndarray, lr: np.ndarray) -> float:
    """By how many HR pixels the content of HR lies elsewhere than LR says.

    Phase correlation of the luma at LR size, over the whole image and over its quadrants: the larger of the whole
    image's shift and the median quadrant's, so that a turn or a zoom about the centre is seen too.
    """
    shrink = min(1.0, LONGEST_PX / max(lr.shape[:2]))
    width, height = round(lr.shape[1] * shrink), round(lr.shape[0] * shrink)
    large, small = (cv2.resize(_luma(image), (width, height), interpolation=cv2.INTER_AREA) for image in (hr, lr))
    parts = [(slice(None), slice(None))]
    if min(height, width) >= 2 * MIN_QUADRANT_PX:
        rows, columns = ([slice(0, side // 2), slice(side // 2, None)] for side in (height, width))
        parts += [(r, c) for r in rows for c in columns]
    shifts = [_shift(large[part], small[part]) for part in parts]
    return float(max(shifts[0], float(np.median(shifts[1:] or shifts))) * hr.shape[0] / height)


def _shift(reference: np.ndarray, moving: np.ndarray) -> float:
    """Length of the shift in pixels; 0 where there is nothing to find one by."""
    if reference.std() == 0 or moving.std() == 0:
        return 0.0
    shift, _, _ = phase_cross_correlation(reference, moving, upsample_factor=10)
    return float(np.hypot(*shift))


def register(hr: np.ndarray, lr: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Warp HR onto LR's pixels by one affine transform; returns both, cut to what they share.

    Points found and matched by SIFT, an affine transform by RANSAC, refined by maximising the correlation (ECC), all
    OpenCV's. LR is never resampled. HR need not be exactly `scale` times as large, but should not be much larger.

    Raises AlignmentError if too few points agree.
    """
    height, width = lr.shape[:2]
    grey_lr = _luma(lr)
    grey_hr = cv2.resize(_luma(hr), (width, height), interpolation=cv2.INTER_AREA)
    to_hr = _refined(grey_lr, grey_hr, _matched(grey_lr, grey_hr))
    # Indices count pixels from the centre of the first; sizes scale positions counted from the image's corner.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    shrink_target = np.diag([1 / scale, 1 / scale, 1])
    enlarge_hr = np.diag([hr.shape[1] / width, hr.shape[0] / height, 1])
    inverse = np.linalg.inv(half)
    target_to_hr = inverse @ enlarge_hr @ half @ np.vstack([to_hr, [0, 0, 1]]) @ inverse @ shrink_target @ half
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    size = (width * scale, height * scale)
    warped = cv2.warpAffine(hr, target_to_hr[:2], size, flags=flags, borderMode=cv2.BORDER_REFLECT)
    rows, columns = _shared(target_to_hr, hr.shape[:2], (height, width), scale)
    hr_part = warped[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale]
    return np.ascontiguousarray(hr_part), np.ascontiguousarray(lr[rows, columns])


def _matched(grey_lr: np.ndarray, grey_hr: np.ndarray) -> np.ndarray:
    """The affine transform (2, 3) from LR's pixels to those of HR shrunk to LR's size."""
    sift = cv2.SIFT.create()
    (points_lr, of_lr), (points_hr, of_hr) = (sift.detectAndCompute(grey, None) for grey in (grey_lr, grey_hr))
    matches = [] if of_lr is None or of_hr is None else cv2.BFMatcher().knnMatch(of_lr, of_hr, k=2)
    good = [pair[0] for pair in matches if len(pair) == 2 and pair[0].distance < RATIO * pair[1].distance]
    matrix: np.ndarray | None = None
    inliers: np.ndarray = np.zeros(0)
    if len(good) >= MIN_MATCHES:
        source = np.array([points_lr[match.queryIdx].pt for match in good], np.float32)
        target = np.array([points_hr[match.trainIdx].pt for match in good], np.float32)
        matrix, inliers = cv2.estimateAffine2D(source, target, ransacReprojThreshold=1.0)
    if matrix is None or inliers.sum() < MIN_MATCHES:
        raise AlignmentError(f"only {int(inliers.sum())} points agree on a transform, {MIN_MATCHES} are needed")
    return matrix


def _refined(grey_lr: np.ndarray, grey_hr: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The transform at the highest correlation near `matrix`, or `matrix` if none is found."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-5)
    try:
        _, refined = cv2.findTransformECC(  # type: ignore[call-overload]  # whose stub has no mask of None
            grey_lr, grey_hr, matrix.astype(np.float32), cv2.MOTION_AFFINE, criteria, None, 5
        )
    except cv2.error:  # it did not converge
        return matrix
    found: np.ndarray = refined
    return found


def _shared(
    target_to_hr: np.ndarray, hr_size: Sequence[int], lr_size: Sequence[int], scale: int
) -> tuple[slice, slice]:
    """Rows and columns of LR that HR covers, for transforms that hardly turn; AlignmentError if there are none."""
    (height_hr, width_hr), (height, width) = hr_size, lr_size
    corners = np.array([[0, width_hr - 1, width_hr - 1, 0], [0, 0, height_hr - 1, height_hr - 1], [1, 1, 1, 1]])
    (x0, x1, x2, x3), (y0, y1, y2, y3), _ = np.linalg.inv(target_to_hr) @ corners
    left, right = max(x0, x3, 0) / scale, (min(x1, x2, width * scale - 1) + 1) / scale
    top, bottom = max(y0, y1, 0) / scale, (min(y2, y3, height * scale - 1) + 1) / scale
    rows, columns = slice(int(np.ceil(top)), int(bottom)), slice(int(np.ceil(left)), int(right))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise AlignmentError("the images do not overlap")
    return rows, columns


@dataclass(frozen=True)
class ColorFit:
    """How the colours of HR images relate to those of LR ones: lr = matrix @ [r, g, b, 1], all in 1/255 units."""

    matrix: np.ndarray  # (3, 4)
    mean_difference: np.ndarray  # (3,) LR minus HR
    error_before: float  # root of the mean squared difference
    error_after: float  # what the best affine fit leaves

    def apply(self, hr: np.ndarray) -> np.ndarray:
        """HR in the colours of LR."""
        colors = hr.astype(np.float32) @ self.matrix[:, :3].T.astype(np.float32) + self.matrix[:, 3].astype(np.float32)
        return np.clip(np.round(colors), 0, 255).astype(np.uint8)


def fit_colors(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> ColorFit:
    """Least squares over all pixels of all aligned (hr, lr) pairs, HR brought to LR's size."""
    sources, targets = [], []
    for hr, lr in pairs:
        small = cv2.resize(hr, lr.shape[1::-1], interpolation=cv2.INTER_AREA)
        sources.append(small.reshape(-1, 3).astype(np.float64))
        targets.append(lr.reshape(-1, 3).astype(np.float64))
    source, target = np.concatenate(sources), np.concatenate(targets)
    design = np.column_stack([source, np.ones(len(source))])
    solution = np.linalg.lstsq(design.T @ design, design.T @ target, rcond=None)[0]
    before, after = target - source, target - design @ solution
    rms = [float(np.sqrt(np.square(error).mean())) for error in (before, after)]
    return ColorFit(solution.T, before.mean(0), *rms)


def _luma(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
