"""What there is to say before large photos are enlarged: four times 12 megapixels are nearly 200."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from realsr_mod.images.image import ImageReadError
from realsr_mod.images.read import image_size

SMALLER_MODEL = "kdsr-distilled-x2"
LARGE_PX = 2_000_000  # from here on twice the sides are what most people want
_LOOKED_AT = 20  # photos, so that a folder of a million does not wait


def of_large_photos(photos: Iterable[Path], scale: int) -> str | None:
    """A sentence on the first large photo, what it becomes and how to have less; None if the first few are small."""
    for photo in islice(photos, _LOOKED_AT):
        try:
            height, width = image_size(photo)
        except ImageReadError:
            continue  # it is named when its turn comes
        if height * width >= LARGE_PX:
            return (
                f"{photo.name} becomes {width * scale}x{height * scale} px, {height * width * scale**2 / 1e6:.0f} "
                f"megapixels; --model {SMALLER_MODEL} makes twice the sides, --long-side 3840 what fits a screen"
            )
    return None
