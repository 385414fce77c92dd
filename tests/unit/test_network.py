import os
import socket

import pytest

from qkv.network import reachable


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT"):
            monkeypatch.delenv(name)


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_listens(monkeypatch, listening):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listening}")
    assert reachable()


def test_offline_mode_opens_no_socket(monkeypatch, listening):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listening}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("a socket was opened"))
    assert not reachable()


def test_nobody_there(monkeypatch, listening):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for endpoint in (f"http://127.0.0.1:{port}", "http://no-such-host.invalid", "http://", "nonsense", "http://a:bad"):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        assert not reachable()


def test_a_name_that_takes_too_long_is_left_behind(monkeypatch):
    import threading

    release, done = threading.Event(), threading.Event()

    def connect(*_):
        release.wait(30)
        done.set()
        raise OSError

    monkeypatch.setattr(socket, "create_connection", connect)
    assert not reachable(timeout=0.05)
    release.set()
    assert done.wait(30)


def test_behind_a_proxy_only_the_proxy_knows(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert reachable()
