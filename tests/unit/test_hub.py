"""hub, files and publish, against the real huggingface_hub client and a Hub on the loopback.

The client reads its environment when it is imported, so it runs in worker processes: one online, one with
HF_HUB_OFFLINE=1 (where every connect fails the test), one whose Hub is gone.
"""

import hashlib
import json
import logging
import multiprocessing
import ntpath
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qkv.hub
from hub_server import HubServer
from qkv.files import check_name, check_readable, check_sha256, find_secret, read_json
from qkv.hub import is_cached, open_repo, push_folder, split_options, write_file

WEIGHTS = bytes(range(256)) * 40
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": WEIGHTS,
    "modeling_evil.py": b"raise SystemExit",
    "pytorch_model.pt": b"no",
    "onnx/config.json": b'{"inner": 1}',
}
needs_posix = pytest.mark.skipif(os.name != "posix", reason="links and FIFOs as POSIX has them")


@contextmanager
def fails(kind: type[Exception], *parts: str):
    """The block raises `kind`, in fewer than 400 characters that hold every part and no token."""
    with pytest.raises(kind) as caught:
        yield
    text = str(caught.value)
    assert len(text) < 400, len(text)
    assert "hf_writer" not in text
    assert not [part for part in parts if part not in text], text


# What workers do


def forbid_sockets():
    def connect(*args):
        raise AssertionError("a socket was used")

    socket.socket.connect = socket.getaddrinfo = connect


def fetch(repo: str, name: str, **options) -> str:
    return str(open_repo(repo, **options).require(name))


def fetch_impatiently(repo: str, name: str, **options) -> str:
    qkv.hub.TIMEOUT, time.sleep = 0.2, lambda seconds: None
    return fetch(repo, name, **options)


def fetch_guarded(repo: str, name: str, **options) -> str:
    connect, resolve = socket.socket.connect, socket.getaddrinfo
    forbid_sockets()
    try:
        return fetch(repo, name, **options)
    finally:
        socket.socket.connect, socket.getaddrinfo = connect, resolve


def look(repo: str, name: str, **options) -> tuple[str | None, list[str]]:
    opened = open_repo(repo, **options)
    path = opened.file(name)
    return path and str(path), opened.files()


def fetch_twice(repo: str, name: str, **options) -> bool:
    opened = open_repo(repo, **options)
    return opened.require(name) == opened.require(name)


def push(folder: str, repo: str, **options) -> tuple[str, str]:
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logging.getLogger("qkv").addHandler(handler)
    logging.getLogger("qkv").setLevel("INFO")
    try:
        return push_folder(folder, repo, **options).oid, "\n".join(lines)
    finally:
        logging.getLogger("qkv").removeHandler(handler)


class Worker:
    """Calls a function of this module in another process with an environment of its own."""

    def __init__(self, home: Path, url: str, initializer=None, **env: str):
        self.env = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_writer"}
        self.env |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "", **env}
        spawn = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=initializer)

    def __call__(self, function, *args, **options):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.env.items():
                patch.setenv(name, value)
            return self.pool.submit(function, *map(str, args), **options).result(timeout=60)


@pytest.fixture(scope="module")
def server():
    with HubServer() as hub:
        yield hub


