"""Command: pack photos into a store that training reads parts from. `python -m realsr_mod.pack PHOTOS -o STORE`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from realsr_mod.runtime.errors import user_errors
from realsr_mod.runtime.options import ShardOption

if TYPE_CHECKING:  # torch takes seconds to import; `--help` need not wait for it
    from realsr_mod.data.packing import Packing

console = Console(stderr=True, soft_wrap=True)
app = typer.Typer(add_completion=False)


@app.command()
def pack(
    photos: Annotated[Path, typer.Argument(help="A folder of photos, with all folders inside it.", metavar="PHOTOS")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the store: a new one, or one begun.")],
    max_megapixels: Annotated[float, typer.Option(min=0, help="Refuse larger photos: they may be bombs.")] = 100,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Photos decoded at once. Default: one per core, at most 8.")
    ] = None,
    shard: ShardOption = None,
) -> None:
    """Pack photos for training: of a store, only the part that a patch needs is read.

    Train with data=packed data.root=STORE. Called again, it goes on where it was stopped, and packs what is new or
    changed. Files that are no photos are left out and named. After all shares, the same command without --shard
    makes them one store.
    """
    with user_errors():
        run(photos, output, int(max_megapixels * 1e6), threads or min(os.cpu_count() or 1, 8), shard)


def run(photos: Path, output: Path, max_pixels: int, threads: int, shard: str | None = None) -> None:
    """Plan, pack, and say what came of it; ends with status 1 if files were left out."""
    from realsr_mod.data.packing import check_space, locked, plan_packing
    from realsr_mod.data.store import tensorstore

    tensorstore()  # says at once if it is not there
    packing = plan_packing(photos, output.expanduser(), max_pixels, say, shard)
    packing.store.mkdir(parents=True, exist_ok=True)
    with locked(packing):
        check_space(packing)
        failures = {**packing.bad, **write(packing, max_pixels, threads)}
    good = len(packing.sources) + len(packing.bad) - len(failures)
    if shard:
        say(f"{good} photos of share {shard} packed; after all shares, the same command without --shard joins them")
    else:
        say(f"{good} photos packed; train with data=packed data.root={output}")
    if failures:
        console.print(f"[red]{len(failures)} of {good + len(failures)} files are left out:[/]")
        for source, reason in failures.items():
            say(f"  {source}: {reason}")
        raise typer.Exit(1)


def say(line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, highlight=False)


def write(packing: "Packing", max_pixels: int, threads: int) -> dict[Path, str]:
    """Pack under a progress bar; returns the files that failed, with the reason."""
    from realsr_mod.data.packing import pack as pack_photos

    failures = {}
    if packing.done:
        say(f"{len(packing.done)} of {len(packing.sources)} photos are packed already")
    columns = (TextColumn("photos"), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("photos", total=len(packing.sources), completed=len(packing.done))
        for photo, reason in pack_photos(packing, max_pixels, threads):
            if reason:
                failures[packing.sources[photo]] = reason
                progress.console.print(f"[red]failed[/]  {escape(photo.name)}: {escape(reason)}")
            progress.advance(task)
    return failures


if __name__ == "__main__":
    app()
