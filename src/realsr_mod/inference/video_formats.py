"""Which files are videos, in which container a result is written, and what may be chosen of codecs."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

# Every suffix that is taken for a video, and that of what is made of it. What an old container cannot hold for sure
# becomes a Matroska file, which holds everything.
SUFFIXES = {
    ".mp4": ".mp4",
    ".m4v": ".mp4",
    ".mov": ".mov",
    ".mkv": ".mkv",
    ".webm": ".webm",
    **{
        suffix: ".mkv"
        for suffix in (
            *(".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".3gp", ".3g2", ".ogv", ".vob"),
            *(".mxf", ".y4m", ".nut"),
        )
    },
}
WRITTEN = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}  # and their muxers
DEMUXERS = (  # that read this one file and no other
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpeg", "mpegts", "mpegvideo", "asf", "flv"),
    *("ogg", "mxf", "yuv4mpegpipe", "nut"),
)


@dataclass(frozen=True)
class Codec:
    """How video is encoded.

    Args:
        encoder: FFmpeg's name.
        formats: of pixels, for 8 bits and for more.
        crf: what is taken if nothing is said; None: it is lossless.
        most: the highest, which is the worst.
        options: of the encoder.
        least: px that a side must have.
    """

    encoder: str
    formats: tuple[str, str]
    crf: int | None
    most: int = 0
    options: tuple[tuple[str, str], ...] = ()
    least: int = 2


CODECS = {
    "h264": Codec("libx264", ("yuv420p", "yuv420p10le"), 18, 51),
    # x265 writes beyond the memory of frames smaller than that.
    "hevc": Codec("libx265", ("yuv420p", "yuv420p10le"), 20, 51, (("x265-params", "log-level=error"),), least=64),
    "av1": Codec("libsvtav1", ("yuv420p", "yuv420p10le"), 26, 63),
    "vp9": Codec("libvpx-vp9", ("yuv420p", "yuv420p"), 24, 63, (("b", "0"),)),
    "ffv1": Codec("ffv1", ("yuv444p", "yuv444p10le"), None),
}
FAST_MODEL = "kdsr-real-x4"  # of those that come along
_HELD = {".webm": ("vp9", "av1"), ".mp4": ("h264", "hevc", "av1", "vp9"), ".mov": ("h264", "hevc")}


def is_video(path: Path) -> bool:
    """Whether a file is one by its name."""
    return path.suffix.lower() in SUFFIXES


def check_installed() -> None:
    """Raise a ValueError where PyAV is missing."""
    if find_spec("av") is None:
        raise ValueError("videos need an extra: pip install 'realsr-mod[video]'")


def choose_codec(name: str, suffix: str) -> str:
    """The codec of that name, or for `auto` the one that plays everywhere. Raises a ValueError where it cannot be."""
    held = _HELD.get(".mp4" if suffix == ".m4v" else suffix, tuple(CODECS))
    if name == "auto":
        return held[0]
    if name not in held:
        raise ValueError(f"{suffix} holds no {name} that players know, but {', '.join(held)}; -o NAME.mkv holds it")
    return name


def check_crf(name: str, crf: int | None) -> None:
    """Raise a ValueError for a number that this codec does not know; `auto` may become any."""
    codecs = CODECS if name == "auto" else {name: CODECS[name]}
    most = max(codec.most for codec in codecs.values())
    if crf is None or (most and 0 <= crf <= most):
        return
    if not most:
        raise ValueError(f"--crf {crf}: {name} is lossless; leave it out")
    raise ValueError(f"--crf must be from 0 (lossless, or nearly) to {most} (worst), got {crf}")