@pytest.fixture(scope="module")
def workers(server, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        made = {
            "online": Worker(home, server.url),
            "offline": Worker(home, server.url, forbid_sockets, HF_HUB_OFFLINE="1"),
            "dead": Worker(home, f"http://127.0.0.1:{taken.getsockname()[1]}", HF_TOKEN=""),
        }
        yield made
    for worker in made.values():
        worker.pool.shutdown()


@pytest.fixture
def hub(server):
    server.refs.clear()
    server.gated.clear()
    server.faults.clear()
    server.requests.clear()
    server.add("org/m", FILES)
    return server


@pytest.fixture
def online(workers, hub):
    return workers["online"]


@pytest.fixture
def cache(tmp_path):
    return str(tmp_path / "cache")


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "model"


# The Hub, online


def test_files_come_from_the_hub_and_then_from_the_cache(hub, online, cache):
    path = online(fetch, "org/m", "model.safetensors", cache_dir=cache)
    assert Path(path).read_bytes() == WEIGHTS
    hub.requests.clear()
    assert online(fetch, "org/m", "model.safetensors", cache_dir=cache) == path
    assert hub.asked("org/m") == ["GET /api/models/org/m/revision/main"]
    assert hub.asked("cdn") == []
    online(fetch_twice, "org/m", "model.safetensors", cache_dir=cache, force_download=True)
    assert len(hub.asked("cdn")) == 1


def test_revisions(hub, online, cache):
    commit = hub.add("org/m", {"config.json": b'{"v": 2}'}, "v2")
    hub.add("org/m", {"config.json": b'{"v": 3}'}, "v3")
    for repo, options, version in [
        ("org/m@v2", {}, 2),
        ("org/m", {"revision": "v3"}, 3),
        ("org/m@v2", {"revision": "v3"}, 3),
        (f"org/m@{commit}", {}, 2),
    ]:
        path = online(fetch, repo, "config.json", cache_dir=cache, **options)
        assert json.loads(Path(path).read_bytes()) == {"v": version}
        assert fetch_local(online, repo, cache, **options) == path
    with fails(OSError, "no revision 'v9'", "revision="):
        online(fetch, "org/m@v9", "config.json", cache_dir=cache)
    del hub.refs["org/m"]["v2"]
    with fails(OSError, "no revision 'v2'"):  # though it is in the cache
        online(fetch, "org/m@v2", "config.json", cache_dir=cache)


def fetch_local(worker, repo, cache, **options):
    return worker(fetch_guarded, repo, "config.json", cache_dir=cache, local_files_only=True, **options)


def test_all_files_come_from_one_commit(hub, online, cache):
    first = online(fetch, "org/m", "config.json", cache_dir=cache)
    hub.add("org/m", {**FILES, "README.md": b"new"})
    second = online(fetch, "org/m", "config.json", cache_dir=cache)
    assert Path(first).parent != Path(second).parent
    assert fetch_local(online, "org/m", cache) == second


def test_subfolder_and_list_of_files(hub, online, cache):
    path, names = online(look, "org/m", "config.json", cache_dir=cache, subfolder="onnx")
    assert json.loads(Path(path).read_bytes()) == {"inner": 1}
    assert names == ["config.json"]
    assert online(look, "org/m", "absent.json", cache_dir=cache) == (None, sorted(FILES))
    assert hub.asked("absent.json") == []
    with fails(FileNotFoundError, "'confg.json'", "'config.json'", "./model"):
        online(fetch, "org/m", "confg.json", cache_dir=cache)


def test_code_and_pickles_are_never_asked_for(hub, online, cache):
    for name in ("modeling_evil.py", "pytorch_model.pt", "evil.json.py", "x.pkl"):
        with fails(ValueError, "never code"):
            online(fetch, "org/m", name, cache_dir=cache)
    online(look, "org/m", "config.json", cache_dir=cache)
    assert not [path for path in hub.asked() if ".py" in path or ".pt" in path]


def test_token_goes_to_the_hub_only(hub, online, cache):
    online(fetch, "org/m", "model.safetensors", cache_dir=cache)
    hub.add("org/far", FILES)
    hub.faults["/api/models/org/far"] = "away"
    online(fetch, "org/far", "config.json", cache_dir=cache)
    tokens = {(host.split(":")[0], token) for _, _, token, host in hub.requests}
    assert tokens >= {("127.0.0.1", "Bearer hf_writer"), ("localhost", None)}
    assert ("localhost", "Bearer hf_writer") not in tokens
    hub.requests.clear()
    online(fetch, "org/m", "config.json", cache_dir=cache, token="hf_reader")
    assert {token for _, _, token, _ in hub.requests} == {"Bearer hf_reader"}
    hub.requests.clear()
    online(fetch, "org/m", "onnx/config.json", cache_dir=cache, token=False)
    assert {token for _, _, token, _ in hub.requests} == {None}


def test_refusals_are_explained(hub, online, cache):
    with fails(OSError, "no repository 'org/none'", "hf auth login", "./model"):
        online(fetch, "org/none", "config.json", cache_dir=cache)
    with fails(OSError, "no repository 'org/none'", "hf auth login"):
        online(fetch, "org/none", "config.json", cache_dir=cache, token=False)
    hub.gated.add("org/m")
    with fails(OSError, "'org/m' is gated", hub.url, "hf auth login"):
        online(fetch, "org/m", "config.json", cache_dir=cache, token=False)
    for status in (401, 403):
        hub.faults["resolve"] = status
        with fails(OSError, "'org/m'", "hf auth login"):
            online(fetch, "org/m", "config.json", cache_dir=cache)


@pytest.mark.parametrize(
    ("part", "fault", "parts"),
    [
        ("/api/models", 503, ("503", "'config.json'", "not in the cache", "Try again", "./model")),
        ("/api/models", "hang", ("Timeout", "'config.json'", "not in the cache", "./model")),
        ("resolve", 503, ("503", "'config.json'", "not in the cache", "Try again")),
        ("resolve", "short", ("'config.json'", "incomplete", "again")),
    ],
)
def test_faults_are_explained(hub, online, cache, part, fault, parts):
    hub.faults[part] = fault
    with fails(OSError, *parts):
        online(fetch_impatiently, "org/m", "config.json", cache_dir=cache)
    assert not list(Path(cache).rglob("snapshots/*/*"))


def test_a_broken_transfer_is_continued(hub, online, cache):
    hub.faults["resolve/"] = "cut"
    path = online(fetch_impatiently, "org/m", "config.json", cache_dir=cache)
    assert Path(path).read_bytes() == FILES["config.json"]
    assert hub.faults == {}


def test_wrong_bytes_are_deleted(hub, online, cache):
    hub.faults["cdn"] = "flip"
    with fails(OSError, "model.safetensors", "damaged", "again"):
        online(fetch, "org/m", "model.safetensors", cache_dir=cache)
    assert not [path for path in Path(cache).rglob("*") if path.is_file() and path.read_bytes()[1:] == WEIGHTS[1:]]
    hub.faults.clear()
    path = online(fetch, "org/m", "model.safetensors", cache_dir=cache)
    assert Path(path).read_bytes() == WEIGHTS


def test_a_page_in_place_of_a_file(hub, online, cache):
    hub.add("org/page", {"config.json": b"<!DOCTYPE html><html>Sign in</html>"})
    path = online(fetch, "org/page", "config.json", cache_dir=cache)
    with fails(OSError, "HTML page", "/resolve/"):
        read_json(Path(path))


def test_eight_processes_without_locks(hub, workers, cache):
    code = (
        "import os, sys; from qkv.hub import open_repo\n"
        "if os.name == 'posix': import fcntl; fcntl.flock = lambda *args: None\n"
        "print(open_repo('org/m', cache_dir=sys.argv[1]).require('model.safetensors'))"
    )
    env = {**os.environ, **workers["online"].env, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, cache]
    running = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    paths = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0] * 8
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == WEIGHTS


