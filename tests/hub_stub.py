"""A Hugging Face hub of this process alone: what its client asks for, answered over HTTP out of a dictionary."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = re.compile(r"/api/models/([^/]+/[^/]+)/commit/([^/?]+)")
PREUPLOAD = re.compile(r"/api/models/([^/]+/[^/]+)/preupload/([^/?]+)")
BRANCH = re.compile(r"/api/models/([^/]+/[^/]+)/branch/([^/?]+)")
INFO = re.compile(r"/api/models/([^/]+/[^/]+)/(?:revision|tree)/([^/?]+)|/api/models/([^/]+/[^/?]+)")
FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/([^?]+)")


class Hub(ThreadingHTTPServer):
    """`branches[repository][branch]` are files by name; `asked` the requests."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.branches, self.asked, self.private = {}, [], {}

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def files(self, repository, revision):
        """A branch's, or a commit's, which is the hash of what it holds."""
        branches = self.branches.get(repository, {})
        return next((f for name, f in branches.items() if revision in (name, commit(f))), None)


def commit(files):
    return hashlib.sha1(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, content, status=200, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def missing(self, code):
        self.answer({"error": code}, 404, x_error_code=code)

    def body(self):
        if "content-length" in self.headers:
            return self.rfile.read(int(self.headers["content-length"]))
        chunks = []
        while "transfer-encoding" in self.headers and (length := int(self.rfile.readline(), 16)):
            chunks.append(self.rfile.read(length))
            self.rfile.readline()
        if chunks:
            self.rfile.readline()  # the end of the last one, which is empty
        return b"".join(chunks)

    def do_POST(self):
        hub, body = self.server, self.body()
        hub.asked.append(f"POST {self.path}")
        if self.path == "/api/validate-yaml":  # of a card, before it is sent
            return self.answer({"errors": [], "warnings": []})
        if self.headers.get("authorization") != "Bearer hf_may_write":
            return self.answer({"error": "Invalid username or password."}, 401)
        if self.path == "/api/repos/create":
            made = json.loads(body)
            repository = f"{made['organization']}/{made['name']}" if made.get("organization") else made["name"]
            hub.branches.setdefault(repository, {"main": {}})
            hub.private[repository] = made.get("private") or made.get("visibility") == "private"
            return self.answer({"url": f"{hub.address}/{repository}"})
        if found := PREUPLOAD.match(self.path):
            files = json.loads(body)["files"]
            modes = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]
            return self.answer({"files": modes})
        if found := BRANCH.match(self.path):
            branches = hub.branches[found[1]]
            branches.setdefault(found[2], dict(branches["main"]))
            return self.answer({})
        found = COMMIT.match(self.path)
        files = hub.branches[found[1]][found[2]]
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        url = f"{hub.address}/{found[1]}/commit/{commit(files)}"
        return self.answer({"success": True, "commitOid": commit(files), "commitUrl": url, "hookOutput": ""})

    def do_GET(self):
        hub = self.server
        hub.asked.append(f"{self.command} {self.path}")
        if found := FILE.match(self.path):
            files = hub.files(found[1], found[2])
            if files is None or found[3] not in files:
                return self.missing("EntryNotFound" if files else "RepoNotFound")
            content = files[found[3]]
            etag = f'"{hashlib.sha1(content).hexdigest()}"'
            return self.answer(content, etag=etag, x_repo_commit=commit(files))
        if (found := INFO.match(self.path)) is None:  # what clients ask besides
            return self.answer({})
        repository, revision = found[1] or found[3], found[2] or "main"
        files = hub.files(repository, revision)
        if files is None:
            return self.missing("RevisionNotFound" if repository in hub.branches else "RepoNotFound")
        if "/tree/" in self.path:
            tree = [
                {"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                for n, c in files.items()
            ]
            return self.answer(tree)
        siblings = [{"rfilename": name} for name in files]
        return self.answer({"id": repository, "sha": commit(files), "siblings": siblings, "tags": []})

    do_HEAD = do_GET


@contextmanager
def local_hub(monkeypatch, cache):
    """A hub that the client takes for the real one, with an empty cache and a token that may write."""
    from huggingface_hub import constants

    hub = Hub()
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.address)
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_TOKEN", "hf_may_write")
    thread = threading.Thread(target=hub.serve_forever, args=[0.02])
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
