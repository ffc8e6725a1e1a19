"""Decoding in a process of its own, with limits of memory and time: what goes wrong with a file goes wrong there.

The bounds of `bounds.py` know the tricks that are known. Where strangers send files, the next one should cost a process
that ends, not the program that serves everybody. What comes back is read as plain numbers: nothing is unpickled.
"""

import io
import json
import os
import struct
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from realsr_mod.images.bounds import MAX_PIXELS, BoundError, check_bytes
from realsr_mod.images.image import Color, ImageReadError, LoadedImage, Metadata, Resolution
from realsr_mod.images.read import decode_image

SECONDS = 30.0  # for one file
_BASE_BYTES = 2 * 2**30  # address space of Python with its libraries
_BYTES_PER_PIXEL = 64  # 16-bit RGBA eight times over


def decode_apart(
    content: bytes, name: str, max_pixels: int = MAX_PIXELS, seconds: float = SECONDS, memory_bytes: int | None = None
) -> LoadedImage:
    """`decode_image` in another process, which starts in a fraction of a second.

    Args:
        content: of the file.
        name: what messages call it.
        max_pixels: as for `decode_image`.
        seconds: after so many it is given up.
        memory_bytes: address space of the process; by default what an image of `max_pixels` needs at most.

    Raises:
        ImageReadError: as `decode_image`, or time or memory ran out.
    """
    memory = memory_bytes or _BASE_BYTES + _BYTES_PER_PIXEL * max_pixels
    # -P: not from the current folder, which may be the one that the file came in
    command = [sys.executable, "-P", "-m", __name__, str(max_pixels), str(memory), str(int(seconds) + 1)]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=seconds, env=_environment())
    except subprocess.TimeoutExpired as error:
        raise ImageReadError(name, f"not decoded within {seconds:g} s; save it anew with another program") from error
    if done.returncode != 0 or len(done.stdout) < 4:
        raise ImageReadError(
            name, f"the decoder stopped: it needs over {memory / 1e9:.1f} GB, or the file is made to break it"
        )
    try:
        return _unpacked(done.stdout, name)
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, ImageReadError):
            raise
        raise ImageReadError(name, "the decoder answered nonsense: the file is made to break it") from error


def read_apart(path: str | Path, max_pixels: int = MAX_PIXELS) -> LoadedImage:
    """`read_image` in another process. Raises FileNotFoundError, and ImageReadError as `decode_apart`."""
    path = Path(path)
    try:
        check_bytes(path.stat().st_size, max_pixels)
    except BoundError as error:
        raise ImageReadError(path, str(error)) from error
    return decode_apart(path.read_bytes(), str(path), max_pixels)


def _environment() -> dict[str, str]:
    """This process's, in which this package is found where it is found here."""
    here = str(Path(__file__).resolve().parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))}


def _packed(image: LoadedImage) -> bytes:
    """Length of the header, the header as JSON, then pixels and all that is bytes."""
    said = {part.name: getattr(image, part.name) for part in fields(Metadata)}
    blobs = {"pixels": image.pixels_HWC.tobytes()} | {k: v for k, v in said.items() if isinstance(v, bytes)}
    header = {
        "shape": image.pixels_HWC.shape,
        "dtype": image.pixels_HWC.dtype.name,
        "format": image.format,
        "notes": image.notes,
        "resolution": image.resolution,
        "color": image.color,
        "lengths": {name: len(blob) for name, blob in blobs.items()},
    }
    text = json.dumps(header).encode()
    return b"".join([struct.pack(">I", len(text)), text, *blobs.values()])


def _unpacked(answer: bytes, name: str) -> LoadedImage:
    file = io.BytesIO(answer)
    (length,) = struct.unpack(">I", file.read(4))
    header = json.loads(file.read(length))
    if "reason" in header:
        raise ImageReadError(name, header["reason"])
    blobs = {kind: file.read(length) for kind, length in header["lengths"].items()}
    values = np.frombuffer(blobs.pop("pixels"), np.dtype(header["dtype"])).reshape(header["shape"])
    resolution, color = header["resolution"], header["color"]
    if color:
        cicp, gamma, chromaticities, intent = color
        color = Color(cicp and tuple(cicp), gamma, chromaticities and tuple(chromaticities), intent)
    said = {"resolution": Resolution(*resolution) if resolution else None, "color": color, **blobs}
    return LoadedImage(values, header["format"], tuple(header["notes"]), **said)


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Bound this process; systems without such limits (Windows) have the bound on time alone."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """The other process: a file from standard input, the image or the reason to standard output."""
    max_pixels, memory_bytes, cpu_seconds = (int(argument) for argument in sys.argv[1:4])
    _limit(memory_bytes, cpu_seconds)
    try:
        answer = _packed(decode_image(sys.stdin.buffer.read(), "file", max_pixels))
    except ImageReadError as error:
        text = json.dumps({"reason": error.reason}).encode()
        answer = struct.pack(">I", len(text)) + text
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
