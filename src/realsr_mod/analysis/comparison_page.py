"""Models side by side as one page: images under a divider, their figures, and means with intervals."""

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from realsr_mod.analysis.comparison import Difference
from realsr_mod.analysis.models import Judged, Row
from realsr_mod.data.protocols import Case
from realsr_mod.metrics.named import MetricName

PAGE_NAME, IMAGES_FOLDER = "comparison.html", "comparison_images"
_DATA = "/* DATA */ null"  # in the template


class ComparisonPage:
    """Collects images while models are measured, and writes the page.

    Args:
        folder: where the page goes, its images in a folder beside it.
        most: cases that are shown, evenly spread over all.
    """

    def __init__(self, folder: Path, most: int) -> None:
        if most < 1:
            raise ValueError(f"page_images must be at least 1, got {most}; page=false makes no page")
        self.folder, self.most = folder, most
        self.cases: list[dict[str, Any]] = []

    def shows(self, number: int, total: int) -> bool:
        """Whether case `number` of `total` is one of those that are shown."""
        return number in np.linspace(0, total - 1, min(self.most, total)).round().astype(int)

    def add(self, set_name: str, case: Case, images: Mapping[str, Tensor], rows: Mapping[str, Row]) -> None:
        """Write a case's images, (1, 3, H, W) each by its name, losslessly; the LR image is enlarged by the browser."""
        folder = self.folder / IMAGES_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        number = len(self.cases)
        written = {}
        for index, (name, image_13HW) in enumerate(images.items()):
            file = f"{number:03d}_{index}_{re.sub(r'[^A-Za-z0-9-]+', '_', name)[:40]}.webp"
            pixels = (image_13HW[0].detach().clamp(0, 1).permute(1, 2, 0).float().cpu().numpy() * 255).round()
            Image.fromarray(pixels.astype(np.uint8)).save(folder / file, lossless=True, quality=30, method=2)
            written[name] = f"{IMAGES_FOLDER}/{file}"
        height, width = images["bicubic"].shape[-2:]
        about = {"set": set_name, "condition": case.condition, "image": case.name, "height": height, "width": width}
        self.cases.append(about | {"files": written, "figures": {name: dict(row) for name, row in rows.items()}})

    def write(
        self,
        models: Sequence[Judged],
        measures: Sequence[MetricName],
        summaries: Mapping[str, Sequence[Row]],
        differences: Mapping[str, Sequence[Difference]],
    ) -> Path:
        """Write the page, which needs nothing but its images; returns its path."""
        data = {
            "models": [{"name": model.name, "parameters": model.parameters} for model in models],
            "metrics": [
                {"name": m.name, "title": m.title, "decimals": m.decimals, "higher": m.higher_is_better}
                for m in measures
            ],
            "summaries": {
                name: [row for row in rows if row["condition"] == "mean"] for name, rows in summaries.items()
            },
            "differences": {name: [d.as_row() for d in found] for name, found in differences.items()},
            "cases": self.cases,
        }
        text = json.dumps(data).replace("</", "<\\/")  # names are texts of others: none may end the script
        template = files(__package__).joinpath("comparison.html").read_text("utf-8")
        assert _DATA in template, "the template has the place"
        path = self.folder / PAGE_NAME
        path.write_text(template.replace(_DATA, text, 1), "utf-8")
        return path
