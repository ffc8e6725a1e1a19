"""What a network needs of an image at a time: memory for each pixel, and how far around a pixel it looks."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from realsr_mod.networks.base import SRNetwork

CENTER = 4  # px whose outputs are looked at together: networks fold the image by 2 or 4


@torch.no_grad()
def bytes_per_pixel(network: nn.Module, run: Callable[[Tensor], Tensor]) -> float:
    """Estimate the peak of activations per LR pixel when `run` sends an image through `network`.

    The largest layer's input and output, twice: what skip connections hold and convolutions copy comes on top.
    """
    side, largest = 32, 0

    def watch(_: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal largest
        tensors = [tensor for tensor in (*inputs, output) if isinstance(tensor, Tensor)]
        largest = max(largest, sum(tensor.numel() for tensor in tensors))

    leaves = [module for module in network.modules() if not list(module.children())]
    hooks = [leaf.register_forward_hook(watch) for leaf in leaves]
    try:
        reference = next(network.parameters())
        run(torch.zeros(1, 3, side, side, device=reference.device, dtype=reference.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return 2 * 4 * largest / side**2


def measure_reach(network: SRNetwork, limit: int = 512) -> int:
    """How many LR pixels away the farthest input is on which an output pixel depends, for a fixed embedding.

    Read off the gradient of the centre's output pixels in an image that is doubled until it is large enough.
    An overlap of this size makes tiles exact. Deep networks reach far and hardly use it.

    Raises:
        ValueError: it reaches further than `limit`.
    """
    reference = next(network.parameters())
    half = 16
    while half <= 2 * limit:
        side = 2 * half + CENTER
        generator = torch.Generator().manual_seed(0)
        lr = torch.rand(1, 3, side, side, generator=generator).to(reference).requires_grad_()
        embedding = torch.rand(1, network.embedding_dim, generator=generator).to(reference)
        start, stop = half * network.scale, (half + CENTER) * network.scale
        (gradient,) = torch.autograd.grad(network.restore(lr, embedding)[..., start:stop, start:stop].sum(), lr)
        touched = gradient[0].abs().amax(0) > 0
        rows = torch.nonzero(touched.any(1) | touched.any(0)).flatten()
        reach = max(half - int(rows.min()), int(rows.max()) - (half + CENTER - 1))
        if reach < half:
            return reach
        half *= 2
    raise ValueError(f"the network reaches further than {limit} px; use one tile (tile=0) where exactness matters")
