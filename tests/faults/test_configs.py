"""Models, pipelines, params and records of strangers: nothing that they name runs, each is refused with a sentence."""

import json
import resource
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import torch
from commands import TINY, command, environment
from faults.hostile import (
    CLASSIC,
    NETWORK,
    gadget,
    hostile_configs,
    hostile_degradations,
    hostile_overrides,
    hostile_yaml,
)
from faults.refusals import all_of, refusal
from hydra.utils import instantiate
from omegaconf import OmegaConf
from safetensors.torch import save_file

from realsr_mod import degrade, export, zoo
from realsr_mod.analysis.models import model_name
from realsr_mod.app import offered_models
from realsr_mod.degradations.stored import build_degradation, load_params
from realsr_mod.inference.studio import Studio
from realsr_mod.inference.upscaler import Upscaler
from realsr_mod.losses.output_distillation import OutputDistillationLoss
from realsr_mod.methods.drtl.target import load_relation
from realsr_mod.methods.kdsr.module import KDSRStudent
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.plain.module import PlainSR
from realsr_mod.networks.srresnet import SRResNet
from realsr_mod.runtime.config import CONF_DIR
from realsr_mod.runtime.folders import let_go
from realsr_mod.training.prerequisites import fitting_run
from realsr_mod.training.resume import check_foreign, goes_on_by_folder, resumed_arguments
from realsr_mod.training.runs import unfinished_run
from realsr_mod.training.trainer import adopt_network
from realsr_mod.weights import catalog
from realsr_mod.weights.locate import newest_model, upscaling_runs
from realsr_mod.weights.release import build_network, load_model, load_restorer

CONFIGS = hostile_configs(Path("/nowhere"))
FEW = ("channels_gadget", "target_gadget", "null", "target_number", "channels_1e9", "interpolation", "deep", "100_mb")
ALL_CONFIGS = all_of(CONFIGS, FEW)
RECORDS = (
    "callback", "callback_created_quoted", "hydra_spaced", "above", "flag_config", "checkpoint_remote", "number",
    "wandb_of_another", "weights_remote", "images_beside", "runs_elsewhere", "prerequisite_above",
)  # fmt: skip
optimizer = partial(torch.optim.Adam, lr=1e-3)


def adopted(run: Path) -> object:
    """What `train network_of=RUN` makes: the config becomes Hydra's, and Hydra builds it."""
    cfg = OmegaConf.create({"network_of": str(run), "network": {}, "scale": 4})
    adopt_network(cfg)
    return instantiate(cfg.network)


def added(run: Path) -> None:
    zoo.add(run, "name", made_for="a", trained_on="b", weak_at="c", license="d")


DOORS: dict[str, Callable[[Path], object]] = {
    "load_model": load_model,
    "load_restorer": load_restorer,
    "train network_of": adopted,
    "train start_from": lambda run: PlainSR(SRResNet(2, 4, 1), optimizer, start_from=str(run)),
    "train teacher": lambda run: KDSRStudent(KDSRNet(2, 4, 1, 1), str(run), optimizer=optimizer),
    "train output_distillation": OutputDistillationLoss,
    "train relation": load_relation,
    "upscale": Upscaler.load,
    "export": lambda run: export.write(run, export.Format.safetensors, run / "out"),
    "export official": lambda run: export.write(run, export.Format.official, run / "out"),
    "app": lambda run: (lambda studio: studio.upscaler(studio.names[0]))(Studio([run], 10**6)),
    "zoo add": added,
}


@pytest.mark.parametrize("name", ALL_CONFIGS)
def test_a_config_that_is_no_models_is_refused_at_every_door(name, model, canary, tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "ZOO_DIR", tmp_path / "zoo")
    (model / "model" / "config.json").write_bytes(hostile_configs(canary)[name])
    for door, enter in DOORS.items():
        if name == "sha256_wrong" and door in ("train network_of",):
            continue  # it takes the sizes alone
        said = refusal(lambda enter=enter: enter(model))
        assert str(model) in said or "'srresnet'" in said, f"{door}: names no file: {said}"
    assert not (tmp_path / "zoo").exists()
    assert not (model / "out").exists() or not any((model / "out").iterdir())


