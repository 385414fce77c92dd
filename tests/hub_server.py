"""A small Hub on the loopback, for tests with the real huggingface_hub client: repositories in memory, faults to order.

Speaks what the client needs to read (model info, resolve, redirects to a second host for large files) and to publish
(create, branch, preupload, LFS batch, commit). Every request is recorded.
"""

import base64
import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin", ".model", ".gguf")
LOGIN = {"hf_writer": "write", "hf_reader": "read"}  # tokens and what they may do


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class HubServer:
    """with HubServer() as hub: hub.add("org/name", {"config.json": b"{}"}); ... HF_ENDPOINT=hub.url

    faults: {part of a path: kind}, kinds 404, 503 ... (a status), "short", "cut", "flip", "html", "hang", "away".
    """

    def __init__(self):
        self.refs: dict[str, dict[str, str]] = {}  # repository -> revision -> commit
        self.commits: dict[str, dict[str, bytes]] = {}
        self.objects: dict[str, bytes] = {}  # large files by SHA-256
        self.gated: set[str] = set()
        self.private: dict[str, str | None] = {}  # visibility asked for by create
        self.faults: dict[str, object] = {}
        self.requests: list[tuple[str, str, str | None, str]] = []  # method, path, authorization, host asked
        self.stopped = threading.Event()
        self.server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.cdn = f"http://localhost:{self.port}"  # another host as far as a client can tell

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def add(self, repo: str, files: dict[str, bytes], revision: str = "main") -> str:
        """Make a commit that holds exactly these files, and move the revision to it."""
        content = repr((repo, revision, sorted(files.items()))).encode()
        commit = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        self.commits[commit] = dict(files)
        self.objects |= {hashlib.sha256(data).hexdigest(): data for data in files.values()}
        self.refs.setdefault(repo, {})[revision] = commit
        return commit

    def asked(self, part: str = "") -> list[str]:
        return [f"{method} {path}" for method, path, _, _ in self.requests if part in path]


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that left early is part of the tests
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.path, _, _ = self.path.partition("?")
        path = unquote(urlsplit(self.path).path)
        host = self.headers.get("Host", "")
        self.hub.requests.append((self.command, path, self.headers.get("Authorization"), host))
        fault = next((kind for part, kind in self.hub.faults.items() if part in path), None)
        if isinstance(fault, int):
            return self.reply(fault, b"fault")
        if fault == "hang":
            self.hub.stopped.wait(30)
            return self.reply(503, b"")
        if fault == "away" and host.startswith("127."):
            return self.reply(307, b"", Location=self.hub.cdn + self.path)
        for pattern, answer in ROUTES:
            if match := re.fullmatch(pattern, path):
                return answer(self, *match.groups())
        return self.reply(404, b"no such route")

    do_HEAD = do_POST = do_PUT = do_GET

    def reply(self, status: int, body: bytes = b"", **headers: str):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_json(self, value: object, status: int = 200):
        return self.reply(status, json.dumps(value).encode(), Content_Type="application/json")

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def right(self) -> str | None:
        return LOGIN.get((self.headers.get("Authorization") or "").removeprefix("Bearer "))

    def commit(self, repo: str, revision: str) -> str | None:
        """The commit asked for; None when the answer has been an error."""
        refs = self.hub.refs.get(repo)
        if refs is None:
            self.reply(401 if self.right() is None else 404, X_Error_Code="RepoNotFound")
            return None
        commit = refs.get(revision, revision)
        if commit not in self.hub.commits:
            self.reply(404, X_Error_Code="RevisionNotFound")
            return None
        return commit

    # reading

    def info(self, repo: str, revision: str | None = None):
        if commit := self.commit(repo, revision or "main"):
            siblings = [{"rfilename": name} for name in self.hub.commits[commit]]
            self.reply_json({"id": repo, "sha": commit, "siblings": siblings, "tags": []})

    def resolve(self, repo: str, revision: str, name: str):
        commit = self.commit(repo, revision)
        if commit is None:
            return None
        if repo in self.hub.gated and self.right() is None:
            return self.reply(403, X_Error_Code="GatedRepo", X_Error_Message="ask for access")
        data = self.hub.commits[commit].get(name)
        if data is None:
            return self.reply(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        if name.endswith(LARGE):
            digest, size = hashlib.sha256(data).hexdigest(), str(len(data))
            linked = {"X_Linked_Etag": f'"{digest}"', "X_Linked_Size": size}
            return self.reply(302, Location=f"{self.hub.cdn}/cdn/{digest}", X_Repo_Commit=commit, **linked)
        return self.content(data, f'"{git_sha1(data)}"', X_Repo_Commit=commit)

    def cdn(self, digest: str):
        self.content(self.hub.objects[digest], f'"{digest}"')

    def content(self, data: bytes, etag: str, **headers: str):
        fault = next((kind for part, kind in self.hub.faults.items() if part in self.path), None)
        if self.command == "GET" and fault == "flip":
            data = bytes([data[0] ^ 1]) + data[1:]
        elif self.command == "GET" and fault == "short":
            data = data[: len(data) // 2]
        elif self.command == "GET" and fault == "cut":
            self.hub.faults.clear()  # the next attempt is served
            self.close_connection = True
            return self.reply(200, data[: len(data) // 2], ETag=etag, Content_Length=str(len(data)), **headers)
        return self.reply(200, data, ETag=etag, **headers)

    # publishing

    def create(self):
        asked = json.loads(self.body())
        repo = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if self.right() != "write":
            return self.reply(401 if self.right() is None else 403, X_Error_Message="no write access")
        if repo in self.hub.refs:
            return self.reply_json({"url": f"{self.hub.url}/{repo}"}, 409)
        self.hub.private[repo] = asked.get("visibility")
        self.hub.add(repo, {})
        return self.reply_json({"url": f"{self.hub.url}/{repo}"})

    def branch(self, repo: str, name: str):
        self.body()
        refs = self.hub.refs[repo]
        refs.setdefault(name, refs["main"])
        self.reply_json({})

    def whoami(self):
        self.reply_json({"name": "me", "type": "user"})

    def preupload(self, repo: str, revision: str):
        files = json.loads(self.body())["files"]
        modes = [{"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(LARGE) else "regular"} for f in files]
        self.reply_json({"files": [{**mode, "shouldIgnore": False, "oid": None} for mode in modes]})

    def validate_yaml(self):
        self.body()
        self.reply_json({"errors": [], "warnings": []})

    def lfs_batch(self, repo: str):
        asked = json.loads(self.body())["objects"]
        upload = [{"upload": {"href": f"{self.hub.url}/store/{item['oid']}"}} for item in asked]
        objects = [{**item, "actions": actions} for item, actions in zip(asked, upload, strict=True)]
        self.reply_json({"transfer": "basic", "objects": objects})

    def store(self, digest: str):
        data = self.body()
        self.hub.objects[digest] = data
        self.reply(200 if hashlib.sha256(data).hexdigest() == digest else 400)

    def make_commit(self, repo: str, revision: str):
        lines = [json.loads(line) for line in self.body().splitlines()]
        files = dict(self.hub.commits[self.hub.refs[repo][revision]])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
        commit = self.hub.add(repo, files, revision)
        self.reply_json({"success": True, "commitOid": commit, "commitUrl": f"{self.hub.url}/{repo}/commit/{commit}"})


REPO = r"([\w.-]+(?:/[\w.-]+)?)"
ROUTES = (
    (r"/api/repos/create", Handler.create),
    (r"/api/whoami-v2", Handler.whoami),
    (r"/api/validate-yaml", Handler.validate_yaml),
    (rf"/api/models/{REPO}/branch/(.+)", Handler.branch),
    (rf"/api/models/{REPO}/preupload/(.+)", Handler.preupload),
    (rf"/api/models/{REPO}/commit/(.+)", Handler.make_commit),
    (rf"/api/models/{REPO}/revision/(.+)", Handler.info),
    (rf"/api/models/{REPO}", Handler.info),
    (rf"/{REPO}\.git/info/lfs/objects/batch", Handler.lfs_batch),
    (rf"/{REPO}/resolve/([^/]+)/(.+)", Handler.resolve),
    (r"/store/(\w+)", Handler.store),
    (r"/cdn/(\w+)", Handler.cdn),
)
