"""What OpenModelDB, the community's list of upscaling models, wants to know about a model: one JSON file.

Source: `src/lib/schema.ts` of https://github.com/OpenModelDB/open-model-database, whose file names and authors have the
patterns below, and `data/architectures.json` and `data/tags.json` for the words.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from realsr_mod.weights.facts import Facts

ARCHITECTURES = {"SRResNet": "sr-res-net", "RRDBNet": "esrgan", "SRVGGNetCompact": "compact"}  # its own words
_PLATFORMS = {".pth": "pytorch", ".safetensors": "pytorch", ".onnx": "onnx"}
_TAGS = {"blur": ["deblur"], "noise": ["denoise"], "jpeg": ["jpeg", "restoration"]}
_AUTHOR = re.compile(r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*")


def file_name(facts: Facts) -> str:
    """How the list calls the file: the scale, then letters and digits in groups."""
    groups = re.findall(r"[a-zA-Z0-9]+", facts.name)
    kept = [group for group in groups if group.lower() not in (f"x{facts.scale}", f"{facts.scale}x")]
    return f"{facts.scale}x-{'-'.join(kept or groups or ['model'])}.json"


def entry(
    facts: Facts, author: str, license: str, files: Sequence[Path], url: str, when: date, images: Sequence[str] = ()
) -> dict[str, Any]:
    """The entry, in the order of the list's own files.

    Args:
        facts: of the model.
        author: identifier of a person in the list.
        license: SPDX identifier.
        files: what people are to download, `.pth`, `.safetensors` or `.onnx`.
        url: folder in which these files lie under their own names.
        when: day of publication.
        images: addresses of pictures.

    Raises:
        ValueError: an author, address or file that the list does not take.
        FileNotFoundError: a file that is not there.
    """
    if not _AUTHOR.fullmatch(author):
        raise ValueError(f"author {author!r:.80}: the list names people by letters and digits in groups: jane-doe")
    for address in (url, *images):
        if not re.fullmatch(r"https?://\S+", address):
            raise ValueError(f"{address!r:.100} is no address; give one that begins with https://")
    texts = facts.texts
    made_for = texts.get("made_for", f"Makes photos {facts.scale} times larger")
    parts = [made_for.rstrip(".") + ".", texts.get("weak_at"), texts.get("license")]
    known = {
        "trainingIterations": facts.steps,
        "trainingOTF": facts.degradation is not None,
        "dataset": texts.get("trained_on"),
    }
    tags = ["photo", *(tag for kind in facts.undoes() for tag in _TAGS[kind])]
    return {
        "name": facts.name,
        "author": author,
        "license": license,
        "tags": tags,
        "description": "\n\n".join(part for part in parts if part),
        "date": when.isoformat(),
        "architecture": ARCHITECTURES.get(facts.network, facts.architecture),
        "size": [f"{facts.parameters / 1e6:.2f}M parameters"],
        "scale": facts.scale,
        "inputChannels": 3,
        "outputChannels": 3,
        "resources": [_resource(path, f"{url.rstrip('/')}/{path.name}") for path in files],
        **{key: value for key, value in known.items() if value is not None},
        "images": [{"type": "standalone", "url": image} for image in images],
    }


def _resource(path: Path, url: str) -> dict[str, Any]:
    if path.suffix not in _PLATFORMS:
        raise ValueError(
            f"{path}: the list takes {', '.join(_PLATFORMS)} alone; 'python -m realsr_mod.export' writes them"
        )
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    kind = {"platform": _PLATFORMS[path.suffix], "type": path.suffix[1:]}
    return {**kind, "size": path.stat().st_size, "sha256": sha256, "urls": [url]}
