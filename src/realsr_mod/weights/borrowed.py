"""Parts of a network that are a published model's, unchanged: no released file holds them, they come from the cache.

`Estimator.borrowed` says which: prefixes of tensors' names, each with the model's name. Only Real-ESRGAN's own models
can be meant, whose files are known by their SHA-256, so that a file from elsewhere can neither name a path nor bring
other weights.
"""

from collections.abc import Mapping

from torch import Tensor

from realsr_mod.networks.base import Estimator
from realsr_mod.runtime.errors import suggestion
from realsr_mod.weights import realesrgan
from realsr_mod.weights.official import read_official
from realsr_mod.weights.state import check_state

MOST_TENSORS = 1000  # that a published model has; the largest has 702


def lender(name: str) -> realesrgan.Published:
    """The published model of that name. Raises ValueError if there is none."""
    model = realesrgan.published(name)
    if model is None:
        known = [other.name for other in realesrgan.PUBLISHED]
        raise ValueError(f"backbone {name!r:.80}: not a published model; {suggestion(name, known, 'there are')}")
    return model


def own_state(network: Estimator) -> dict[str, Tensor]:
    """The tensors of a network that are not borrowed."""
    return {key: value for key, value in network.state_dict().items() if not _is_borrowed(network, key)}


def borrowed_state(network: Estimator) -> dict[str, Tensor]:
    """The tensors that a network borrows, as float32.

    Raises:
        FileNotFoundError: the model is not in the cache; the message says how to fetch it.
        ValueError: the model is of another size.
    """
    found: dict[str, Tensor] = {}
    for prefix, name in network.borrowed.items():
        path = realesrgan.find(model := lender(name))
        if path is None:
            raise FileNotFoundError(realesrgan.where_to_get(model))
        theirs = read_official(path)[0].state_dict()
        found |= {key: value for key, value in theirs.items() if key.startswith(prefix)}
    if found:
        check_state(network, own_state(network) | found, ", ".join(network.borrowed.values()))
    return found


def check_sizes(network: Estimator, where: object) -> None:
    """Raise a ValueError unless what a network borrows has as many parameters as the published model.

    So a size is only believed if there is a model of that size, whether it is in the cache or not.
    """
    for prefix, name in network.borrowed.items():
        borrowed = sum(value.numel() for key, value in network.state_dict().items() if key.startswith(prefix))
        if borrowed != lender(name).parameters:
            raise ValueError(
                f"{where}: describes a network with {borrowed:,} parameters of {name}, which has "
                f"{lender(name).parameters:,}"
            )


def _is_borrowed(network: Estimator, key: str) -> bool:
    return key.startswith(tuple(network.borrowed))


def named_in(network_config: Mapping[str, object]) -> realesrgan.Published | None:
    """The published model that a network's config names as its backbone, if it does."""
    name = network_config.get("backbone")
    return lender(name) if isinstance(name, str) else None
