"""What tests of the page share: small models, the page as its command serves it, and visitors without a browser."""

import http.client
import io
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.weights.release import save_model

API = "/gradio_api"
MMREALSR = {"scale": 2, "channels": 8, "num_blocks": 1, "growth": 4, "estimator_widths": [4]}
MMREALSR |= {"estimator_blocks": [1], "estimator_downscales": [1]}
KDSR = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
SLIDERS, PLAIN = "sliders · one", "plain · two"  # the models' names on the page


def save_models(root: Path) -> list[str]:
    """A model with sliders and one without; returns what offers them to the command."""
    torch.manual_seed(0)
    network = MMRealSRNet(**MMREALSR)
    for parameter in network.modulation.parameters():  # initialized so small that sliders would hardly show
        torch.nn.init.normal_(parameter, std=0.3)
    save_model(network, root / "sliders" / "one", {"_target_": _target(MMRealSRNet), **MMREALSR}, {})
    save_model(KDSRNet(**KDSR), root / "plain" / "two", {"_target_": _target(KDSRNet), **KDSR}, {})
    folders = [root / "sliders" / "one", root / "plain" / "two"]
    return [*(word for folder in folders for word in ("--model", str(folder))), "--runs", str(root / "none")]


def _target(network_class: type) -> str:
    return f"{network_class.__module__}.{network_class.__name__}"


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


class Page:
    """A page that is being served, by a process of its own."""

    def __init__(self, process: subprocess.Popen, port: int, folder: Path, log: Path) -> None:
        self.process, self.port, self.folder, self.log = process, port, folder, log
        self.address = f"http://127.0.0.1:{port}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Status and text of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def join(self, event: Any, address: str | None = None) -> tuple[int, str]:
        """Send an event: anything, or bytes as they are; from `address`, as a proxy on this computer says."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        headers = {"Content-Type": "application/json"} | ({"X-Forwarded-For": address} if address else {})
        return self.ask("POST", f"{API}/queue/join", body, headers)

    def logged(self) -> str:
        return self.log.read_text()

    def memory_mb(self) -> float:
        """Resident memory; of Linux."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1000

    def left(self) -> list[Path]:
        """What lies in the temporary folder of pages."""
        return sorted(self.folder.glob("realsr_mod_page_*"))


@contextmanager
def served(options: list[str], folder: Path, before: str = "") -> Iterator[Page]:
    """The page, as the command serves it, with `folder` for temporary files; `before` is Python that runs first."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / f"{port}.log"
    with log.open("w") as errors:
        script = f"{before}\nfrom realsr_mod.app import app\napp()"
        command = [sys.executable, "-c", script, *options, "--port", str(port)]
        process = subprocess.Popen(
            command,
            stderr=errors,
            env=os.environ | {"TMPDIR": str(folder)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )
    try:
        while "http://" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield Page(process, port, folder, log)
    finally:
        process.terminate()
        process.wait(60)


def file(place: str) -> dict[str, Any]:
    """An uploaded file as the page's script sends it."""
    return {"path": place, "meta": {"_type": "gradio.FileData"}}


class Visitor:
    """Does what the page's script does in a browser."""

    def __init__(self, page: Page, address: str | None = None) -> None:
        self.page, self.address = page, address
        self.session = secrets.token_hex(6)
        config = json.loads(page.ask("GET", "/config")[1])
        self.events = config["dependencies"]

    def number(self, trigger: str) -> int:
        """Of the first event with this trigger, such as `upload`."""
        return next(event["id"] for event in self.events if any(name == trigger for _, name in event["targets"]))

    def after(self, number: int) -> int:
        """The event that follows the success of another."""
        return next(event["id"] for event in self.events if event["trigger_after"] == number)

    def upload(self, name: str, content: bytes) -> str:
        """The place of the uploaded file."""
        head = f'--edge\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + b"\r\n--edge--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=edge"}
        status, text = self.page.ask("POST", f"{API}/upload", body, kind)
        assert status == 200, text
        return json.loads(text)[0]

    def start(self, number: int, *data: Any, **more: Any) -> tuple[int, str]:
        return self.page.join({"fn_index": number, "data": data, "session_hash": self.session, **more}, self.address)

    def results(self, count: int = 1) -> dict[str, dict]:
        """Wait for so many events that were started: their outputs by event. A failed one has `error`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.page.port, timeout=60)
        outputs = {}
        try:
            connection.request("GET", f"{API}/queue/data?session_hash={self.session}")
            for line in connection.getresponse():
                message = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if message.get("msg") == "process_completed":
                    outputs[message["event_id"]] = message["output"]
                if len(outputs) == count:
                    return outputs
        finally:
            connection.close()
        raise AssertionError("the page ended before the event did")

    def does(self, number: int, *data: Any, **more: Any) -> dict:
        status, text = self.start(number, *data, **more)
        assert status == 200, text
        [output] = self.results().values()
        return output

    def opens(self, name: str, content: bytes) -> dict:
        place = self.upload(name, content)
        return self.does(self.number("upload"), [file(place)])

    def upscales(self, model: str = SLIDERS, blur: float = 0.5, noise: float = 0.5) -> dict:
        """What the photo that is open becomes."""
        return self.does(self.after(self.number("release")), None, None, model, "2×", 0, blur, noise)
