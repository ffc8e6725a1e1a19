"""Command: write a model for other programs. `python -m realsr_mod.export model=RUN format=onnx`."""

import os
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from realsr_mod.entry import run_command
from realsr_mod.types import SRNetwork
from realsr_mod.weights.catalog import in_zoo
from realsr_mod.weights.official import read_official, to_official
from realsr_mod.weights.onnx_export import export_onnx
from realsr_mod.weights.release import is_checkpoint, load_restorer, locate, read_config, save_model

FORMATS = ("safetensors", "onnx", "official")


def export(cfg: DictConfig) -> Path:
    """Write `cfg.model` in `cfg.format` into the folder `cfg.output`; returns the written file."""
    if cfg.format not in FORMATS:
        raise ValueError(f"format must be {', '.join(FORMATS)}, got {cfg.format!r}")
    source = locate(cfg.model)
    network, info = _load(source)
    folder = Path(cfg.output) if cfg.output else _beside(source)
    folder.mkdir(parents=True, exist_ok=True)
    if cfg.format == "onnx":
        path = folder / "model.onnx"
        try:
            difference = export_onnx(network, path)
        except ImportError as error:
            raise ValueError(error) from error
        print(f"agrees with torch to {difference:.1e}")
    elif cfg.format == "official":
        path = folder / "model.pth"
        export_official(network, path, cfg.wrapper)
    else:
        path = save_model(network, folder, info.pop("network"), info)
    print(f"{source} written to {path}")
    return path


def _beside(source: Path) -> Path:
    """Where an exported model goes by default: `export` in its folder, for a file `export/NAME` beside it.

    For the zoo, whose folder is the package's, `export/NAME` here.
    """
    if in_zoo(source):
        return Path("export") / source.name
    return source.parent / "export" / source.stem if source.is_file() else source / "export"


def _load(source: Path) -> tuple[SRNetwork, dict[str, Any]]:
    """A model with the config that travels with it: `network`, and what else its training wrote."""
    if is_checkpoint(source):
        network, config = read_official(source)
        return network, {"network": config, "source": source.name}
    return load_restorer(source), read_config(source)


def export_official(network: SRNetwork, path: str | Path, wrapper: str | None = "params") -> None:
    """Write a `.pth` with the keys of the paper's own program, under the key `wrapper` if there is one.

    Raises:
        ValueError: no published program has this network.
    """
    state = to_official(network)
    torch.save({wrapper: state} if wrapper else state, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


def main() -> None:
    run_command("export", export)


if __name__ == "__main__":
    main()
