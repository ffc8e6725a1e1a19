"""The encoded parts of a video put together, with sound, subtitles and all else that the source holds, as it is."""

import heapq
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from realsr_mod.inference.video.encode import PART_FORMAT
from realsr_mod.inference.video.source import Source
from realsr_mod.inference.video_formats import WRITTEN
from realsr_mod.runtime.files import atomic_write

if TYPE_CHECKING:
    Packet = av.Packet[Any]

_COPIED = ("audio", "subtitle")


def join(
    path: Path, parts: Sequence[Path], source: Source, matrix: Sequence[int] | None, last: int | None = None
) -> list[str]:
    """Write the video at `path`, whole or not at all; returns what of the source was left out.

    Args:
        path: of the result; its suffix says in what container.
        parts: of the video, in their order.
        source: from which all else is copied, just opened.
        matrix: how the picture is turned for showing, FFmpeg's nine numbers.
        last: how long the last frame is shown, in the source's ticks; None or 0: as long as one is on average.
    """
    notes: list[str] = []
    with atomic_write(path, sync=True) as file, av.open(file, "w", format=WRITTEN[path.suffix.lower()]) as output:
        output.metadata.update(source.container.metadata)
        with av.open(str(parts[0]), format=PART_FORMAT) as first:
            coded = first.streams.video[0]
            ticks = source.time_base / (
                coded.time_base or source.time_base
            )  # which a part counts for one of the source
            video = output.add_stream_from_template(coded, opaque=True)  # a decoder will do
            _describe(video, source, matrix)
        copied = _copies(output, source, notes)
        output.set_chapters(source.container.chapters())
        start = Fraction(max(0, source.container.start_time or 0), av.time_base)
        step = max(1, round(1 / source.rate / source.time_base * ticks))
        streams = [
            _video_packets(parts, video, step, round(last * ticks) if last else step),
            _copied_packets(source, copied),
        ]
        for _, packet in heapq.merge(*streams, key=lambda timed: timed[0]):
            _shift(packet, start)
            output.mux_one(packet)
    return notes


def copyable(source: Source, suffix: str) -> None:
    """Raise a ValueError where a container of this suffix cannot hold the source's sound or subtitles."""
    with av.open(os.devnull, "w", format=WRITTEN[suffix]) as output:
        for stream in source.container.streams:
            if stream.type in _COPIED and stream.codec_context is not None:
                name = stream.codec_context.codec.canonical_name
                if name not in output.supported_codecs:
                    raise ValueError(f"{suffix} holds no {stream.type} of the kind {name}; -o NAME.mkv holds it")


def _describe(video: VideoStream, source: Source, matrix: Sequence[int] | None) -> None:
    """What the source's container says of its picture."""
    video.metadata.update(source.stream.metadata)
    if matrix is not None:
        video.set_display_matrix(matrix)


def _copies(output: OutputContainer, source: Source, notes: list[str]) -> dict[int, av.stream.Stream]:
    """A stream of the output for each that is copied, by the source's number."""
    copied = {}
    left_out: list[str] = []
    for stream in source.container.streams:
        if stream.type in _COPIED and stream.codec_context is not None:
            copy = output.add_stream_from_template(stream)
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
            copied[stream.index] = copy
        elif stream.type == "attachment" and output.format.name == "matroska":  # fonts of subtitles
            output.add_stream_from_template(stream)
        elif stream is not source.stream:
            left_out.append(stream.type)
    if left_out:
        notes.append(f"left out of the container: {', '.join(sorted(set(left_out)))} ({len(left_out)})")
    return copied


def _packets(part: Path) -> list[tuple[int, "Packet"]]:
    """The packets of a part with the times when they are shown, in their order of decoding."""
    with av.open(str(part), format=PART_FORMAT) as container:
        return [(packet.pts, packet) for packet in container.demux(video=0) if packet.pts is not None]


def _video_packets(parts: Sequence[Path], video: VideoStream, step: int, last: int) -> Iterator[tuple[float, "Packet"]]:
    """The packets of all parts, with times of decoding that grow across the seams too, and how long each is shown.

    A packet is decoded when the one is shown that comes `delay` before it, so that none is shown before it is decoded.

    Args:
        parts: in their order.
        video: the stream that they go to.
        step: from one frame to the next, about, in ticks.
        last: how long the last frame is shown, in ticks.
    """
    times = [[pts for pts, _ in _packets(part)] for part in parts]
    shown = sorted(pts for of_part in times for pts in of_part)
    following = dict(zip(shown, [*shown[1:], shown[-1] + last], strict=True))
    delay = max(map(_delay, times))
    decoded = iter([*(shown[0] - back * step for back in range(delay, 0, -1)), *shown])
    for part in parts:
        for pts, packet in _packets(part):
            dts = next(decoded)
            packet.dts, packet.duration = dts, following[pts] - pts
            packet.stream = video
            yield float(dts * packet.time_base), packet


def _delay(pts: Sequence[int]) -> int:
    """How many places a packet comes later in the order of decoding than in that of showing."""
    rank = {time: number for number, time in enumerate(sorted(pts))}
    return max(number - rank[time] for number, time in enumerate(pts))


def _copied_packets(source: Source, copied: dict[int, av.stream.Stream]) -> Iterator[tuple[float, "Packet"]]:
    time = 0.0
    for packet in source.container.demux():
        copy = copied.get(packet.stream.index)
        at = packet.dts if packet.dts is not None else packet.pts
        if copy is None or at is None:
            continue
        time = max(time, float(at * packet.time_base))
        packet.stream = copy
        yield time, packet


def _shift(packet: "Packet", start: Fraction) -> None:
    """Let times begin at 0, as containers want it."""
    if start:
        ticks = round(start / packet.time_base)
        packet.pts = packet.pts - ticks if packet.pts is not None else None
        packet.dts = packet.dts - ticks if packet.dts is not None else None
