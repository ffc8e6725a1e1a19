"""Frames encoded: one part of a video, which another encoder goes on with.

Every part begins with a frame that needs no other, so parts are put together without being encoded again (`join.py`).

Legend: H, W a frame's size, C channels (3 RGB).
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from realsr_mod.inference.video.source import EXACT, Colors, Frame
from realsr_mod.inference.video_formats import Codec
from realsr_mod.runtime.files import atomic_write

os.environ.setdefault("SVT_LOG", "1")  # errors alone
PART_FORMAT = "nut"  # which keeps any time base and any codec
_GLOBAL_HEADER = 1 << 22  # what a decoder needs stands once before all packets, where every container wants it


@dataclass(frozen=True)
class Encoding:
    """How all parts of a video are encoded.

    Args:
        codec: what encodes.
        crf: how much may be lost.
        size: width and height.
        deep: more than 8 bits.
        colors: what the numbers will mean.
        time_base, rate: of the stream, as in the source.
        aspect: of a pixel.
    """

    codec: Codec
    crf: int | None
    size: tuple[int, int]
    deep: bool
    colors: Colors
    time_base: Fraction
    rate: Fraction
    aspect: Fraction | None

    @property
    def pixel_format(self) -> str:
        return self.codec.formats[self.deep]


def encode_part(path: Path, frames: Iterable[Frame], encoding: Encoding) -> None:
    """Encode frames, (H, W, 3) of the encoding's size, to a file that is there whole or not at all."""
    as_they_are = {"avoid_negative_ts": "disabled"}
    with (
        atomic_write(path, sync=True) as file,
        av.open(file, "w", format=PART_FORMAT, container_options=as_they_are) as container,
    ):
        stream = _add_stream(container, encoding)
        for frame in frames:
            container.mux(stream.encode(_as_video(frame, encoding)))
        container.mux(stream.encode(None))


def _add_stream(container: av.container.OutputContainer, encoding: Encoding) -> VideoStream:
    options = dict(encoding.codec.options)
    if encoding.crf is not None:
        options["crf"] = str(encoding.crf)
        if encoding.crf == 0 and encoding.codec.encoder == "libx265":
            options["x265-params"] += ":lossless=1"
        elif encoding.crf == 0 and encoding.codec.encoder == "libvpx-vp9":
            options["lossless"] = "1"
    stream = container.add_stream(encoding.codec.encoder, rate=encoding.rate, options=options)
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.width, context.height = encoding.size
    context.pix_fmt = encoding.pixel_format
    context.time_base = encoding.time_base
    context.flags |= _GLOBAL_HEADER
    if encoding.aspect:
        context.sample_aspect_ratio = encoding.aspect
    colors = encoding.colors
    context.colorspace, context.color_primaries = colors.matrix, colors.primaries
    context.color_trc, context.color_range = colors.transfer, int(colors.range)
    return stream


def _as_video(frame: Frame, encoding: Encoding) -> av.VideoFrame:
    """RGB pixels as the codec takes them."""
    deep = frame.pixels_HWC.dtype.itemsize == 2
    rgb = av.VideoFrame.from_ndarray(frame.pixels_HWC, format="rgb48le" if deep else "rgb24")
    rgb.colorspace, rgb.color_range = 0, int(ColorRange.JPEG)
    coded = rgb.reformat(
        format=encoding.pixel_format,
        src_color_range=ColorRange.JPEG,
        dst_colorspace=encoding.colors.swscale,
        dst_color_range=encoding.colors.range,
        interpolation=EXACT,
    )
    coded.colorspace = encoding.colors.matrix
    coded.color_primaries, coded.color_trc = encoding.colors.primaries, encoding.colors.transfer
    coded.pts, coded.time_base = frame.pts, encoding.time_base
    if frame.duration:
        coded.duration = frame.duration
    return coded
