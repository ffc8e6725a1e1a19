"""A video looked through before it is restored: how long it is, whether it is whole, where its shots begin.

All frames of a shot are restored under one embedding, so that nothing flickers; a new shot may be degraded otherwise.

Legend: H, W a frame's size, C channels, D the embedding's length.
"""

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from av.video.frame import VideoFrame

from realsr_mod.inference.steady import Steady
from realsr_mod.inference.video.source import Source, check_whole

LOOKED_AT = (0, 6, 24, 60, 120)  # frames of a shot whose estimates' median is taken: fades and flashes are outvoted
SHORTEST_SHOT = 12  # frames, so that a flash makes no shots of its own
_CUT = 24.0  # of 255, how far small frames differ on average across a cut
_CUT_COLORS = 0.3  # and their histograms, of 1
_SMALL = (64, 36)
_LIGHTS = ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL", "DYNAMIC_HDR_PLUS", "DOVI_METADATA")


@dataclass
class Survey:
    """What was found; JSON's kinds of values, for it is kept beside what is done already.

    Args:
        count: of frames.
        starts: the first frame of each shot.
        embeddings: D numbers for each shot.
        interlaced: whether frames are combed of two.
        damaged: how many packets were skipped.
        last: how long the last frame is shown, in ticks; 0 if nothing is said.
        lights: whether it says how bright a screen of HDR should be.
        colors: what the numbers of frames mean, see `Colors`.
        matrix: how the picture is turned for showing, FFmpeg's nine numbers; None if it is not.
    """

    count: int = 0
    starts: list[int] = field(default_factory=list)
    embeddings: list[list[float]] = field(default_factory=list)
    interlaced: bool = False
    damaged: int = 0
    last: int = 0
    lights: bool = False
    colors: list[int] = field(default_factory=list)
    matrix: list[int] | None = None

    def embedding(self, number: int) -> np.ndarray:
        """(D,), of the shot that a frame belongs to."""
        shot = int(np.searchsorted(self.starts, number, side="right")) - 1
        return np.array(self.embeddings[shot], np.float32)


def look_through(source: Source, steady: Steady) -> Survey:
    """Decode a video once. Raises a ValueError where it has no frames or is cut off."""
    survey = Survey()
    looked_at: list[np.ndarray] = []
    before: np.ndarray | None = None
    for number, frame in enumerate(source.frames()):
        small = frame.reformat(*_SMALL, format="gray").to_ndarray().astype(np.float32)
        if before is None:
            survey.matrix, survey.colors = _matrix(frame), list(source.colors(frame))
            survey.lights = any(name in frame.side_data for name in _LIGHTS)
        is_cut = before is None or (number - survey.starts[-1] >= SHORTEST_SHOT and _differ(before, small))
        if is_cut:
            _settle(survey, looked_at, steady)
            survey.starts.append(number)
        if number - survey.starts[-1] in LOOKED_AT:
            looked_at.append(source.pixels(frame).pixels_HWC)
        survey.interlaced |= frame.interlaced_frame
        before = small
        survey.last = frame.duration or 0
        survey.count += 1
    survey.damaged = source.damaged
    if not survey.count:
        raise ValueError("none of its frames can be decoded: truncated or damaged; copy it again")
    check_whole(source)
    _settle(survey, looked_at, steady)
    return survey


def _settle(survey: Survey, looked_at: list[np.ndarray], steady: Steady) -> None:
    """End a shot."""
    if looked_at:
        survey.embeddings.append(steady.settle(looked_at).tolist())
        looked_at.clear()


def _matrix(frame: VideoFrame) -> list[int] | None:
    side_data: Any = frame.side_data
    found = side_data.get("DISPLAYMATRIX")
    return list(struct.unpack("=9i", bytes(found))) if found is not None else None


def _differ(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two small grey frames belong to different shots."""
    if np.abs(after - before).mean() < _CUT:
        return False
    first, second = (np.histogram(frame, bins=32, range=(0, 256))[0] / frame.size for frame in (before, after))
    return bool(np.abs(first - second).sum() / 2 > _CUT_COLORS)
