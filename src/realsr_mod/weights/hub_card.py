"""A model folder as the Hugging Face hub has it: weights, config, a card with the hub's metadata, images.

Source: the hub's manual, https://huggingface.co/docs/hub/model-cards (front matter, `model-index`).
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realsr_mod.weights.card import CARD_NAME, IMAGES_NAME, draw_images, figures_table, shown_rows
from realsr_mod.weights.catalog import CONFIG_NAME, WEIGHTS_NAME
from realsr_mod.weights.facts import Facts
from realsr_mod.weights.hub import NEEDS_EXTRA, HubModel

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

# Of the identifiers that the hub knows, those that are given to weights; others are `other` with a name.
LICENSES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"),
    *("cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0"),
    *("openrail", "unlicense", "wtfpl"),
)
_FILES = (WEIGHTS_NAME, CONFIG_NAME, CARD_NAME, IMAGES_NAME)
_LICENSE = re.compile(r"[A-Za-z0-9][\w.+-]{0,60}")

_BODY = """# {name}

{made_for}

| | |
|---|---|
| network | {network} ({architecture}), ×{scale}, {parameters:.2f} M parameters{sliders} |
{rows}
## Use

```sh
pip install 'realsr-mod[hub]'
python -m realsr_mod.upscale photo.jpg --model {address}
```

```python
from PIL import Image
from realsr_mod import Upscaler

better = Upscaler.from_pretrained("{repository}"{revision})(Image.open("photo.jpg"))
```

`model.safetensors` and `config.json` are read as tensors and plain values; nothing in this repository is run.

## Measured

PSNR-Y (dB) and SSIM-Y, beside bicubic upscaling of the same images.

{measured}
{more}"""


def write_folder(facts: Facts, model: HubModel, license: str, folder: Path) -> Path:
    """Write what a repository is to hold into a folder, which is made; returns it.

    Raises ValueError for a license that is no identifier, and for a folder that holds something else.
    """
    card = render(facts, model, license, has_images=facts.degradation is not None)
    if folder.exists() and any(path.name not in _FILES for path in folder.iterdir()):
        raise ValueError(f"{folder}: holds other files, which would be sent along; give an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path in (facts.location.weights, facts.location.config):
        shutil.copyfile(path, folder / path.name)
    if facts.degradation is not None:
        draw_images(folder).save(folder / IMAGES_NAME, quality=92, subsampling=0)
    (folder / CARD_NAME).write_text(card, "utf-8")
    return folder


def render(facts: Facts, model: HubModel, license: str, has_images: bool) -> str:
    """The card: the hub's metadata as YAML, then Markdown."""
    return f"---\n{_metadata(facts, license)}\n---\n\n{_body(facts, model, has_images)}"


def _metadata(facts: Facts, license: str) -> str:
    try:
        from huggingface_hub import ModelCardData
    except ImportError as error:
        raise ValueError(NEEDS_EXTRA) from error
    if not _LICENSE.fullmatch(license):
        raise ValueError(
            f"license {license!r:.80} is no identifier; give one, such as apache-2.0, cc-by-4.0, or my-own"
        )
    known = license.lower() in LICENSES
    results = [result for row in shown_rows(facts.measured) for result in _results(facts, row)]
    data = ModelCardData(
        license=license.lower() if known else "other",
        license_name=None if known else license.lower(),
        library_name="realsr-mod",
        pipeline_tag="image-to-image",
        tags=["super-resolution", "image-restoration", facts.architecture, f"x{facts.scale}", *_tags(facts)],
        metrics=["psnr", "ssim"] if results else None,
        model_name=facts.name if results else None,
        eval_results=results or None,
    )
    return str(data.to_yaml()).strip()


def _tags(facts: Facts) -> list[str]:
    """What it undoes, in the words that the hub's other models use."""
    words = {"blur": "deblurring", "noise": "denoising", "jpeg": "jpeg-artifact-removal"}
    return [words[kind] for kind in facts.undoes()]


def _results(facts: Facts, row: Mapping[str, Any]) -> "list[EvalResult]":
    """The two figures of a measured row."""
    from huggingface_hub import EvalResult

    where: dict[str, Any] = {
        "task_type": "image-to-image",
        "task_name": f"×{facts.scale} super-resolution",
        "dataset_type": re.sub(r"\W+", "-", str(row["set"]).lower()).strip("-"),
        "dataset_name": f"{row['set']} ({row['protocol']}, {row['condition']})",
    }
    return [
        EvalResult(**where, metric_type="psnr", metric_name="PSNR-Y", metric_value=round(row["psnr_y"], 4)),
        EvalResult(**where, metric_type="ssim", metric_name="SSIM-Y", metric_value=round(row["ssim_y"], 4)),
    ]


def _body(facts: Facts, model: HubModel, has_images: bool) -> str:
    texts = facts.texts
    known = {
        "trained on": texts.get("trained_on"),
        "training": None if facts.steps is None else f"{facts.steps} steps",
        "license of the weights": texts.get("license"),
        "SHA-256": facts.sha256 and f"`{facts.sha256}`",
    }
    more = f"\n## What it is bad at\n\n{texts['weak_at']}\n" if "weak_at" in texts else ""
    if has_images:
        more += (
            f"\n## Images\n\n![LR, bicubic, {facts.name}, HR]({IMAGES_NAME})\n\n"
            "Under the first two draws of the degradation that it was trained for.\n"
        )
    return _BODY.format(
        name=facts.name,
        made_for=texts.get("made_for", f"A network that makes photos {facts.scale} times larger").rstrip(".") + ".",
        network=facts.network,
        architecture=facts.architecture,
        scale=facts.scale,
        parameters=facts.parameters / 1e6,
        sliders=f", sliders {' and '.join(facts.sliders)}" if facts.sliders else "",
        rows="".join(f"| {key} | {value} |\n" for key, value in known.items() if value),
        address=model,
        repository=model.repository,
        revision=f', revision="{model.revision}"' if model.revision else "",
        measured=figures_table(facts.measured),
        more=more,
    )
