"""How other programs name the tensors of our networks: one rename table per layout, read in both directions.

Facts about their files; sizes follow from the tensors' shapes. A method's own layout is in `methods/NAME/layout.py`;
here are what they share and those of the networks that are no method's.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.rrdb import RRDBNet

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
        (f"{up}1", "restorer.up1"),
        (f"{up}2", "restorer.up2"),
        (refine, "restorer.refine"),
        ("conv_last", "restorer.to_rgb"),
    )


RRDB_NAMES = rrdb_names("body.#.rdb", "conv_body", "conv_up", "conv_hr")
_ESRGAN_NAMES = rrdb_names("RRDB_trunk.#.RDB", "trunk_conv", "upconv", "HRconv")
RRDB_REQUIRED = ("conv_first.weight", "body.#.rdb1.conv1.weight", "conv_hr.weight", "conv_last.weight")
_ESRGAN_REQUIRED = ("conv_first.weight", "RRDB_trunk.#.RDB1.conv1.weight", "HRconv.weight", "conv_last.weight")


def rrdb_sizes(state: State, first_of_block: str = "body.#.rdb1.conv1.weight") -> dict[str, Any]:
    channels, inputs = state["conv_first.weight"].shape[:2]
    scales = {3: 4, 12: 2, 48: 1}  # input channels after folding the image by 1, 2, 4
    if inputs not in scales:
        raise ValueError(f"the first convolution reads {inputs} channels; known are 3 (×4), 12 (×2), 48 (×1)")
    return {
        "scale": scales[inputs],
        "channels": channels,
        "num_blocks": count(state, first_of_block),
        "growth": state[first_of_block.replace("#", "0")].shape[0],
    }


RRDBNET = Layout(
    name="RRDBNet (ESRGAN, Real-ESRGAN)",
    required=RRDB_REQUIRED,
    names=RRDB_NAMES,
    network=RRDBNet,
    sizes=rrdb_sizes,
)
FIRST_ESRGAN = Layout(
    name="RRDBNet (ESRGAN's first program)",
    required=_ESRGAN_REQUIRED,
    names=_ESRGAN_NAMES,
    network=RRDBNet,
    sizes=lambda state: rrdb_sizes(state, "RRDB_trunk.#.RDB1.conv1.weight"),
    writable=lambda network: False,  # today's programs read the layout above
)
