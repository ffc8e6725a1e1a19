"""How the papers' own programs name the tensors of our networks: one rename table per layout, read in both directions.

Facts about their files; sizes follow from the tensors' shapes.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.networks.blocks import DIV2K_RGB_MEAN
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.types import SRNetwork

State = Mapping[str, Tensor]
Names = tuple[tuple[str, str], ...]  # (their module, ours); `#` stands for the same number on both sides


@dataclass(frozen=True)
class Layout:
    """How one of the papers' programs names the tensors of one of our networks.

    Args:
        name: what to call it in messages.
        required: keys (`#` stands for a number) without which a state dict is not of this layout.
        names: the rename table; the first match counts.
        network: our class.
        sizes: its constructor's arguments, read off the tensors of a state dict in this layout.
        writable: whether a network of that class can be written in this layout.
        constants: tensors that their file holds and our network keeps as constants.
    """

    name: str
    required: tuple[str, ...]
    names: Names
    network: type[SRNetwork]
    sizes: Callable[[State], dict[str, Any]]
    writable: Callable[[Any], bool] = lambda network: True
    constants: Callable[[], dict[str, Tensor]] = dict

    def matches(self, state: State) -> bool:
        return all(count(state, key) for key in self.required)

    def fits(self, network: SRNetwork) -> bool:
        """Whether a network of ours can be written in this layout."""
        return type(network) is self.network and self.writable(network)

    def to_ours(self, key: str) -> str | None:
        """Our name of their key; None if this layout has no such key."""
        return _rename(key, self.names)

    def to_theirs(self, key: str) -> str | None:
        """Their name of our key; None if this layout has no place for it."""
        return _rename(key, tuple((ours, theirs) for theirs, ours in self.names))


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.escape(template).replace(r"\#", r"(\d+)"))


def count(state: State, template: str) -> int:
    """How many keys have the form of `template`."""
    pattern = _pattern(template)
    return sum(pattern.fullmatch(key) is not None for key in state)


def _rename(key: str, table: Names) -> str | None:
    module, _, kind = key.rpartition(".")
    for source, target in table:
        if match := _pattern(source).fullmatch(module):
            numbers = iter(match.groups())
            return re.sub("#", lambda _, numbers=numbers: next(numbers), target) + f".{kind}"
    return None


# --- KDSR: the classic and the GAN program name their tensors alike. A student's encoder is E_st, a teacher's E. ---


def _kdsr_layout(name: str, encoder: str, sees_hr: bool) -> Layout:
    return Layout(
        name=name,
        required=(f"{encoder}.E.0.weight", f"{encoder}.compress.0.weight", "G.head.0.weight", "G.tail.1.weight"),
        names=(
            (f"{encoder}.E.#.body.0", "encoder.features.#.conv1"),
            (f"{encoder}.E.#.body.2", "encoder.features.#.conv2"),
            (f"{encoder}.E.#", "encoder.features.#"),
            (f"{encoder}.mlp.#", "encoder.mlp.#"),
            (f"{encoder}.compress.#", "encoder.compress.#"),
            ("G.head.0", "restorer.head"),
            ("G.body.0.body.#.da_conv1.kernel.#", "restorer.blocks.#.dynamic.to_kernels.#"),
            ("G.body.0.body.#.conv1", "restorer.blocks.#.conv"),
            ("G.body.1", "restorer.fuse"),
            ("G.tail.0.#", "restorer.upsampler.#"),
            ("G.tail.1", "restorer.to_rgb"),
        ),
        network=KDSRNet,
        sizes=lambda state: _kdsr_sizes(state, encoder, sees_hr),
        writable=lambda network: network.sees_hr == sees_hr,
        constants=_kdsr_constants,
    )


def _kdsr_sizes(state: State, encoder: str, sees_hr: bool) -> dict[str, Any]:
    channels = state["G.head.0.weight"].shape[0]
    # Each stage of the upsampler widens C to f*f*C before it shuffles by f.
    stages = [value for key, value in state.items() if _pattern("G.tail.0.#.weight").fullmatch(key)]
    factors = [round((stage.shape[0] / channels) ** 0.5) for stage in stages]
    return {
        "scale": math.prod(factors),
        "channels": channels,
        "encoder_blocks": count(state, f"{encoder}.E.#.body.0.weight"),
        "restorer_blocks": count(state, "G.body.0.body.#.conv1.weight"),
        "sees_hr": sees_hr,
    }


def _kdsr_constants() -> dict[str, Tensor]:
    """The mean colour, which their programs keep as two 1x1 convolutions."""
    mean, identity_3311 = torch.tensor(DIV2K_RGB_MEAN), torch.eye(3).view(3, 3, 1, 1)
    return {
        "G.sub_mean.weight": identity_3311,
        "G.sub_mean.bias": -mean,
        "G.add_mean.weight": identity_3311.clone(),
        "G.add_mean.bias": mean,
    }


# --- RRDBNet (ESRGAN in BasicSR, Real-ESRGAN; ESRGAN's first program) and MM-RealSR, whose restorer it is ---


def _rrdb_names(dense_block: str, fuse: str, up: str, refine: str) -> Names:
    """The rename table of an RRDBNet; dense blocks and upsampling convolutions are numbered from 1."""
    return (
        ("conv_first", "restorer.head"),
        *(
            (f"{dense_block}{dense + 1}.conv{conv + 1}", f"restorer.blocks.#.dense.{dense}.convs.{conv}")
            for dense in range(3)
            for conv in range(5)
        ),
        (fuse, "restorer.fuse"),
        (f"{up}1", "restorer.up1"),
        (f"{up}2", "restorer.up2"),
        (refine, "restorer.refine"),
        ("conv_last", "restorer.to_rgb"),
    )


_RRDB_NAMES = _rrdb_names("body.#.rdb", "conv_body", "conv_up", "conv_hr")
_ESRGAN_NAMES = _rrdb_names("RRDB_trunk.#.RDB", "trunk_conv", "upconv", "HRconv")
_MMREALSR_NAMES: Names = (
    ("de_net.conv_first.#", "estimator.branches.#.head"),
    ("de_net.body.#.#.conv1", "estimator.branches.#.body.#.conv1"),
    ("de_net.body.#.#.conv2", "estimator.branches.#.body.#.conv2"),
    ("de_net.body.#.#", "estimator.branches.#.body.#"),
    ("de_net.fc_degree.#.#", "estimator.branches.#.regressor.#"),
    ("dd_embed.#", "modulation.embed.#"),
    ("am_list.#.fc.#", "modulation.mlps.#.#"),
)
_RRDB_REQUIRED = ("conv_first.weight", "body.#.rdb1.conv1.weight", "conv_hr.weight", "conv_last.weight")
_ESRGAN_REQUIRED = ("conv_first.weight", "RRDB_trunk.#.RDB1.conv1.weight", "HRconv.weight", "conv_last.weight")


def _rrdb_sizes(state: State, first_of_block: str = "body.#.rdb1.conv1.weight") -> dict[str, Any]:
    channels, inputs = state["conv_first.weight"].shape[:2]
    scales = {3: 4, 12: 2, 48: 1}  # input channels after folding the picture by 1, 2, 4
    if inputs not in scales:
        raise ValueError(f"the first convolution reads {inputs} channels; known are 3 (×4), 12 (×2), 48 (×1)")
    return {
        "scale": scales[inputs],
        "channels": channels,
        "num_blocks": count(state, first_of_block),
        "growth": state[first_of_block.replace("#", "0")].shape[0],
    }


def _mmrealsr_sizes(state: State) -> dict[str, Any]:
    """Stages of one width run together here: a boundary inside them leaves no trace, and makes no difference.

    The stride of a convolution between stages cannot be read off its tensor either; it is 2 in the released network.
    """
    widths, blocks = [state["de_net.conv_first.0.weight"].shape[0]], [0]
    for layer in range(sum(count(state, f"de_net.body.0.#.{conv}weight") for conv in ("", "conv1."))):
        if f"de_net.body.0.{layer}.conv1.weight" in state:
            blocks[-1] += 1
        else:
            widths.append(state[f"de_net.body.0.{layer}.weight"].shape[0])
            blocks.append(0)
    return _rrdb_sizes(state) | {
        "estimator_widths": widths,
        "estimator_blocks": blocks,
        "estimator_downscales": [2] * (len(widths) - 1) + [1],
    }


def _downscales_by_two(network: MMRealSRNet) -> bool:
    layers = [layer for branch in network.estimator.branches for layer in branch.body]
    return all(layer.stride == (2, 2) for layer in layers if isinstance(layer, nn.Conv2d))


LAYOUTS = (
    _kdsr_layout("KDSR student", "E_st", sees_hr=False),
    _kdsr_layout("KDSR teacher", "E", sees_hr=True),
    Layout(
        name="MM-RealSR",
        required=(*_RRDB_REQUIRED, "de_net.conv_first.#.weight", "am_list.#.fc.0.weight", "dd_embed.0.weight"),
        names=_MMREALSR_NAMES + _RRDB_NAMES,
        network=MMRealSRNet,
        sizes=_mmrealsr_sizes,
        writable=_downscales_by_two,
    ),
    Layout(
        name="RRDBNet (ESRGAN, Real-ESRGAN)",
        required=_RRDB_REQUIRED,
        names=_RRDB_NAMES,
        network=RRDBNet,
        sizes=_rrdb_sizes,
    ),
    Layout(
        name="RRDBNet (ESRGAN's first program)",
        required=_ESRGAN_REQUIRED,
        names=_ESRGAN_NAMES,
        network=RRDBNet,
        sizes=lambda state: _rrdb_sizes(state, "RRDB_trunk.#.RDB1.conv1.weight"),
        writable=lambda network: False,  # today's programs read the layout above
    ),
)
