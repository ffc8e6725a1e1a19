"""A video file as it is read: what it says of itself, and its frames as pixels.

Legend: H, W a frame's size, C channels (3 RGB).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation
from av.video.stream import VideoStream

from realsr_mod.images.bounds import check_pixels
from realsr_mod.inference.video_formats import DEMUXERS

# Without these swscale rounds differently on every processor, and is off by two of 255.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
UNSPECIFIED, BT709, SMPTE170M = 2, 1, 6  # of ITU-T H.273
_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # matrices by its own numbers
_MOST_DAMAGED = 100  # packets in a row that cannot be decoded


class Frame(NamedTuple):
    """Pixels (H, W, 3) uint8 or uint16, when they are shown and for how long, in units of the stream's time base."""

    pixels_HWC: np.ndarray
    pts: int
    duration: int


class Colors(NamedTuple):
    """What the numbers of frames mean: ITU-T H.273's for matrix, primaries and transfer, and whether they are full."""

    matrix: int
    primaries: int
    transfer: int
    full: bool

    @property
    def swscale(self) -> int:
        return _SWSCALE.get(self.matrix, 5)

    @property
    def range(self) -> ColorRange:
        return ColorRange.JPEG if self.full else ColorRange.MPEG


@dataclass
class Source:
    """An open video.

    Attributes:
        container, stream: PyAV's.
        damaged: packets that could not be decoded and were skipped.
        ends: seconds up to which packets of any kind were read.
    """

    path: Path
    container: InputContainer
    stream: VideoStream
    max_pixels: int | None
    damaged: int = 0
    ends: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, not turned."""
        return self.stream.codec_context.width, self.stream.codec_context.height

    @property
    def time_base(self) -> Fraction:
        return self.stream.time_base or Fraction(1, 90_000)

    @property
    def rate(self) -> Fraction:
        """Frames a second, on average."""
        return self.stream.average_rate or self.stream.guessed_rate or Fraction(25)

    @property
    def is_deep(self) -> bool:
        """Whether it has more than 8 bits."""
        name = self.stream.codec_context.pix_fmt
        assert name is not None, "see `open_video`"
        return any(component.bits > 8 for component in av.VideoFormat(name).components)

    @property
    def has_alpha(self) -> bool:
        """Whether it is transparent anywhere, or could be."""
        name = self.stream.codec_context.pix_fmt
        assert name is not None, "see `open_video`"
        return any(component.is_alpha for component in av.VideoFormat(name).components)

    def frames(self) -> Iterator[VideoFrame]:
        """Decode the frames in order, each with its `pts`, which grow. Raises a ValueError where none can be."""
        size, last, failed = self.size, None, 0
        for packet in self._packets():
            self._note_time(packet)
            if packet.stream is not self.stream:
                continue
            try:
                decoded = packet.decode()
                failed = 0
            except av.error.FFmpegError as error:
                self.damaged, failed = self.damaged + 1, failed + 1
                if failed > _MOST_DAMAGED:
                    raise ValueError(f"over {_MOST_DAMAGED} packets in a row are damaged; copy it again") from error
                continue
            for frame in decoded:
                assert isinstance(frame, VideoFrame), "of a video stream"
                if (frame.width, frame.height) != size:
                    raise ValueError(
                        f"its frames change from {size[0]}x{size[1]} to {frame.width}x{frame.height}; cut it there"
                    )
                last = self._timed(frame, last)
                yield frame

    def _packets(self) -> "Iterator[av.Packet[Any]]":
        try:
            yield from self.container.demux()
        except av.error.FFmpegError as error:
            raise ValueError(f"damaged ({error.strerror}); copy it again") from error

    def _note_time(self, packet: "av.Packet[Any]") -> None:
        at = packet.pts if packet.pts is not None else packet.dts
        if at is not None and packet.time_base:
            self.ends = max(self.ends, float((at + (packet.duration or 0)) * packet.time_base))

    def _timed(self, frame: VideoFrame, last: int | None) -> int:
        """Give a frame a `pts` behind the last one's, for files that lack them or say one twice."""
        pts = frame.pts if frame.pts is not None else frame.dts
        if pts is None:
            pts = 0 if last is None else last + max(1, round(1 / self.rate / self.time_base))
        frame.pts = pts if last is None or pts > last else last + 1
        return frame.pts

    def pixels(self, frame: VideoFrame) -> Frame:
        """A frame as RGB."""
        colors = self.colors(frame)
        rgb = frame.reformat(
            format="rgb48le" if self.is_deep else "rgb24",
            src_colorspace=colors.swscale,
            src_color_range=colors.range,
            dst_color_range=ColorRange.JPEG,
            interpolation=EXACT,
        )
        assert frame.pts is not None, "every frame is given one"
        return Frame(rgb.to_ndarray(), frame.pts, frame.duration or 0)

    def colors(self, frame: VideoFrame) -> Colors:
        """What its numbers mean. Where nothing is said, players go by the size, which a larger result would belie."""
        matrix = int(frame.colorspace)
        if matrix not in _SWSCALE:
            matrix = BT709 if self.size[0] >= 1280 or self.size[1] > 576 else SMPTE170M
        full = int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        context = self.stream.codec_context  # which knows what the container says
        primaries, transfer = int(frame.color_primaries), int(frame.color_trc)
        primaries = int(context.color_primaries) if primaries == UNSPECIFIED else primaries
        return Colors(matrix, primaries, int(context.color_trc) if transfer == UNSPECIFIED else transfer, full)


@contextmanager
def open_video(path: Path, max_pixels: int | None) -> Iterator[Source]:
    """Open a video file. Raises a ValueError with a sentence for what is none, is damaged, or too large."""
    options = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "file"}  # no playlists of other files
    try:
        container = av.open(str(path), container_options=options, metadata_errors="replace")
    except FileNotFoundError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"not a video, or a truncated or damaged one ({reason}); copy it again") from error
    with container:
        pictures = av.stream.Disposition.attached_pic
        streams = [stream for stream in container.streams.video if not stream.disposition & pictures]
        if not streams:
            raise ValueError("it has no moving pictures, only sound or a cover")
        stream = streams[0]
        context: Any = stream.codec_context  # None for an unknown codec
        if context is None or not (context.width and context.height and context.pix_fmt):
            raise ValueError("its frames cannot be decoded: truncated, damaged, or by an unknown codec; copy it again")
        check_pixels(context.width, context.height, max_pixels)
        stream.thread_type = "AUTO"
        yield Source(path, container, stream, max_pixels)


def check_whole(source: Source) -> None:
    """Raise a ValueError for a video, just read to its end, that ends before its container says."""
    said = (source.container.duration or 0) / av.time_base + max(0, source.container.start_time or 0) / av.time_base
    if said - source.ends > max(1.0, 0.02 * said):
        raise ValueError(f"truncated: it ends after {source.ends:.1f} of {said:.1f} seconds; copy it again")
