"""Does MM-RealSR do what it promises? Degrees that follow the truth, sliders that do what they say, PSNR, an image.

python benchmarks/mmrealsr.py runs/mmrealsr_net/DATE_TIME FOLDER [--photos 30] [--sheet sheet.png]

Legend: B batch, H and W the HR size, h and w the LR size, s the scale.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import spearmanr
from torch import Tensor

from realsr_mod.data.protocols import Blur, FixedClassic
from realsr_mod.degradations.base import shape_of
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.images.find import find_images
from realsr_mod.images.grid import captioned_grid
from realsr_mod.images.rgb import read_rgb
from realsr_mod.images.tensors import to_uint8
from realsr_mod.metrics import psnr_y, rgb_to_y
from realsr_mod.networks.base import SRNetwork
from realsr_mod.runtime.rng import derive_seed
from realsr_mod.weights.release import load_restorer

SIGMAS_PX = torch.linspace(0, 4, 9)  # true blur, in HR pixels
NOISES_255 = torch.linspace(0, 40, 9)  # true noise, added to LR
DEGREES = torch.linspace(0, 1, 5)  # what a slider is set to
BLURRED = (Blur(2.5), 0.0)  # blur in HR pixels and noise in 1/255 of the image on which the blur slider is tried
NOISY = (Blur(1.5), 10.0)  # and the noise slider; the blur slider is tried here too
FLAT_255 = 4.0  # a region is flat where the luma of HR deviates by less than this from its surroundings


def photo(path: Path, scale: int) -> Tensor:
    """A photo as (1, 3, H, W), cropped to a multiple of the scale."""
    pixels = read_rgb(path)
    height, width = (side - side % scale for side in pixels.shape[:2])
    return torch.from_numpy(pixels[:height, :width].copy()).permute(2, 0, 1)[None].float() / 255


def correlation(levels: Tensor, values: Sequence[float] | Tensor) -> float:
    """Spearman's rank correlation; 0 where the values do not vary at all."""
    found = spearmanr(levels.numpy(), torch.as_tensor(values).numpy()).statistic
    return 0.0 if found != found else float(found)


def estimation(network: SRNetwork, hr: Tensor, seed: int) -> dict[str, float]:
    """Correlation of each degree with a growing true blur and with a growing true noise."""
    protocol = FixedClassic(network.scale, blurs=[{}])
    blurred = [protocol.degrade(hr, Blur(sigma.item() or None), 0.0, seed) for sigma in SIGMAS_PX]
    noisy = [protocol.degrade(hr, Blur(), noise.item(), seed) for noise in NOISES_255]
    of_blurred, of_noisy = (network.embed(torch.cat(rows)) for rows in (blurred, noisy))
    return {
        "blur degree, true blur": correlation(SIGMAS_PX, of_blurred[:, 0]),
        "noise degree, true noise": correlation(NOISES_255, of_noisy[:, 1]),
        "cross-talk: noise degree, true blur": correlation(SIGMAS_PX, of_blurred[:, 1]),
        "cross-talk: blur degree, true noise": correlation(NOISES_255, of_noisy[:, 0]),
    }


