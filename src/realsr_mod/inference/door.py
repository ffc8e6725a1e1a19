"""What stands before the page: which requests get in. All others are answered with a sentence and a status of 4xx.

A page on one's own computer is asked by whatever its browser shows: a foreign site can give its name this computer's
address (DNS rebinding) or send forms here, so names are checked. What comes in is bounded and of the kinds that the
page's own script sends, so that no request makes the framework behind stumble.
"""

import ipaddress
import json
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

from realsr_mod.inference.folder_name import HiddenFolder
from realsr_mod.inference.places import Places, TooMany, visitor_of

logger = logging.getLogger(__name__)

HOST_OPTION = "--allowed-host"
UPLOAD_OPTION = "--max-upload-mb"
MAX_EVENT_BYTES = 100_000
MULTIPART_BYTES = 10_000  # what surrounds an uploaded file
API = "/gradio_api"
JOIN = f"{API}/queue/join"
UPLOAD = f"{API}/upload"
POSTS = (JOIN, UPLOAD, f"{API}/cancel")
GETS = {"", "/config", "/theme.css", "/favicon.ico", "/robots.txt"}  # what the page's script and its start ask for
GETS |= {f"{API}/{name}" for name in ("app_id", "info", "startup-events", "upload_progress", "queue/data")}
GETS_BELOW = ("/static/", "/assets/", f"{API}/heartbeat/", f"{API}/file=")
QUERIES = (f"{API}/queue/data", UPLOAD, f"{API}/upload_progress")  # the others need none

Scope = dict[str, Any]
Receive = Callable[[], Any]
Message = dict[str, Any]
Send = Callable[[Message], Any]