@pytest.mark.parametrize("name", ALL_CONFIGS)
def test_a_damaged_run_does_not_stop_those_who_look_for_runs(name, model, canary, tmp_path):
    sound = tmp_path / "runs" / "srresnet" / "b"
    (model / "summary.json").rename(model / "kept.json")
    (tmp_path / "other").mkdir()
    subprocess.run(["cp", "-r", str(model), str(sound)], check=True)
    for run in (model, sound):
        (run / "kept.json").rename(run / "summary.json")
    (model / "model" / "config.json").write_bytes(hostile_configs(canary)[name])
    root = tmp_path / "runs"
    assert sound in upscaling_runs(root)
    assert newest_model(root) is not None
    assert offered_models([], root)
    if name in CONFIGS and not name.startswith("sha256"):
        refusal(lambda: model_name(str(model)))


def test_refusing_takes_no_memory():
    """Of all tests above; the largest config has 100 MB."""
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3_000_000  # kB; torch and the rest take a third


ODD_VALUES = [-1, 0, 1, 3, 10**5, 10**9, 10**17, 1e-300, 2.5, "4", "", True, None, [], [10**9], [[1]], {}, {"a": 10**9}]


@pytest.mark.fault
@pytest.mark.parametrize("name", ["crlsr_s", "ddr_guided_s", "drtl_relation", "kdsr_s", "mmrealsr_s", "srresnet_s"])
def test_odd_arguments_of_a_network_are_refused_or_cost_nothing(name):
    path = CONF_DIR / "network" / f"{name}.yaml"
    config = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    config = {key: 2 if value == "${scale}" else value for key, value in config.items()}
    config = {key: ["a", "b"] if str(value).startswith("${") else value for key, value in config.items()}
    with torch.device("meta"):
        check_odd_arguments(config, lambda changed: build_network(changed, "config.json", 500), "config.json")


@pytest.mark.fault
@pytest.mark.parametrize("path", sorted((CONF_DIR / "degradation").glob("*.yaml")), ids=lambda path: path.stem)
def test_odd_arguments_of_a_pipeline_are_refused_or_cost_nothing(path):
    config = OmegaConf.to_container(OmegaConf.create({"scale": 2, "it": OmegaConf.load(path)}).it, resolve=True)
    if "defaults" in config:
        pytest.skip("made of two files")
    check_odd_arguments(config, lambda changed: build_degradation(changed, "mine.yaml"), "mine.yaml")


def check_odd_arguments(config: dict, build: Callable[[dict], object], where: str) -> None:
    """Each argument made odd in each way: built, or refused by a sentence that names the file."""
    said = []
    for key in config.keys() - {"_target_"}:
        for value in ODD_VALUES:
            try:
                build(config | {key: value})
            except ValueError as error:
                said.append(str(error))
    assert said
    assert all(sentence.startswith(f"{where}: ") for sentence in said)


DEGRADATIONS = hostile_degradations(Path("/nowhere"))


@pytest.mark.parametrize("name", all_of(DEGRADATIONS, ("gadget", "gadget_inside", "scale_3000", "kernel_1e9", "list")))
def test_a_pipeline_that_is_none_is_refused_wherever_it_stands(name, model, canary, tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "ZOO_DIR", tmp_path / "zoo")
    config = hostile_degradations(canary)[name]
    assert "mine" in refusal(lambda: build_degradation(config, "mine"))
    params = tmp_path / "params.safetensors"
    save_file({"a": torch.zeros(1)}, params, {"degradation": json.dumps(config)})
    assert str(params) in refusal(lambda: degrade.prepare(None, None, 0, params))
    stored = json.loads((model / "model" / "config.json").read_text())
    (model / "model" / "config.json").write_text(json.dumps(stored | {"degradation": config}))
    refusal(lambda: added(model))
    assert not (tmp_path / "zoo").exists()


YAML = hostile_yaml(Path("/nowhere"))


