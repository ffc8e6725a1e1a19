"""Command: write a model for other programs. `python -m realsr_mod.export MODEL --format onnx`."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from realsr_mod.runtime.errors import user_errors
from realsr_mod.runtime.folders import made_for_results
from realsr_mod.runtime.options import TrustOption

if TYPE_CHECKING:  # torch takes seconds to import; `--help` need not wait for it
    from torch import Tensor

    from realsr_mod.networks.base import SRNetwork
    from realsr_mod.weights.locate import Model, ModelLocation

app = typer.Typer(add_completion=False)


class Format(StrEnum):
    """What other programs read."""

    safetensors = "safetensors"
    onnx = "onnx"
    official = "official"
    ncnn = "ncnn"


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
            help="safetensors: model.safetensors and config.json, what Upscaler.load takes. "
            "onnx: model.onnx, for photos of any size (extra: onnx). official: model.pth with the keys of the paper's "
            "program. ncnn: NAME.param and NAME.bin, for upscayl, chaiNNer and realesrgan-ncnn-vulkan (extra: ncnn).",
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
    like: Annotated[
        Path | None,
        typer.Option(help="With ncnn: a photo; the model is made for the degradation that it sees in it."),
    ] = None,
    blur: Annotated[float | None, typer.Option(min=0, max=1, help="With ncnn: the degree of blur to undo.")] = None,
    noise: Annotated[float | None, typer.Option(min=0, max=1, help="With ncnn: the degree of noise to remove.")] = None,
    trust: TrustOption = None,
) -> None:
    """Write a model in a form that other programs read."""
    with user_errors():
        if "=" in model and not Path(model).exists():
            raise ValueError(f"{model}: export takes options: realsr_mod.export MODEL --format onnx -o FOLDER")
        baked = (like, {"blur": blur, "noise": noise})
        if file_format != Format.ncnn and (like is not None or blur is not None or noise is not None):
            raise ValueError(f"--like, --blur and --noise belong to --format ncnn, not to {file_format.value}")
        path = (
            write_ncnn(model, output, *baked)
            if file_format == Format.ncnn
            else write(model, file_format, output, wrapper)
        )
    print(f"{model} written to {path}")


def write(model: "Model", file_format: Format, folder: Path | None = None, wrapper: str = "params") -> Path:
    """Write the model into the folder, by default where `beside` says; returns the written file."""
    from realsr_mod.weights.locate import locate
    from realsr_mod.weights.release import load_restorer, read_config, save_model

    source = locate(model)
    network = load_restorer(source)
    with made_for_results(folder or beside(source)) as place:
        if file_format == Format.onnx:
            from realsr_mod.weights.onnx_export import export_onnx

            path = place / "model.onnx"
            try:
                difference = export_onnx(network, path)
            except ImportError as error:
                raise ValueError(error) from error
            print(f"agrees with torch to {difference:.1e}")
            return path
        if file_format == Format.official:
            path = place / "model.pth"
            export_official(network, path, wrapper)
            return path
        info = read_config(source)
        return save_model(network, place, info.pop("network"), info)


def write_ncnn(
    model: "Model",
    folder: Path | None = None,
    like: Path | None = None,
    degrees: Mapping[str, float | None] | None = None,
) -> Path:
    """Write the model as ncnn's two files, under one degradation: that of the photo `like`, or of given degrees.

    Raises ValueError where neither says what the network would estimate.
    """
    from realsr_mod.weights.locate import locate
    from realsr_mod.weights.ncnn.export import export_ncnn
    from realsr_mod.weights.release import load_restorer

    source = locate(model)
    network = load_restorer(source)
    embedding = baked_embedding(network, like, {k: v for k, v in (degrees or {}).items() if v is not None})
    with made_for_results(folder or beside(source)) as place:
        path = place / f"{ncnn_name(source, network.scale)}.param"
        try:
            print(f"agrees with torch to {export_ncnn(network, path, embedding):.1e}")
        except ImportError as error:
            raise ValueError(error) from error
        return path


def ncnn_name(source: "ModelLocation", scale: int) -> str:
    """The model's name with its scale, which other programs read off the file's."""
    from realsr_mod.weights.release import read_config

    name = source.path.stem if source.kind == "checkpoint" else str(read_config(source).get("name", "model"))
    name = re.sub(r"[^\w.-]+", "_", name)
    return name if re.search(rf"x{scale}|{scale}x", name, re.IGNORECASE) else f"{name}-x{scale}"


def baked_embedding(network: "SRNetwork", like: Path | None, degrees: Mapping[str, float]) -> "Tensor":
    """What a network is to take the degradation for, (D,): estimated from a photo, with degrees set by hand over it."""
    import torch

    from realsr_mod.images.read import read_image
    from realsr_mod.inference.upscaler import Upscaler

    upscaler = Upscaler(network, device="cpu", tile=0)
    upscaler.check(None, None, **degrees)
    names = network.embedding_names
    if like is None and (len(names) < network.embedding_dim or set(names) - degrees.keys()):
        missing = " ".join(f"--{name} DEGREE" for name in names if name not in degrees)
        raise ValueError(
            f"this {type(network).__name__} estimates the degradation, which ncnn cannot: give --like PHOTO, one of "
            f"the kind that it is for{f', or {missing}' if missing else ''}"
        )
    embedding = torch.zeros(network.embedding_dim) if like is None else upscaler.embed(read_image(like))
    for name, value in degrees.items():
        embedding[names.index(name)] = value
    return embedding


def beside(source: "ModelLocation") -> Path:
    """Where an exported model goes by default: `export` in its folder, for a file `export/NAME` beside it.

    For a model that is kept by its name, in the package or a cache, `export/NAME` here.
    """
    path = source.path
    if source.on_hub:
        return Path("export") / source.on_hub.name
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
