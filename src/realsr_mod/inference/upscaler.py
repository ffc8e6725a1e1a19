"""The one way from an image to a larger, better one; command, browser and Python all call it.

Legend: H, W an image's size, C channels, s the network's scale, D the embedding's length.
"""

import logging
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from realsr_mod.images.transparency import with_visible_colors
from realsr_mod.inference.memory import halved, memory_budget
from realsr_mod.inference.pixels import ImageType, Source, apply_to_pixels, enlarged_alpha, resized
from realsr_mod.inference.tiling import OnTile, Tiling, bytes_per_pixel, fitting_side, run_tiles, unwatched
from realsr_mod.networks.base import SRNetwork
from realsr_mod.runtime.devices import pick_device, pick_dtype
from realsr_mod.weights.locate import Model, locate
from realsr_mod.weights.release import load_restorer

logger = logging.getLogger(__name__)

# The embedding is an average over the image; so many pixels, spread evenly, give it as well as all of them.
EMBED_PIXELS = 2_000_000


class UpscalerSettings(TypedDict, total=False):
    """What may be set of an `Upscaler` besides its network; see there."""

    device: str | torch.device
    precision: str
    tile: int | str
    overlap: int


class Upscaler:
    """Enlarges and restores images with one network.

        upscaler = Upscaler.load("runs/mmrealsr/2026-01-31_12-00-00")  # or of the zoo: Upscaler.load()
        better = upscaler(Image.open("photo.jpg"), noise=0.7)

    Args:
        network: what restores; it is moved to `device` and put in evaluation mode.
        device: `auto` (CUDA, then Apple's MPS, then CPU) or a torch device.
        precision: `auto` (float16 on CUDA, else float32), `float32`, `float16` or `bfloat16`. A tile that is not
            finite in half precision is computed again in float32.
        tile: side of a tile in px, 0 for none, `auto` for what fits in memory. Out of memory halves it.
        overlap: px of context around each tile, see `realsr_mod.inference.tiling`.
    """

    def __init__(
        self,
        network: SRNetwork,
        device: str | torch.device = "auto",
        precision: str = "auto",
        tile: int | str = "auto",
        overlap: int = 24,
    ) -> None:
        if network.sees_hr:
            raise ValueError(
                "this model is a teacher: it needs the HR image that upscaling is to find; use its student"
            )
        self.device = pick_device(device)
        self.dtype = pick_dtype(precision, self.device)
        self.network = network.to(self.device).eval()
        if tile != "auto" and not str(tile).isdigit():
            raise ValueError(f"tile must be auto, 0 (no tiles) or a side in pixels, got {tile!r}")
        self.overlap = overlap
        self.tile = self._auto_tile() if tile == "auto" else Tiling(int(tile), overlap).tile

    @classmethod
    def load(cls, path: Model | None = None, **settings: Unpack[UpscalerSettings]) -> "Upscaler":
        """From whatever `load_restorer` takes, by default what `locate` says; `settings` as the constructor's."""
        return cls(load_restorer(locate(path)), **settings)

    @classmethod
    def from_pretrained(
        cls, repo_id: str | Path, revision: str | None = None, **settings: Unpack[UpscalerSettings]
    ) -> "Upscaler":
        """From a model repository of the Hugging Face hub (`user/repo`), or a local folder of the same form."""
        if Path(repo_id).is_dir():
            return cls.load(repo_id, **settings)
        try:
            from huggingface_hub import snapshot_download
        except ImportError as error:
            raise ImportError("loading from the hub needs an extra: pip install 'realsr-mod[hub]'") from error
        folder = snapshot_download(str(repo_id), revision=revision, allow_patterns=["*.safetensors", "config.json"])
        return cls.load(folder, **settings)

    @property
    def scale(self) -> int:
        return self.network.scale

    @property
    def sliders(self) -> tuple[str, ...]:
        """Names of the degrees that a person may set; empty where the model has none."""
        return self.network.embedding_names

    def __call__(
        self,
        image: ImageType,
        *,
        outscale: float | None = None,
        embedding: Tensor | None = None,
        on_tile: OnTile = unwatched,
        **degrees: float | None,
    ) -> ImageType:
        """Upscale an image; what comes back is of the kind that went in.

        Args:
            image: Pillow image (any mode but F, and I up to 65535 only); NumPy (H, W) or (H, W, 1 to 4), uint8, uint16
                or float in [0, 1]; torch (C, H, W) or (B, C, H, W) with 1 or 3 channels, uint8 or float in [0, 1]; or a
                `Image`.
            outscale: how much larger the result is; the network's own scale if None.
            embedding: (D,), what `embed` gave, so as not to estimate it again.
            on_tile: called after each tile with how many are done and how many there are.
            degrees: `blur=…`, `noise=…`, each 0 (clean) to 1 (worst), for models with such sliders; those not given
                are estimated from the image.
        """
        self.check(outscale, **degrees)

        def enlarge(pixels_HWC: np.ndarray) -> np.ndarray:
            pixels_HWC = with_visible_colors(pixels_HWC)
            known = self._estimate(pixels_HWC) if embedding is None else embedding.to(self.device)
            return self._upscale(pixels_HWC, self._with_degrees(known, degrees), outscale, on_tile)

        return apply_to_pixels(enlarge, image)

    @torch.inference_mode()
    def embed(self, image: ImageType) -> Tensor:
        """Estimate an image's embedding, (D,) on the CPU: for KDSR the representation, for MM-RealSR (blur, noise)."""
        found: list[Tensor] = []

        def look(pixels_HWC: np.ndarray) -> np.ndarray:
            found.append(self._estimate(with_visible_colors(pixels_HWC)))
            return pixels_HWC

        apply_to_pixels(look, image)
        return torch.stack(found).mean(0).cpu() if len(found) > 1 else found[0].cpu()

    # --- one image ---

    def check(self, outscale: float | None = None, **degrees: float | None) -> None:
        """Raise a ValueError where this model cannot be called with these arguments."""
        if outscale is not None and not 0 < outscale <= 16:
            raise ValueError(f"outscale must be above 0 and at most 16, got {outscale}")
        for name, value in degrees.items():
            if value is None:
                continue
            if name not in self.sliders:
                has = f"its sliders are: {', '.join(self.sliders)}" if self.sliders else "it has no sliders"
                raise ValueError(
                    f"this model ({type(self.network).__name__}) cannot be given a degree of {name}; {has}. "
                    "Leave it out, or choose an MM-RealSR model"
                )
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 (clean) and 1 (worst), got {value}")

    def _with_degrees(self, embedding_D: Tensor, degrees: Mapping[str, float | None]) -> Tensor:
        changed = embedding_D.clone()
        for name, value in degrees.items():
            if value is not None:
                changed[self.sliders.index(name)] = value
        return changed

    @torch.inference_mode()
    def _upscale(
        self,
        pixels_HWC: np.ndarray,
        embedding_D: Tensor,
        outscale: float | None,
        on_tile: OnTile,
    ) -> np.ndarray:
        h, w, channels = pixels_HWC.shape
        source = Source(pixels_HWC, self.device)
        out = np.empty((h * self.scale, w * self.scale, channels), pixels_HWC.dtype)
        embedding_1D = embedding_D[None]

        def write(first: int, rows_3HW: Tensor) -> None:
            out[first : first + rows_3HW.shape[1], :, : source.colors] = source.quantized(rows_3HW)

        tile = self.tile
        while True:
            try:
                run_tiles(
                    lambda lr: self._restore(lr, embedding_1D),
                    source.read,
                    write,
                    (h, w),
                    self.scale,
                    Tiling(tile, self.overlap),
                    on_tile,
                )
                break
            except (RuntimeError, MemoryError) as error:
                tile = halved(tile, max(h, w), error)
        self.tile = tile  # what did not fit once will not fit again
        if channels > source.colors:
            out[:, :, -1] = enlarged_alpha(pixels_HWC[:, :, -1], self.scale)
        return out if outscale is None else resized(out, int(h * outscale + 0.5), int(w * outscale + 0.5))

    def _restore(self, lr_13HW: Tensor, embedding_1D: Tensor) -> Tensor:
        """One tile, in half precision where asked for, again in float32 where that overflows."""
        if self.dtype != torch.float32:
            with torch.autocast(self.device.type, self.dtype):
                sr = self.network.restore(lr_13HW, embedding_1D)
            if torch.isfinite(sr).all():
                return sr
            logger.warning("a tile overflowed in half precision and is computed again in float32")
        sr = self.network.restore(lr_13HW, embedding_1D)
        if not torch.isfinite(sr).all():
            raise ValueError("the model gives NaN or infinity even in float32; its weights are damaged")
        return sr

    # --- the embedding ---

    @torch.inference_mode()
    def _estimate(self, pixels_HWC: np.ndarray) -> Tensor:
        """The embedding (D,) of a whole image, at once where that fits in memory, else averaged over crops.

        Encoders end in an average over the image. Crops on an even grid that reaches all borders estimate the same
        average; they cover the whole image up to `EMBED_PIXELS` and a sample of that size beyond. On photos, crops of
        a quarter of the area moved no pixel of a trained KDSR's result by more than 1/255.
        """
        if self.network.embedding_dim == 0:
            return torch.zeros(0, device=self.device)
        h, w = pixels_HWC.shape[:2]
        source = Source(pixels_HWC, self.device)
        if h * w * self._embed_bytes <= memory_budget(self.device):
            return self._embed_rows(source, [(0, h)], [(0, w)])
        side = fitting_side(memory_budget(self.device), self._embed_bytes, margin=0)
        shrink = min(1.0, (EMBED_PIXELS / (h * w)) ** 0.5)
        return self._embed_rows(source, _spread(h, side, shrink), _spread(w, side, shrink))

    @cached_property
    def _embed_bytes(self) -> float:
        return bytes_per_pixel(self.network, self.network.embed)

    def _embed_rows(self, source: Source, rows: list[tuple[int, int]], columns: list[tuple[int, int]]) -> Tensor:
        embeddings = [
            self.network.embed(source.read(np.arange(*row), np.arange(*column)))[0]
            for row in rows
            for column in columns
        ]
        return torch.stack(embeddings).mean(0)

    def _auto_tile(self) -> int:
        embedding = torch.zeros(1, self.network.embedding_dim, device=self.device)
        with torch.inference_mode():
            per_pixel = bytes_per_pixel(self.network, lambda lr: self.network.restore(lr, embedding))
        tiling = Tiling(0, self.overlap)
        return fitting_side(memory_budget(self.device), per_pixel, tiling.context + tiling.blend)


def _spread(length: int, side: int, shrink: float) -> list[tuple[int, int]]:
    """Crops of at most `side` px, evenly from one border to the other, that cover about `shrink` of an axis."""
    side = min(side, length)
    n = max(1, math.ceil(length * shrink / side))
    starts = np.linspace(0, length - side, n).round().astype(int) if n > 1 else [(length - side) // 2]
    return [(int(start), int(start) + side) for start in starts]
