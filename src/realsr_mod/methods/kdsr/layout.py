"""How KDSR's own programs name its tensors: the classic and the GAN program alike.

A student's encoder is E_st there, a teacher's E.
"""

import math
from typing import Any

import torch
from torch import Tensor

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.networks.blocks import DIV2K_RGB_MEAN
from realsr_mod.weights.layouts import Layout, State, count, pattern


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
        writable=lambda network: network.sees_hr == sees_hr and network.upsampler == "pixel_shuffle",
        constants=_kdsr_constants,
    )


def _kdsr_sizes(state: State, encoder: str, sees_hr: bool) -> dict[str, Any]:
    channels = state["G.head.0.weight"].shape[0]
    # Each stage of the upsampler widens C to f*f*C before it shuffles by f.
    stages = [value for key, value in state.items() if pattern("G.tail.0.#.weight").fullmatch(key)]
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


STUDENT = _kdsr_layout("KDSR student", "E_st", sees_hr=False)
TEACHER = _kdsr_layout("KDSR teacher", "E", sees_hr=True)