@pytest.mark.parametrize(
    "name", all_of(YAML, ("python_object", "laughs", "merged_laughs", "environment", "deep_block"))
)
def test_a_yaml_file_that_is_no_pipeline_is_refused(name, canary, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(hostile_yaml(canary)[name], "utf-8")
    assert str(path) in refusal(lambda: degrade.prepare(str(path), None, 0, None))


def test_a_pipeline_in_a_yaml_file_is_still_read(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "_target_: realsr_mod.degradations.classic.ClassicDegradation\nscale: ${scale}\nkernel_size: &k 7\n"
        "sigma_range_px: [0.2, 3]\n"
    )
    assert degrade.prepare(str(path), 2, 0, None).degradation.scale == 2


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({"a": 1, "a/b": 1}, CLASSIC),
        ({"a/b": 1, "a": 1}, CLASSIC),
        ({"/".join("a" * 5_000): 1}, CLASSIC),
        ({"": 1, "/": 1}, CLASSIC),
        ({"blur/sigma": 1}, CLASSIC),
        ({"a": 1}, None),
        ({"a": 1}, "[" * 200_000),
        ({"a": 1}, '{"a": "' + "b" * 5_000_000 + '"}'),
    ],
)
def test_params_that_are_none_are_refused(tensors, metadata, tmp_path):
    path = tmp_path / "a.safetensors"
    text = metadata if isinstance(metadata, str) else json.dumps(metadata)
    save_file({key: torch.zeros(1) for key in tensors}, path, None if metadata is None else {"degradation": text})
    refusal(lambda: degrade.prepare(None, None, 0, path))
    (tmp_path / "b.safetensors").write_bytes(path.read_bytes()[:-3])
    refusal(lambda: load_params(tmp_path / "b.safetensors"))


def hostile_params(folder: Path, config: object, tensors: dict[str, torch.Tensor] | None = None) -> Path:
    """A file for `degrade --params` whose pipeline is `config`: JSON, or a text that is none."""
    path = folder / "hostile.safetensors"
    text = config if isinstance(config, str) else json.dumps(config)
    save_file(tensors or {"a": torch.zeros(1)}, path, {"degradation": text})
    return path


def degraded(folder: Path, *options: str) -> str:
    """What `degrade` says about the photo in `folder`, which it should not degrade."""
    from PIL import Image

    Image.new("RGB", (40, 40)).save(folder / "a.png")
    done = subprocess.run(
        command("degrade", str(folder / "a.png"), "-o", str(folder / "out"), *options), cwd=folder, text=True,
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
    )  # fmt: skip
    assert not list((folder / "out").glob("*"))
    return words(done)


@pytest.mark.parametrize(
    "name", all_of(["laughs", "gadget_inside", "python_object", "environment", "deep_block"], ("gadget_inside",))
)
def test_the_real_degrade_command_refuses_a_yaml_file(name, canary, tmp_path):
    (tmp_path / "hostile.yaml").write_text(hostile_yaml(canary)[name], "utf-8")
    assert "hostile.yaml: " in degraded(tmp_path, "--degradation", "hostile.yaml")


PARAMS: dict[str, Callable[[Path], tuple]] = {
    "gadget": lambda canary: (gadget(canary),),
    "gadget_inside": lambda canary: (CLASSIC | {"kernel_size": gadget(canary)},),
    "deep": lambda canary: ("[" * 200_000,),
    "null": lambda canary: ("null",),
    "kernel_1e9": lambda canary: (CLASSIC | {"kernel_size": 10**9 + 1},),
    "other_tensors": lambda canary: (CLASSIC, {"blur/kernels": torch.zeros(1, 9, 9)}),
    "nan": lambda canary: (CLASSIC, {"noise/sigma": torch.full((1,), float("nan"))}),
}


@pytest.mark.parametrize("name", all_of(PARAMS, ("gadget_inside",)))
def test_the_real_degrade_command_refuses_params(name, canary, tmp_path):
    path = hostile_params(tmp_path, *PARAMS[name](canary))
    said = degraded(tmp_path, "--params", str(path))
    assert path.name in said or "the params were drawn by another pipeline" in said


