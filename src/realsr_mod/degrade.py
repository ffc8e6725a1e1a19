"""Command: make low-resolution images out of good ones. `python -m realsr_mod.degrade PHOTOS -o LR`."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from realsr_mod.images.bounds import MAX_PIXELS
from realsr_mod.runtime.errors import user_errors
from realsr_mod.runtime.options import ConfigDirOption, ShardOption, TrustOption

if TYPE_CHECKING:  # torch takes seconds to import; `--help` need not wait for it
    import numpy as np

    from realsr_mod.degradations.base import Degradation, Params
    from realsr_mod.inference.plan import Job

console = Console(stderr=True, soft_wrap=True)
app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Recipe:
    """A pipeline and where its params come from: given ones for every image, else drawn per image from a seed."""

    degradation: "Degradation"
    config: dict[str, Any]
    seed: int
    params: "Params | None" = None
    max_pixels: int = MAX_PIXELS

    def draw(self, name: str, height: int, width: int) -> "Params":
        """The params of one image. They depend on the seed and its name, not on the images beside it."""
        from realsr_mod.runtime.rng import image_generator

        if self.params is not None:
            return self.params
        return self.degradation.sample((1, 3, height, width), image_generator(self.seed, name))


@app.command()
def degrade(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.", metavar="PHOTO|FOLDER…")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results, PNG files.")],
    degradation: Annotated[
        str | None,
        typer.Option(
            help="second_order, classic_iso, classic_aniso, spatial_second_order, spatial_classic, bicubic, mild, "
            "severe_or_mild, web, camera_shake, defocus, night, scan, or a .yaml file, or one of your own (--trust). "
            "Default: second_order."
        ),
    ] = None,
    scale: Annotated[int | None, typer.Option(min=1, help="How many times smaller. Default: 4.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other degradations.")] = 0,
    save_params: Annotated[
        bool, typer.Option("--save-params", help="Write NAME.safetensors beside each result: its degradation.")
    ] = False,
    params: Annotated[
        Path | None,
        typer.Option(help="Apply the degradation saved in this file; its pipeline and scale are the defaults."),
    ] = None,
    max_megapixels: Annotated[float, typer.Option(min=0, help="Refuse larger photos: they may be bombs.")] = 100,
    shard: ShardOption = None,
    trust: TrustOption = None,
    config_dir: ConfigDirOption = None,
) -> None:
    """Make low-resolution images: each photo gets a degradation of its own, the same one in every run.

    With --params all get the saved one. It fits photos of any size: levels are kept as they are, and the noise
    pattern goes on from the saved seed. Existing results are written anew, but no file beside a photo is replaced.
    """
    from realsr_mod.inference.plan import plan
    from realsr_mod.runtime.shards import share

    with user_errors():
        jobs = plan(photos, output, say=say, formats=("png",))
        mine = share(jobs, shard)
        recipe = prepare(degradation, scale, seed, params, int(max_megapixels * 1e6))
    failures = run(mine, recipe, save_params, make_guard(jobs))
    if failures:
        console.print(f"[red]{len(failures)} of {len(mine)} photos failed:[/]")
        for source, reason in failures.items():
            console.print(f"  {escape(str(source))}: {escape(reason)}")
        raise typer.Exit(1)


def say(line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, highlight=False)


def prepare(
    name: str | None, scale: int | None, seed: int, params_file: Path | None, max_pixels: int = MAX_PIXELS
) -> Recipe:
    """Build the pipeline that the options describe. Raises ValueError or FileNotFoundError."""
    from realsr_mod.degradations.stored import build_degradation, check_params, load_params, read_degradation

    saved, config = load_params(params_file) if params_file else (None, None)
    if name or config is None:
        config = read_degradation(name or "second_order", scale or (config or {}).get("scale") or 4)
    if scale:
        config = {**config, "scale": scale}
    recipe = Recipe(build_degradation(config, params_file or name or "degradation"), config, seed, saved, max_pixels)
    if saved is not None:
        check_params(saved, recipe.degradation)
    return recipe


def run(jobs: "list[Job]", recipe: Recipe, save_params: bool, guard: "Callable[[Path, Job], None]") -> dict[Path, str]:
    """Degrade image by image under a progress bar; what fails is named and returned with the reason."""
    failures = {}
    columns = (TextColumn("photos"), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("photos", total=len(jobs))
        for job in jobs:
            try:
                line = f"[green]written[/] {escape(degrade_file(job, recipe, save_params, guard))}"
            except Exception as error:  # whatever is wrong with one image, the others are done
                reason = str(error) or type(error).__name__
                failures[job.source] = reason.removeprefix(f"{job.source}: ")
                line = f"[red]failed[/]  {escape(str(job.source))}: {escape(failures[job.source])}"
            progress.console.print(line)
            progress.advance(task)
    return failures


def make_guard(jobs: "list[Job]") -> "Callable[[Path, Job], None]":
    """A function that raises a ValueError if a job's file at a path would replace a photo, or a file beside one."""
    from realsr_mod.inference.plan import check_name, files_of, refuse_source

    photos, folders = files_of(jobs), {os.path.realpath(job.source.parent) for job in jobs}

    def guard(path: Path, job: "Job") -> None:
        check_name(path)
        refuse_source(path, job, photos)
        if path.exists() and os.path.realpath(path.parent) in folders:
            raise ValueError(
                f"{path} exists beside the photos and may be one of yours; give -o another folder, or move it away"
            )

    return guard


def degrade_file(job: "Job", recipe: Recipe, save_params: bool, guard: "Callable[[Path, Job], None]") -> str:
    """Degrade one file and write the result; returns its path and what there is to say about it.

    `guard` is asked before anything is made whether each path may be written to.
    """
    from realsr_mod.degradations.stored import save_params as write_params
    from realsr_mod.images.image import LoadedImage
    from realsr_mod.images.rgb import read_rgb
    from realsr_mod.images.write import write_image

    path = job.result("png")
    params_path = path.with_suffix(".safetensors")
    for target in (path, params_path) if save_params else (path,):
        guard(target, job)
    photo = read_rgb(job.source, recipe.max_pixels)
    pixels = crop_to_multiple(photo, recipe.degradation.scale)
    params = recipe.draw(job.name.as_posix(), *pixels.shape[:2])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, LoadedImage(apply(recipe.degradation, pixels, params)))
    if save_params:
        write_params(params_path, params, recipe.config)
    if pixels.shape == photo.shape:
        return str(path)
    (height, width), (cut_height, cut_width) = photo.shape[:2], pixels.shape[:2]
    return f"{path} (photo cropped from {width}x{height} to {cut_width}x{cut_height}, multiples of the scale)"


def crop_to_multiple(pixels_HWC: "np.ndarray", scale: int) -> "np.ndarray":
    """Cut the right and lower edge to multiples of the scale. Raises ValueError if nothing is left."""
    height, width = pixels_HWC.shape[:2]
    if min(height, width) < scale:
        raise ValueError(f"{width}x{height} pixels are too few to be made {scale} times smaller; leave the photo out")
    return pixels_HWC[: height - height % scale, : width - width % scale]


def apply(degradation: "Degradation", pixels_HWC: "np.ndarray", params: "Params") -> "np.ndarray":
    """Degrade uint8 RGB pixels (H, W, 3) to (h, w, 3)."""
    import numpy as np
    import torch

    hr_13HW = torch.from_numpy(np.array(pixels_HWC)).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        lr_13hw = degradation(hr_13HW, params)
    return (lr_13hw[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()


if __name__ == "__main__":
    app()
