"""Command: give a model to others. `python -m realsr_mod.share hub MODEL USER/NAME --license apache-2.0`.

    python -m realsr_mod.share hub MODEL USER/NAME --license apache-2.0 --to FOLDER    # look at it first
    python -m realsr_mod.share openmodeldb MODEL FILE… --author jane --license CC-BY-4.0 --url https://…

Then `hf://USER/NAME` is that model in every command.
"""

import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from realsr_mod.runtime.errors import user_errors
from realsr_mod.runtime.files import write_json
from realsr_mod.runtime.options import TrustOption

console = Console(soft_wrap=True, highlight=False, markup=False)
app = typer.Typer(add_completion=False, help="Give a model to others, with a card that says what is known about it.")

ModelArgument = Annotated[str, typer.Argument(help="Run or model folder, or a name of the zoo.")]


@app.command()
def hub(
    model: ModelArgument,
    name: Annotated[str, typer.Argument(help="Where on the hub: USER/NAME, or USER/NAME@BRANCH.")],
    license: Annotated[str, typer.Option(help="Of the weights: apache-2.0, cc-by-4.0 … or a name of one's own.")],
    private: Annotated[bool, typer.Option("--private", help="If it is made now: for yourself alone.")] = False,
    to: Annotated[Path | None, typer.Option(help="Write the folder there, and send nothing.")] = None,
    trust: TrustOption = None,
) -> None:
    """Push a model with its card to the Hugging Face hub (extra: hub)."""
    from realsr_mod.weights.facts import known_facts
    from realsr_mod.weights.hub import PREFIX, parse, push
    from realsr_mod.weights.hub_card import write_folder

    place = parse(f"{PREFIX}{name.removeprefix(PREFIX)}")
    if place.file:
        raise ValueError(f"{name}: a repository holds one model; give USER/NAME, or USER/NAME@BRANCH")
    facts = known_facts(model)
    if to is not None:
        console.print(f"written to {write_folder(facts, place, license, to)}, for {place}; nothing was sent")
        return
    with tempfile.TemporaryDirectory() as folder:
        address = push(write_folder(facts, place, license, Path(folder)), place, private)
    console.print(f"{model} is at {address}; its name in every command: {place}")


@app.command()
def openmodeldb(
    model: ModelArgument,
    files: Annotated[list[Path], typer.Argument(help="What people download: .pth, .safetensors, .onnx.")],
    author: Annotated[str, typer.Option(help="Your identifier in the list, for example jane-doe.")],
    license: Annotated[str, typer.Option(help="SPDX identifier, for example CC-BY-4.0.")],
    url: Annotated[str, typer.Option(help="Folder on the web in which the files lie under their names.")],
    image: Annotated[list[str] | None, typer.Option(help="Address of a picture; repeatable.")] = None,
    published: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Default: today.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the file.")] = Path("."),
    trust: TrustOption = None,
) -> None:
    """Write what OpenModelDB wants to know about a model: one JSON file for its data/models."""
    from realsr_mod.weights.facts import known_facts
    from realsr_mod.weights.openmodeldb import entry, file_name

    facts, when = known_facts(model), published.date() if published else date.today()
    content = entry(facts, author, license, files, url, when, image or [])
    output.mkdir(parents=True, exist_ok=True)
    path = output / file_name(facts)
    write_json(path, content)
    console.print(f"written to {path}; architecture {content['architecture']}, tags {', '.join(content['tags'])}")


def main() -> None:
    """The command, its errors as sentences."""
    with user_errors():
        app()


if __name__ == "__main__":
    main()
