"""How other programs name the tensors of our networks: one rename table per layout, read in both directions.

Facts about their files; sizes follow from the tensors' shapes. A method's own layout is in `methods/NAME/layout.py`;
here are what they share and those of the networks that are no method's.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.networks.srvgg import SRVGGNetCompact

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


def pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.escape(template).replace(r"\#", r"(\d+)"))


def count(state: State, template: str) -> int:
    """How many keys have the form of `template`."""
    form = pattern(template)
    return sum(form.fullmatch(key) is not None for key in state)


def _rename(key: str, table: Names) -> str | None:
    module, _, kind = key.rpartition(".")
    for source, target in table:
        if match := pattern(source).fullmatch(module):
            for number in match.groups():
                target = target.replace("#", number, 1)
            return f"{target}.{kind}"
    return None


# --- RRDBNet (ESRGAN in BasicSR, Real-ESRGAN; ESRGAN's first program) and MM-RealSR, whose restorer it is ---


def rrdb_names(dense_block: str, fuse: str, up: str, refine: str) -> Names:
    """The rename table of an RRDBNet; dense blocks and upsampling convolutions are numbered from 1."""
    return (
        ("conv_first", "restorer.head"),
        *(
            (f"{dense_block}{dense + 1}.conv{conv + 1}", f"restorer.blocks.#.dense.{dense}.convs.{conv}")
            for dense in range(3)
            for conv in range(5)
        ),
        (fuse, "restorer.fuse"),
        (f"{up}#", "restorer.up#"),
        (refine, "restorer.refine"),
        ("conv_last", "restorer.to_rgb"),
    )


RRDB_NAMES = rrdb_names("body.#.rdb", "conv_body", "conv_up", "conv_hr")
_ESRGAN_NAMES = rrdb_names("RRDB_trunk.#.RDB", "trunk_conv", "upconv", "HRconv")
RRDB_REQUIRED = ("conv_first.weight", "body.#.rdb1.conv1.weight", "conv_hr.weight", "conv_last.weight")
_ESRGAN_REQUIRED = ("conv_first.weight", "RRDB_trunk.#.RDB1.conv1.weight", "HRconv.weight", "conv_last.weight")


def rrdb_sizes(state: State, first_of_block: str = "body.#.rdb1.conv1.weight") -> dict[str, Any]:
    channels, inputs = state["conv_first.weight"].shape[:2]
    folds = {3: 1, 12: 2, 48: 4}
    if inputs not in folds:
        raise ValueError(f"the first convolution reads {inputs} channels; known are 3 (×4), 12 (×2), 48 (×1)")
    doublings = count(state, "conv_up#.weight") if "conv_body.weight" in state else 2
    sizes = {
        "scale": 2**doublings // folds[inputs],
        "channels": channels,
        "num_blocks": count(state, first_of_block),
        "growth": state[first_of_block.replace("#", "0")].shape[0],
    }
    return sizes if doublings == 2 else sizes | {"doublings": doublings}


RRDBNET = Layout(
    name="RRDBNet (ESRGAN, Real-ESRGAN)",
    required=RRDB_REQUIRED,
    names=RRDB_NAMES,
    network=RRDBNet,
    sizes=rrdb_sizes,
    writable=lambda network: network.restorer.doublings == 2,  # its programs know no other
)
FIRST_ESRGAN = Layout(
    name="RRDBNet (ESRGAN's first program)",
    required=_ESRGAN_REQUIRED,
    names=_ESRGAN_NAMES,
    network=RRDBNet,
    sizes=lambda state: rrdb_sizes(state, "RRDB_trunk.#.RDB1.conv1.weight"),
    writable=lambda network: False,  # today's programs read the layout above
)


# --- ESRGAN's first files: modules by their place in a Sequential, as most of the community's models are ---

_OLD_BLOCK = re.compile(r"model\.1\.sub\.(\d+)\.RDB([123])\.conv([1-5])\.0\.(weight|bias)")
_OLD_PLACE = re.compile(r"model\.(\d+)\.(weight|bias)")
_OLD_FUSE = re.compile(r"model\.1\.sub\.\d+\.(weight|bias)")


def is_old_esrgan(state: State) -> bool:
    """Whether a state dict is of ESRGAN's first files."""
    return "model.0.weight" in state and "model.1.sub.0.RDB1.conv1.0.weight" in state


def from_old_esrgan(state: State) -> dict[str, Tensor]:
    """Such a state dict with today's names (`RRDBNET`). Keys of other networks keep theirs.

    After the blocks `model.` holds a convolution at every third place for each doubling, then two more at every second.
    """
    places = sorted({int(match[1]) for key in state if (match := _OLD_PLACE.fullmatch(key))})
    after = ["conv_first", *(f"conv_up{i + 1}" for i in range(len(places) - 3)), "conv_hr", "conv_last"]
    names = dict(zip(places, after, strict=False))
    renamed = {}
    for key, value in state.items():
        if match := _OLD_BLOCK.fullmatch(key):
            key = f"body.{match[1]}.rdb{match[2]}.conv{match[3]}.{match[4]}"
        elif match := _OLD_FUSE.fullmatch(key):
            key = f"conv_body.{match[1]}"
        elif match := _OLD_PLACE.fullmatch(key):
            key = f"{names.get(int(match[1]), key)}.{match[2]}"
        renamed[key] = value
    return renamed


# --- SRVGGNetCompact ---


def _srvgg_sizes(state: State) -> dict[str, Any]:
    convolutions = [key for key in state if key.endswith(".weight") and state[key].ndim == 4]
    last = f"body.{max(int(key.split('.')[1]) for key in convolutions)}.weight"
    scale = math.isqrt(state[last].shape[0] // 3)
    return {"scale": scale, "channels": state["body.0.weight"].shape[0], "num_convs": len(convolutions) - 2}


SRVGG = Layout(
    name="SRVGGNetCompact (Real-ESRGAN)",
    required=("body.0.weight", "body.1.weight", "body.2.weight"),
    names=(("body.#", "body.#"),),
    network=SRVGGNetCompact,
    sizes=_srvgg_sizes,
    writable=lambda network: network.shuffle == network.scale,  # its program resizes outside of the network
)
