"""Command: a web page that upscales photos, with sliders for blur and noise. `python -m realsr_mod.app`."""

import errno
import logging
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from realsr_mod.runtime.errors import print_error, user_errors
from realsr_mod.runtime.options import TrustOption

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
    engine: Annotated[str, typer.Option(help="auto, torch, openvino, onnxruntime: see upscale.")] = "auto",
    max_megapixels: Annotated[float, typer.Option(min=0, help="Refuse larger photos.")] = 25,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Refuse larger files.")] = 40,
    photo_memory_mb: Annotated[
        int, typer.Option(min=1, help="Keep opened photos in so much memory; others are opened anew when needed.")
    ] = 256,
    keep_minutes: Annotated[
        float, typer.Option(min=0.01, help="Remove uploads and results that nobody has used for so long.")
    ] = 60,
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="A name that this computer is asked by, such as photos.lan; repeatable.")
    ] = None,
    trust: TrustOption = None,
) -> None:
    """Open a web page that upscales photos with the models of the zoo and those trained here."""
    logging.basicConfig(level=logging.WARNING)
    from realsr_mod.inference.door import HostNames
    from realsr_mod.inference.engines.choose import check_engine
    from realsr_mod.inference.studio import Studio
    from realsr_mod.inference.visitors import PhotoStore, VisitorsFolder

    _end_as_ctrl_c_does()
    with user_errors(), VisitorsFolder(keep_minutes * 60) as folder:
        check_engine(engine)
        names = HostNames(host, allowed_host or [])
        models = offered_models(model or [], runs)
        if trouble := _trouble_with_address(host, port):  # before the seconds that Gradio takes to be imported
            print_error(trouble)
            raise typer.Exit(1)
        os.environ["GRADIO_TEMP_DIR"] = str(folder.uploads)  # looked at when Gradio is imported, too
        try:
            from realsr_mod.inference import page
            from realsr_mod.inference.events import Handlers
        except ModuleNotFoundError as error:
            if error.name != "gradio":
                raise
            print_error("the web page needs an extra: pip install 'realsr-mod[app]'")
            raise typer.Exit(1) from error
        studio = Studio(models, int(max_megapixels * 1e6), device=device, engine=engine)
        handlers = Handlers(studio, folder, PhotoStore(photo_memory_mb * 10**6))
        blocks = page.build_page(handlers)
        try:
            page.serve(blocks, handlers, names, host, port, max_upload_mb)
        except OSError as error:  # the port was taken just now; its own message does not say so
            print_error(_trouble_with_address(host, port) or str(error))
            raise typer.Exit(1) from error
        console.print(f"{len(models)} model(s); the page is at http://{host}:{port} (Ctrl+C ends it)")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
        blocks.close(verbose=False)
    sys.stdout.flush()
    os._exit(0)  # else a network at work in a thread would hold the program, and write into a folder that is gone


def _end_as_ctrl_c_does() -> None:
    """Have the signals that end programs end this one in order, so that what visitors brought is removed."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has fewer
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores one
            signal.signal(number, signal.default_int_handler)


def _trouble_with_address(host: str, port: int) -> str | None:
    """Why no page can be served at an address, found by trying it; None if one can."""
    for address in ("127.0.0.1", host):
        try:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.create_server((address.strip("[]"), port), family=family):
                pass
        except OSError as reason:
            if reason.errno == errno.EADDRINUSE:
                return f"port {port} is taken; give --port N, another number"
            return f"no page can be served at {host}:{port}: {reason.strerror}; give another --host or --port"
    return None


def offered_models(given: list[str], runs: Path) -> "list[ModelLocation]":
    """The models that are given, the zoo's, its default first, Real-ESRGAN's and what builds on them if fetched, and
    runs, newest first.

    Models that do not upscale a photo alone, such as teachers, are left out. Raises FileNotFoundError for a model that
    is not there.
    """
    from realsr_mod.weights import realesrgan
    from realsr_mod.weights.catalog import entries
    from realsr_mod.weights.fetching import missing
    from realsr_mod.weights.locate import locate, upscaling_runs

    fetched = [path for model in realesrgan.PUBLISHED if (path := realesrgan.find(model)) is not None]
    own = [entry.folder for entry in entries() if missing(entry.folder) is None]
    models: list[str | Path] = [*given, *own, *fetched, *upscaling_runs(runs)]
    found = [locate(model) for model in models]
    by_place: dict[Path, ModelLocation] = {}
    for location in found:
        by_place.setdefault(location.weights.resolve(), location)
    return list(by_place.values())


if __name__ == "__main__":
    app()
