"""Checkpoints of the papers' own programs, read and written: found by their keys, sized by their tensors.

A checkpoint is parsed, not trusted: nothing pickled in it is run, its architecture follows from its keys, and every
tensor must find its place.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from realsr_mod.methods.kdsr import layout as kdsr
from realsr_mod.methods.mmrealsr import layout as mmrealsr
from realsr_mod.networks import resselt
from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.srvgg import SRVGGNetCompact, SRVGGNetDenoise
from realsr_mod.weights.layouts import FIRST_ESRGAN, RRDBNET, SRVGG, Layout, from_old_esrgan, is_old_esrgan
from realsr_mod.weights.locate import NCNN_SUFFIX
from realsr_mod.weights.ncnn.networks import read_ncnn
from realsr_mod.weights.state import check_dense, check_state, read_checkpoint

LAYOUTS = (kdsr.STUDENT, kdsr.TEACHER, mmrealsr.MMREALSR, RRDBNET, FIRST_ESRGAN, SRVGG)  # the first that matches counts
# What training programs wrap a state dict in. The averaged weights first: the papers report those.
WRAPPERS = ("params_ema", "params-ema", "params", "state_dict", "model", "netG")
_GENERAL = re.compile(r"(general)([-_])(?!wdn)", re.IGNORECASE)  # realesr-general-x4v3, RealESRGAN_General_x4_v3
_KNOWN = ", ".join(layout.name for layout in LAYOUTS)


def load_official(source: str | Path | Mapping[str, Any]) -> SRNetwork:
    """Make a network from a checkpoint of the papers' own programs, in evaluation mode. See `read_official`."""
    return read_official(source)[0]


def read_official(source: str | Path | Mapping[str, Any]) -> tuple[SRNetwork, dict[str, Any]]:
    """A network from a checkpoint of the papers' own programs, and its config as `save_model` takes it.

    Args:
        source: a `.pth`, `.pt`, `.ckpt` or `.safetensors` file, or a `.param` file of ncnn with its `.bin` beside it,
            or a state dict; with or without `WRAPPERS`, and the prefix `module.` that parallel training leaves. A file
            whose partner lies beside it, `…general-wdn-x4v3` beside `…general-x4v3`, gives both, mixed by `noise`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, not tensors alone, or of an architecture that is not among `LAYOUTS`.
    """
    if not isinstance(source, str | Path):
        return _read_state(unwrap(source), "state dict")
    path = Path(source)
    network, config = _read_file(path)
    partner = denoise_partner(path)
    if isinstance(network, SRVGGNetCompact) and partner is not None:
        return _mixed(network, config, partner)
    return network, config


def _read_file(path: Path) -> tuple[SRNetwork, dict[str, Any]]:
    if path.suffix == NCNN_SUFFIX:
        return read_ncnn(path)
    return _read_state(unwrap(read_checkpoint(path)), str(path))


def _read_state(state: dict[str, Tensor], where: str) -> tuple[SRNetwork, dict[str, Any]]:
    for key, value in state.items():
        try:
            check_dense(key, value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}; ask its author for safetensors") from error
    if is_old_esrgan(state):
        state = from_old_esrgan(state)
    layout = next((layout for layout in LAYOUTS if layout.matches(state)), None)
    return _read_resselt(state, where) if layout is None else _load_layout(layout, state, where)


def _read_resselt(state: dict[str, Tensor], where: str) -> tuple[SRNetwork, dict[str, Any]]:
    """A network of another architecture, if the package that knows it is installed."""
    unknown = f"{where}: not an architecture that realsr_mod knows ({_KNOWN})"
    advice = f"its first keys are {', '.join(list(state)[:3]) or 'none'}. For a model trained here give its run folder"
    if not resselt.is_installed():
        raise ValueError(
            f"{unknown}; pip install 'realsr_mod[architectures]' adds SPAN, SwinIR, DAT, PLKSR and others; {advice}"
        )
    arguments = resselt.described_by(state)
    try:
        network = resselt.ResseltNet(**arguments)
    except ValueError as error:
        raise ValueError(f"{unknown}: {error}; {advice}") from error
    network.network.load_state_dict(state)
    return network.eval(), {"_target_": f"{resselt.__name__}.{resselt.ResseltNet.__qualname__}", **arguments}


