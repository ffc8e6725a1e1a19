"""How a configuration is composed and becomes objects, under Hydra 1.3 as under 1.4."""

import inspect
from collections.abc import Sequence
from typing import Any

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, InstantiationException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.utils import instantiate as hydra_instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from realsr_mod.runtime.config import CONF_DIR
from realsr_mod.runtime.overrides import groups_taken_away, without_null
from realsr_mod.runtime.plugins import conf_dirs, trusted_packages
from realsr_mod.runtime.reference import choices

# What a configuration may name as its `_target_`: a path, or with `.*` whatever is defined below it. What a path leads
# to is looked at as well, so `realsr_mod.train.os.system` is refused. Hydra 1.4 can be told so and refuses the rest;
# 1.3 has only a list of its own of what it never calls. The packages that a person trusts come on top.
TARGETS = ("realsr_mod.*", "torch.optim.*", "torch.nn.*", "pytorch_lightning.*")

# What a training may do without. Each is null unless it is chosen (`train.yaml`).
OPTIONAL_GROUPS = ("scheduler", "adversarial", "perceptual", "output_distillation")

_TAKES_TARGETS = "_execution_whitelist_" in inspect.signature(hydra_instantiate).parameters  # from Hydra 1.4 on
# 1.3 wants to be told whose defaults are meant; 1.4 has one set of them, and warns where it is told.
_VERSION = {} if _TAKES_TARGETS else {"version_base": "1.3"}


class ConfigsOfPlugins(SearchPathPlugin):
    """Has Hydra look for files of its tree in the folders of plugins and `--config-dir`, too."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in conf_dirs()[1:]:
            search_path.append("realsr_mod", f"file://{folder}")


def allowed_targets() -> tuple[str, ...]:
    """What configurations may name in this process."""
    return (*TARGETS, *(f"{package}.*" for package in trusted_packages()))


def main_options() -> dict[str, Any]:
    """The arguments of `hydra.main` beside the place of the configuration."""
    Plugins.instance().register(ConfigsOfPlugins)
    return _VERSION | ({"execution_whitelist": allowed_targets()} if _TAKES_TARGETS else {})


def compose(config_name: str, overrides: Sequence[str] = ()) -> DictConfig:
    """The configuration that a command line with these overrides makes; a command it is called in goes on as it was."""
    overrides = [without_null(override) for override in overrides]
    Plugins.instance().register(ConfigsOfPlugins)
    outer = GlobalHydra.instance().hydra  # of the command: Hydra allows one at a time
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(CONF_DIR), **_VERSION):
            cfg = hydra.compose(config_name, overrides=overrides)
    finally:
        GlobalHydra.instance().hydra = outer
    clear_groups_taken_away(cfg, overrides)
    return cfg


def clear_groups_taken_away(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Make null what `~GROUP` takes away: Hydra leaves the keys there that an experiment has set of it."""
    for group in groups_taken_away(overrides):
        if group in OPTIONAL_GROUPS and group in cfg:
            cfg[group] = None


def check_groups(cfg: DictConfig) -> None:
    """Raise a ValueError where keys of a group are set, but nothing is chosen that would take them."""
    for group in OPTIONAL_GROUPS:
        node = OmegaConf.select(cfg, group)
        if OmegaConf.is_dict(node) and "_target_" not in node:
            raise ValueError(
                f"{group} has keys ({', '.join(map(str, node))}), but nothing is chosen that takes them; choose "
                f"{group}={' or '.join(choices(group))}, or take them away: ~{group}"
            )


def instantiate(config: Any, *args: Any, **kwargs: Any) -> Any:
    """Hydra's `instantiate`, limited to `allowed_targets` where Hydra can be.

    Raises:
        InstantiationException: a target is refused or not found; or it raised something, which is then the cause (1.4
            would let that pass as it is, and a misspelt key be a TypeError that looks like a fault of the program).
    """
    if _TAKES_TARGETS:
        kwargs["_execution_whitelist_"] = allowed_targets()
    try:
        return hydra_instantiate(config, *args, **kwargs)
    except (HydraException, OmegaConfBaseException):
        raise
    except Exception as error:
        places = getattr(error, "__notes__", [])  # "full_key: method.optimizer"
        raise InstantiationException("\n".join([f"Error in call to target: {error!r}", *places])) from error
