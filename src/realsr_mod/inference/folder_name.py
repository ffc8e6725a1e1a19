"""Where visitors' files lie on the server's disk is no visitor's business: outside the folder has another name.

The framework behind the page writes full paths into what it sends, and takes them back in events and addresses. They
are replaced on the way out and on the way in.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

Message = dict[str, Any]
Send = Callable[[Message], Any]

SHOWN = "/of_visitors"
_KINDS = (b"application/json", b"text/html", b"text/event-stream", b"text/plain")  # which may tell a path


class HiddenFolder:
    """A folder, and the name that it has outside."""

    def __init__(self, folder: Path) -> None:
        self.real = folder.as_posix()
        written = dict.fromkeys((str(folder), self.real))
        self._written = [form.encode() for name in written for form in (json.dumps(name)[1:-1], name, quote(name))]
        self._in_json = json.dumps(self.real)[1:-1].encode()

    def find(self, body: bytes) -> bytes:
        """What a visitor sent as JSON, with the folder's real name."""
        return body.replace(f"{SHOWN}/".encode(), self._in_json + b"/")

    def found_in(self, scope: dict[str, Any]) -> dict[str, Any]:
        """A request, with the folder's real name in its path."""
        path: str = scope["path"]
        if f"={SHOWN}/" not in path:
            return scope
        real = path.replace(f"={SHOWN}/", f"={self.real}/", 1)
        return {**scope, "path": real, "raw_path": quote(real).encode()}

    def hide(self, body: bytes) -> bytes:
        """What is sent to a visitor, with the folder's name outside."""
        for written in self._written:
            body = body.replace(written, SHOWN.encode())
        return body

    def hidden_from(self, send: Send) -> Send:
        """`send`, for messages that may tell where the folder lies; each part of a stream is a text of its own."""
        began: Message | None = None
        tells = False

        async def hiding(message: Message) -> None:
            nonlocal began, tells
            if message["type"] == "http.response.start":
                kind = dict(message["headers"]).get(b"content-type", b"")
                tells = kind.startswith(_KINDS)
                if tells:
                    began = message  # goes with the first part of the body, which may change its length
                    return
            elif message["type"] == "http.response.body" and tells:
                body = message.get("body", b"")
                message = {**message, "body": self.hide(body)}
                if began is not None:
                    await send(_of_length(began, len(message["body"]) - len(body)))
                    began = None
            await send(message)

        return hiding


def _of_length(start: Message, longer: int) -> Message:
    """The start of an answer whose body has become so much longer."""
    headers = [
        (name, str(int(value) + longer).encode() if name == b"content-length" and value.isdigit() else value)
        for name, value in start["headers"]
    ]
    return {**start, "headers": headers}
