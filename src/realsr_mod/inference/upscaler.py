"""The one way from an image to a larger, better one; command, browser and Python all call it.

Legend: H, W an image's size, C channels, s the network's scale, D the embedding's length.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from realsr_mod.images.transparency import with_visible_colors
from realsr_mod.inference.arrays import Array
from realsr_mod.inference.blend import blend as blended
from realsr_mod.inference.engines.base import Engine
from realsr_mod.inference.engines.choose import check_engine, engine_for
from realsr_mod.inference.estimate import estimate
from realsr_mod.inference.faithful import color_drift, largest_drift, without_drift
from realsr_mod.inference.memory import halved
from realsr_mod.inference.pixels import ImageType, Source, apply_to_pixels, enlarged_alpha
from realsr_mod.inference.size import Size, brought_to, check_size, result_size
from realsr_mod.inference.tiling import OnTile, Tiling, fitting_side, run_tiles, unwatched
from realsr_mod.weights.hub import PREFIX, parse
from realsr_mod.weights.locate import Model, locate, locate_on_hub

if TYPE_CHECKING:  # torch takes seconds to import, and engines do without
    import torch
    from torch import Tensor

    from realsr_mod.networks.base import SRNetwork

logger = logging.getLogger(__name__)

Degrees = Mapping[str, float | None]
ASTRAY = 20 / 255  # no photo's areas moved so far under its own estimate, at most 12 / 255


class UpscalerSettings(TypedDict, total=False):
    """What may be set of an `Upscaler` besides its network; see there."""

    device: "str | torch.device"
    precision: str
    tile: int | str
    overlap: int
    engine: str
    keep_colors: bool


class Upscaler:
    """Enlarges and restores images with one network.

        upscaler = Upscaler.load("runs/mmrealsr/2026-01-31_12-00-00")  # or of the zoo: Upscaler.load()
        better = upscaler(Image.open("photo.jpg"), noise=0.7)

    Args:
        network: what restores, under torch: it is moved to `device` and put in evaluation mode. Or an engine.
        device: `auto` (CUDA, then Apple's MPS, then CPU) or a torch device.
        precision: `auto`, `float32`, `float16` or `bfloat16`. `auto` is the engine's fastest for 8-bit images (float16
            on CUDA, bfloat16 on CPUs that multiply it) and float32 for deeper ones. A tile that is not finite in half
            precision is computed again in float32.
        tile: side of a tile in px, 0 for none, `auto` for what fits in memory. Out of memory halves it.
        overlap: px of context around each tile, see `realsr_mod.inference.tiling`.
        engine: of a model that `load` finds: `auto`, `torch`, `openvino` or `onnxruntime`, see
            `realsr_mod.inference.engines.choose`. A network that is already built runs under torch.
        keep_colors: areas of 32 px keep the mean colours of the image, see `realsr_mod.inference.faithful`; False gives
            what the network gives.
    """

    def __init__(
        self,
        network: "SRNetwork | Engine",
        device: "str | torch.device" = "auto",
        precision: str = "auto",
        tile: int | str = "auto",
        overlap: int = 24,
        engine: str = "auto",
        keep_colors: bool = True,
    ) -> None:
        self.engine = _built(network, device, engine)
        self.engine.check_precision(precision)
        self.precision = precision
        if tile != "auto" and not str(tile).isdigit():
            raise ValueError(f"tile must be auto, 0 (no tiles) or a side in pixels, got {tile!r}")
        self.overlap, self.keep_colors = overlap, keep_colors
        self.tile = self._auto_tile() if tile == "auto" else Tiling(int(tile), overlap).tile

    @classmethod
    def load(
        cls,
        path: Model | None = None,
        blend: tuple[Model, float] | None = None,
        **settings: Unpack[UpscalerSettings],
    ) -> "Upscaler":
        """From whatever `load_restorer` takes, by default what `locate` says; `settings` as the constructor's.

        `blend=(other, 0.3)` goes three tenths of the way to another model of its architecture, see `inference.blend`.
        """
        name, device = settings.get("engine", "auto"), settings.get("device", "auto")
        location = locate(path)
        return cls(engine_for(location if blend is None else blended(location, *blend), name, device), **settings)

    @classmethod
    def from_pretrained(
        cls, repo_id: str | Path, revision: str | None = None, **settings: Unpack[UpscalerSettings]
    ) -> "Upscaler":
        """From a model repository of the Hugging Face hub (`user/repo`), or a local folder of the same form.

        Raises FileNotFoundError or ValueError as `realsr_mod.weights.hub.fetch` does.
        """
        if Path(repo_id).is_dir():
            return cls.load(repo_id, **settings)
        model = parse(f"{PREFIX}{str(repo_id).removeprefix(PREFIX)}")
        return cls.load(locate_on_hub(replace(model, revision=revision) if revision else model), **settings)

    @property
    def scale(self) -> int:
        return self.engine.scale

    @property
    def device(self) -> str:
        """Where it runs."""
        return self.engine.device

    @property
    def sliders(self) -> tuple[str, ...]:
        """Names of the degrees that a person may set; empty where the model has none."""
        return self.engine.embedding_names

    def __call__(
        self,
        image: ImageType,
        *,
        outscale: float | None = None,
        size: Size | None = None,
        embedding: "Tensor | np.ndarray | None" = None,
        on_estimate: OnTile = unwatched,
        on_tile: OnTile = unwatched,
        **degrees: float | None,
    ) -> ImageType:
        """Upscale an image; what comes back is of the kind that went in.

        Args:
            image: Pillow image (any mode but F, and I up to 65535 only); NumPy (H, W) or (H, W, 1 to 4), uint8, uint16
                or float in [0, 1]; torch (C, H, W) or (B, C, H, W) with 1 or 3 channels, uint8 or float in [0, 1]; or a
                `Image`.
            outscale: how much larger the result is; the network's own scale if None. 1 restores and keeps the size: the
                network enlarges, and the result is averaged down. Beyond the network's scale it is interpolated, which
                a warning says.
            size: in place of `outscale`: (width, height) that the result fits inside, or its longer side in px.
            embedding: (D,), what `embed` gave, so as not to estimate it again.
            on_estimate: called before the degradation is estimated and after each part of the image that was looked at,
                with how many are done and how many there are.
            on_tile: called after each tile with how many are done and how many there are.
            degrees: `blur=…`, `noise=…`, each 0 (clean) to 1 (worst), for models with such sliders; those not given
                are estimated from the image.
        """
        self.check(outscale, size, **degrees)

        def enlarge(pixels_HWC: np.ndarray) -> np.ndarray:
            pixels_HWC = with_visible_colors(pixels_HWC)
            precision = self.precision_for(pixels_HWC.dtype)
            known = (
                estimate(self.engine, pixels_HWC, precision, on_estimate) if embedding is None else _on_cpu(embedding)
            )
            out = self._faithful(pixels_HWC, known, degrees, precision, on_tile)
            return self._brought_to(out, pixels_HWC, outscale, size)

        return apply_to_pixels(enlarge, image)

    def embed(self, image: ImageType) -> "Tensor":
        """Estimate an image's embedding, (D,) on the CPU: for KDSR the representation, for MM-RealSR (blur, noise)."""
        import torch

        return torch.from_numpy(self.estimate(image))

    def estimate(self, image: ImageType) -> np.ndarray:
        """The same as `embed`, as an array."""
        found: list[np.ndarray] = []

        def look(pixels_HWC: np.ndarray) -> np.ndarray:
            found.append(estimate(self.engine, with_visible_colors(pixels_HWC), "float32"))
            return pixels_HWC

        apply_to_pixels(look, image)
        mean: np.ndarray = np.mean(found, axis=0)
        return mean

    def settle(self, pixels_HWC: np.ndarray, embedding_D: np.ndarray, degrees: Degrees) -> np.ndarray:
        """The embedding for all frames that are like this one: its own, or the typical one where that leads astray."""
        if not self.keep_colors or self.engine.known is None:
            return embedding_D
        pixels_HWC, precision = with_visible_colors(pixels_HWC), self.precision_for(pixels_HWC.dtype)
        return self._chosen(pixels_HWC, embedding_D, degrees, precision, unwatched)[2]

    def frame(
        self,
        pixels_HWC: np.ndarray,
        embedding_D: np.ndarray,
        degrees: Degrees,
        outscale: float | None = None,
        size: Size | None = None,
    ) -> np.ndarray:
        """One of many frames, under the embedding that was settled for them, wherever it leads."""
        pixels_HWC = with_visible_colors(pixels_HWC)
        settled_D = self._with_degrees(embedding_D, degrees)
        out = self._upscale(pixels_HWC, settled_D, self.precision_for(pixels_HWC.dtype), unwatched)
        if self.keep_colors:
            _without_drift(pixels_HWC, out, _drift(pixels_HWC, out))
        return self._brought_to(out, pixels_HWC, outscale, size)

    def precision_for(self, dtype: np.dtype[Any]) -> str:
        """In which precision pixels of this kind are restored."""
        if self.precision != "auto":
            return self.precision
        return self.engine.quick if dtype == np.uint8 else "float32"

    # --- one image ---

    def check(self, outscale: float | None = None, size: Size | None = None, **degrees: float | None) -> None:
        """Raise a ValueError where this model cannot be called with these arguments."""
        check_size(outscale, size)
        for name, value in degrees.items():
            if value is None:
                continue
            if name not in self.sliders:
                has = f"its sliders are: {', '.join(self.sliders)}" if self.sliders else "it has no sliders"
                raise ValueError(
                    f"this model ({self.engine.network_name}) cannot be given a degree of {name}; {has}. "
                    "Leave it out, or choose an MM-RealSR model"
                )
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 (clean) and 1 (worst), got {value}")

    def _brought_to(
        self, out_HWC: np.ndarray, pixels_HWC: np.ndarray, outscale: float | None, size: Size | None
    ) -> np.ndarray:
        height, width = pixels_HWC.shape[:2]
        return brought_to(out_HWC, *result_size(height, width, self.scale, outscale, size))

    def _with_degrees(self, embedding_D: np.ndarray, degrees: Degrees) -> np.ndarray:
        changed = embedding_D.copy()
        for name, value in degrees.items():
            if value is not None:
                changed[self.sliders.index(name)] = value
        return changed

    def _faithful(
        self,
        pixels_HWC: np.ndarray,
        embedding_D: np.ndarray,
        degrees: Degrees,
        precision: str,
        on_tile: OnTile,
    ) -> np.ndarray:
        """Restore, and see to it that the result is the same photo: areas keep their colours, see `faithful`."""
        if not self.keep_colors:
            return self._upscale(pixels_HWC, self._with_degrees(embedding_D, degrees), precision, on_tile)
        out, drift, _ = self._chosen(pixels_HWC, embedding_D, degrees, precision, on_tile)
        _without_drift(pixels_HWC, out, drift)
        return out

    def _chosen(
        self,
        pixels_HWC: np.ndarray,
        embedding_D: np.ndarray,
        degrees: Degrees,
        precision: str,
        on_tile: OnTile,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The image restored, how far its colours moved, and under which embedding, before the degrees are set.

        Where they moved far, the estimate has led the network astray, and its typical one is tried instead.
        """
        out = self._upscale(pixels_HWC, self._with_degrees(embedding_D, degrees), precision, on_tile)
        drift = _drift(pixels_HWC, out)
        if largest_drift(drift) > ASTRAY and self.engine.known is not None:
            typical_D = self.engine.known.typical_D
            other = self._upscale(pixels_HWC, self._with_degrees(typical_D, degrees), precision, on_tile)
            other_drift = _drift(pixels_HWC, other)
            if largest_drift(other_drift) < largest_drift(drift) / 2:
                logger.warning(
                    "under the estimated degradation the colours of an area moved by %.0f of 255, so the image was "
                    "restored under a typical one; look at the result",
                    255 * largest_drift(drift),
                )
                return other, other_drift, typical_D
        return out, drift, embedding_D

    def _upscale(self, pixels_HWC: np.ndarray, embedding_D: np.ndarray, precision: str, on_tile: OnTile) -> np.ndarray:
        h, w, channels = pixels_HWC.shape
        source = Source(pixels_HWC)
        out = np.empty((h * self.scale, w * self.scale, channels), pixels_HWC.dtype)

        def write(first: int, rows_3HW: Array) -> None:
            out[first : first + rows_3HW.shape[1], :, : source.colors] = source.quantized(rows_3HW, self.engine.arrays)

        tile = self.tile
        while True:
            try:
                run_tiles(
                    lambda lr: self._restore(lr, embedding_D, precision),
                    source.read,
                    write,
                    (h, w),
                    self.scale,
                    Tiling(tile, self.overlap),
                    on_tile,
                    self.engine.arrays,
                )
                break
            except (RuntimeError, MemoryError) as error:
                tile = halved(tile, max(h, w), error)
        self.tile = tile  # what did not fit once will not fit again
        if channels > source.colors:
            out[:, :, -1] = enlarged_alpha(pixels_HWC[:, :, -1], self.scale)
        return out

    def _restore(self, lr_13HW: np.ndarray, embedding_D: np.ndarray, precision: str) -> Array:
        """One tile, in half precision where asked for, again in float32 where that overflows."""
        if precision != "float32":
            sr = self.engine.restore(lr_13HW, embedding_D, precision)
            if self.engine.arrays.is_finite(sr):
                return sr
            logger.warning("a tile overflowed in half precision and is computed again in float32")
        sr = self.engine.restore(lr_13HW, embedding_D, "float32")
        if not self.engine.arrays.is_finite(sr):
            raise ValueError("the model gives NaN or infinity even in float32; its weights are damaged")
        return sr

    def _auto_tile(self) -> int:
        tiling = Tiling(0, self.overlap)
        return fitting_side(self.engine.budget(), self.engine.restore_bytes, tiling.context + tiling.blend)


def _built(network: "SRNetwork | Engine", device: "str | torch.device", engine: str) -> Engine:
    """An engine as it is, a network under torch."""
    if isinstance(network, Engine):
        return network
    check_engine(engine)
    if engine not in ("auto", "torch"):
        raise ValueError(
            f"a network that is already built runs under torch; for engine={engine} give the model to Upscaler.load"
        )
    from realsr_mod.inference.engines.torch_engine import TorchEngine

    return TorchEngine(network, device)


def _drift(pixels_HWC: np.ndarray, out_HWC: np.ndarray) -> np.ndarray:
    """How far the colours of areas moved, see `faithful`."""
    colors = Source(pixels_HWC).colors
    return color_drift(pixels_HWC[:, :, :colors], out_HWC[:, :, :colors])


def _without_drift(pixels_HWC: np.ndarray, out_HWC: np.ndarray, drift_RQC: np.ndarray) -> None:
    """Bring the colours of areas back, in place, see `faithful`."""
    colors = Source(pixels_HWC).colors
    without_drift(pixels_HWC[:, :, :colors], out_HWC[:, :, :colors], drift_RQC)


def _on_cpu(embedding_D: "Tensor | np.ndarray") -> np.ndarray:
    found = embedding_D if isinstance(embedding_D, np.ndarray) else embedding_D.detach().cpu().numpy()
    return found.astype(np.float32)