def denoise_partner(path: Path) -> Path | None:
    """The file of the network that hardly denoises (`wdn`), if it lies beside the one that does."""
    name = _GENERAL.sub(lambda m: f"{m[1]}{m[2]}{'WDN' if m[1][0].isupper() else 'wdn'}{m[2]}", path.name, count=1)
    partner = path.with_name(name)
    return partner if name != path.name and partner.is_file() else None


def _mixed(strong: SRVGGNetCompact, config: dict[str, Any], partner: Path) -> tuple[SRNetwork, dict[str, Any]]:
    """Both networks of a pair as one, whose `noise` says how much of each."""
    weak, other = _read_file(partner)
    if other != config:
        raise ValueError(f"{partner}: differs in size from its partner; move one of them to another folder")
    sizes = {key: value for key, value in config.items() if key != "_target_"}
    network = SRVGGNetDenoise(**sizes)
    network.strong.load_state_dict(strong.state_dict())
    network.weak.load_state_dict(weak.state_dict())
    return network.eval(), {"_target_": f"{SRVGGNetDenoise.__module__}.{SRVGGNetDenoise.__qualname__}", **sizes}


def _load_layout(layout: Layout, state: dict[str, Tensor], where: str) -> tuple[SRNetwork, dict[str, Any]]:
    constants = layout.constants()
    for key, expected in constants.items():
        if key in state and not (
            state[key].shape == expected.shape and torch.allclose(state[key].float(), expected, atol=1e-6)
        ):
            raise ValueError(
                f"{where}: {key} is {state[key].flatten().tolist()[:9]}, expected {expected.flatten().tolist()}; "
                f"{layout.name} is supported for images in [0, 1] with DIV2K's mean colour"
            )
    names = {key: layout.to_ours(key) for key in state if key not in constants}
    renamed = {key: ours for key, ours in names.items() if ours is not None}
    if strangers := [key for key in names if key not in renamed]:
        raise ValueError(f"{where}: looks like {layout.name}, which has no {', '.join(strangers[:3])}")
    found_state = {ours: state[key].float() for key, ours in renamed.items()}
    try:
        sizes = layout.sizes(state)
        with torch.device("meta"):  # takes no memory: sizes are believed only if the weights have them
            empty = layout.network(**sizes)
    except Exception as error:  # whatever shapes of the wrong kind lead to
        raise ValueError(f"{where}: looks like {layout.name}, but its sizes cannot be read: {error}") from error
    check_state(empty, found_state, where)
    network = layout.network(**sizes)
    network.load_state_dict(found_state)
    target = f"{layout.network.__module__}.{layout.network.__qualname__}"
    return network.eval(), {"_target_": target, **sizes}


def to_official(network: SRNetwork) -> dict[str, Tensor]:
    """The state dict of a network in the layout of its paper's program: `load_official`'s inverse.

    Raises:
        ValueError: no published program has this network.
    """
    layout = next((layout for layout in LAYOUTS if layout.fits(network)), None)
    if layout is None:
        raise ValueError(
            f"this {type(network).__name__} has no official layout (there are: {_KNOWN}); use format=safetensors"
        )
    state = {}
    for key, value in network.state_dict().items():
        theirs = layout.to_theirs(key)
        assert theirs is not None, f"{layout.name} has no name for {key}"
        state[theirs] = value.detach().cpu().contiguous()
    return state | layout.constants()


def unwrap(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The state dict inside what a training program saved, its keys free of `module.`; any other key as a string."""
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    return {str(key).removeprefix("module."): value for key, value in content.items() if isinstance(value, Tensor)}
