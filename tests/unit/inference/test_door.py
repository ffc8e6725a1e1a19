"""Which requests reach the page."""

import asyncio
import json
from pathlib import Path

import pytest

from realsr_mod.inference.door import API, JOIN, UPLOAD, Door, HostNames, hostname
from realsr_mod.inference.folder_name import HiddenFolder
from realsr_mod.inference.places import Places


def check_event(event):
    if not isinstance(event, dict):
        raise ValueError("an event is a JSON object")
    return event | {"checked": True}


class Behind:
    """Stands for the page: takes in everything, and answers with `status` or fails."""

    def __init__(
        self, status: int = 200, error: Exception | None = None, late: bool = False, parts=(b"page",), kind="image/png"
    ) -> None:
        self.status, self.error, self.late, self.parts, self.kind = status, error, late, parts, kind
        self.body = self.query = self.path = None

    async def __call__(self, scope, receive, send):
        self.query, self.path, body, more = scope["query_string"], scope["path"], b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.body = body
        if self.error and not self.late:
            raise self.error
        headers = [(b"content-type", self.kind.encode()), (b"content-length", str(sum(map(len, self.parts))).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if self.error:
            raise self.error
        for number, part in enumerate(self.parts):
            more = number < len(self.parts) - 1
            await send({"type": "http.response.body", "body": part, "more_body": more})


def ask(behind, method="GET", path="/", *parts: bytes, names=None, query=b"", client="192.0.2.2", **headers: str):
    """Status, text, and whether the answer was ended."""
    places = Places(lambda: iter(["192.0.2.1"] * 4), 4, "16 wait already.", "4 of yours wait.")
    folder = HiddenFolder(Path("/tmp/secret ä"))
    door = Door(behind, names or HostNames("127.0.0.1"), 1000, check_event, places, folder)
    headers = {"host": "localhost:7860"} | headers
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "client": (client, 1)}
    scope["headers"] = [(key.replace("_", "-").encode(), value.encode("latin-1")) for key, value in headers.items()]
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(door(scope, receive, send))
    length = dict(sent[0]["headers"]).get(b"content-length", b"0")
    body = b"".join(message.get("body", b"") for message in sent)
    assert sent[0]["status"] != 200 or len(behind.parts) > 1 or behind.error or int(length) == len(body)
    ended = sent[-1]["type"] == "http.response.body" and not sent[-1].get("more_body", False)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent).decode(), ended


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:80", "localhost"),
        ("[::1]:7860", "::1"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("", None),
        ("a b", None),
        ("[::1", None),
        ("localhost@evil.example", None),
        ("localhost/evil.example", None),
        ("localhost:80:80", None),
        ("localhost\n", None),
    ],
)
def test_the_name_in_a_host_header(host, name):
    assert hostname(host) == name


@pytest.mark.parametrize(
    ("served_at", "allowed", "let_in", "kept_out"),
    [
        ("127.0.0.1", [], ["localhost", "127.0.0.1", "::1"], ["evil.example", "127.0.0.1.evil.example", "10.0.0.1"]),
        ("photos.lan", [], ["photos.lan", "localhost"], ["evil.example"]),
        ("127.0.0.1", ["Photos.example.org"], ["photos.example.org"], ["www.photos.example.org", "example.org"]),
        ("0.0.0.0", [], ["10.0.0.1", "fe80::1", "localhost"], ["evil.example", "10.0.0.1.evil.example"]),
        ("[::1]", ["[fe80::1]"], ["::1", "fe80::1"], ["fe80::2"]),
    ],
)
def test_the_names_that_a_page_is_asked_by(served_at, allowed, let_in, kept_out):
    names = HostNames(served_at, allowed)
    assert all(name in names for name in let_in)
    assert not any(name in names for name in kept_out)
    assert None not in names


@pytest.mark.parametrize("wrong", ["https://photos.example.org", "photos.example.org:80", "", "*"])
def test_an_allowed_name_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=r"--allowed-host takes a name such as photos\.example\.org"):
        HostNames("127.0.0.1", [wrong])


def test_a_foreign_name_is_told_the_option():
    status, text, _ = ask(Behind(), host="evil.example")
    assert status == 403
    assert text.endswith("start it with --allowed-host evil.example")
    assert ask(Behind(), host="evil.example", names=HostNames("127.0.0.1", ["evil.example"]))[:2] == (200, "page")
    assert "<" not in ask(Behind(), host="<b>")[1]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:7860", 200),
        ("http://127.0.0.1", 200),
        ("http://evil.example", 403),
        ("null", 403),
        ("http://[", 403),
        ("", 403),
    ],
)
def test_another_site_cannot_ask_from_a_visitors_browser(origin, status):
    assert ask(Behind(), origin=origin)[0] == status
    assert ask(Behind(), "POST", UPLOAD, origin=origin)[0] == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", f"{API}/file=/tmp/a.png", 200),
        ("GET", f"{API}/file=http://elsewhere/a.png", 404),
        ("GET", f"{API}/proxy=http://elsewhere", 404),
        ("GET", "/monitoring", 404),
        ("POST", f"{API}/run/open_file", 404),
        ("POST", f"{API}/component_server", 404),
        ("PUT", "/", 405),
        ("DELETE", JOIN, 405),
    ],
)
def test_only_what_the_page_itself_asks_for_gets_in(method, path, status):
    behind = Behind()
    assert ask(behind, method, path)[0] == status
    assert (behind.body is not None) == (status == 200)


