"""Command: make photos larger and better. `python -m realsr_mod.upscale photo.jpg`, or `realsr-upscale photo.jpg`."""

import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from realsr_mod.runtime.errors import user_errors
from realsr_mod.runtime.options import ShardOption, TrustOption, YesOption

if TYPE_CHECKING:  # torch takes seconds to import; `--help` and a misspelt option need not wait for it
    from realsr_mod.inference.outcome import Outcome, Settings
    from realsr_mod.inference.plan import Job
    from realsr_mod.inference.size import Size
    from realsr_mod.inference.steady import Steady
    from realsr_mod.inference.upscaler import Upscaler, UpscalerSettings
    from realsr_mod.weights.locate import ModelLocation

console = Console(stderr=True, soft_wrap=True)


class Format(StrEnum):
    """File formats of results; `auto` keeps each image's own."""

    auto = "auto"
    png = "png"
    jpeg = "jpeg"
    webp = "webp"
    tiff = "tiff"
    heic = "heic"
    avif = "avif"
    jxl = "jxl"
    bmp = "bmp"


class Frames(StrEnum):
    """What is taken of animated images."""

    first = "first"
    all = "all"


class CodecName(StrEnum):
    """How results of videos are encoded."""

    auto = "auto"
    h264 = "h264"
    hevc = "hevc"
    av1 = "av1"
    vp9 = "vp9"
    ffv1 = "ffv1"


class Precision(StrEnum):
    """Number formats of the network's arithmetic."""

    auto = "auto"
    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


class EngineName(StrEnum):
    """What runs the network."""

    auto = "auto"
    torch = "torch"
    openvino = "openvino"
    onnxruntime = "onnxruntime"


class ClusterName(StrEnum):
    """Who does the photos in place of this process."""

    ray = "ray"


app = typer.Typer(add_completion=False)


def option(
    text: str, *names: str, min: float | None = None, max: float | None = None, metavar: str | None = None
) -> Any:
    return typer.Option(*names, help=text, min=min, max=max, metavar=metavar)


def list_models(wanted: bool) -> None:
    """Print the models that come along or can be fetched, and end the command, if that is wanted."""
    if wanted:
        from realsr_mod.weights.listing import print_models

        print_models(Console())
        raise typer.Exit


ListOption = Annotated[
    bool, typer.Option("--list", help="Show the models of the zoo.", is_eager=True, callback=list_models)
]


