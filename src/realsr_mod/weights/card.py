"""The card of a network of the zoo: what `config.json` says about it, for people, with images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from realsr_mod.data.photos import embedded_photos
from realsr_mod.degradations.base import Degradation, shape_of
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.stored import build_degradation
from realsr_mod.images.grid import comparison_grid
from realsr_mod.images.tensors import to_tensor
from realsr_mod.runtime.rng import image_generator
from realsr_mod.weights.catalog import Entry
from realsr_mod.weights.release import load_model, read_config

CARD_NAME = "README.md"
IMAGES_NAME = "images.jpg"
LONGEST_CAPTION = 18  # letters of a name that fit over its column
IMAGE_SEEDS = (0, 1)  # fixed beforehand, so that nobody picks the flattering ones

_CARD = """# {name}

{made_for}.

| | |
|---|---|
| use | `realsr-upscale photo.jpg --model {name}` |
| network | {method}, ×{scale}, {parameters:.2f} M parameters, {megabytes:.1f} MB{backbone}{sliders} |
| trained on | {trained_on} |
| training | {training} |
| trained again by | `{command}` |
| speed | {speed} |
| license | {license} |
| SHA-256 | `{sha256}` |

## Measured

PSNR-Y (dB) and SSIM-Y, beside bicubic upscaling of the same images, by `realsr-evaluate model={name}`.

{measured}

## What it is bad at

{weak_at}

## Images

![LR, bicubic, {name}, HR]({images})

Photos that it was not trained on, under the first two draws of the degradation that it was trained for.
"""


def render_card(entry: Entry) -> str:
    """The card as Markdown."""
    stages = [f"{s['name']}: {s['steps']} steps in {s['seconds'] / 3600:.2f} h ({s['machine']})" for s in entry.stages]
    speed = [
        f"{seconds:.2f} s per megapixel of the result ({m})" for m, seconds in entry.seconds_per_megapixel().items()
    ]
    return _CARD.format(
        name=entry.name,
        made_for=entry.made_for,
        method=entry.method,
        scale=entry.scale,
        parameters=entry.parameters / 1e6,
        megabytes=entry.weights.stat().st_size / 1e6,
        backbone=f" beside `{entry.backbone}`, which is fetched once" if entry.backbone else "",
        sliders=f", sliders {' and '.join(entry.sliders)}" if entry.sliders else "",
        trained_on=entry.trained_on,
        training="; ".join(stages),
        command=entry.command,
        speed="; ".join(speed) or "not measured",
        license=entry.license,
        sha256=entry.sha256,
        measured=figures_table(entry.measured),
        weak_at=entry.weak_at,
        images=IMAGES_NAME,
    )


def shown_rows(measured: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows that a table shows: the mean of one condition would say the same again, many draws are one row."""
    shown = []
    for row in measured:
        conditions = [r for r in measured if (r["protocol"], r["set"]) == (row["protocol"], row["set"])]
        if row["condition"] == "mean" and len(conditions) == 2:
            continue
        seeds = [r for r in conditions if r["condition"].startswith("seed ")]
        if row in seeds and len(seeds) > 1:
            continue
        condition = f"{len(seeds)} draws" if row["condition"] == "mean" and seeds else row["condition"]
        shown.append({**row, "condition": condition})
    return shown


def figures_table(measured: Sequence[Mapping[str, Any]]) -> str:
    """The measured rows as a table in Markdown."""
    head = [
        "| protocol | set | condition | PSNR-Y | bicubic | gain | SSIM-Y | bicubic |",
        "|---|---|---|" + "---:|" * 5,
    ]
    lines = []
    for row in shown_rows(measured):
        psnr, bicubic = row["psnr_y"], row["bicubic_psnr_y"]
        lines.append(
            f"| {row['protocol']} | {row['set']} | {row['condition']} | {psnr:.2f} | {bicubic:.2f} "
            f"| {psnr - bicubic:+.2f} | {row['ssim_y']:.4f} | {row['bicubic_ssim_y']:.4f} |"
        )
    return "\n".join([*head, *lines] if lines else ["Not yet."])


def shown_degradation(trained: object, where: object = "degradation") -> Degradation:
    """What the card's images are degraded by: what the network was trained on, with one version of each image.

    Raises ValueError, naming `where`, for anything that describes no degradation.
    """
    if isinstance(trained, dict) and isinstance(trained.get("pipeline"), dict):
        # MM-RealSR's training makes five versions, of the image sharpened beforehand, or two
        pipeline = trained["pipeline"]
        trained = pipeline | {"sharpen": trained.get("sharpen", pipeline.get("sharpen", False))}
    return build_degradation(trained, where)


@torch.no_grad()
def draw_images(folder: Path) -> Image.Image:
    """LR, bicubic, the network's result and HR of the embedded validation photos."""
    network, config = load_model(folder), read_config(folder)
    degradation = shown_degradation(config["degradation"])
    own = config["name"] if len(config["name"]) <= LONGEST_CAPTION else "SR"
    rows = []
    for path in embedded_photos()[1]:
        for seed in IMAGE_SEEDS:
            photo = to_tensor(path, network.scale)
            params = degradation.sample(shape_of(photo), image_generator(seed, path.name))
            lr = degradation(photo, params)
            row = {"LR": lr, "bicubic": resize(lr, scale=network.scale), own: network(lr)}
            rows.append({key: image[0] for key, image in (row | {"HR": degradation.target(photo)}).items()})
    return comparison_grid(rows, network.scale, crop_px=192)