def smoothed(luma: Tensor, side: int = 9) -> Tensor:
    """Mean over a square."""
    return F.avg_pool2d(F.pad(luma, (side // 2,) * 4, mode="reflect"), side, stride=1)


def residual_noise(sr: Tensor, flat: Tensor) -> float:
    """Standard deviation of what is left in the flat regions after their surroundings' mean is taken off."""
    luma = rgb_to_y(sr)
    return (luma - smoothed(luma))[flat].std().item()


def gradient_energy(sr: Tensor) -> float:
    """Mean squared difference of neighbouring pixels."""
    luma = rgb_to_y(sr)
    return (luma.diff(dim=-1).square().mean() + luma.diff(dim=-2).square().mean()).item()


def modulation(network: SRNetwork, hr: Tensor, seed: int) -> dict[str, float]:
    """Correlation of the sliders with what they should change, the other degree left as estimated; and the noise
    slider's reach."""
    protocol = FixedClassic(network.scale, blurs=[{}])
    blurred, noisy = (protocol.degrade(hr, *degraded, seed) for degraded in (BLURRED, NOISY))
    found = {
        "blur slider on a blurred photo, gradient energy": correlation(
            DEGREES, sweep(network, blurred, 0, gradient_energy)
        ),
        "blur slider on a noisy photo, gradient energy": correlation(
            DEGREES, sweep(network, noisy, 0, gradient_energy)
        ),
    }
    luma = rgb_to_y(hr)
    deviation = (smoothed(luma.square()) - smoothed(luma).square()).clamp(min=0).sqrt()
    flat = deviation * 255 < FLAT_255
    if flat.sum() > 1000:
        residuals = sweep(network, noisy, 1, lambda sr: residual_noise(sr, flat))
        found["noise slider on a noisy photo, residual noise (falls)"] = -correlation(DEGREES, residuals)
        found["residual noise at noise 0, in 1/255"] = residuals[0] * 255
        found["residual noise at noise 1, in 1/255"] = residuals[-1] * 255
    return found


def sweep(network: SRNetwork, lr: Tensor, degree: int, measure: Callable[[Tensor], float]) -> list[float]:
    """What `measure` says of the results as one slider, 0 blur or 1 noise, goes through DEGREES."""
    degrees = network.embed(lr).repeat(len(DEGREES), 1)
    degrees[:, degree] = DEGREES
    return [measure(network.restore(lr, row[None]).clamp(0, 1)) for row in degrees]


def restoration(network: SRNetwork, hr: Tensor, degradation: SecondOrder, seed: int) -> dict[str, float]:
    """PSNR-Y in dB under one seeded second-order degradation, against the photo as the degradation sharpens it."""
    lr = degradation(hr, degradation.sample(shape_of(hr), torch.Generator().manual_seed(derive_seed(seed))))
    truth, border = degradation.target(hr), network.scale
    return {
        "PSNR-Y": psnr_y(network(lr).clamp(0, 1), truth, border).item(),
        "PSNR-Y of bicubic": psnr_y(resize(lr, scale=network.scale).clamp(0, 1), truth, border).item(),
    }


def contact_sheet(network: SRNetwork, hr: Tensor, side_px: int = 192) -> Image.Image:
    """LR, then a row per blur degree and a column per noise degree; at the bottom the estimates' result and HR."""
    height, width = hr.shape[-2:]
    top, left = ((n - side_px) // 2 // network.scale * network.scale for n in (height, width))
    hr = hr[..., top : top + side_px, left : left + side_px]
    lr = FixedClassic(network.scale, blurs=[{}]).degrade(hr, *NOISY, 0)
    estimated = network.embed(lr)[0]
    first = [
        ("LR", F.interpolate(lr, scale_factor=network.scale)),
        (f"estimated {estimated[0]:.2f}  {estimated[1]:.2f}", network.restore(lr, estimated[None])),
        ("HR", hr),
    ]
    rows = []
    for blur, cell in zip((0.0, 0.5, 1.0), first, strict=True):
        set_by_hand = [
            (f"blur {blur:g}  noise {noise:g}", network.restore(lr, torch.tensor([[blur, noise, *estimated[2:]]])))
            for noise in (0.0, 0.5, 1.0)
        ]
        rows.append([(text, Image.fromarray(to_uint8(image[0]))) for text, image in (cell, *set_by_hand)])
    return captioned_grid(rows)


@torch.no_grad()
def main(
    model: Annotated[str, typer.Argument(help="A run folder or released model of MM-RealSR.")],
    root: Annotated[Path, typer.Argument(help="A folder of photos that the model was not trained on.")],
    photos: Annotated[int, typer.Option(help="How many of them, in the order of their names.")] = 30,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet of all slider positions here.")] = None,
    sheet_photo: Annotated[int, typer.Option(help="Which photo it shows.")] = 0,
) -> None:
    network = load_restorer(model)
    if tuple(network.embedding_names) != ("blur", "noise"):
        raise typer.BadParameter(f"{model} has no blur and noise degrees; give a model of MM-RealSR")
    degradation = SecondOrder(network.scale)
    paths = find_images(root)[:photos]
    found: dict[str, list[float]] = {}
    for seed, path in enumerate(track(paths, description="measuring", console=Console(stderr=True))):
        hr = photo(path, network.scale)
        results = (
            estimation(network, hr, seed),
            modulation(network, hr, seed),
            restoration(network, hr, degradation, seed),
        )
        for name, value in ((name, value) for result in results for name, value in result.items()):
            found.setdefault(name, []).append(value)
    table = Table(title=f"{len(paths)} photos of {root}")
    for column in ("Spearman's correlation, residual noise, PSNR", "mean", "lowest", "photos"):
        table.add_column(column, justify="left" if column.startswith("S") else "right")
    for name, values in found.items():
        digits = 2 if name.startswith("PSNR") else 3
        mean = sum(values) / len(values)
        table.add_row(name, f"{mean:.{digits}f}", f"{min(values):.{digits}f}", str(len(values)))
    Console().print(table)
    if sheet is not None:
        contact_sheet(network, photo(paths[sheet_photo], network.scale)).save(sheet)


if __name__ == "__main__":
    typer.run(main)
