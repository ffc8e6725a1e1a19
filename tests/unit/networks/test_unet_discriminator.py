"""The U-Net discriminator against the released program's values."""

import copy

import torch

from realsr_mod.networks.unet_discriminator import UNetDiscriminator

OFFICIAL = {  # the released program's names
    **{f"conv{i + 1}": f"down.{i}" for i in range(3)},
    **{f"conv{i + 4}": f"up.{i}" for i in range(3)},
    **{f"conv{i + 7}": f"refine.{i}" for i in range(2)},
    "conv0": "head",
    "conv9": "to_logits",
}
SPECTRAL = {
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}


def released(golden):
    tensors, metadata = golden("unet_discriminator_small")
    network = UNetDiscriminator(metadata["num_feat"])
    state = {}
    for key, value in tensors.items():
        if key.startswith("state."):
            _, conv, kind = key.split(".")
            state[f"{OFFICIAL[conv]}.{SPECTRAL.get(kind, kind)}"] = value
    network.load_state_dict(state)
    return network, tensors


@torch.no_grad()
def test_logits(golden):
    network, tensors = released(golden)
    logits = network.eval()(tensors["input.image"])
    torch.testing.assert_close(logits, tensors["output.logits"], atol=1e-4, rtol=0)


@torch.no_grad()
def test_any_size_gives_a_logit_per_pixel(golden):
    network, tensors = released(golden)
    assert network(tensors["input.image"][..., :29, :35]).shape == (2, 1, 29, 35)


def test_training_normalises_and_can_be_copied(golden):
    network, tensors = released(golden)
    copied = copy.deepcopy(network.train())  # weight averaging copies whole modules
    for _ in range(20):  # each forward is one more power iteration
        copied(tensors["input.image"])
    for conv in [*copied.down, *copied.up, *copied.refine]:
        assert abs(torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() - 1) < 0.05
