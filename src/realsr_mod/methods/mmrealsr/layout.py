"""How MM-RealSR's own program names its tensors: an RRDBNet with an estimator and a modulation beside it."""

from typing import Any

from torch import nn

from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.weights.layouts import RRDB_NAMES, RRDB_REQUIRED, Layout, Names, State, count, rrdb_sizes

_NAMES: Names = (
    ("de_net.conv_first.#", "estimator.branches.#.head"),
    ("de_net.body.#.#.conv1", "estimator.branches.#.body.#.conv1"),
    ("de_net.body.#.#.conv2", "estimator.branches.#.body.#.conv2"),
    ("de_net.body.#.#", "estimator.branches.#.body.#"),
    ("de_net.fc_degree.#.#", "estimator.branches.#.regressor.#"),
    ("dd_embed.#", "modulation.embed.#"),
    ("am_list.#.fc.#", "modulation.mlps.#.#"),
)


def _sizes(state: State) -> dict[str, Any]:
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
    return rrdb_sizes(state) | {
        "estimator_widths": widths,
        "estimator_blocks": blocks,
        "estimator_downscales": [2] * (len(widths) - 1) + [1],
    }


def _downscales_by_two(network: MMRealSRNet) -> bool:
    layers = [layer for branch in network.estimator.branches for layer in branch.body]
    return all(layer.stride == (2, 2) for layer in layers if isinstance(layer, nn.Conv2d))


MMREALSR = Layout(
    name="MM-RealSR",
    required=(*RRDB_REQUIRED, "de_net.conv_first.#.weight", "am_list.#.fc.0.weight", "dd_embed.0.weight"),
    names=_NAMES + RRDB_NAMES,
    network=MMRealSRNet,
    sizes=_sizes,
    writable=_downscales_by_two,
)