# Offline


def test_offline_opens_no_socket(hub, workers, cache):
    path = workers["online"](fetch, "org/m", "config.json", cache_dir=cache)
    hub.requests.clear()
    for worker, options in [("offline", {}), ("online", {"local_files_only": True})]:
        call = workers[worker]
        assert call(fetch_guarded, "org/m", "config.json", cache_dir=cache, **options) == path
        assert call(look, "org/m", "generation_config.json", cache_dir=cache, **options) == (None, ["config.json"])
        with fails(OSError, "'model.safetensors' of 'org/m'", "not in the cache", cache[:40], "hf download org/m"):
            call(fetch_guarded, "org/m", "model.safetensors", cache_dir=cache, **options)
        with fails(OSError, "'config.json' of 'org/none'", "hf download org/none", "./model"):
            call(fetch_guarded, "org/none", "config.json", cache_dir=cache, **options)
        assert call(is_cached, "org/m", cache_dir=cache)
        assert not call(is_cached, "org/m", "model.safetensors", cache_dir=cache)
        assert not call(is_cached, "org/none", cache_dir=cache)
        assert not call(is_cached, "not//an id", cache_dir=cache)
    assert hub.requests == []


def test_a_dead_hub_leaves_the_cache(workers, hub, cache):
    path = workers["online"](fetch, "org/m", "config.json", cache_dir=cache)
    assert workers["dead"](fetch, "org/m", "config.json", cache_dir=cache) == path
    with fails(OSError, "no answer from http://127.0.0.1", "'model.safetensors' of 'org/m'", "network", "./model"):
        workers["dead"](fetch, "org/m", "model.safetensors", cache_dir=cache)
    with fails(OSError, "no answer", "'config.json' of 'org/none'", "network"):
        workers["dead"](fetch, "org/none", "config.json", cache_dir=cache)
    hub.faults["/api/models"] = 503
    assert workers["online"](fetch, "org/m", "config.json", cache_dir=cache) == path