class Refused(Exception):
    """A request that does not get in: status and sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class HostNames:
    """The names that a page is asked by: this computer's own, its `--host`, and those that were allowed.

    A page for every address of the computer (`0.0.0.0`) is asked by any address; an address is no name that a foreign
    site could point here.
    """

    def __init__(self, host: str, allowed: Iterable[str] = ()) -> None:
        self.names = {"localhost", "127.0.0.1", "::1", host.strip("[]").lower()}
        for name in allowed:
            if hostname(name) != name.strip("[]").lower():
                raise ValueError(f"{HOST_OPTION} takes a name such as photos.example.org, got {name!r}")
            self.names.add(name.strip("[]").lower())
        self.any_address = host.strip("[]") in ("0.0.0.0", "::")

    def __contains__(self, name: str | None) -> bool:
        return name in self.names or (self.any_address and name is not None and _is_address(name))


def hostname(host: str) -> str | None:
    """The name in a `Host` header, without its port and in small letters; None for what is none."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+))(?::\d*)?", host, re.ASCII)
    return (found[1] or found[2]).lower() if found else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Door:
    """ASGI middleware around the page.

    Args:
        app: the page.
        names: it is asked by.
        upload_bytes: larger uploads are refused.
        check_event: takes an event as decoded from JSON and returns what is passed on; ValueError for what is none.
        places: how many visitors' events may wait and be worked on.
        folder: of visitors' files, whose place on the disk is told to nobody.
    """

    def __init__(
        self,
        app: Any,
        names: HostNames,
        upload_bytes: int,
        check_event: Callable[[Any], dict[str, Any]],
        places: Places,
        folder: HiddenFolder,
    ) -> None:
        self.app = app
        self.names = names
        self.upload_bytes = upload_bytes
        self.check_event = check_event
        self.places = places
        self.folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(self.folder.hidden_from(send))
        try:
            await self._let_in(scope, receive, answer)
        except TooMany as refusal:
            await answer.refuse(scope, 429, str(refusal))
        except Refused as refusal:
            if refusal.status == 413:  # most senders read no answer before all is sent
                await _drain(receive, 10 * self.upload_bytes)
            await answer.refuse(scope, refusal.status, str(refusal))
        except Exception as error:
            if answer.started:  # a stream that its reader left, or that nobody had begun
                logger.debug("%s ended: %r", scope["path"], error)
                await answer.end()
            elif scope["path"].startswith(UPLOAD) and not isinstance(error, OSError | MemoryError):
                logger.debug("an upload could not be read: %r", error)
                await answer.refuse(scope, 400, "this is not as the page sends files")
            else:
                logger.exception("the page could not answer %s", scope["path"])
                await answer.refuse(scope, 500, "Something went wrong; the server's log says what.")

    async def _let_in(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        self._check_names(scope)
        path = _check_route(scope)
        if path not in QUERIES:
            scope = {**scope, "query_string": b""}
        if scope["method"] == "POST":
            receive = self._bounded(path, scope, receive)
        if path == JOIN:
            checked, visitor = await self._checked(receive), visitor_of(scope)
            with self.places.one_more(visitor):
                await self.app(scope, checked, self._saying_full(answer))
        else:
            await self.app(self.folder.found_in(scope), receive, answer.send)

    def _check_names(self, scope: Scope) -> None:
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        host = hostname(headers.get(b"host", ""))
        if host not in self.names:
            said, given = (f"{host} is", host) if host else ("What was asked for is", "NAME")
            raise Refused(403, f"{said} no name of this page; if it is to be one, start it with {HOST_OPTION} {given}")
        if b"origin" in headers:
            origin = hostname(headers[b"origin"].partition("://")[2])
            if origin != host and origin not in self.names:
                raise Refused(403, f"another site asks here; if it may, start the page with {HOST_OPTION} NAME")

    def _bounded(self, path: str, scope: Scope, receive: Receive) -> Receive:
        """`receive` that raises Refused once there is more than this path takes."""
        if path == UPLOAD:
            most = self.upload_bytes + MULTIPART_BYTES
            sentence = f"the file is larger than {self.upload_bytes / 1e6:g} MB ({UPLOAD_OPTION}); send a smaller one"
        else:
            most, sentence = MAX_EVENT_BYTES, f"this is larger than {MAX_EVENT_BYTES / 1e3:g} kB, more than events have"
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise Refused(413, sentence)
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message: Message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise Refused(413, sentence)
            return message

        return bounded

    async def _checked(self, receive: Receive) -> Receive:
        """Read an event and look at it; what this returns gives it once more."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "the event broke off")
            body += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            event = json.loads(self.folder.find(body))
        except (ValueError, RecursionError) as error:
            raise Refused(400, "this is no JSON") from error
        try:
            content: bytes | None = json.dumps(self.check_event(event)).encode()
        except ValueError as error:
            raise Refused(422, str(error)) from error

        async def again() -> Message:
            nonlocal content
            if content is None:
                later: Message = await receive()
                return later
            message = {"type": "http.request", "body": content, "more_body": False}
            content = None
            return message

        return again

    def _saying_full(self, answer: "_Answer") -> Send:
        async def send(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 503:
                raise Refused(429, self.places.full)
            await answer.send(message)

        return send


def _check_route(scope: Scope) -> str:
    """The path, if the page's own script asks for it in this way."""
    path: str = scope["path"].rstrip("/")
    if scope["method"] not in ("GET", "HEAD", "POST", "OPTIONS"):
        raise Refused(405, f"{scope['method']} is not understood here")
    if scope["method"] == "POST" and path not in POSTS:
        raise Refused(404, "nothing can be sent here; use the page")
    elsewhere = "://" in path  # which the framework would fetch
    if scope["method"] != "POST" and (elsewhere or not (path in GETS or path.startswith(GETS_BELOW))):
        raise Refused(404, "this is no part of the page")
    return path


async def _drain(receive: Receive, most: int) -> None:
    """Take in what is still being sent, up to a bound, and forget it."""
    while most > 0:
        message = await receive()
        most -= len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


class _Answer:
    """Sends an answer, and knows whether it has begun to."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = self.ended = False

    async def send(self, message: Message) -> None:
        self.started = self.started or message["type"] == "http.response.start"
        self.ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        if not self.ended:
            await self.send({"type": "http.response.body", "body": b""})

    async def refuse(self, scope: Scope, status: int, sentence: str) -> None:
        """The page's script reads JSON where it sends events, and text elsewhere."""
        if self.started:
            return
        kind, body = b"text/plain; charset=utf-8", sentence.encode()
        if scope["path"].startswith((JOIN, f"{API}/cancel")):
            kind, body = b"application/json", json.dumps({"detail": sentence}).encode()
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        headers += [(b"x-content-type-options", b"nosniff"), (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
