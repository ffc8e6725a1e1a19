"""Our reader beside libvips, which shares no code of its own with it, on images that other packages bring.

`python benchmarks/readers.py [FOLDER…]` (`pip install pyvips pyvips-binary`): every image file in the installed
packages, or in these folders, is read by both, brought to 8-bit RGB with alpha, upright, and compared. They agree where
the size is the same and colors and alpha differ by at most one of 255 on average. What differs or only libvips reads is
named. Packages have most of their images in their sources: `pip download --no-deps --no-binary :all: pillow`, unpacked.
"""

import argparse
import sysconfig
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyvips
from rich.console import Console
from rich.table import Table

from realsr_mod.images.find import search
from realsr_mod.images.read import read_image
from realsr_mod.images.rgb import to_8bit

AGREE = 1.0  # of 255, on average
MAX_PIXELS = 50_000_000
KINDS = ("agree", "differ", "libvips alone", "ours alone", "neither")


def ours(path: Path) -> np.ndarray:
    """(H, W, 4) uint8."""
    pixels = to_8bit(read_image(path, MAX_PIXELS).pixels_HWC)
    colors = pixels[:, :, :3] if pixels.shape[2] > 2 else pixels[:, :, :1].repeat(3, axis=2)
    alpha = pixels[:, :, -1:] if pixels.shape[2] in (2, 4) else np.full_like(pixels[:, :, :1], 255)
    return np.concatenate([colors, alpha], axis=2)


def theirs(path: Path) -> np.ndarray:
    """(H, W, 4) uint8, as libvips reads it."""
    image = pyvips.Image.new_from_file(str(path), fail_on="error").autorot()
    if image.width * image.height > MAX_PIXELS:
        raise ValueError("too large for this comparison")
    if image.interpretation in ("cmyk", "lab", "labs") or (image.format in ("float", "double") and image.bands < 3):
        image = image.icc_transform("srgb") if image.get_typeof("icc-profile-data") else image.colourspace("srgb")
    if image.format in ("float", "double") and image.interpretation != "srgb":
        image = image.linear([255], [0])  # from 0 to 1, as ours takes it
    elif image.format in ("ushort", "short", "int", "uint"):  # from 0 to 65535
        image = image.linear([1 / 257], [0])
    pixels = image.rint().cast("uchar").numpy()
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if pixels.shape[2] < 3:
        pixels = np.concatenate([pixels[:, :, :1].repeat(3, axis=2), pixels[:, :, 1:]], axis=2)
    alpha = np.full_like(pixels[:, :, :1], 255) if pixels.shape[2] < 4 else pixels[:, :, 3:4]
    return np.concatenate([pixels[:, :, :3], alpha], axis=2)


def attempt(read: Callable[[Path], np.ndarray], path: Path) -> tuple[np.ndarray | None, str]:
    """The pixels, or why there are none."""
    try:
        return read(path), ""
    except Exception as error:  # each has its own
        return None, " ".join(str(error).split())[:160].removeprefix(f"{path}: ")


def judged(path: Path) -> tuple[str, str]:
    """One of `KINDS`, and what there is to say."""
    (mine, why), (other, why_not) = attempt(ours, path), attempt(theirs, path)
    if mine is None or other is None:
        kind = "neither" if mine is None and other is None else "libvips alone" if mine is None else "ours alone"
        return kind, why or why_not
    if mine.shape != other.shape:
        return "differ", f"{mine.shape[1]}x{mine.shape[0]} and {other.shape[1]}x{other.shape[0]}"
    seen = (mine[:, :, 3] > 0) & (other[:, :, 3] > 0)
    colors = np.abs(mine[seen].astype(int) - other[seen])[:, :3].mean() if seen.any() else 0.0
    alpha = np.abs(mine[:, :, 3].astype(int) - other[:, :, 3]).mean()
    return "agree" if max(colors, alpha) <= AGREE else "differ", f"colors by {colors:.1f}, alpha by {alpha:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(sysconfig.get_paths()["purelib"])])
    found = [path for folder in parser.parse_args().folders for path in search(folder).images]
    begun = time.perf_counter()
    counts: dict[str, Counter[str]] = {}
    named: list[tuple[str, Path, str]] = []
    for path in found:
        kind, said = judged(path)
        counts.setdefault(path.suffix.lower() or "none", Counter())[kind] += 1
        if kind in ("differ", "libvips alone"):
            named.append((kind, path, said))
    console = Console(width=120, soft_wrap=True, highlight=False)
    table = Table("suffix", "files", *KINDS, title=f"{len(found)} images in {time.perf_counter() - begun:.0f} s")
    total: Counter[str] = Counter()
    for suffix, of_suffix in sorted(counts.items()):
        total += of_suffix
        table.add_row(suffix, str(of_suffix.total()), *(str(of_suffix[kind] or "") for kind in KINDS))
    table.add_section()
    table.add_row("all", str(total.total()), *(str(total[kind]) for kind in KINDS))
    console.print(table)
    for kind, path, said in named:
        console.print(f"{kind}: {'/'.join(path.parts[-3:])}: {said}", markup=False)


if __name__ == "__main__":
    main()
