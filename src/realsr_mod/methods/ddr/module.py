"""Training a restorer that is guided by a trained SRResNet's representation of the degradation."""

from typing import Any

from realsr_mod.methods.ddr.network import DDRGuidedNet
from realsr_mod.methods.plain.module import PlainSR
from realsr_mod.networks.srresnet import SRResNet
from realsr_mod.weights.release import load_model
from realsr_mod.weights.state import load_state


class DDRGuided(PlainSR):
    """L1 on a `DDRGuidedNet` whose representation comes from a trained SRResNet and stays as it is.

    Args:
        network: what is trained.
        representation: run folder of the SRResNet, of the size that `network.representation` says; None: its weights
            are what the network begins with, from `start_from`.
        training: `optimizer`, `scheduler` and what else SRModule takes.
    """

    def __init__(self, network: DDRGuidedNet, representation: str | None, **training: Any) -> None:
        super().__init__(network, **training)
        if representation is None:
            if training.get("start_from") is None:
                raise ValueError("representation=null guides by random features; give the run of an SRResNet, or auto")
            return
        source = load_model(representation)
        if not isinstance(source, SRResNet):
            raise ValueError(
                f"{representation} is a {type(source).__name__}; the representation comes from an SRResNet "
                "(experiment=srresnet or srgan)"
            )
        if source.size != network.representation.size:
            raise ValueError(
                f"the SRResNet at {representation} has {source.size}, but network.representation is "
                f"{network.representation.size}; give it the same values, or take another run as representation"
            )
        load_state(network.representation, source.state_dict(), source=representation)
