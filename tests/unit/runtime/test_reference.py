import pytest
import yaml
from omegaconf import OmegaConf

from realsr_mod.runtime import conf_files, plugins, reference
from realsr_mod.runtime.compose import compose
from realsr_mod.runtime.config import CONF_DIR
from realsr_mod.runtime.signatures import annotation

CHOICES = [
    (folder.name, choice)
    for folder in sorted(CONF_DIR.iterdir())
    if folder.is_dir() and folder.name not in ("experiment", "sweep", "hydra")
    for choice in reference.choices(folder.name)
]


def test_every_key_has_a_sentence():
    assert [f"{path.relative_to(CONF_DIR)}: {key}" for path, key in reference.unexplained()] == []


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """An empty tree in place of ours; returns a function that writes files into it."""
    cached = (conf_files.read, reference.keys, reference.set_keys, reference.brought_keys)
    cached += (reference._top_level_sentences,)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    for function in cached:
        function.cache_clear()
    for module in (reference, plugins):
        monkeypatch.setattr(module, "CONF_DIR", tmp_path)
    write(train="# Trains.\ndefaults:\n  - _self_\n  - data: photos  # what is looked at\n\nseed: 0  # decides all\n")
    yield write
    for function in cached:
        function.cache_clear()


def named(missing):
    return [f"{path.stem}: {key}" for path, key in missing]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("# Photos.\nroot: ???\n", ["photos: root"]),
        ("root: ???  # a folder\n", ["photos: the comment at its top"]),
        ("# Photos.\npart:\n  _target_: a.B\n  size: 1  # how large\n", ["photos: part"]),
        ("# Photos.\npart:  # a part\n  _target_: a.B\n  size: 1\n", ["photos: part.size"]),
        ("# Photos.\npart: {size: 1}\n", ["photos: part.size"]),
        ("# Photos.\nscale: ${seed}\n", ["photos: scale"]),
        ("# Photos.\nname: 'a # b'\n", ["photos: name"]),
        ("# Photos.\nname: a\n# of the next\n\nother: b  # one\n", ["photos: name"]),
        ("# Photos.\none: 1  # first\n", []),
        ("# Photos.\n\n# first, in a line\n# or two\none: 1\n", []),
        ("# Photos.\nseed: ${seed}\n", []),
        ("# Photos.\npart: {size: 1, count: 2}  # both\n", []),
        ("# Photos.\npart:  # both\n  {size: 1,\n  count: 2}\n", []),
        (
            "# Photos.\na:  # one\n  _target_: a.B\n  size: 1  # how large\nb:  # two\n  _target_: a.B\n  size: 2\n",
            [],
        ),
    ],
)
def test_a_key_without_a_sentence_is_named(conf, text, missing):
    conf(data__photos=text)
    assert named(reference.unexplained()) == missing


def test_a_group_without_a_sentence_is_named(conf):
    conf(train="# Trains.\ndefaults:\n  - data: photos\n", data__photos="# Photos.\nroot: a  # a folder\n")
    assert named(reference.unexplained()) == ["train: data"]


def test_sentences_are_inherited_and_reasons_belong_to_one_value(conf):
    conf(
        data__base="# All.\nsize: 1  # how large\ncount: 1  # how many\n",
        data__photos="# Photos.\ndefaults:\n  - base\n  - _self_\n\nsize: 2  # as they are small\n",
        data__more="# More.\ndefaults:\n  - photos@inner\n  - _self_\n\ninner: {size: 3}\n",
    )
    assert reference.choices("data") == ("more", "photos")
    size, count = reference.keys("data", "photos").values()
    assert (size.value, size.sentence, size.reason) == ("2", "how large", "as they are small")
    assert (count.value, count.sentence, count.reason) == ("1", "how many", "")
    inner = reference.keys("data", "more")["inner.size"]
    assert (inner.value, inner.sentence, inner.reason) == ("3", "how large", "")


def test_an_experiment_must_explain_what_it_brings(conf):
    conf(
        train="# Trains.\ndefaults:\n  - data: photos  # seen\n  - experiment: one  # all\n\nneeds: {}  # runs\n",
        data__photos="# Photos.\nroot: a  # a folder\n",
        experiment__one="# @package _global_\n# One.\nteacher: auto\ndata:\n  root: b\nneeds:\n  a: {name: b}\n",
    )
    assert named(reference.unexplained()) == ["one: teacher"]
    assert list(reference.brought_keys("train")) == ["teacher"]
    assert reference.set_keys("one")["data.root"].sentence == "a folder"


@pytest.mark.parametrize(("folder", "choice"), CHOICES, ids=[f"{folder}/{choice}" for folder, choice in CHOICES])
def test_values_are_those_that_hydra_composes(folder, choice):
    composed = compose(f"{folder}/{choice}")[folder]
    keys = {key.path: key for key in reference.keys(folder, choice).values() if not key.is_part}
    for path, key in keys.items():
        node = OmegaConf.create({"value": yaml.safe_load(key.value)})
        parent = OmegaConf.select(composed, key.parent) if key.parent else composed
        assert OmegaConf.to_container(node)["value"] == OmegaConf.to_container(parent)[key.name], path
    leaves = {path for path, _ in leaf_paths(OmegaConf.to_container(composed))}
    assert {path for path in leaves if not any(f"{path}.".startswith(f"{known}.") for known in keys)} == set()


def leaf_paths(node, prefix=""):
    for name, value in node.items():
        if name in conf_files.HYDRAS_OWN:
            continue
        if isinstance(value, dict):
            yield from leaf_paths(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def test_an_experiment_sets_what_hydra_composes():
    composed = OmegaConf.to_container(compose("train", ["experiment=zoo/mmrealsr"]))
    values = dict(leaf_paths(composed))
    keys = [key for key in reference.set_keys("zoo/mmrealsr").values() if not key.is_part]
    assert len(keys) > 20
    assert all(yaml.safe_load(key.value) == values[key.path] for key in keys)
    assert reference.chosen_groups("zoo/mmrealsr")["degradation"] == "second_order"


def test_types_come_from_constructors_and_their_bases():
    keys = reference.keys("data", "folder")
    assert keys["hr_crop_px"].type == "int"
    assert keys["val_root"].type == "str | None"
    assert keys["on_bad_image"].type == "skip | error"
    assert reference.keys("degradation", "second_order")["blur2.sigma_range_px"].type == "list[float]"
    assert reference.keys("method", "plain")["optimizer.lr"].type == "float"  # torch's: from the value
    assert annotation("torch.optim.Adam", "lr") == ""


def test_groups_are_those_that_a_command_takes():
    assert list(reference.groups("evaluate")) == ["protocol", "suite", "degradation@protocol.degradation"]
    assert list(reference.groups("explore")) == ["conditions"]
    assert reference.groups("train")["data"].choices == ("embedded", "folder", "packed", "paired", "support")