def test_a_token_that_is_not_there(workers, cache):
    with fails(OSError, "no token is stored", "hf auth login"):
        workers["dead"](fetch, "org/m", "config.json", cache_dir=cache, token=True)


def test_a_cache_that_cannot_be_written(online, tmp_path):
    (tmp_path / "file").write_text("")
    with fails(OSError, "cannot be stored", "Not a directory", "HF_HOME"):
        online(fetch, "org/m", "config.json", cache_dir=str(tmp_path / "file"))


def test_long_names_make_no_long_messages(workers, tmp_path):
    repo, cache = "o" * 96 + "/" + "m" * 96, str(tmp_path / ("c" * 200))
    for worker in ("dead", "offline"):
        with fails(OSError, "./model"):
            workers[worker](fetch, repo, "f" * 190 + ".json", revision="r" * 200, cache_dir=cache)


def test_a_local_folder_opens_no_socket(folder, workers):
    expected = (str(folder / "config.json"), sorted(FILES))
    assert workers["offline"](look, folder, "config.json", revision="v2", token="hf_writer") == expected


# Local folders


def test_local_folder(folder, tmp_path, monkeypatch):
    repo = open_repo(folder)
    assert repo.is_local
    assert repo.name == str(folder)
    assert repo.file("config.json") == folder / "config.json"
    assert repo.json("config.json") == {"model_type": "bert"}
    assert repo.file("vocab.txt") is None
    assert repo.json("vocab.json") is None
    assert open_repo(str(folder), subfolder="onnx").json("config.json") == {"inner": 1}
    assert open_repo(folder, subfolder="onnx").files() == ["config.json"]
    with fails(FileNotFoundError, "'confg.json'", "'config.json'", "save_pretrained"):
        repo.require("confg.json")
    folder.rename(tmp_path / "org")
    (tmp_path / "org" / "m").mkdir()
    monkeypatch.chdir(tmp_path)
    assert open_repo("org/m").is_local


def test_folders_that_are_not_there(folder, tmp_path):
    with fails(FileNotFoundError, "'model'", "org/name"):
        open_repo(str(tmp_path / "modle"))
    with fails(FileNotFoundError, "does not exist", "'model'"):
        open_repo(tmp_path / "modle" / "deep" / "er")
    with fails(NotADirectoryError, "is a file", "folder that holds it"):
        open_repo(str(folder / "config.json"))
    for name in ("./no-such", "~/no-such-folder", "a/b/c", "..\\x", "C:\\models\\bert", "x" * 300 + "/a/b"):
        with fails(OSError, "does not exist", "'org/name'"):
            open_repo(name)
    with fails(OSError, "web address", "'org/name'"):
        open_repo("https://huggingface.co/org/m")


@pytest.mark.parametrize(
    "name", ["", "a b", "org/", "-a", "a--b", "a..b", "a.git", "a" * 97, "a/b!", "ünder/m", "a\n", "a\0b"]
)
def test_what_cannot_be_an_id(name):
    with fails((ValueError, OSError), "'org/name'"):
        open_repo(name)


@pytest.mark.parametrize("revision", ["../x", "a b", "a//b", "..", "a/../b", "/x", "x/"])
def test_what_cannot_be_a_revision(revision):
    with fails(ValueError, "'main'"):
        open_repo("org/m", revision=revision)


def test_ids_and_wrong_types():
    assert open_repo("gpt2").name == "gpt2"
    assert open_repo("org/m@refs/pr/1").name == "org/m"
    for value in (None, 3, b"x", ["org/m"]):
        with fails(TypeError, "'org/name'"):
            open_repo(value)


