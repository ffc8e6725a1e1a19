"""Small videos that tests make: moving or still, with sound or without, of even or uneven times."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

LOSSLESS = {"libx264": {"crf": "0"}, "libx265": {"x265-params": "lossless=1:log-level=error"}}
TICKS = 90_000  # a second


def shown_at(count: int, uneven: bool) -> list[int]:
    """When frames are shown, in ticks: every 25th of a second, or not."""
    steps = [1800 * (1, 3, 2, 5)[number % 4] if uneven else 3600 for number in range(count)]
    return [sum(steps[:number]) for number in range(count)]


def picture(number: int, size: tuple[int, int], shot: int = 0) -> np.ndarray:
    """Slopes that wander with the number, of colors that depend on the shot."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    planes = [(3 * x + 2 * number) % 256, 2 * y + 40, np.full_like(x, 200 - 150 * (shot % 2))]
    return np.roll(np.stack(planes, axis=2).astype(np.uint8), shot, axis=2) // (1 + 3 * (shot % 2))


def write_clip(
    path: Path,
    count: int = 20,
    size: tuple[int, int] = (48, 32),
    codec: str = "libx264",
    pixel_format: str = "yuv444p",
    still: bool = False,
    uneven: bool = False,
    sound: str = "",
    turned: int = 0,
    shots: tuple[int, ...] = (0,),
    colors: tuple[int, int, int, int] = (1, 1, 1, 1),
    options: dict[str, str] | None = None,
) -> list[int]:
    """Write a video without loss; returns when its frames are shown.

    Args:
        sound: a codec; nothing for none.
        turned: degrees.
        shots: the first frame of each.
        colors: matrix, primaries, transfer, and 1 for limited range or 2 for full.
        options: of the encoder; None for those without loss.
    """
    assert codec != "libx265" or min(size) >= 64, "x265 writes beyond smaller frames"
    times = shown_at(count, uneven)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=LOSSLESS.get(codec, {}) if options is None else options)
        context = stream.codec_context
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        context.time_base = Fraction(1, TICKS)
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = colors
        if turned:
            stream.set_display_rotation(turned)
        voice = file.add_stream(sound, rate=48_000, layout="mono") if sound else None
        for number, time in enumerate(times):
            shot = sum(start <= number for start in shots) - 1
            rgb = av.VideoFrame.from_ndarray(picture(0 if still else number, size, shot), format="rgb24")
            frame = rgb.reformat(format=pixel_format, dst_colorspace={6: 5}.get(colors[0], colors[0]))
            frame.pts, frame.time_base = time, context.time_base
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if voice is not None:
            for start in range(0, 48 * times[-1] // 90 // 960 * 960, 960):
                wave = np.sin(np.arange(start, start + 960) / 20).astype(np.float32)[None] / 4
                heard = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                heard.sample_rate, heard.pts, heard.time_base = 48_000, start, Fraction(1, 48_000)
                file.mux(voice.encode(heard))
            file.mux(voice.encode(None))
    return times


def frames_of(path: Path) -> list[av.VideoFrame]:
    """All frames of a video."""
    with av.open(str(path)) as file:
        return list(file.decode(video=0))


def packets_of(path: Path, kind: str) -> list[tuple[float, bytes]]:
    """The packets of a video's sound or subtitles: when, and what."""
    with av.open(str(path)) as file:
        stream = next(stream for stream in file.streams if stream.type == kind)
        return [(round(float(p.pts * p.time_base), 3), bytes(p)) for p in file.demux(stream) if p.pts is not None]
