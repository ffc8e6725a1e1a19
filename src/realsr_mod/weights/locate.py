"""Where a model lies that a person means by a path, a name of the zoo, or `newest`: asked once, kept as a value."""

import difflib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from realsr_mod.runtime.files import read_json
from realsr_mod.weights import catalog, hub, realesrgan
from realsr_mod.weights.catalog import CONFIG_NAME, NEWEST, WEIGHTS_NAME

logger = logging.getLogger(__name__)

SUMMARY_NAME = "summary.json"  # in the folder of a training that has finished
CHECKPOINT_SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")
NCNN_SUFFIX, NCNN_WEIGHTS_SUFFIX = ".param", ".bin"  # a model of ncnn is two files


@dataclass(frozen=True)
class ModelLocation:
    """A model that is there.

    Args:
        path: what a person calls it: a run folder, a model folder, a folder of the zoo, or a checkpoint file.
        weights: the file that holds its weights.
        kind: `released` here, with a config beside the weights, or a `checkpoint` of another program.
        on_hub: where it was fetched from, if it was.
    """

    path: Path
    weights: Path
    kind: Literal["released", "checkpoint"]
    on_hub: hub.HubModel | None = None

    @property
    def config(self) -> Path:
        """The config file of a released model."""
        return self.weights.with_name(CONFIG_NAME)

    @property
    def in_zoo(self) -> bool:
        """Whether it comes with the package."""
        return catalog.in_zoo(self.path)

    @property
    def is_published(self) -> bool:
        """Whether it is one of Real-ESRGAN's own, found by name in the cache."""
        return realesrgan.is_kept(self.path)

    def __str__(self) -> str:
        return str(self.on_hub or self.path)


Model = str | Path | ModelLocation


def locate(model: Model | None = None) -> ModelLocation:
    """Find the model that a person means: a path, a name of the zoo, or `newest`. What lies at the path wins.

    Of ncnn's two files either may be given, or their name without a suffix; a folder with one checkpoint means it.
    `hf://USER/NAME` is fetched from the Hugging Face hub, see `realsr_mod.weights.hub`; nothing else asks the network.

    None means `catalog.default_model()`. Raises FileNotFoundError if nothing is there, with what there is.
    """
    if isinstance(model, ModelLocation):
        return model
    if isinstance(model, str) and model.startswith(hub.PREFIX):
        return locate_on_hub(hub.parse(model))
    name = catalog.default_model() if model is None else model
    path = Path(name).expanduser()
    if not path.exists():
        path = _by_name(str(name)) or path
    for folder in (path, path / "model", path.parent if path.name == WEIGHTS_NAME else path):
        if (folder / WEIGHTS_NAME).is_file() and (folder / CONFIG_NAME).is_file():
            return ModelLocation(path, folder / WEIGHTS_NAME, "released")
    path = _whole_model(path)
    if path.is_file():
        return ModelLocation(path, path, "checkpoint")
    raise FileNotFoundError(_nothing_there(str(name)))


def locate_on_hub(model: hub.HubModel) -> ModelLocation:
    """Fetch a model from the hub, unless its cache has it. Raises FileNotFoundError or ValueError, see `hub.fetch`."""
    fetched = hub.fetch(model)
    try:
        return replace(locate(fetched), on_hub=model)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{model}: this repository has no {WEIGHTS_NAME} with {CONFIG_NAME}, and no one .safetensors of a known "
            f"program; name a checkpoint in it: {model}/FILE.pth"
        ) from error


def _by_name(name: str) -> Path | None:
    if name == NEWEST:
        found = newest_model()
        if found is None:
            raise FileNotFoundError(
                f"{NEWEST}: no trained model under runs/; train one (python -m realsr_mod.train), or give another model"
            )
        return found
    if (model := realesrgan.published(name)) is not None:
        kept = realesrgan.find(model)
        if kept is None:
            raise FileNotFoundError(realesrgan.where_to_get(model))
        return kept
    return catalog.ZOO_DIR / name if name in catalog.zoo_names() else None


def _whole_model(path: Path) -> Path:
    """The file that stands for the model where a path names a part of it, or the folder that it lies in alone."""
    if not path.exists() and (param := path.with_name(path.name + NCNN_SUFFIX)).is_file():
        return param
    if path.suffix == NCNN_WEIGHTS_SUFFIX and (param := path.with_suffix(NCNN_SUFFIX)).is_file():
        return param
    if not path.is_dir():
        return path
    found = sorted(p for p in path.iterdir() if p.suffix in (*CHECKPOINT_SUFFIXES, NCNN_SUFFIX))
    if len(found) > 1:
        names = ", ".join(p.name for p in found[:12]) + (" …" if len(found) > 12 else "")
        raise ValueError(f"{path}: holds {len(found)} models; give one of them: {names}")
    return found[0] if found else path


def _nothing_there(name: str) -> str:
    names = catalog.zoo_names()
    near = difflib.get_close_matches(name, [*names, *(model.name for model in realesrgan.PUBLISHED)], n=1)
    return (
        f"{name}: no model here; "
        + (f"did you mean {near[0]}? " if near else "")
        + f"a model is a folder with {WEIGHTS_NAME} and {CONFIG_NAME}, for example the run folder of a finished "
        f"training; or a checkpoint file; or {NEWEST}, the newest trained run; or one of the zoo: "
        f"{', '.join(names) or 'none is installed'}; or one of Real-ESRGAN's: "
        f"{', '.join(model.name for model in realesrgan.PUBLISHED)}"
    )


def finished_runs(root: str | Path = "runs") -> list[Path]:
    """Run folders with a released model under `root`, newest first."""
    summaries = Path(root).rglob(SUMMARY_NAME)
    folders = [s.parent for s in summaries if (s.parent / "model" / CONFIG_NAME).is_file()]
    return sorted(folders, key=lambda folder: (folder / SUMMARY_NAME).stat().st_mtime, reverse=True)


def upscaling_runs(root: str | Path = "runs") -> list[Path]:
    """Finished runs whose model makes images, of LR images alone (no teachers), newest first.

    Damaged folders among them are named and left out.
    """
    found = []
    for run in finished_runs(root):
        with skipping_damaged(run):
            config = read_json(run / "model" / CONFIG_NAME, 1_000_000)
            if config.get("restores", True) and not config["network"].get("sees_hr", False):
                found.append(run)
    return found


@contextmanager
def skipping_damaged(run: Path) -> Iterator[None]:
    """Go on after a run folder that cannot be read, and say which it is: one bad folder must not stop a command."""
    try:
        yield
    except Exception as error:  # YAML, JSON, OmegaConf and the disk have errors of many kinds
        logger.warning("%s: damaged and left out (%s)", run, f"{type(error).__name__}: {error}"[:200])


def newest_model(root: str | Path = "runs") -> Path | None:
    """The newest finished run whose model upscales, or None."""
    return next(iter(upscaling_runs(root)), None)