def record(run: Path, overrides: object) -> Path:
    """A run folder that was interrupted, with a record of what it was started with."""
    (run / ".hydra").mkdir(parents=True)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.ckpt").write_bytes(b"")
    text = overrides if isinstance(overrides, str) else json.dumps(overrides)  # which is YAML too
    (run / ".hydra" / "overrides.yaml").write_text(text)
    return run


@pytest.mark.parametrize("name", all_of(hostile_overrides(Path("/nowhere")), RECORDS))
def test_a_record_that_asks_for_more_than_a_training_is_refused(name, canary, tmp_path):
    run = record(tmp_path / "run", hostile_overrides(canary)[name])
    assert str(run) in refusal(lambda: resumed_arguments([f"resume={run}"]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!!python/object/apply:os.system ['touch CANARY']",
        "- !!python/object/apply:os.system ['touch CANARY']",
        "a: [",
        pytest.param("[" * 50_000, id="deep", marks=pytest.mark.fault),
        pytest.param("- a=1\n" * 100_000, id="long"),
        "&a [*a]",
        "a0: &a0 [b, b]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)),
        "\x00",
        "- seed=1\n---\n- seed=2\n",
    ],
)
def test_a_record_that_is_none_is_refused_and_passed_over(text, canary, tmp_path):
    run = record(tmp_path / "runs" / "a", text.replace("CANARY", str(canary)))
    refusal(lambda: resumed_arguments([f"resume={run}"]))
    assert unfinished_run(tmp_path / "runs", ["seed=1"]) is None


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["experiment=kdsr_student", "data=folder", "data.root=/home/me/My Photos", "trainer.max_steps=4", "seed=3"],
        ["experiment=drtl_adapt", "pairs=/home/me/pairs", "init=/home/me/runs/a", "name='a b'", *TINY[:0]],
        ["experiment=mmrealsr_gan", "+trainer.limit_val_batches=1", "callbacks.ema.decay=0.9", "logger=tensorboard"],
        [
            "experiment=srresnet",
            "~callbacks.images",
            "method.optimizer._target_=torch.optim.AdamW",
            "scheduler=halving",
        ],
        ["method.pixel_loss={_target_:torch.nn.MSELoss}", "network=crlsr_s", "network.channels=8", "method=crlsr"],
        ["experiment=drtl_maml", "network_of=/a/b", "trainer=gpu", "data.hr_crop_px=${scale}"],
        ["experiment=kdsr_gan", "data=folder", "data.root='C:/photos'", "trainer=ddp", "trainer.num_nodes=2"],
        ["perceptual=vgg19", "perceptual.weights=/home/me/vgg19.pth", "perceptual.sha256=dcbb9e9d", "seed=7"],
        ["callbacks.last.every_n_train_steps=9", "+callbacks.last.save_on_train_epoch_end=false", "name=mine"],
    ],
)
def test_a_record_of_ordinary_settings_is_taken(overrides, tmp_path):
    check_foreign(tmp_path, overrides)


@pytest.mark.parametrize("text", ["null", "[]", "5", '{"a": 1}', "{", '{"teacher": ["a"]}', "[" * 100_000])
def test_odd_records_of_finished_runs_are_passed_over(text, model, tmp_path):
    (model / ".hydra").mkdir()
    (model / ".hydra" / "config.yaml").write_text(text)
    cfg = OmegaConf.create(
        {"runs_dir": str(tmp_path / "runs"), "prerequisites": {"teacher": {"name": "a", "same": []}}}
    )
    assert fitting_run(cfg, "teacher") is None


@pytest.mark.parametrize(
    ("runs_dir", "run", "taken"),
    [("runs", "mine/runs/name/date", True), ("DIR/runs", "runs/name/date", True), ("DIR/r", "r/sweeps/date/0_a", True),
     ("DIR", "runs/name/date", True), ("DIR", "date", False), ("DIR/other", "runs/name/date", False)],
)  # fmt: skip
def test_runs_lie_where_this_one_does(runs_dir, run, taken, tmp_path):
    overrides = [f"runs_dir={runs_dir.replace('DIR', str(tmp_path))}"]
    (tmp_path / run).mkdir(parents=True)
    if taken:
        check_foreign(tmp_path / run, overrides)
    else:
        assert "(runs_dir)" in refusal(lambda: check_foreign(tmp_path / run, overrides))


