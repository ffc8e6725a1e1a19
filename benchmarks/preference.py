"""Which of two models' images do people choose? Blind pairs as one HTML page, or as numbered images; votes as a table.

python benchmarks/preference.py make votes/ kdsr-real-x4 mmrealsr-x4 bicubic --photos path/to/RealSRSet
python benchmarks/preference.py count votes/votes.json

The first model is compared with each of the others. `--photos` are taken as they are; of `--sharp` ones some are made
worse by the second-order degradation first. Pairs come in an order, and on sides, that depend on the seed alone; every
model is as often on the left as on the right. `votes/preference.html` needs nothing else: keys 1 and 2 choose, space
is for no preference, and at its end the votes are saved as a file. With `--images`, `votes/pairs/001.png` and so on
show the same pairs, and whoever looks at them writes lines such as `001 1` into a file; `votes/key.json` says which is
which.
"""

import base64
import hashlib
import io
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import binomtest

from realsr_mod import Upscaler
from realsr_mod.degrade import apply, crop_to_multiple, prepare
from realsr_mod.images.find import find_images
from realsr_mod.images.grid import captioned_grid
from realsr_mod.images.rgb import read_rgb
from realsr_mod.inference.blend import textured
from realsr_mod.runtime.errors import user_errors
from realsr_mod.weights.locate import ModelLocation, locate

SCALE = 4
TEMPLATE = Path(__file__).with_suffix(".html")
PLACE = "/* DATA */ null"  # in the template
CHOICES = {"1": "left", "2": "right", "0": "none"}
console = Console(stderr=True, soft_wrap=True)
app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None)


@dataclass(frozen=True)
class Pair:
    """Two models' images of one photo. `kind` is `real` or `degraded`."""

    photo: str
    kind: str
    left: str
    right: str


def low_resolution(photos: Path | None, sharp: Path | None, degraded: int, seed: int) -> dict[tuple[str, str], Any]:
    """What is to be enlarged, by name and kind: real photos as they are, and sharp ones made worse."""
    found: dict[tuple[str, str], Any] = {}
    if photos:
        found = {(_name(path, photos), "real"): read_rgb(path) for path in find_images(photos)}
    if sharp:
        recipe, paths = prepare(None, SCALE, seed, None), find_images(sharp)
        for number in np.linspace(0, len(paths) - 1, min(degraded, len(paths))).round().astype(int):
            hr_HW3 = crop_to_multiple(read_rgb(paths[number]), SCALE)
            name = _name(paths[number], sharp)
            found[name, "degraded"] = apply(recipe.degradation, hr_HW3, recipe.draw(name, *hr_HW3.shape[:2]))
    if not found:
        raise ValueError("there are no photos; give --photos, --sharp or both")
    return found


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder.expanduser()).as_posix()


def named(model: str) -> ModelLocation:
    """The model of that name, or of NAME@SHARE: one with so much of the texture of its counterpart."""
    name, _, share = model.partition("@")
    try:
        return textured(name, float(share)) if share else locate(name)
    except ValueError as error:
        raise ValueError(f"{model}: {error}") from error