@app.command()
def upscale(
    photos: Annotated[
        list[Path] | None, typer.Argument(help="Photos, videos, or folders of photos.", metavar="PHOTO|FOLDER…")
    ] = None,
    input_: Annotated[list[Path] | None, option("Another way to give them.", "--input", "-i")] = None,
    output: Annotated[
        Path, option("Folder for the results; for one photo also the very file.", "--output", "-o")
    ] = Path("upscaled"),
    model: Annotated[
        str | None,
        option(
            "Name (see --list), run or model folder, official checkpoint; newest: the newest trained run.",
            "--model",
            "--model_name",
            "-n",
        ),
    ] = None,
    blur: Annotated[float | None, option("Degree of blur to undo. Default: estimated.", min=0, max=1)] = None,
    noise: Annotated[float | None, option("Degree of noise to remove. Default: estimated.", min=0, max=1)] = None,
    texture: Annotated[
        float | None, option("0: true to the photo, 1: with texture drawn, for models that come in two.", min=0, max=1)
    ] = None,
    texture_model: Annotated[
        str | None, option("What --texture 1 is: another model, trained from the one of --model.")
    ] = None,
    outscale: Annotated[
        float | None,
        option("How much larger; 1: restored, of its own size. Default: the model's scale.", "--outscale", "-s"),
    ] = None,
    size: Annotated[
        str | None,
        option("WIDTHxHEIGHT that results fit inside, such as 3840x2160; or as --long-side.", metavar="WxH"),
    ] = None,
    long_side: Annotated[int | None, option("Longer side of the results in pixels, such as 3840.", min=1)] = None,
    tile: Annotated[
        str, option("Side of a tile in pixels, 0 for none, auto for what fits in memory.", "--tile", "-t")
    ] = "auto",
    overlap: Annotated[int, option("Context around each tile in pixels.", min=0)] = 24,
    device: Annotated[str, option("auto, cpu, cuda, cuda:1, mps …")] = "auto",
    precision: Annotated[
        Precision, option("auto: the fastest that does not show in 8-bit photos, float32 for deeper ones.")
    ] = Precision.auto,
    engine: Annotated[
        EngineName, option("auto: OpenVINO on a CPU, if it is installed and the model made for it; else torch.")
    ] = EngineName.auto,
    raw_colors: Annotated[bool, option("The network's own colors, not the photo's.", "--raw-colors")] = False,
    file_format: Annotated[Format, option("auto keeps each photo's own.", "--format")] = Format.auto,
    frames: Annotated[
        Frames, option("Of animated GIF, WebP, PNG, and pages of TIFF: the first, or all.")
    ] = Frames.first,
    codec: Annotated[CodecName, option("Of videos; auto: h264, for WebM vp9; ffv1 is lossless.")] = CodecName.auto,
    crf: Annotated[int | None, option("Of videos: 0 (all is kept) to 51 or 63. Default: hardly seen.")] = None,
    compare: Annotated[bool, option("Also write NAME_compare.png: before, after.", "--compare")] = False,
    suffix: Annotated[str, option("Ending of the results' names: photo_SUFFIX.png.")] = "",
    overwrite: Annotated[bool, option("Make results anew that exist already.", "--overwrite")] = False,
    max_megapixels: Annotated[float, option("Refuse larger photos: they may be bombs.", min=0)] = 100,
    shard: ShardOption = None,
    cluster: Annotated[ClusterName | None, option("ray: by workers, here or at RAY_ADDRESS (extra: ray).")] = None,
    workers: Annotated[int | None, option("With --cluster: how many. Default: one a GPU, or a CPU.", min=1)] = None,
    yes: YesOption = False,
    trust: TrustOption = None,
    list_: ListOption = False,
) -> None:
    """Make photos larger and better with a trained model."""
    from realsr_mod.inference.advice import of_large_photos
    from realsr_mod.inference.plan import check_any, files_of, plan
    from realsr_mod.inference.video_formats import FAST_MODEL, check_crf, check_installed, is_video
    from realsr_mod.runtime.shards import share
    from realsr_mod.weights.fetching import fetch_missing

    handler = RichHandler(console=console, show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format="%(message)s")
    with user_errors():
        if not (given := [*(photos or []), *(input_ or [])]):
            raise ValueError("no photo is given; give the paths of photos, or of folders of photos")
        if set(suffix) & set("/\\"):
            raise ValueError(f"--suffix {suffix!r} must be a part of a name, without slashes")
        all_frames = frames is Frames.all
        check_crf(codec.value, crf)
        every_job = plan(given, output, compare, say, suffix, animated=all_frames)
        check_any(every_job)
        jobs = share(every_job, shard)
        if any(is_video(job.source) for job in jobs):
            check_installed()
            if model is None:
                say(f"--model {FAST_MODEL} takes less than half of the time that the default takes for a video")
        fetch_missing(model, lambda question: yes or (sys.stdin.isatty() and typer.confirm(question, err=True)), say)
        location, shown = chosen_model(model, texture, texture_model)
        engine_settings: UpscalerSettings = {
            "device": device,
            "precision": precision.value,
            "tile": tile,
            "overlap": overlap,
            "engine": engine.value,
            "keep_colors": not raw_colors,
        }
        upscaler = load(location, shown, **engine_settings)
        wanted = wanted_size(size, long_side)
        upscaler.check(outscale, wanted, blur=blur, noise=noise)
        stills = (job.source for job in jobs if not is_video(job.source))
        unasked = outscale is None and wanted is None and upscaler.scale > 2
        if unasked and (advice := of_large_photos(stills, upscaler.scale)):
            say(advice)
        if workers is not None and cluster is None:
            raise ValueError(f"--workers {workers} are those of a cluster; give --cluster ray as well")
    from realsr_mod.inference.outcome import Settings
    from realsr_mod.inference.progress import run_with_progress
    from realsr_mod.inference.steady import Steady

    settings = Settings(file_format.value, compare, overwrite, int(max_megapixels * 1e6), all_frames, codec.value, crf)
    identity = f"{shown} {identity_of(location)} {upscaler.engine.name} {upscaler.device} {precision} {raw_colors}"
    steady = Steady(upscaler, outscale, {"blur": blur, "noise": noise}, wanted, identity)
    if cluster is not None:
        outcomes, stopped = run_on_cluster(jobs, output, steady, settings, location, engine_settings, workers)
    else:
        outcomes, stopped = run_with_progress(console, jobs, settings, steady, files_of(every_job))
    if stopped:
        raise typer.Exit(130)
    failed = [outcome for outcome in outcomes if outcome.failure]
    if failed:
        console.print(f"[red]{len(failed)} of {len(jobs)} photos failed:[/]")
        for outcome in failed:
            console.print(f"  {escape(str(outcome.job.source))}: {escape(outcome.failure)}")
        raise typer.Exit(1)


