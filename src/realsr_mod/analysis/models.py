"""The models that `model=` gives to a command that compares some: one, a list, or a mapping from names."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from realsr_mod.networks.base import SRNetwork
from realsr_mod.weights.catalog import NEWEST
from realsr_mod.weights.locate import finished_runs, locate
from realsr_mod.weights.release import read_config

BICUBIC = "bicubic"  # stands for bicubic upscaling where a network could be

Row = dict[str, Any]  # the figures of one image under one condition


@dataclass
class Judged:
    """A model that is measured: what it is called, what was given, its network (None: bicubic), and its figures.

    How many parameters it has and whether it sees the truth is the network's, or given where other machines have it.
    """

    name: str
    given: str
    network: SRNetwork | None
    rows: list[Row] = field(default_factory=list)
    parameters: int = 0
    sees_hr: bool = False

    def __post_init__(self) -> None:
        if self.network is not None:
            self.parameters = sum(p.numel() for p in self.network.parameters())
            self.sees_hr = self.network.sees_hr


def named_models(model: Any) -> dict[str, str]:
    """The models that `cfg.model` gives, each under a name of its own; null: the newest run."""
    if OmegaConf.is_dict(model):
        return {str(name): str(path) for name, path in model.items()}
    if model is None:
        runs = finished_runs()
        if not runs:
            raise FileNotFoundError("no trained model under runs/; give model= a run folder or an official checkpoint")
        model = runs[0]
        print(f"model  {model}, the newest")
    if model == NEWEST:
        print(f"model  {locate(NEWEST).path}, the newest")
    paths = [str(path) for path in model] if OmegaConf.is_list(model) else [str(model)]
    names = [model_name(path) for path in paths]
    named: dict[str, str] = {}
    for name, path in zip(names, paths, strict=True):
        unique = name if names.count(name) == 1 else f"{name} {Path(path).name}"
        if unique in named:
            raise ValueError(f"two models are called {unique!r}; name them: 'model={{first: {path}, second: …}}'")
        named[unique] = path
    return named


def model_name(model: str) -> str:
    """What a model is called where nobody has named it."""
    if model == BICUBIC:
        return BICUBIC
    location = locate(model)
    if location.kind == "checkpoint":
        return location.path.stem
    return str(read_config(location).get("name", "model"))
