"""Command: a web page that upscales photos, with sliders for blur and noise. `python -m realsr_mod.app`."""

import errno
import logging
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from realsr_mod.runtime.errors import print_error, user_errors

if TYPE_CHECKING:
    from realsr_mod.weights.locate import ModelLocation

console = Console(stderr=True, soft_wrap=True)
app = typer.Typer(add_completion=False)


@app.command()
def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(help="Offer this first: run or model folder, official checkpoint, name; repeatable."),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where trained models are looked for.")] = Path("runs"),
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other computers in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 7860,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    max_megapixels: Annotated[float, typer.Option(min=0, help="Refuse larger photos.")] = 4,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Refuse larger files.")] = 20,
) -> None:
    """Open a web page that upscales photos with the models of the zoo and those trained here."""
    logging.basicConfig(level=logging.WARNING)
    try:
        from realsr_mod.inference.page import CSS, THEME, build_page
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        print_error("the web page needs an extra: pip install 'realsr-mod[app]'")
        raise typer.Exit(1) from error
    from realsr_mod.inference.studio import Studio

    with user_errors():
        models = offered_models(model or [], runs)
        page = build_page(Studio(models, int(max_megapixels * 1e6), device=device))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl+C: the temporary folder is removed
    try:
        page.launch(
            server_name=host,
            server_port=port,
            max_file_size=f"{max_upload_mb}mb",
            show_error=False,
            quiet=True,
            prevent_thread_lock=True,
            footer_links=[],
            theme=THEME,
            css=CSS,
        )
    except OSError as error:  # its message does not say what was wrong
        print_error(_why_not_served(host, port, error))
        raise typer.Exit(1) from error
    console.print(f"{len(models)} model(s); the page is at http://{host}:{port} (Ctrl+C ends it)")
    page.block_thread()


def _why_not_served(host: str, port: int, error: OSError) -> str:
    """What is wrong with this address, found by trying it, as the page did."""
    for address in ("127.0.0.1", host):
        try:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.create_server((address.strip("[]"), port), family=family):
                pass
        except OSError as reason:
            if reason.errno == errno.EADDRINUSE:
                return f"port {port} is taken; give --port N, another number"
            return f"no page can be served at {host}:{port}: {reason.strerror}; give another --host or --port"
    return str(error)


def offered_models(given: list[str], runs: Path) -> "list[ModelLocation]":
    """The models that are given, then the zoo's, its default first, then those trained under `runs`, newest first.

    Models that do not upscale a photo alone, such as teachers, are left out. Raises FileNotFoundError for a model that
    is not there.
    """
    from realsr_mod.weights.catalog import entries
    from realsr_mod.weights.locate import locate, upscaling_runs

    models: list[str | Path] = [*given, *(entry.folder for entry in entries()), *upscaling_runs(runs)]
    found = [locate(model) for model in models]
    by_place: dict[Path, ModelLocation] = {}
    for location in found:
        by_place.setdefault(location.weights.resolve(), location)
    return list(by_place.values())


if __name__ == "__main__":
    app()