@pytest.mark.parametrize("key", ["trainer", "callbacks", "logger", "data", "method"])
@pytest.mark.parametrize("value", ["abc", "[1,2]", "null", "5", "{a:1}"])
@pytest.mark.fault
def test_a_record_of_odd_shape_is_no_traceback(key, value, tmp_path):
    with suppress(ValueError):
        check_foreign(tmp_path, [f"~{key}", f"+{key}={value}"])


def test_what_is_given_anew_is_the_users_own(tmp_path):
    run = record(tmp_path / "run", ["experiment=srresnet", "logger=wandb", "runs_dir=/elsewhere"])
    assert "logger=csv" in refusal(lambda: resumed_arguments([f"resume={run}", "runs_dir=runs"]))
    assert not goes_on_by_folder(run)
    for logger in ("wandb", "csv"):
        resumed = resumed_arguments([f"resume={run}", "runs_dir=runs", f"logger={logger}"])
        assert resumed[:3] == ["experiment=srresnet", "runs_dir=runs", f"logger={logger}"]
    let_go(run)


def words(done: subprocess.CompletedProcess) -> str:
    """What a command said that failed as it should: a sentence and no traceback."""
    assert done.returncode not in (0, 139), done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    return done.stdout


COMMANDS: dict[str, list[str]] = {
    "upscale": ["upscale", "PHOTO", "--model", "RUN"],
    "export": ["export", "RUN"],
    "evaluate": ["evaluate", "model=RUN", "data.root=FOLDER", "protocol=bicubic"],
    "explore": ["explore", "model=RUN"],
    "app": ["app", "--model", "RUN", "--port", "7999"],
    "zoo": ["zoo", "add", "RUN", "name", "--made-for", "a", "--trained-on", "b", "--weak-at", "c", "--license", "d"],
    "train network_of": ["train", "experiment=srresnet", "network_of=RUN", "trainer.max_steps=1"],
    "train init": ["train", "experiment=drtl_adapt", "pairs=FOLDER", "init=RUN", "trainer.max_steps=1"],
    "train start_from": ["train", "experiment=srresnet", "start_from=RUN", "trainer.max_steps=1"],
    "train teacher": ["train", "experiment=kdsr_student", "teacher=RUN", "trainer.max_steps=1"],
}


@pytest.mark.fault
@pytest.mark.parametrize("door", COMMANDS)
@pytest.mark.parametrize("name", ["channels_gadget", "blocks_1e9"])
def test_the_real_commands_refuse_with_a_sentence(door, name, model, canary, tmp_path):
    from PIL import Image

    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "photos" / "a.png")
    (model / "model" / "config.json").write_bytes(hostile_configs(canary)[name])
    places = {"RUN": str(model), "PHOTO": str(tmp_path / "photos" / "a.png"), "FOLDER": str(tmp_path / "photos")}
    arguments = COMMANDS[door]
    for placeholder, place in places.items():
        arguments = [argument.replace(placeholder, place) for argument in arguments]
    done = subprocess.run(
        command(*arguments), cwd=tmp_path, env=environment(), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=120,
    )  # fmt: skip
    assert "config.json" in words(done)


@pytest.mark.fault
@pytest.mark.parametrize(
    "name", ["callback_ours", "callback_created_quoted", "hydra_spaced", "above", "flag_config", "number"]
)
def test_the_real_command_refuses_to_resume_a_record(name, canary, tmp_path):
    run = record(tmp_path / "run", hostile_overrides(canary)[name])
    done = subprocess.run(
        command("train", f"resume={run}"), cwd=tmp_path, env=environment(), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=120,
    )  # fmt: skip
    assert str(run) in words(done)


def test_what_hydra_would_have_done(canary, tmp_path):
    """The trap works: without the door it snaps."""
    other = tmp_path / "other"
    instantiate(OmegaConf.create({"_target_": NETWORK["_target_"], "channels": 4, "num_blocks": 1, "scale": 2}))
    with pytest.raises(Exception, match="SRResNet"):
        instantiate(OmegaConf.create(NETWORK | {"channels": gadget(other)}))
    assert other.exists()
