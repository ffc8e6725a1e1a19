"""Real-ESRGAN's second-order degradation (arXiv 2107.10833, figure 2), every choice drawn per image.

Legend: B batch, H and W the HR size, h and w the LR size.
"""

import torch
from torch import Tensor

from realsr_mod.degradations.base import (
    Degradation,
    DegradationOp,
    Params,
    Shape,
    bernoulli,
    check_probability,
    lr_size,
    row,
)
from realsr_mod.degradations.camera_noise import CameraNoise
from realsr_mod.degradations.canvas import any_row, can_look, equal_sizes, per_row, whole_size
from realsr_mod.degradations.jpeg import JPEG
from realsr_mod.degradations.mixed_blur import MixedBlur
from realsr_mod.degradations.noise import quantize
from realsr_mod.degradations.random_resize import RandomResize, draw_filter, resize_canvas


class SecondOrder(Degradation):
    """Blur, resize, noise and JPEG, twice; the last resize with its sinc filter and the last JPEG in either order.

    Params: nested, every tensor (B,), noise patterns as seeds. All are semantic, so a level is edited by replacing its
    entry; values that a row does not use (the sigma of a Poisson row) are drawn too.

    | entry | keys |
    |---|---|
    | `blur1`, `blur2`, `sinc` | `is_on` bool, `family` 0-5 (`kernels.FAMILIES`), `size` px, `sigma_x`, `sigma_y` px, \
`theta` rad, `beta`, `is_sinc` bool, `cutoff` rad/px |
    | `resize1`, `resize2` | `factor` (of the HR size, of the LR size), `filter` 0-2 (`resize.FILTERS`) |
    | `noise1`, `noise2` | `is_poisson` bool, `sigma` [0, 1] units, `poisson_scale`, `is_grey` bool, `seed` |
    | `jpeg1`, `jpeg2` | `quality` 1-100 |
    | `last` | `filter` 0-2 of the last resize, `is_jpeg_first` bool: JPEG comes before the last resize |

    The parts (`blur1=MixedBlur(...)`, ...) default to the published settings; `sinc` is the filter after the last
    resize. With `sharpen`, HR is sharpened by unsharp masking first: LR is made from that, and `target` returns it.

    Where it differs from the published program: everything is drawn per image, not per batch; images are degraded
    at the size that the pair needs; Poisson noise counts 256 photons at white whatever the image (there: the number of
    distinct values in it); a decoded JPEG is rounded to 8 bits; bicubic resizing is Keys' with a = -0.5 (there: -0.75),
    and area the mean over the exact footprint of a pixel.
    """

    def __init__(
        self,
        scale: int,
        sharpen: bool = True,
        blur1: MixedBlur | None = None,
        resize1: RandomResize | None = None,
        noise1: CameraNoise | None = None,
        jpeg1: JPEG | None = None,
        blur2: MixedBlur | None = None,
        resize2: RandomResize | None = None,
        noise2: CameraNoise | None = None,
        sinc: MixedBlur | None = None,
        jpeg2: JPEG | None = None,
        jpeg_first_probability: float = 0.5,
    ) -> None:
        super().__init__(scale, sharpen)
        self.blur1 = blur1 or MixedBlur()
        self.resize1 = resize1 or RandomResize()
        self.noise1 = noise1 or CameraNoise()
        self.jpeg1 = jpeg1 or JPEG()
        self.blur2 = blur2 or MixedBlur(sigma_range_px=(0.2, 1.5), probability=0.8)
        self.resize2 = resize2 or RandomResize(up_down_keep=(0.3, 0.4, 0.3), factor_range=(0.3, 1.2))
        self.noise2 = noise2 or CameraNoise(sigma_range_255=(1.0, 25.0), poisson_scale_range=(0.05, 2.5))
        self.sinc = sinc or MixedBlur(sinc_probability=1.0, probability=0.8, lowest_cutoff=torch.pi / 3)
        self.jpeg2 = jpeg2 or JPEG()
        self.jpeg_first_probability = check_probability("jpeg_first_probability", jpeg_first_probability)

    @property
    def ops(self) -> dict[str, DegradationOp | RandomResize]:
        """The parts by name, in the order in which they draw."""
        return {
            "blur1": self.blur1,
            "resize1": self.resize1,
            "noise1": self.noise1,
            "jpeg1": self.jpeg1,
            "blur2": self.blur2,
            "resize2": self.resize2,
            "noise2": self.noise2,
            "sinc": self.sinc,
            "jpeg2": self.jpeg2,
        }

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        self.output_shape(shape_BCHW)  # an odd size is refused before anything is drawn
        params = {name: op.sample(shape_BCHW, generator) for name, op in self.ops.items()}
        batch = shape_BCHW[0]
        is_jpeg_first_B = bernoulli(batch, self.jpeg_first_probability, generator)
        return params | {"last": {"filter": draw_filter(batch, generator), "is_jpeg_first": is_jpeg_first_B}}

    def forward(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        # Images differ in size between the steps. A CPU is fastest with one at a time, exactly its size, in its
        # cache; a GPU with all of them on canvases of the largest size.
        if can_look(hr_BCHW) and len(hr_BCHW) > 1:
            return torch.cat([self._degrade(hr_BCHW[i : i + 1], row(params, i)) for i in range(len(hr_BCHW))])
        return self._degrade(hr_BCHW, params)

    def _degrade(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        height, width = hr_BCHW.shape[2:]
        hr_size, small = (height, width), lr_size(height, width, scale=self.scale)
        x = self.blur1(self.target(hr_BCHW), params["blur1"])
        x, size_B2 = self.resize1(x, params["resize1"], whole_size(x), reference=hr_size, input_limit=hr_size)
        x = self.noise1(x, params["noise1"], size_B2)
        x = self.jpeg1(x, params["jpeg1"])
        x = self.blur2(x, params["blur2"], size_B2)
        limit = (self.resize1.limit(height), self.resize1.limit(width))
        x, size_B2 = self.resize2(x, params["resize2"], size_B2, reference=small, input_limit=limit)
        x = self.noise2(x, params["noise2"], size_B2)
        return self._finish(x, size_B2, small, params)

    def _finish(self, x_BCHW: Tensor, size_B2: Tensor, small: tuple[int, int], params: Params) -> Tensor:
        """The last JPEG and the last resize with its sinc, in the order of each row: (B, C, h, w)."""
        is_jpeg_first_B = params["last"]["is_jpeg_first"]
        if any_row(is_jpeg_first_B):
            compressed = self.jpeg2(x_BCHW, params["jpeg2"])
            x_BCHW = torch.where(per_row(is_jpeg_first_B), compressed, x_BCHW)
        small_B2 = equal_sizes(len(x_BCHW), small, x_BCHW.device)
        shrink_limit = max(self.resize2.limit(side) / side for side in small)
        x_BCHW = resize_canvas(x_BCHW, size_B2, small_B2, small, params["last"]["filter"], shrink_limit)
        x_BCHW = self.sinc(x_BCHW, params["sinc"])
        if any_row(~is_jpeg_first_B):
            compressed = self.jpeg2(x_BCHW, params["jpeg2"])
            x_BCHW = torch.where(per_row(is_jpeg_first_B), x_BCHW, compressed)
        return quantize(x_BCHW)
