"""Which photos are kept for validation."""

import hashlib
import os
from collections.abc import Sequence

from realsr_mod.data.patches import Photo


def without(photos: Sequence[Photo], held_out: Sequence[Photo]) -> list[Photo]:
    """The photos that are not among those held out, for a validation folder inside the training folder."""
    taken = {photo.hr.resolve() for photo in held_out}
    return [photo for photo in photos if photo.hr.resolve() not in taken]


def split_by_name(photos: Sequence[Photo], val_count: int) -> tuple[list[Photo], list[Photo]]:
    """Take `val_count` photos out for validation: those whose names have the smallest hashes."""
    if not 1 <= val_count < len(photos):
        raise ValueError(
            f"data.val_count must leave photos to train on: got {val_count} of {len(photos)} photos; "
            "choose fewer, or name a folder of validation photos (see conf/data)"
        )
    by_hash = sorted(photos, key=lambda photo: hashlib.sha256(os.fsencode(photo.name)).digest())
    taken = set(by_hash[:val_count])
    return [p for p in photos if p not in taken], [p for p in photos if p in taken]
