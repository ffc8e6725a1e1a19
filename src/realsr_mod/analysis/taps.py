"""Looking inside a network: what a module puts out while the network works on an image.

Legend: B batch, H and W the low-resolution size, s the scale.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from realsr_mod.networks.base import EMBEDDING, Estimator, SRNetwork


def default_taps(network: Estimator) -> tuple[str, ...]:
    """The taps to look at where nobody has named any.

    Raises ValueError for a network that has neither an embedding nor taps of its own.
    """
    if network.default_taps:
        return network.default_taps
    raise ValueError(
        f"{type(network).__name__} has no embedding and names no taps; say where to look by the path of a module, "
        f"for example taps=[{next(iter(_some_modules(network)), 'PATH')}]"
    )


def tap_paths(network: Estimator, taps: Sequence[str]) -> dict[str, str]:
    """The module path of each tap but `embedding`: a name that the network knows, or a path itself."""
    known = network.taps
    modules = dict(network.named_modules())
    paths = {}
    for tap in taps:
        if tap == EMBEDDING:
            continue
        path = known.get(tap, tap)
        if not path or path not in modules:
            names = [EMBEDDING, *known, *_some_modules(network)]
            near = difflib.get_close_matches(tap, [*known, *modules], n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"{type(network).__name__} has no tap {tap!r}; {hint}It has {', '.join(names)}, …")
        paths[tap] = path
    return paths


def _some_modules(network: nn.Module) -> list[str]:
    return [name for name, _ in network.named_children()]


@contextmanager
def recording(network: nn.Module, paths: Mapping[str, str]) -> Iterator[dict[str, Tensor]]:
    """While inside, collect the output of the module at each path under its name; the hooks are gone afterwards."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
        def hook(module: nn.Module, arguments: tuple[object, ...], output: object) -> None:
            if not isinstance(output, Tensor):
                raise ValueError(f"the module at {paths[name]!r} puts out no tensor; choose one inside it or after it")
            seen[name] = output

        return hook

    handles = [network.get_submodule(path).register_forward_hook(keep(name)) for name, path in paths.items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@torch.inference_mode()
def features_at(
    network: Estimator, taps: Sequence[str], lr_B3HW: Tensor, hr: Tensor | None = None
) -> dict[str, Tensor]:
    """What the network computes at each tap, in the order of `taps`: tensors whose first axis is the batch.

    The network restores the images only if a tap lies beyond its estimate of the degradation.

    Args:
        network: for taps in its restorer, an `SRNetwork`.
        taps: names that the network knows, paths of modules, or "embedding".
        lr_B3HW: low-resolution images.
        hr: the truth (B, 3, sH, sW), for a teacher, which reads it as well.
    """
    paths = tap_paths(network, taps)
    with recording(network, paths) as seen:
        embedding = network.embed(lr_B3HW, hr)
        if paths.keys() - seen.keys() and isinstance(network, SRNetwork):
            network.restore(lr_B3HW, embedding)
    missing = sorted(paths.keys() - seen.keys())
    if missing:
        raise ValueError(f"{type(network).__name__} never runs {', '.join(missing)} on an image; choose another tap")
    return {tap: embedding if tap == EMBEDDING else seen[tap] for tap in taps}
