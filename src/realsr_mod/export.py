"""Command: write a model for other programs. `python -m realsr_mod.export MODEL --format onnx`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from realsr_mod.runtime.errors import user_errors
from realsr_mod.runtime.options import TrustOption

if TYPE_CHECKING:  # torch takes seconds to import; `--help` need not wait for it
    from realsr_mod.networks.base import SRNetwork
    from realsr_mod.weights.locate import Model, ModelLocation

app = typer.Typer(add_completion=False)


class Format(StrEnum):
    """What other programs read."""

    safetensors = "safetensors"
    onnx = "onnx"
    official = "official"


@app.command()
def export(
    model: Annotated[
        str,
        typer.Argument(
            help="Run or model folder, official checkpoint, name of the zoo; newest: the newest trained run."
        ),
    ] = "newest",
    file_format: Annotated[
        Format,
        typer.Option(
            "--format",
            help="safetensors: model.safetensors and config.json, what Upscaler.load and the Hugging Face hub take. "
            "onnx: model.onnx, for photos of any size (extra: onnx). official: model.pth with the keys of the paper's "
            "program.",
        ),
    ] = Format.safetensors,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder. Default: export beside the model; for a name export/NAME here."),
    ] = None,
    wrapper: Annotated[
        str,
        typer.Option(
            help="With official: the key around the weights that BasicSR's programs want; '' for bare weights."
        ),
    ] = "params",
    trust: TrustOption = None,
) -> None:
    """Write a model in a form that other programs read."""
    with user_errors():
        if "=" in model and not Path(model).exists():
            raise ValueError(f"{model}: export takes options: realsr_mod.export MODEL --format onnx -o FOLDER")
        path = write(model, file_format, output, wrapper)
    print(f"{model} written to {path}")


def write(model: "Model", file_format: Format, folder: Path | None = None, wrapper: str = "params") -> Path:
    """Write the model into the folder, by default where `beside` says; returns the written file."""
    from realsr_mod.weights.locate import locate
    from realsr_mod.weights.release import load_restorer, read_config, save_model

    source = locate(model)
    network = load_restorer(source)
    folder = folder or beside(source)
    folder.mkdir(parents=True, exist_ok=True)
    if file_format == Format.onnx:
        from realsr_mod.weights.onnx_export import export_onnx

        path = folder / "model.onnx"
        try:
            difference = export_onnx(network, path)
        except ImportError as error:
            raise ValueError(error) from error
        print(f"agrees with torch to {difference:.1e}")
        return path
    if file_format == Format.official:
        path = folder / "model.pth"
        export_official(network, path, wrapper)
        return path
    info = read_config(source)
    return save_model(network, folder, info.pop("network"), info)


def beside(source: "ModelLocation") -> Path:
    """Where an exported model goes by default: `export` in its folder, for a file `export/NAME` beside it.

    For a model that is kept by its name, in the package or the cache, `export/NAME` here.
    """
    path = source.path
    if source.in_zoo or source.is_published:
        return Path("export") / (path.name if source.in_zoo else path.stem)
    return path.parent / "export" / path.stem if path.is_file() else path / "export"


def export_official(network: "SRNetwork", path: str | Path, wrapper: str | None = "params") -> None:
    """Write a `.pth` with the keys of the paper's own program, under the key `wrapper` if there is one.

    Raises:
        ValueError: no published program has this network.
    """
    import torch

    from realsr_mod.runtime.files import atomic_write
    from realsr_mod.weights.official import to_official

    state = to_official(network)
    with atomic_write(path) as file:
        torch.save({wrapper: state} if wrapper else state, file)


if __name__ == "__main__":
    app()