HOSTILE = (
    *("", ".", "..", "../config.json", "a/../../config.json", "/etc/passwd.json", "a//b.json", "a/", "./a.json"),
    *("C:x.json", "C:\\x.json", "\\\\server\\share\\x.json", "..\\x.json", "a\\b.json", "a.json:stream.json"),
    *("a\0.json", "a\n.json", "\x7f.json", "con.json", "NUL.txt", "a/Aux.json", "com1.json", "a./b.json", "a /b.json"),
    *(" a.json", ".hidden.json", "a?.json", "a*.json", "a|b.json", '"a".json', "x" * 300 + ".json", "\u202egpj.json"),
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(folder, name):
    with fails(ValueError, "config.json"):
        open_repo(folder).file(name)
    with fails(ValueError, "config.json"):
        write_file(folder, name, b"")
    if name:
        with fails(ValueError, "config.json"):
            open_repo(folder, subfolder=name)


@settings(deadline=None)
@given(st.text("ab.-_/\\: \0\n~C", max_size=12) | st.text(max_size=8))
def test_a_name_that_passes_stays_inside(name):
    try:
        check_name(name)
    except ValueError:
        return
    for flavour, root in ((os.path, os.sep + "root"), (ntpath, "C:\\root")):
        joined = flavour.normpath(flavour.join(root, name))
        assert joined.startswith(root + flavour.sep)


def test_readable_names():
    for name in ("model-00001-of-00002.safetensors", "source.spm", "onnx/a (1).json", "a.b.TXT", "chat_template.jinja"):
        assert check_readable(name) == name


@needs_posix
def test_links(folder, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text('{"secret": 1}')
    (folder / "out.json").symlink_to(secret)
    (folder / "relative.json").symlink_to("../secret.json")
    (folder / "in.json").symlink_to("onnx/config.json")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "gone.json").symlink_to("nowhere.json")
    (folder / "up").symlink_to(tmp_path)
    repo = open_repo(folder)
    for name in ("out.json", "relative.json", "up/secret.json"):
        with fails(OSError, "link", "cp -L"):
            repo.json(name)
    for name in ("loop.json", "gone.json"):
        with fails(OSError, name, "Put the file itself"):
            repo.json(name)
    assert repo.json("in.json") == {"inner": 1}
    (tmp_path / "alias").symlink_to(folder)
    assert open_repo(tmp_path / "alias").json("config.json") == {"model_type": "bert"}


@needs_posix
def test_a_snapshot_links_to_its_blobs_only(tmp_path):
    snapshot = tmp_path / "models--org--m" / "snapshots" / "abc"
    blobs = tmp_path / "models--org--m" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (tmp_path / "blobs").mkdir()
    (blobs / "e1").write_text('{"a": 1}')
    (tmp_path / "blobs" / "e2").write_text('{"a": 2}')
    (tmp_path / "e3").write_text('{"a": 3}')
    for name, target in [("own", "../../blobs/e1"), ("shared", "../../../blobs/e2"), ("out", "../../../e3")]:
        (snapshot / f"{name}.json").symlink_to(target)
    repo = open_repo(snapshot)
    assert repo.json("own.json") == {"a": 1}
    assert repo.json("shared.json") == {"a": 2}
    with fails(OSError, "link"):
        repo.json("out.json")


@needs_posix
def test_a_blob_is_checked_by_its_own_name(tmp_path):
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    (tmp_path / ("0" * 64)).write_bytes(WEIGHTS)  # shared between repositories under another hash
    (tmp_path / digest).symlink_to("0" * 64)
    (tmp_path / "model.safetensors").symlink_to(digest)
    check_sha256(tmp_path / "model.safetensors")
    (tmp_path / ("0" * 64)).write_bytes(WEIGHTS[1:])
    with fails(OSError, "damaged", "again"):
        check_sha256(tmp_path / "model.safetensors")
    assert os.listdir(tmp_path) == []


@needs_posix
def test_what_is_no_file_is_not_opened(folder):
    os.mkfifo(folder / "pipe.json")
    (folder / "dir.json").mkdir()
    for name in ("pipe.json", "dir.json"):
        with fails(OSError, "not a regular file", "Put the file itself"):
            open_repo(folder).json(name)
    assert open_repo(folder).files() == sorted(FILES)


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (b"", ("is empty",)),
        (b" \n", ("is empty",)),
        (b"[1]", ("holds a list", "object")),
        (b'{"a": 1,}', ("not JSON", "line 1 column")),
        (b'{"a": "\xff"}', ("not UTF-8 at byte 7",)),
        (b"\x80\x02}q", ("not UTF-8 at byte 0",)),
        (b"<html>404</html>", ("HTML page", "/resolve/")),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", ("Git LFS pointer", "git lfs pull")),
        (b'{"a":' * 200_000, ("nested too deeply",)),
        (b'{"a": ' + b"1" * 5000 + b"}", ("too long a number",)),
    ],
)
def test_broken_json(folder, raw, parts):
    (folder / "config.json").write_bytes(raw)
    with fails(OSError, "config.json", *parts):
        open_repo(folder).json("config.json")


