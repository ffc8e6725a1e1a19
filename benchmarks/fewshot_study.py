"""The trainings of one seed behind `fewshot.py`, each done once, and what is measured on them."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file, save_file

from realsr_mod.data.protocols import Paired
from realsr_mod.methods.drtl.gradient import agreement, scaled, task_gradients
from realsr_mod.methods.drtl.network import relation_weights, target_embedding
from realsr_mod.methods.drtl.target import camera_images
from realsr_mod.metrics import psnr_y
from realsr_mod.runtime.compose import compose, instantiate
from realsr_mod.runtime.devices import LIGHTNING_PRECISIONS, best_precision
from realsr_mod.runtime.files import atomic_write, write_json

SCALE, SMALL_PX, TEST_PX = 2, 128, 128
GENERAL, CAMERA, ALONE, RELATION = 500, 250, 40, 500  # training steps
CURVE: tuple[int, ...] = (0, 10, 25, 50, 200)  # fine-tuning steps at which the test images are measured
SUPPORTS = {"128": (1, SMALL_PX), "1": (1, None), "4": (4, None), "10": (10, None)}  # pairs, and their side if cut
TEMPERATURE = 0.05  # of the weights by gradients
RATE, SCRATCH_RATE = 3e-4, 2e-3  # of fine-tuning; from random weights the lower one hardly moves
TUNED_RATE = 1e-3  # of a long fine-tuning, as in experiment=drtl_adapt
DATA = ["data.num_workers=0", "data.hr_crop_px=48", "data.batch_size=8"]
GRADIENT, LIKENESS, EQUAL = "gradient", "likeness", "equal"  # ways to weight the distortions
SCRATCH, LONG = "from scratch", "from scratch as long in all"
TUNED = "gradient and as long on the pairs"
WAYS = (GRADIENT, EQUAL, LIKENESS, SCRATCH, LONG, TUNED)


class Measuring(pl.Callback):
    """Measures the network at some steps of its training."""

    def __init__(self, measure: Callable[[torch.nn.Module], float], steps: Sequence[int]) -> None:
        self.measure, self.steps, self.curve = measure, steps, dict[int, float]()

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._look(0, pl_module.network)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: object) -> None:
        self._look(trainer.global_step, pl_module.network)

    def _look(self, step: int, network: torch.nn.Module) -> None:
        if step in self.steps and step not in self.curve:
            self.curve[step] = self.measure(network)


@dataclass
class Study:
    """One seed: its trainings, each done once."""

    photos: Path
    camera: Path
    runs: Path
    network: list[str]
    seed: int

    def fit(
        self,
        overrides: list[str],
        steps: int,
        start: Path | None = None,
        probabilities: Sequence[float] | None = None,
        callbacks: Sequence[pl.Callback] = (),
    ) -> Any:
        """A module trained in this process as `python -m realsr_mod.train` would, from the weights `start`.

        `probabilities`: of the distortions that are drawn, all alike by default.
        """
        cfg = compose("train", [*overrides, f"trainer.max_steps={steps}", f"seed={self.seed}"])
        pl.seed_everything(self.seed, verbose=False)
        data, module = instantiate(cfg.data), instantiate(cfg.method)
        if start is not None:
            module.network.load_state_dict(load_file(start))
        if probabilities is not None:
            data.degradation.draw_by(probabilities)
        precision: Any = LIGHTNING_PRECISIONS[best_precision("cpu")]
        trainer = pl.Trainer(
            accelerator="cpu", precision=precision, max_steps=steps,
            gradient_clip_val=0.5, limit_val_batches=0, callbacks=list(callbacks), use_distributed_sampler=False,
            logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(module, data)
        return module

    def kept(self, name: str, train: Callable[[], Any]) -> Path:
        """The weights called `name`, trained now if need be."""
        path = self.runs / f"{name}_{self.seed}.safetensors"
        if not path.is_file():
            say(f"{name}, seed {self.seed}")
            save_file({key: value.contiguous() for key, value in train().network.state_dict().items()}, path)
        return path

    def noted(self, name: str, find: Callable[[], Any]) -> Any:
        """The figures called `name`, found now if need be."""
        path = self.runs / f"{name}_{self.seed}.json"
        if not path.is_file():
            say(f"{name}, seed {self.seed}")
            write_json(path, find())
        return json.loads(path.read_text())

    @property
    def bank(self) -> list[str]:
        """Overrides of a training on the auxiliary distortions."""
        folder = ["data=folder", f"data.root={self.photos}", "degradation=auxiliary"]
        return ["experiment=drtl_general", *folder, *DATA, *self.network, "method.channels_last=true"]

    @cached_property
    def general(self) -> Path:
        return self.kept("general", lambda: self.fit(self.bank, GENERAL))

    @cached_property
    def tests(self) -> list[Any]:
        pairs = [(case.lr, case.hr) for case in Paired(SCALE).cases(self.camera / "test")]
        return [cut(lr[0], hr[0], TEST_PX) for lr, hr in pairs if hr is not None]

    @torch.no_grad()
    def measure(self, network: Callable[[torch.Tensor], torch.Tensor]) -> float:
        """Mean PSNR-Y on the centres of the test images."""
        return statistics.mean(psnr_y(network(lr[None]).clamp(0, 1), hr[None], SCALE).item() for lr, hr in self.tests)

    def support(self, name: str) -> Path:
        """A folder with the first training pairs, by name; with their centres, if they are to be small."""
        count, side = SUPPORTS[name]
        folder = self.runs / f"pairs_{name}"
        for part, scale in (("HR", 1), ("LR", SCALE)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            for source in sorted((self.camera / "train" / part).iterdir())[:count]:
                target = folder / part / f"{source.stem}.png"
                if target.is_file():
                    continue
                image: Image.Image = Image.open(source)
                if side is not None:
                    left, top = (full * scale // 2 // 4 * 4 // scale - side // 2 // scale for full in image.size)
                    image = image.crop((left, top, left + side // scale, top + side // scale))
                with atomic_write(target) as file:  # other seeds may be at it too
                    image.save(file, "PNG")
        return folder

    def relations(self) -> dict[str, Any]:
        """Names of the distortions, and what each relation says of them, from one small pair."""
        pairs = self.support("128")
        cfg = compose("train", [*self.bank, f"seed={self.seed}"])
        pl.seed_everything(self.seed, verbose=False)
        data, module = instantiate(cfg.data), instantiate(cfg.method)
        module.network.load_state_dict(load_file(self.general))
        of_pairs = compose("train", ["experiment=drtl_adapt", f"pairs={pairs}", *DATA])
        support = instantiate(of_pairs.data)
        tasks_KP, support_P = task_gradients(module.network, data, data.degradation, support, module.pixel_loss)
        folder = ["data=folder", f"data.root={self.photos}", "data.num_workers=0", "data.hr_crop_px=64"]
        relation = self.fit(["experiment=drtl_relation", *folder], RELATION).network.eval()
        target_D = target_embedding(relation, camera_images(pairs), patch_px=32)
        return {
            "names": data.degradation.names,
            GRADIENT: agreement(tasks_KP, support_P).tolist(),
            "cosine of scaled gradients": cosine(*scaled(tasks_KP, support_P)),
            "cosine of gradients": cosine(tasks_KP, support_P),
            LIKENESS: (F.normalize(target_D, dim=0) @ relation.task_embeddings().mT).tolist(),
            "likeness weights": relation_weights(relation, target_D, 0.2).tolist(),
        }

    def transfer(self) -> list[float]:
        """PSNR-Y of the general network after a little of each distortion alone, without fine-tuning."""
        count = len(self.found["names"])
        return [
            self.measure(
                self.fit([*self.bank, "method.optimizer.lr=5e-4"], ALONE, self.general, probabilities=row).network
            )
            for row in torch.eye(count).tolist()
        ]

    @cached_property
    def found(self) -> dict[str, Any]:
        relations: dict[str, Any] = self.noted("relations", self.relations)
        return relations

    def start(self, way: str) -> Path:
        """The weights that fine-tuning begins with."""
        weights = {
            EQUAL: torch.ones(len(self.found["names"])) / len(self.found["names"]),
            LIKENESS: torch.tensor(self.found["likeness weights"]),
            GRADIENT: (torch.tensor(self.found[GRADIENT]) / TEMPERATURE).softmax(0),
        }[way]
        chances = (weights.double() / weights.double().sum()).tolist()
        more = [*self.bank, "method.optimizer.lr=1e-3"]
        return self.kept(way, lambda: self.fit(more, CAMERA, self.general, probabilities=chances))

    def curve(self, way: str, support: str) -> dict[str, float]:
        """PSNR-Y on the test images by steps of fine-tuning."""
        steps, rate = CURVE, {SCRATCH: SCRATCH_RATE, LONG: SCRATCH_RATE, TUNED: TUNED_RATE}.get(way, RATE)
        if way in (LONG, TUNED):
            steps = tuple(GENERAL + CAMERA + step for step in CURVE)
        overrides = ["experiment=drtl_adapt", "init=null", f"pairs={self.support(support)}", *DATA, *self.network]
        overrides += ["method.scheduler=null", f"method.optimizer.lr={rate}", "method.channels_last=true"]

        def tune() -> dict[str, float]:
            measuring = Measuring(self.measure, steps)
            begin = None if way in (SCRATCH, LONG) else self.start(GRADIENT if way == TUNED else way)
            self.fit(overrides, steps[-1], begin, callbacks=[measuring])
            return {str(step - steps[0]): value for step, value in measuring.curve.items()}

        curve: dict[str, float] = self.noted(f"{way.replace(' ', '_')}_{support}", tune)
        return curve


def cut(lr: torch.Tensor, hr: torch.Tensor, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The centre of a pair, `side` HR pixels wide and high at most."""
    height, width = (min(side // SCALE, full) for full in lr.shape[1:])
    top, left = (lr.shape[1] - height) // 2, (lr.shape[2] - width) // 2
    lr = lr[:, top : top + height, left : left + width]
    top, left, height, width = (SCALE * value for value in (top, left, height, width))
    return lr, hr[:, top : top + height, left : left + width]


def cosine(tasks_KP: torch.Tensor, support_P: torch.Tensor) -> list[float]:
    """Of each task's gradient with the support's."""
    cosines: list[float] = F.cosine_similarity(tasks_KP, support_P[None], dim=1).tolist()
    return cosines


def say(what: str) -> None:
    Console(stderr=True).print(what, highlight=False)