def run_on_cluster(
    jobs: "list[Job]",
    output: Path,
    steady: "Steady",
    settings: "Settings",
    location: "ModelLocation",
    engine_settings: "UpscalerSettings",
    workers: int | None,
) -> "tuple[list[Outcome], bool]":
    """Have Ray's workers do the jobs; returns what became of them, and whether somebody stopped it."""
    from realsr_mod.inference.on_ray import Recipe, check_places, run_on_ray
    from realsr_mod.inference.progress import show_outcomes

    with user_errors():
        check_places(jobs, output)
        degrees = dict(steady.degrees)
        recipe = Recipe(location, engine_settings, steady.outscale, steady.size, degrees, settings, steady.identity)
        return show_outcomes(console, jobs, run_on_ray(jobs, recipe, workers))


def wanted_size(size: str | None, long_side: int | None) -> "Size | None":
    """What the two options say about the results' pixels. Raises ValueError."""
    from realsr_mod.inference.size import parse_size

    if size is not None and long_side is not None:
        raise ValueError(f"--size {size} and --long-side {long_side} both say how large results are; give one of them")
    return long_side if size is None else parse_size(size)


def say(line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, highlight=False)


def chosen_model(model: str | None, texture: float | None, texture_model: str | None) -> "tuple[ModelLocation, str]":
    """The model that is meant, or one between two, and what to call it. Raises ValueError and FileNotFoundError."""
    from realsr_mod.inference.blend import texture_pair, textured
    from realsr_mod.weights.locate import locate

    location = locate(model)
    if texture_model is not None and texture is None:
        raise ValueError("--texture-model is what --texture 1 stands for; say how much of it, such as --texture 0.5")
    shown = f"{location.path.name} of the zoo" if location.in_zoo else str(location)
    shown = location.path.stem if location.is_published else shown
    if texture is None:
        return location, shown
    pair = None if texture_model else texture_pair(location)
    ends = (pair[0].path.name, pair[1].path.name) if pair else (shown, texture_model)
    return textured(location, texture, texture_model), f"{ends[0]}, {texture:.0%} of the way to {ends[1]}"


def load(location: "ModelLocation", shown: str, **settings: "Unpack[UpscalerSettings]") -> "Upscaler":
    """The model, ready to run; says which it is."""
    from realsr_mod.inference.engines.choose import could_be_faster
    from realsr_mod.inference.upscaler import Upscaler

    upscaler = Upscaler.load(location, **settings)
    console.print(f"model: {escape(shown)} (×{upscaler.scale}, {upscaler.engine.name}, {upscaler.device})")
    if settings.get("engine", "auto") == "auto" and could_be_faster(location, upscaler.engine):
        say("--engine openvino makes this model ready for OpenVINO, once, which is faster from then on")
    return upscaler


def identity_of(location: "ModelLocation") -> str:
    """What tells a model from all others, and from the one that lay there before."""
    return f"{location.weights.resolve()} {location.weights.stat().st_mtime_ns}"


def main() -> None:
    """The installed command `realsr-upscale`."""
    app()


if __name__ == "__main__":
    main()
