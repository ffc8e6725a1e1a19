import re
import sys

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import InstantiationException
from omegaconf.errors import MissingMandatoryValue

import realsr_mod.runtime.compose as compose_module
from realsr_mod.runtime.compose import OPTIONAL_GROUPS, TARGETS, check_groups, compose, instantiate
from realsr_mod.runtime.config import CONF_DIR
from realsr_mod.runtime.hydra_command import run_command

SWEEPERS = CONF_DIR / "hydra" / "sweeper"
BICUBIC = "realsr_mod.degradations.classic.Bicubic"


def test_a_configuration_becomes_an_object():
    assert instantiate(compose("train", ["degradation=bicubic", "scale=3"]).degradation).scale == 3


def test_a_command_composes_and_goes_on_as_it_was(monkeypatch, tmp_path):
    def task(cfg):
        before = GlobalHydra.instance().hydra
        assert compose("train", ["scale=2"]).scale == 2
        assert GlobalHydra.instance().hydra is before
        scales.append(cfg.scale)

    scales = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train", "scale=3"])
    run_command("train", task)
    assert scales == [3]


def test_every_target_of_our_configurations_is_allowed():
    allowed = tuple(pattern.removesuffix("*") for pattern in TARGETS)
    found = {path: re.findall(r"_target_: *([\w.]+)", path.read_text()) for path in CONF_DIR.rglob("*.yaml")}
    targets = {target for path, named in found.items() if path.parent != SWEEPERS for target in named}
    assert len(targets) > 30
    assert not [target for target in targets if not target.startswith(allowed)]
    of_sweepers = {target for path, named in found.items() if path.parent == SWEEPERS for target in named}
    assert of_sweepers == {"hydra_plugins.realsr_optuna.OptunaSweeper"}, "Hydra makes them itself, of its plugins alone"


@pytest.mark.parametrize("target", ["os.system", "realsr_mod.runtime.files.os.system", "shutil.rmtree"])
def test_what_does_harm_is_refused(target, tmp_path):
    with pytest.raises(InstantiationException, match=r"system|rmtree"):
        instantiate({"_target_": target, "_args_": [f"touch {tmp_path / 'harm'}"]})
    assert not (tmp_path / "harm").exists()


@pytest.mark.skipif(not compose_module._TAKES_TARGETS, reason="Hydra 1.3 cannot be told what is allowed")
@pytest.mark.parametrize("target", ["collections.OrderedDict", "realsr_mod.runtime.config.Path"])
def test_what_nobody_has_allowed_is_refused(target):
    with pytest.raises(InstantiationException, match="not in the Hydra execution whitelist"):
        instantiate({"_target_": target})


def test_an_error_of_a_target_is_the_cause_of_hydras():
    with pytest.raises(InstantiationException, match="sigma") as caught:
        instantiate({"_target_": BICUBIC, "scale": 4, "sigma": 1})
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_missing_value_is_named():
    with pytest.raises(MissingMandatoryValue, match="scale"):
        instantiate({"_target_": BICUBIC, "scale": "???"})


@pytest.mark.parametrize("taken", ["~adversarial", "adversarial=null"])
@pytest.mark.parametrize("experiment", ["srgan", "kdsr_gan", "zoo/kdsr_texture"])
def test_an_experiment_that_sets_keys_of_a_game_goes_without_one(experiment, taken):
    cfg = compose("train", [f"experiment={experiment}", taken])
    assert cfg.method.adversarial is None
    check_groups(cfg)


def test_keys_that_nothing_takes_are_named_with_the_remedy():
    check_groups(compose("train", ["adversarial=unet"]))
    with pytest.raises(
        ValueError, match=r"adversarial has keys \(weight\).*choose adversarial=patch or unet, .*: ~adversarial"
    ):
        check_groups(compose("train", ["+adversarial.weight=1"]))


def test_what_is_optional_is_null_unless_it_is_chosen():
    cfg = compose("train", ["~experiment", *(f"~{group}" for group in OPTIONAL_GROUPS)])
    assert [cfg[group] for group in OPTIONAL_GROUPS] == [None] * 4