def enlarged(lr_hw3: np.ndarray, model: Upscaler | None, crop_px: int) -> Image.Image:
    """By a model, or None for bicubic; the middle of it where it is larger than `crop_px`."""
    height, width = lr_hw3.shape[:2]
    if model is None:
        out = cv2.resize(lr_hw3, (width * SCALE, height * SCALE), interpolation=cv2.INTER_CUBIC)
    else:
        out = model(lr_hw3, outscale=SCALE)
    top, left = (max(0, n - (crop_px or n)) // 2 for n in out.shape[:2])
    return Image.fromarray(out[top : out.shape[0] - top, left : out.shape[1] - left])


def paired(photos: Sequence[tuple[str, str]], models: Sequence[str], seed: int) -> list[Pair]:
    """The first model with each other one, on every photo, by turns on the left and on the right, shuffled."""
    rng, pairs = random.Random(seed), []
    for other in models[1:]:
        order = list(photos)
        rng.shuffle(order)
        for number, (photo, kind) in enumerate(order):
            sides = (models[0], other) if number % 2 else (other, models[0])
            pairs.append(Pair(photo, kind, *sides))
    rng.shuffle(pairs)
    return pairs


def encoded(image: Image.Image) -> str:
    """As an address that holds the image: JPEG of highest quality with full colour, a tenth of the bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=97, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def write_page(path: Path, pairs: Sequence[Pair], images: dict[tuple[str, str, str], Image.Image], seed: int) -> None:
    """Write the page. Images stand in it once, shuffled; names are written so that no glance into the file tells."""
    keys = list(images)
    random.Random(seed + 1).shuffle(keys)
    place = {key: number for number, key in enumerate(keys)}
    sides = [[place[p.photo, p.kind, name] for name in (p.left, p.right)] for p in pairs]
    key = base64.b64encode(json.dumps([asdict(pair) for pair in pairs]).encode()).decode()
    data = {"images": [encoded(images[key]) for key in keys], "pairs": sides, "key": key, "seed": seed}
    data["id"] = hashlib.sha256(json.dumps(data).encode()).hexdigest()[:12]
    template = TEMPLATE.read_text("utf-8")
    assert PLACE in template, "the template has the place"
    path.write_text(template.replace(PLACE, json.dumps(data).replace("</", "<\\/"), 1), "utf-8")


@app.command()
def make(
    output: Annotated[Path, typer.Argument(help="Folder for the page.")],
    models: Annotated[
        list[str],
        typer.Argument(help="Names or paths, bicubic, or NAME@0.5: --texture 0.5. The first against the rest."),
    ],
    photos: Annotated[Path | None, typer.Option(help="Folder of real photos, taken as they are.")] = None,
    sharp: Annotated[Path | None, typer.Option(help="Folder of sharp photos, to be made worse.")] = None,
    degraded: Annotated[int, typer.Option(min=1, help="How many of the sharp photos.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other order, sides and degradations.")] = 0,
    crop_px: Annotated[int, typer.Option(min=0, help="Show so much of the middle of a result; 0 for all.")] = 720,
    images: Annotated[bool, typer.Option("--images", help="Also write the pairs as numbered images.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda …")] = "auto",
) -> None:
    """Write a page of blind pairs."""
    with user_errors():
        names = [name if name == "bicubic" else Path(name).name for name in models]
        if len(set(names)) < max(2, len(names)):
            raise ValueError(f"give two models or more, of different names, got {', '.join(names)}")
        found = low_resolution(photos, sharp, degraded, seed)
        shown: dict[tuple[str, str, str], Image.Image] = {}
        for name, model in zip(names, models, strict=True):
            upscaler = None if model == "bicubic" else Upscaler.load(named(model), device=device)
            for (photo, kind), lr_hw3 in track(found.items(), f"{name:<24}", console=console):
                shown[photo, kind, name] = enlarged(lr_hw3, upscaler, crop_px)
        output.mkdir(parents=True, exist_ok=True)
        pairs = paired(list(found), names, seed)
        write_page(output / "preference.html", pairs, shown, seed)
        (output / "key.json").write_text(json.dumps([asdict(pair) for pair in pairs], indent=1), "utf-8")
        for number, pair in enumerate(pairs if images else [], 1):
            (output / "pairs").mkdir(exist_ok=True)
            both = [(str(i), shown[pair.photo, pair.kind, name]) for i, name in enumerate((pair.left, pair.right), 1)]
            captioned_grid([both]).save(output / "pairs" / f"{number:03d}.png")
    console.print(f"{len(pairs)} pairs of {len(found)} photos: {output / 'preference.html'}")


def read_votes(path: Path) -> Iterator[tuple[Pair, str]]:
    """Votes that the page saved (.json), or lines `NUMBER CHOICE` about numbered images, `key.json` beside them."""
    text = path.read_text("utf-8")
    if path.suffix == ".json":
        for vote in json.loads(text)["votes"]:
            yield Pair(*(vote[key] for key in ("photo", "kind", "left", "right"))), vote["choice"]
        return
    key = [Pair(**pair) for pair in json.loads((path.parent / "key.json").read_text("utf-8"))]
    for line in filter(None, map(str.strip, text.splitlines())):
        number, choice, *_ = [*line.replace(",", " ").split(), ""]
        if choice not in CHOICES or not number.isdigit() or not 0 < int(number) <= len(key):
            raise ValueError(f"{path}: {line!r} is no vote; a line is a pair's number, 1 to {len(key)}, and 1, 2 or 0")
        yield key[int(number) - 1], CHOICES[choice]


def counted(votes: Sequence[tuple[Pair, str]]) -> dict[tuple[str, str], dict[str, Counter[str]]]:
    """Votes by the two models, in the order of their names, and by kind of photo: how often each was chosen."""
    counts: dict[tuple[str, str], dict[str, Counter[str]]] = {}
    for pair, choice in votes:
        a, b = sorted((pair.left, pair.right))
        chosen = {"left": pair.left, "right": pair.right, "none": "none"}[choice]
        for kind in (pair.kind, "all"):
            counts.setdefault((a, b), {}).setdefault(kind, Counter())[chosen] += 1
    return counts


@app.command()
def count(files: Annotated[list[Path], typer.Argument(help="Saved votes, of one person or several.")]) -> None:
    """Print how often each model was chosen over another."""
    with user_errors():
        votes = [vote for path in files for vote in read_votes(path)]
    table = Table(title="in brackets: 95 % interval (Wilson) of the share of A among the decided; p: exact binomial")
    for title in ("A", "B", "photos", "A chosen", "B chosen", "neither", "A among decided", "p"):
        table.add_column(title, justify="left" if len(title) < 3 or title == "photos" else "right")
    for (a, b), kinds in sorted(counted(votes).items()):
        for kind in sorted(kinds, key=lambda kind: (kind == "all", kind)):
            chosen = kinds[kind]
            decided, share, p = chosen[a] + chosen[b], "–", "–"
            if decided:
                test = binomtest(chosen[a], decided)
                low, high = test.proportion_ci(method="wilson")
                share, p = f"{chosen[a] / decided:.0%} [{low:.0%}, {high:.0%}]", f"{test.pvalue:.3f}"
            table.add_row(a, b, kind, str(chosen[a]), str(chosen[b]), str(chosen["none"]), share, p)
    Console(width=120).print(table)


if __name__ == "__main__":
    app()
