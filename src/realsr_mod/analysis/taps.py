"""Looking inside a network: what a module puts out while the network works on a picture.

Legend: B batch, H and W the low-resolution size, s the scale.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

EMBEDDING = "embedding"  # the tap that stands for what `embed` returns


def default_taps(network: nn.Module) -> tuple[str, ...]:
    """The taps to look at where nobody has named any.

    Raises ValueError for a network that has neither an embedding nor taps of its own.
    """
    chosen = getattr(network, "default_taps", ())
    if chosen:
        return tuple(chosen)
    if getattr(network, "embedding_dim", 0):
        return (EMBEDDING,)
    raise ValueError(
        f"{type(network).__name__} has no embedding and names no taps; say where to look by the path of a module, "
        f"for example taps=[{_some_modules(network)[0]}]"
    )


def tap_paths(network: nn.Module, taps: Sequence[str]) -> dict[str, str]:
    """The module path of each tap but `embedding`: a name that the network knows, or a path itself."""
    known = getattr(network, "taps", {})
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

    def keep(name: str) -> Callable[[nn.Module, tuple, object], None]:
        def hook(module: nn.Module, arguments: tuple, output: object) -> None:
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
    network: nn.Module, taps: Sequence[str], lr_B3HW: Tensor, hr: Tensor | None = None
) -> dict[str, Tensor]:
    """What the network computes at each tap, in the order of `taps`: tensors whose first axis is the batch.

    The network restores the pictures only if a tap lies beyond its estimate of the degradation.

    Args:
        network: anything with `embed`; for taps in its restorer, also `restore`.
        taps: names that the network knows, paths of modules, or "embedding".
        lr_B3HW: low-resolution pictures.
        hr: the truth (B, 3, sH, sW), for a teacher, which reads it as well.
    """
    paths = tap_paths(network, taps)
    with recording(network, paths) as seen:
        sees_hr = getattr(network, "sees_hr", False)
        embedding = network.embed(lr_B3HW, hr) if sees_hr else network.embed(lr_B3HW)
        if paths.keys() - seen.keys() and hasattr(network, "restore"):
            network.restore(lr_B3HW, embedding)
    missing = sorted(paths.keys() - seen.keys())
    if missing:
        raise ValueError(f"{type(network).__name__} never runs {', '.join(missing)} on a picture; choose another tap")
    return {tap: embedding if tap == EMBEDDING else seen[tap] for tap in taps}
