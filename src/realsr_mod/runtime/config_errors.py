"""What is wrong with a configuration, in one message: what exists, what to do."""

import re
from collections.abc import Sequence

from hydra.errors import ConfigCompositionException, HydraException, InstantiationException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from realsr_mod.runtime import reference
from realsr_mod.runtime.compose import compose
from realsr_mod.runtime.errors import USER_ERRORS as WITHOUT_HYDRA
from realsr_mod.runtime.errors import suggestion
from realsr_mod.runtime.overrides import groups_taken_away
from realsr_mod.runtime.plugins import how_to_trust, is_group

USER_ERRORS: tuple[type[Exception], ...] = (*WITHOUT_HYDRA, HydraException, OmegaConfBaseException)


def explain(error: BaseException, config_name: str = "train", arguments: Sequence[str] = ()) -> str:
    """One message for a person: what is wrong, what exists, what to do."""
    while isinstance(error, InstantiationException) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    message = str(error).strip()
    refused = re.search(r"'(\w+)[\w.]*'.* is not in the Hydra execution whitelist", message)
    if refused:  # by Hydra 1.4
        return message.splitlines()[0].removesuffix(".") + how_to_trust(refused[1])
    missing = re.search(r"Missing mandatory value: (\S+)", message)
    if missing:
        key = missing[1].removeprefix("method.")  # whose mandatory values are all references to the top level
        return f"{key} is needed and has no default; give {key}=..."
    nothing = of_nothing(error, message, arguments)
    if nothing:
        return nothing
    experiment = re.search(r"Could not find 'experiment/([^']+)'", message)
    if experiment:
        experiments = reference.choices(reference.EXPERIMENT)
        own = "for one of your own, give --trust PACKAGE or --config-dir FOLDER"
        return (
            f"there is no experiment '{experiment[1]}'; {suggestion(experiment[1], experiments, 'experiments')}; {own}"
        )
    if isinstance(error, ConfigCompositionException):
        key = re.search(r"Key '([^']+)' is not in struct[^\n]*\s+full_key: (\S+)", message + str(error.__cause__))
        if key:
            parent = key[2].rpartition(".")[0]
            known = known_keys(config_name, arguments, parent)
            where = f" in '{parent}'" if parent else ""
            if not known and is_group(parent):
                return f"nothing is chosen for {parent}, so it has no key '{key[1]}'; choose {choice_of(parent)}"
            if key[1] in known:
                return f"not every job of this sweep has a key '{key[2]}'; set what they share, or sweep apart"
            return f"there is no key '{key[1]}'{where}; " + suggestion(key[1], known, "keys there")
    return message


def of_nothing(error: BaseException, message: str, arguments: Sequence[str]) -> str:
    """What to say where nothing is chosen for a group that is needed, or a sweep would choose that; else nothing."""
    if "Config group override must be" in message:
        named = (item.partition("=") for item in arguments)
        swept = next((group for group, _, values in named if is_group(group) and "null" in values), "GROUP")
        return f"{swept}=null: a sweep cannot choose nothing for a group; ~{swept} does, in a command of its own"
    if unknown := re.search(r"Could not delete '([^']+)'\. No match", message):
        return f"~{unknown[1]}: this command has no group '{unknown[1]}' to take away; leave it out"
    if isinstance(error, OmegaConfBaseException):
        for group in groups_taken_away(arguments):
            if re.search(rf"\b{group}\b", message):
                return f"~{group} takes away what is needed here; leave it out, or choose {choice_of(group)}"
    return ""


def choice_of(group: str) -> str:
    """How something is chosen for a group: "data=embedded, data=folder or …"."""
    *others, last = (f"{group}={name}" for name in reference.choices(group))
    return f"{', '.join(others)} or {last}" if others else last


def known_keys(config_name: str, arguments: Sequence[str], parent: str) -> list[str]:
    """The keys under `parent` in the config that the group choices among `arguments` (data=folder …) make."""
    groups = (item.removeprefix("~").split("=")[0] for item in arguments)
    choices = [item for item, group in zip(arguments, groups, strict=True) if is_group(group) and "," not in item]
    cfg = compose(config_name, choices)
    node = OmegaConf.select(cfg, parent) if parent else cfg
    return [str(key) for key in node] if OmegaConf.is_dict(node) else []
