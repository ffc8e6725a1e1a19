"""What is known about a released model: what cards of other places say, whatever their form."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from realsr_mod.networks.base import SRNetwork
from realsr_mod.runtime.door import TARGET
from realsr_mod.runtime.files import read_json
from realsr_mod.weights.locate import SUMMARY_NAME, Model, ModelLocation, locate
from realsr_mod.weights.release import load_restorer, read_config

_TEXTS = ("made_for", "trained_on", "weak_at", "license")


@dataclass(frozen=True)
class Facts:
    """A released model.

    Args:
        location: where it lies.
        name: its own.
        architecture: the folder of its method, or the class of its network where that is no method's.
        network: the class of its network.
        scale: how much larger results are.
        parameters: how many.
        sliders: the degrees that a person may set.
        degradation: what it was trained under, as its config describes it; None for real pairs.
        texts: of the zoo's `made_for`, `trained_on`, `weak_at` and `license` those that are known.
        measured: rows of figures, see `catalog.Entry`; of a run that of its end.
        steps: of its training, with all that it builds on, if they are known.
        sha256: of its weights.
    """

    location: ModelLocation
    name: str
    architecture: str
    network: str
    scale: int
    parameters: int
    sliders: tuple[str, ...]
    degradation: Mapping[str, Any] | None
    texts: Mapping[str, str]
    measured: tuple[Mapping[str, Any], ...]
    steps: int | None
    sha256: str | None

    def undoes(self) -> list[str]:
        """Of blur, noise and JPEG those that its training degraded by."""
        named = " ".join(_targets(self.degradation)).lower()
        return [kind for kind in ("blur", "noise", "jpeg") if kind in named or (kind == "blur" and "classic" in named)]


def known_facts(model: Model) -> Facts:
    """Find out what there is to know about a model that restores.

    Raises:
        FileNotFoundError: no model there.
        ValueError: a checkpoint of another program, about which nothing is known, or an estimator.
    """
    location = locate(model)
    if location.kind == "checkpoint":
        raise ValueError(
            f"{location}: a checkpoint of another program says nothing about itself; make a model folder of it first: "
            f"python -m realsr_mod.export {location} --format safetensors -o FOLDER"
        )
    network, config = load_restorer(location), read_config(location)
    zoo, summary = _mapping(config.get("zoo")), _summary(location)
    target = str(config["network"][TARGET]).split(".")
    known = {key: zoo[key] for key in _TEXTS if isinstance(zoo.get(key), str)}
    return Facts(
        location,
        str(config.get("name", location.on_hub.name if location.on_hub else location.path.name)),
        target[2] if target[1] == "methods" and target[2] != "plain" else target[-1].lower(),
        target[-1],
        network.scale,
        sum(p.numel() for p in network.parameters()),
        network.embedding_names if isinstance(network, SRNetwork) else (),
        config.get("degradation") if isinstance(config.get("degradation"), Mapping) else None,
        known,
        tuple(_rows(zoo.get("measured")) or _rows(_of_run(summary))),
        _steps(zoo.get("stages")) or summary.get("steps"),
        config.get("sha256"),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _summary(location: ModelLocation) -> Mapping[str, Any]:
    """What the run wrote at its end, if this is the model that it released; `model_best` has other figures."""
    folder = location.weights.parent
    path = folder.parent / SUMMARY_NAME
    return _mapping(read_json(path)) if folder.name == "model" and path.is_file() else {}


def _of_run(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The figures of a training's end as a row like those of an evaluation."""
    names = ("psnr_y", "ssim_y", "bicubic_psnr_y", "bicubic_ssim_y")
    if not all(isinstance(summary.get(name), float) for name in names):
        return []
    figures = {name: summary[name] for name in names}
    return [{"protocol": "as trained", "set": "its validation photos", "condition": "mean", "cases": 1} | figures]


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _steps(stages: object) -> int | None:
    """Of all stages."""
    return sum(row.get("steps", 0) for row in _rows(stages)) or None


def _targets(config: object) -> Iterator[str]:
    """The classes that a description names, however deep."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            if key == TARGET:
                yield str(value).removeprefix("realsr_mod.degradations.")
            yield from _targets(value)
    elif isinstance(config, list):
        for value in config:
            yield from _targets(value)
