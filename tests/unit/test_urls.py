"""Pictures by URL: from public addresses alone, bounded in size and time, and what a server may do instead."""

import io
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from qkv import load_image, network
from qkv.preprocessing import image as door

STREAM = io.BytesIO()
Image.new("RGB", (7, 5), (10, 20, 30)).save(STREAM, "PNG")
PNG = STREAM.getvalue()
PAGE = b"<!DOCTYPE html><html>Sign in</html>"
ANSWERS = {  # path: status, content, its length as the server says it, headers
    "a.png": (200, PNG, None, {}), "b.png": (404, b"", None, {}), "page": (200, PAGE, None, {}),
    "cut": (200, PNG[:30], len(PNG), {}), "large": (200, b"0" * 5000, None, {}),
    "away": (302, b"", None, {"Location": "http://localhost:{port}/a.png"}),
    "file": (302, b"", None, {"Location": "file:///etc/passwd"}),
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        kind = self.path.split("?")[0][1:]
        if kind.startswith("again"):
            self.answer(302, Location=f"/again{int(kind[5:]) - 1}" if int(kind[5:]) else "/a.png")
        elif kind in ANSWERS:
            status, content, length, headers = ANSWERS[kind]
            headers = {name: value.format(port=self.server.server_port) for name, value in headers.items()}
            self.answer(status, content, length, **headers)
        else:
            self.unending(b"0" * (10_000 if kind == "endless" else 1), {"drip": 0.05, "slow": 5}.get(kind, 0))

    def unending(self, part, wait):
        self.send_response(200)
        self.end_headers()
        while not self.server.stopped.is_set():
            try:
                self.wfile.write(part)
            except OSError:
                return
            self.server.stopped.wait(wait)

    def answer(self, status, content=b"", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.stopped = True, threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def address():
    with serving() as found:
        yield found


@pytest.fixture
def private(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QKV_PRIVATE_URLS", "1")


def test_a_picture_by_url(address, private):
    found = load_image(f"{address}/a.png?size=2")
    assert found.size == (7, 5) and np.asarray(found)[0, 0].tolist() == [10, 20, 30]
    assert load_image(f"{address}/again4").size == load_image(f"{address}/away").size == (7, 5)


def test_what_a_server_may_do_instead(address, private, monkeypatch):
    with pytest.raises(ValueError, match="web page"):
        load_image(f"{address}/page")
    for path, say in (("/b.png", "404"), ("/again9", "more than 5"), ("/cut", "cannot be fetched")):
        with pytest.raises(OSError, match=say) as error:
            load_image(address + path)
        assert len(str(error.value)) < 400
    with pytest.raises(ValueError, match="without a user name"):
        load_image(f"{address}/file")
    monkeypatch.setattr(door, "MAX_BYTES", 4000)
    for path in ("/large", "/endless"):
        with pytest.raises(OSError, match="more than 4,000 bytes.*Download it"):
            load_image(address + path)


@pytest.mark.parametrize("path", ["/slow", "/drip"])
def test_time_is_bounded(address, private, path):
    start = time.monotonic()
    with pytest.raises(OSError, match=r"no answer within 0.3 s"):
        load_image(address + path, timeout=0.3)
    assert time.monotonic() - start < 4  # the server would take 5 s and more


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "192.168.1.1",
     "169.254.169.254", "0.0.0.0", "[fe80::1]", "100.64.0.1", "224.0.0.1", "[64:ff9b::7f00:1]"],
)  # fmt: skip
def test_private_addresses_are_not_asked(host, private, monkeypatch):
    monkeypatch.delenv("QKV_PRIVATE_URLS")
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: pytest.fail("asked"))
    with pytest.raises(OSError, match=r"no public address|Name or service|not known|resolution|cannot be fetched"):
        load_image(f"http://{host}/a.png")


def test_a_redirect_to_a_private_address_is_not_followed(address, private, monkeypatch):
    own, asked = network._address, []

    def first_is_public(host, port):
        asked.append(host)
        return "127.0.0.1" if len(asked) == 1 else own(host, port)

    monkeypatch.setattr(network, "_address", first_is_public)
    monkeypatch.delenv("QKV_PRIVATE_URLS")
    with pytest.raises(OSError, match="localhost is .*no public address"):
        load_image(f"{address}/away")
    assert asked == ["127.0.0.1", "localhost"]


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///a",
        "http://a@127.0.0.1/",
        "https://u:p@b.org/x",
        "http://a:99999/",
        "http://a b/",
        "http://a/\n",
    ],
)
def test_what_is_no_url(url, private):
    with pytest.raises(ValueError, match=r"expected http\(s\)://host/path"):
        load_image(url)


def test_offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OSError, match="HF_HUB_OFFLINE"):
        load_image("https://example.org/a.png")
