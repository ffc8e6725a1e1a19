"""Which photos are kept for validation."""

import hashlib
import os
from collections.abc import Sequence

from realsr_mod.data.patches import ImageFile


def without(images: Sequence[ImageFile], held_out: Sequence[ImageFile]) -> list[ImageFile]:
    """The photos that are not among those held out, for a validation folder inside the training folder."""
    taken = {image.hr.resolve() for image in held_out}
    return [image for image in images if image.hr.resolve() not in taken]


def split_by_name(images: Sequence[ImageFile], val_count: int) -> tuple[list[ImageFile], list[ImageFile]]:
    """Take `val_count` photos out for validation: those whose names have the smallest hashes."""
    if not 1 <= val_count < len(images):
        raise ValueError(
            f"data.val_count must leave photos to train on: got {val_count} of {len(images)} photos; "
            "choose fewer, or name a folder of validation photos (see conf/data)"
        )
    by_hash = sorted(images, key=lambda image: hashlib.sha256(os.fsencode(image.name)).digest())
    taken = set(by_hash[:val_count])
    return [p for p in images if p not in taken], [p for p in images if p in taken]
