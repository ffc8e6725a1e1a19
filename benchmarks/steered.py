"""Do sliders on a frozen network do what they say? On crops of photos that it has not seen, and as pictures.

python benchmarks/steered.py runs/mmrealsr_realesrgan/DATE_TIME FOLDER [--photos 12] [--sheet sheet.png --shown PHOTOS]

The backbone looks at each crop once; all slider positions are drawn from that. Legend: H and W the HR size.
"""

from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from realsr_mod.data.protocols import Blur, FixedClassic
from realsr_mod.images.find import find_images
from realsr_mod.images.grid import captioned_grid
from realsr_mod.images.rgb import read_rgb
from realsr_mod.images.tensors import to_uint8
from realsr_mod.methods.mmrealsr.steered import SteeredRRDBNet
from realsr_mod.metrics import rgb_to_y
from realsr_mod.weights.official import read_official
from realsr_mod.weights.realesrgan import find, published
from realsr_mod.weights.release import load_restorer

DEGRADED = (Blur(1.5), 10.0)  # blur in HR pixels, noise in 1/255
POSITIONS = (0.0, 0.5, None, 1.0)  # of a slider; None: as estimated
Parts = tuple[Tensor, Tensor, Tensor, Tensor]  # the image, the backbone's features and picture, the embedding


def crop(path: Path, side: int) -> Tensor:
    """The centre of a photo, (1, 3, side, side)."""
    pixels = read_rgb(path)
    top, left = ((n - side) // 2 for n in pixels.shape[:2])
    return torch.from_numpy(pixels[top : top + side, left : left + side].copy()).permute(2, 0, 1)[None].float() / 255


def parts(network: SteeredRRDBNet, lr: Tensor) -> Parts:
    """What every slider position is drawn from."""
    return (lr, *network.untouched(lr), network.embed(lr))


def turned(network: SteeredRRDBNet, seen: Parts, blur: float | None = None, noise: float | None = None) -> Tensor:
    """The picture with one or both sliders set."""
    lr, features, own, embedding = seen
    embedding = embedding.clone()
    for i, degree in enumerate((blur, noise)):
        if degree is not None:
            embedding[:, i] = degree
    return network.steer(lr, features, own, embedding).clamp(0, 1)


def gradient_energy(sr: Tensor) -> float:
    """Mean squared difference of neighbouring pixels."""
    luma = rgb_to_y(sr)
    return (luma.diff(dim=-1).square().mean() + luma.diff(dim=-2).square().mean()).item()


def measured(network: SteeredRRDBNet, hr: Tensor, seed: int) -> dict[str, dict[float | None, float]]:
    """For each slider and figure, the figure at each position."""
    protocol, (blur, noise_255) = FixedClassic(network.scale, blurs=[{}]), DEGRADED
    lr, quiet = (protocol.degrade(hr, blur, noise, seed) for noise in (noise_255, 0.0))
    noise = F.interpolate(lr - quiet, scale_factor=network.scale, mode="bicubic")
    seen = parts(network, lr)
    own = turned(network, seen)
    energy, blurs = gradient_energy(own), {at: turned(network, seen, blur=at) for at in POSITIONS}
    noises = {at: turned(network, seen, noise=at) for at in POSITIONS}
    return {
        "blur: gradient energy, over as estimated": {at: gradient_energy(sr) / energy for at, sr in blurs.items()},
        "noise: gradient energy, over as estimated": {at: gradient_energy(sr) / energy for at, sr in noises.items()},
        "noise: share of it that comes back": {
            at: (((sr - own) * noise).sum() / noise.square().sum()).item() for at, sr in noises.items()
        },
    }


def contact_sheet(network: SteeredRRDBNet, paths: list[Path], side: int) -> Image.Image:
    """A row for each low-resolution photo: enlarged by bicubic, then turned sliders."""
    rows = []
    for path in paths:
        lr = crop(path, side)
        seen = parts(network, lr)
        blur, noise = seen[-1][0, :2].tolist()
        cells = [("bicubic", F.interpolate(lr, scale_factor=network.scale, mode="bicubic").clamp(0, 1))]
        cells += [(f"noise {at:.2f}", turned(network, seen, noise=at)) for at in (0.0, noise / 2)]
        cells += [(f"estimated: blur {blur:.2f} noise {noise:.2f}", turned(network, seen))]
        cells += [("noise 1", turned(network, seen, noise=1.0))]
        cells += [(f"blur {at:g}", turned(network, seen, blur=at)) for at in (0.0, 1.0)]
        rows.append([(text, Image.fromarray(to_uint8(image[0]))) for text, image in cells])
    return captioned_grid(rows)


@torch.no_grad()
def main(
    model: Annotated[str, typer.Argument(help="A run folder of experiment=mmrealsr_realesrgan.")],
    root: Annotated[Path, typer.Argument(help="A folder of photos that the model was not trained on.")],
    photos: Annotated[int, typer.Option(help="How many of them, in the order of their names.")] = 12,
    side_px: Annotated[int, typer.Option(help="Side of the crops, a multiple of the scale.")] = 160,
    sheet: Annotated[Path | None, typer.Option(help="Write pictures of the slider positions here.")] = None,
    shown: Annotated[Path | None, typer.Option(help="Folder of low-resolution photos that the sheet shows.")] = None,
) -> None:
    network = load_restorer(model)
    if not isinstance(network, SteeredRRDBNet):
        raise typer.BadParameter(f"{model} is a {type(network).__name__}; give a run of experiment=mmrealsr_realesrgan")
    results: dict[str, dict[float | None, list[float]]] = {}
    paths = find_images(root)[:photos]
    for seed, path in enumerate(paths):
        for name, values in measured(network, crop(path, side_px), seed).items():
            for at, value in values.items():
                results.setdefault(name, {}).setdefault(at, []).append(value)
    table = Table(title=f"{len(paths)} crops of {side_px} px of {root}, blurred (1.5 px) and noisy (10)")
    for column in ("slider, mean figure", *("as estimated" if at is None else f"{at:g}" for at in POSITIONS), "crops"):
        table.add_column(column)
    for name, found in results.items():
        means = [f"{sum(at_one) / len(at_one):.2f}" for at_one in found.values()]
        table.add_row(name, *means, str(len(found[None])))
    Console().print(table)
    lr = F.avg_pool2d(crop(paths[0], side_px), network.scale)
    backbone = published(network.borrowed["restorer."])
    assert backbone is not None, "the model was loaded with it"
    own = read_official(str(find(backbone)))[0](lr)
    print(f"largest difference from {backbone.name} as estimated: {(network(lr) - own).abs().max():g}")
    if sheet is not None and shown is not None:
        contact_sheet(network, find_images(shown), side_px // 2).save(sheet)


if __name__ == "__main__":
    typer.run(main)
