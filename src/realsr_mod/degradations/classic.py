"""The classic pipeline of blind super-resolution: blur, bicubic downscaling, noise, 8 bits."""

from collections.abc import Sequence

from realsr_mod.degradations.base import ChainDegradation, DegradationOp, check_range
from realsr_mod.degradations.blur import GaussianBlur
from realsr_mod.degradations.noise import GaussianNoise, Quantize
from realsr_mod.degradations.resize import Downscale


class Bicubic(ChainDegradation):
    """Bicubic downscaling, antialiased as MATLAB's, then 8 bits: the degradation of non-blind super-resolution."""

    def __init__(self, scale: int) -> None:
        super().__init__(scale, down=Downscale(scale), quantize=Quantize())


class ClassicDegradation(ChainDegradation):
    """LR = quantize(bicubic(HR * Gaussian) + noise), as in KDSR's classic experiments (arXiv 2211.16928).

    Params: `blur` (see `GaussianBlur`) and, unless the noise range is [0, 0], `noise` (see `GaussianNoise`).
    """

    def __init__(
        self,
        scale: int,
        kernel_size: int = 21,
        sigma_range_px: Sequence[float] = (0.2, 4.0),
        anisotropic: bool = False,
        noise_sigma_range_255: Sequence[float] = (0.0, 0.0),
    ) -> None:
        ops: dict[str, DegradationOp] = {
            "blur": GaussianBlur(kernel_size, sigma_range_px, anisotropic),
            "down": Downscale(scale),
        }
        if check_range("noise_sigma_range_255", noise_sigma_range_255)[1] > 0:
            ops["noise"] = GaussianNoise(noise_sigma_range_255)
        super().__init__(scale, **ops, quantize=Quantize())