def test_json_limits(folder):
    with fails(OSError, "more than 10 bytes"):
        open_repo(folder).json("config.json", limit=10)
    (folder / "config.json").write_bytes(b'\xef\xbb\xbf{"a": NaN}')
    assert set(open_repo(folder).json("config.json")) == {"a"}


def test_split_options():
    given_ = {
        "revision": "v2",
        "use_auth_token": "t",
        "resume_download": True,
        "proxies": {},
        "trust_remote_code": False,
    }
    assert split_options({**given_, "cache_dir": None, "dtype": "auto"}) == (
        {"revision": "v2", "token": "t"},
        {"dtype": "auto"},
    )
    assert split_options({"token": "new", "use_auth_token": "old"})[0] == {"token": "new"}
    with fails(ValueError, "never runs code"):
        split_options({"trust_remote_code": True})


# Writing


def test_write_file(tmp_path):
    folder = tmp_path / "new" / "folder"
    assert write_file(folder, "a.json", b"1").read_bytes() == b"1"
    assert write_file(folder, "a.json", "ü").read_bytes() == "ü".encode()
    assert write_file(folder, "b.txt", lambda path: path.write_text("x")).read_text() == "x"
    assert sorted(os.listdir(folder)) == ["a.json", "b.txt"]
    with fails(ValueError, "plain file name"):
        write_file(folder, "sub/a.json", b"")


def test_a_failed_write_changes_nothing(tmp_path):
    def half(path):
        path.write_text("half")
        raise KeyboardInterrupt

    write_file(tmp_path, "a.json", "old")
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path, "a.json", half)
    (tmp_path / "b.json").mkdir()
    with pytest.raises(OSError):
        write_file(tmp_path, "b.json", "new")
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.json"]
    assert (tmp_path / "a.json").read_text() == "old"


@needs_posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_write_file_honours_the_umask(tmp_path, umask):
    def replaced(path):
        other = tmp_path / "other"
        other.touch(0o600)
        other.replace(path)

    before = os.umask(umask)
    try:
        paths = [write_file(tmp_path, "a.json", b""), write_file(tmp_path, "b.json", replaced)]
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o666 & ~umask] * 2


@needs_posix
def test_write_file_does_not_write_through_a_link(tmp_path):
    (tmp_path / "victim").write_text("kept")
    (tmp_path / "a.json").symlink_to("victim")
    write_file(tmp_path, "a.json", "new")
    assert (tmp_path / "victim").read_text() == "kept"
    assert (tmp_path / "a.json").read_text() == "new"


