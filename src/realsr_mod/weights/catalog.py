"""The zoo: trained networks that come with the package, by name.

Each is a folder `zoo/NAME/`: `model.safetensors` in half precision; `config.json`, the one place where everything known
about the network is written; its graphs, see `weights.graphs`; `README.md` and `images.jpg`, which `realsr_mod.zoo`
makes from the others.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
ZOO_DIR = Path(__file__).with_name("zoo")
DEFAULT_MODEL = "mmrealsr-distilled-x4"  # what `upscale` and `app` take when no model is given, if it is there
NEWEST = "newest"  # stands for the newest trained run wherever a model is asked for


@dataclass(frozen=True)
class Entry:
    """What is known about a network of the zoo."""

    name: str
    folder: Path
    method: str  # the folder under `realsr_mod/methods`
    scale: int
    sha256: str  # of model.safetensors
    parameters: int
    sliders: list[str]  # degrees that a person may set
    made_for: str
    trained_on: str
    weak_at: str
    license: str
    command: str  # trains it anew
    stages: list[dict[str, Any]]  # of its training, the last one its own: name, steps, seconds, machine
    measured: list[dict[str, Any]]  # rows of `evaluate`'s summaries, each with its protocol and machine
    fidelity: str | None = None  # of a network that draws texture: the zoo's one that it was trained from
    backbone: str | None = None  # a published model that it builds on, which must be fetched: see `weights.borrowed`

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS_NAME

    def gains(self) -> dict[str, float]:
        """By protocol, PSNR-Y over bicubic in dB: the mean over all images of all sets."""
        return {
            protocol: _total(rows, "psnr_y") / _total(rows) - _total(rows, "bicubic_psnr_y") / _total(rows)
            for protocol, rows in self._means_by("protocol").items()
        }

    def seconds_per_megapixel(self) -> dict[str, float]:
        """By machine, the time for a million pixels of the result."""
        return {
            machine: _total(rows, "seconds") / _total(rows, "megapixels")
            for machine, rows in self._means_by("machine").items()
        }

    def _means_by(self, key: str) -> dict[str, list[dict[str, Any]]]:
        """The rows that are means over a set's conditions, in groups."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in self.measured:
            if row["condition"] == "mean":
                groups.setdefault(row[key], []).append(row)
        return groups


def _total(rows: list[dict[str, Any]], figure: str | None = None) -> float:
    """The sum of a figure over all cases that the rows are means of; without one, the number of cases."""
    return float(sum(row["cases"] * (row[figure] if figure else 1) for row in rows))


def zoo_names() -> list[str]:
    """The names of the networks that come with the package."""
    return sorted(path.parent.name for path in ZOO_DIR.glob(f"*/{CONFIG_NAME}"))


def default_model() -> str:
    """What is meant where no model is given: the zoo's default, or the newest trained run if the zoo lacks it."""
    return DEFAULT_MODEL if DEFAULT_MODEL in zoo_names() else NEWEST


def in_zoo(folder: Path) -> bool:
    """Whether this is the folder of a network that comes with the package."""
    return folder.parent == ZOO_DIR


def read_entry(name: str) -> Entry:
    """What is known about the zoo's network of that name. Raises ValueError if there is none."""
    if name not in zoo_names():
        raise ValueError(f"{name}: not in the zoo; it has {', '.join(zoo_names()) or 'nothing'}")
    folder = ZOO_DIR / name
    config = json.loads((folder / CONFIG_NAME).read_text())
    method = config["method"].split(".")[2]  # realsr_mod.methods.NAME.module.Class
    network = config["network"]
    backbone = network.get("backbone")
    return Entry(name, folder, method, network["scale"], config["sha256"], **config["zoo"], backbone=backbone)


def entries() -> list[Entry]:
    """All networks of the zoo, the default first."""
    return [read_entry(name) for name in sorted(zoo_names(), key=lambda name: (name != DEFAULT_MODEL, name))]