def test_queries_reach_only_those_that_have_some():
    behind = Behind()
    ask(behind, query=b"deep_link=x")
    assert behind.query == b""
    ask(behind, "GET", f"{API}/queue/data", query=b"session_hash=x")
    assert behind.query == b"session_hash=x"


def test_an_event_is_looked_at_and_passed_on_once():
    behind = Behind()
    assert ask(behind, "POST", JOIN, b'{"fn_', b'index": 0}')[0] == 200
    assert json.loads(behind.body) == {"fn_index": 0, "checked": True}


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{", 400, "this is no JSON"),
        (b"", 400, "this is no JSON"),
        (b"\xff", 400, "this is no JSON"),
        (b"[" * 90_000, 400, "this is no JSON"),
        (b"[]", 422, "an event is a JSON object"),
        (b" " * 100_001, 413, "this is larger than 100 kB"),
    ],
)
def test_what_is_no_event_gets_a_sentence_in_json(body, status, sentence):
    behind = Behind()
    found, text, _ = ask(behind, "POST", JOIN, body)
    assert found == status
    assert sentence in json.loads(text)["detail"]
    assert behind.body is None


@pytest.mark.parametrize("headers", [{}, {"content_length": "20000"}], ids=["unannounced", "announced"])
def test_an_upload_that_is_too_large_names_the_option(headers):
    status, text, _ = ask(Behind(), "POST", UPLOAD, *[bytes(5000)] * 4, **headers)
    assert status == 413
    assert "0.001 MB (--max-upload-mb)" in text


def test_a_full_queue_is_said_in_words():
    status, text, _ = ask(Behind(503), "POST", JOIN, b"{}")
    assert (status, json.loads(text)["detail"]) == (429, "16 wait already.")


def test_errors_show_nothing_of_the_server(caplog):
    error = TypeError("/home/me/secret.py")
    status, text, _ = ask(Behind(error=error))
    assert (status, "secret" in text) == (500, False)
    assert "secret" in caplog.text
    caplog.clear()
    assert ask(Behind(error=error), "POST", UPLOAD)[0] == 400  # the framework stumbles over what was sent
    assert ask(Behind(error=OSError("disk full")), "POST", UPLOAD)[0] == 500
    assert "secret" not in caplog.text


def test_a_stream_that_breaks_off_is_ended_quietly(caplog):
    status, _, ended = ask(Behind(error=RuntimeError("no such session"), late=True), "GET", f"{API}/queue/data")
    assert (status, ended) == (200, True)
    assert "no such session" not in caplog.text


def test_one_visitor_cannot_take_all_places():
    status, text, _ = ask(Behind(), "POST", JOIN, b"{}", client="192.0.2.1")
    assert (status, json.loads(text)["detail"]) == (429, "4 of yours wait.")
    assert ask(Behind(), "POST", JOIN, b"{}", client="192.0.2.2")[0] == 200
    assert ask(Behind(), client="192.0.2.1")[0] == 200  # what takes no place


@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=utf-8", "text/event-stream"])
@pytest.mark.parametrize("written", ["/tmp/secret ä/a.png", r"/tmp/secret \u00e4/a.png", "/tmp/secret%20%C3%A4/a.png"])
def test_nobody_is_told_where_visitors_files_lie(kind, written):
    behind = Behind(parts=[f'"{written}", "/tmp/other"'.encode()], kind=kind)
    assert ask(behind)[1] == '"/of_visitors/a.png", "/tmp/other"'
    behind = Behind(parts=[f"data: {written}\n\n".encode()] * 2, kind="text/event-stream")
    assert ask(behind)[1] == "data: /of_visitors/a.png\n\n" * 2


def test_the_name_outside_leads_to_the_files():
    behind = Behind()
    ask(behind, "GET", f"{API}/file=/of_visitors/uploads/a.png")
    assert behind.path == f"{API}/file=/tmp/secret ä/uploads/a.png"
    ask(behind, "POST", JOIN, b'{"data": [{"path": "/of_visitors/uploads/a.png"}]}')
    assert json.loads(behind.body)["data"] == [{"path": "/tmp/secret ä/uploads/a.png"}]