@needs_posix
def test_a_kill_leaves_one_version(tmp_path):
    code = (
        "import sys; from qkv.files import write_file\n"
        "for i in range(10**9):\n"
        "    write_file(sys.argv[1], 'a.bin', b'xy'[i % 2:][:1] * 3_000_000)\n"
        "    print(i, flush=True)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for count in (1, 2, 4):
        command = [sys.executable, "-c", code, str(tmp_path)]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as process:
            for _ in range(count):
                assert process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        data = (tmp_path / "a.bin").read_bytes()
        assert len(data) == 3_000_000
        assert len(set(data)) == 1
    assert not [name for name in os.listdir(tmp_path) if not name.startswith(".") and name != "a.bin"]


# Publishing


def test_push_round_trip(hub, online, folder, cache):
    side_files = (
        "optimizer.safetensors",
        "rng_state.safetensors",
        "optimizer.pt",
        "rng_state.pth",
        "training_args.bin",
        "trainer_state.json",
        ".env",
        "notes.txt",
        "x.pickle",
    )
    for name in side_files:
        (folder / name).write_text("private")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Card\n")
    commit, logged = online(push, folder, "me/new", private=True, tags=["tiny"], commit_message="First")
    sent = hub.commits[commit]
    assert sorted(sent) == ["README.md", "config.json", "model.safetensors", "tokenizer.json"]
    assert sent["README.md"].decode().startswith("---\nlicense: mit\ntags:\n- tiny\n---\n# Card")
    assert (folder / "README.md").read_text().startswith("---\nlicense: mit\n---")
    assert hub.private["me/new"] == "private"
    assert all(name in logged for name in sent)
    assert f"{len(WEIGHTS):,} bytes" in logged
    path = online(fetch, "me/new", "model.safetensors", cache_dir=cache)
    assert hashlib.sha256(Path(path).read_bytes()).digest() == hashlib.sha256(WEIGHTS).digest()
    assert {token for _, path, token, _ in hub.requests if "/store/" in path} == {None}


def test_push_to_a_branch_of_an_existing_repository(hub, online, folder):
    online(push, folder, "me/two", private=None)
    assert hub.private["me/two"] is None
    main = hub.refs["me/two"]["main"]
    (folder / "config.json").write_text("{}")
    commit, _ = online(push, folder, "me/two", revision="dev", tags="tiny")
    assert hub.refs["me/two"] == {"main": main, "dev": commit}
    assert hub.commits[commit]["README.md"] == b"---\ntags:\n- tiny\n---\n"


def test_push_refusals(hub, workers, folder, tmp_path):
    online = workers["online"]
    for token in ("hf_reader", False):
        with fails(OSError, "'me/new' was not pushed", "hf auth login"):
            online(push, folder, "me/new", token=token)
    hub.faults["/commit/"] = 403
    with fails(OSError, "403", "hf auth login"):
        online(push, folder, "me/new")
    hub.faults = {"/commit/": 500}
    with fails(OSError, "500", "try again"):
        online(push, folder, "me/new")
    with fails(OSError, "not pushed", "HF_HUB_OFFLINE", "Unset"):
        workers["offline"](push, folder, "me/new")
    with fails(OSError, "cannot reach", "network"):
        workers["dead"](push, folder, "me/new")
    hub.requests.clear()
    (tmp_path / "empty").mkdir()
    with fails(FileNotFoundError, "nothing to send", "save_pretrained"):
        online(push, tmp_path / "empty", "me/new")
    with fails(FileNotFoundError, "does not exist"):
        online(push, tmp_path / "absent", "me/new")
    with fails(ValueError, "'org/name'"):
        online(push, folder, "not an id")
    assert hub.asked("me/") == []


SECRETS = {
    "a Hugging Face token": "hf_" + "aB3" * 12,
    "a GitHub token": "ghp_" + "a1" * 18,
    "an AWS key": "AKIA" + "ABCD" * 4,
    "a Google key": "AIza" + "x-_1" * 9,
    "a Slack token": "xoxb-" + "1234567890",
    "an API key": "sk-proj-" + "aB3_" * 10,
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_find_secret(kind):
    assert find_secret(f"line one\nkey: {SECRETS[kind]}\n".encode()) == (kind, 2)
    assert find_secret(b'"hf_token" task-specific AKIA sk-learn token_hf_abc risk-' + b"a" * 10_000) is None


@needs_posix
def test_a_secret_stops_the_push(hub, online, folder, tmp_path):
    (folder / "README.md").write_text(f"# Use\n\nlogin({SECRETS['a Hugging Face token']!r})\n")
    with fails(ValueError, "README.md line 3", "a Hugging Face token", "nothing was sent"):
        online(push, folder, "me/new")
    (tmp_path / "outside").write_text("{}")
    (folder / "README.md").unlink()
    (folder / "tokenizer.json").symlink_to(tmp_path / "outside")
    with fails(OSError, "link"):
        online(push, folder, "me/new")
    assert hub.requests == []
