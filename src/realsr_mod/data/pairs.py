"""Which low-resolution file belongs to which high-resolution one, and whether the two fit."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_warn

from realsr_mod.data.checks import list_some
from realsr_mod.data.patches import ImagePair
from realsr_mod.images.find import find_images, image_folder

_REMEDY = "HR and LR folders must hold the same images under the same names (the suffix may differ)"


def find_pairs(hr_root: Path | str, lr_root: Path | str, ending: re.Pattern[str] | None = None) -> list[ImagePair]:
    """Match the images of two folders by their path inside the folder, without the suffix, and without `ending`.

    Raises ValueError naming the files if one has no partner or a name is not unique, FileNotFoundError if a folder
    is missing or empty.
    """
    hr, lr = _by_name(hr_root, ending), _by_name(lr_root, ending)
    alone = [f"{hr[name]}: no LR partner" for name in sorted(hr.keys() - lr.keys())]
    alone += [f"{lr[name]}: no HR partner" for name in sorted(lr.keys() - hr.keys())]
    if alone:
        raise ValueError(
            f"{len(alone)} images have no partner: {len(hr)} in {hr_root}, {len(lr)} in {lr_root}."
            f"{list_some(alone)}\n{_REMEDY}"
        )
    return [ImagePair(name, hr[name], lr[name]) for name in sorted(hr)]


def check_pair_sizes(images: Sequence[ImagePair], sizes: Mapping[Path, tuple[int, int]], scale: int) -> None:
    """Raise ValueError, naming the files, unless every HR image is exactly `scale` times as large as its LR one."""
    wrong = []
    for image in images:
        (height, width), (lr_height, lr_width) = sizes[image.hr], sizes[image.lr]
        if (height, width) != (scale * lr_height, scale * lr_width):
            expected = f"{height / scale:g}x{width / scale:g}"
            wrong.append(
                f"{image.name}: HR is {height}x{width} but LR is {lr_height}x{lr_width}; "
                f"at scale {scale} LR must be {expected}"
            )
    if wrong:
        raise ValueError(
            f"{len(wrong)} of {len(images)} pairs do not fit (height x width):{list_some(wrong)}\n"
            "Check scale, or that both folders hold the same images"
        )


def _by_name(root: Path | str, ending: re.Pattern[str] | None) -> dict[str, Path]:
    root = image_folder(root)
    paths = find_images(root, rank_zero_warn)
    names = [path.relative_to(root).with_suffix("").as_posix() for path in paths]
    names = [ending.sub("", name) for name in names] if ending else names
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f"{len(twice)} names in {root} belong to several files that differ only in their suffix:"
            f"{list_some(twice)}\nKeep one of each"
        )
    return dict(zip(names, paths, strict=True))
