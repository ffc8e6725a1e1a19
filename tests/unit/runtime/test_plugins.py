import os
import sys
from pathlib import Path

import pytest

from realsr_mod.degradations.stored import build_degradation, degradation_names, read_degradation
from realsr_mod.runtime import plugins
from realsr_mod.runtime.compose import allowed_targets, compose, instantiate
from realsr_mod.runtime.config import CONF_DIR
from realsr_mod.runtime.door import named_class
from realsr_mod.runtime.reference import choices

EXAMPLE = Path(__file__).parents[3] / "examples" / "my_method"
HAZE = {"_target_": "my_method.degradation.HazyBicubic", "scale": 4}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """The example's folder, in which this process trusts nothing and leaves no trace."""
    monkeypatch.chdir(EXAMPLE)
    for variable in (plugins.TRUST, plugins.CONFIG_DIR):
        monkeypatch.setenv(variable, "")
    monkeypatch.setattr(sys, "path", [item for item in sys.path if item])
    yield
    plugins.installed_plugins.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_method"]:
        del sys.modules[name]


def test_nothing_is_trusted_by_default_and_the_refusal_says_how():
    assert plugins.trusted_packages() == []
    with pytest.raises(ValueError, match=r"only classes of realsr_mod .*--trust my_method .*realsr_mod.trust\('my_me"):
        build_degradation(HAZE)


@pytest.mark.parametrize("option", [["--trust", "my_method"], ["--trust=my_method"]])
def test_a_trusted_package_brings_classes_and_configurations(option):
    assert plugins.take_options(["a=1", *option, "-m"]) == ["a=1", "-m"]
    assert type(build_degradation(HAZE)).__name__ == "HazyBicubic"
    assert "haze" in degradation_names()
    assert build_degradation(read_degradation("haze", 2)).scale == 2
    assert "edges" in choices("experiment")
    assert instantiate(compose("train", ["experiment=edges"]).network).scale == 4
    assert "my_method.*" in allowed_targets()
    assert plugins.given_options() == ["--trust", "my_method"]


def test_a_folder_of_configurations_trusts_nothing():
    plugins.take_options(["--config-dir", "my_method/conf"])
    assert "edges" in choices("experiment")
    assert "haze" not in degradation_names()
    with pytest.raises(ValueError, match="--trust my_method"):
        build_degradation(read_degradation("haze", 4))


def test_no_file_of_ours_is_replaced(tmp_path):
    (tmp_path / "degradation").mkdir()
    (tmp_path / "degradation" / "bicubic.yaml").write_text("_target_: os.system\n")
    plugins.add_config_dir(tmp_path)
    assert plugins.conf_path("degradation/bicubic") == CONF_DIR / "degradation" / "bicubic.yaml"
    assert compose("train", ["degradation=bicubic"]).degradation._target_.startswith("realsr_mod.")


def test_an_installed_plugin_is_trusted(tmp_path, monkeypatch):
    record = tmp_path / "my_method-0.1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: my-method\nVersion: 0.1.0\n")
    (record / "entry_points.txt").write_text("[realsr_mod.plugins]\nmy_method = my_method\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path), str(EXAMPLE)])
    plugins.installed_plugins.cache_clear()
    assert "edges" in choices("experiment")
    assert build_degradation(HAZE).scale == 4


@pytest.mark.parametrize("target", ["my_method.degradation.Sequence", "my_method.degradation.Haze.sample", "os.getcwd"])
def test_of_a_trusted_package_only_its_own_classes_of_the_right_kind_are_made(target):
    plugins.trust("my_method", "os")
    with pytest.raises(ValueError, match=r"which is no type|lacks"):
        named_class(target, (type,), "a file")


@pytest.mark.parametrize("package", ["my_metho", "my-method", "my_method.nothing", "nothing.there", ""])
def test_what_cannot_be_found_is_not_trusted(package):
    with pytest.raises(ValueError, match="package"):
        plugins.trust(package)
    assert os.environ[plugins.TRUST] == ""


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        plugins.take_options(["--config-dir=nowhere"])


def test_pythons_own_library_is_no_advice():
    assert plugins.how_to_trust("os") == ""
