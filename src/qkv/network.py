"""What is asked of the network outside of the Hub's own client: whether the Hub can be reached, and pictures by URL.

A URL may come from whoever fills in a form, so only public addresses are asked: the name is looked up once, what it
leads to is checked, and that address is what the connection goes to, for each redirect anew. Size and time have bounds.
"""

import http.client
import ipaddress
import os
import socket
import ssl
import threading
import time
from contextlib import suppress
from urllib.parse import SplitResult, urljoin, urlsplit

from .errors import short

REDIRECTS = 5
HEADERS = {"User-Agent": "qkv", "Accept": "image/*", "Accept-Encoding": "identity"}
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
OFF = ("1", "ON", "YES", "TRUE")


def offline() -> bool:
    """Whether the environment says that there is no network."""
    return any(os.environ.get(name, "").upper() in OFF for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))


def reachable(timeout: float = 1.0) -> bool:
    """True if the Hub's address takes a connection within `timeout` seconds; False if offline mode is on.

    Behind a proxy the answer is True: only the proxy knows.
    """
    if offline():
        return False
    url = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    if os.environ.get(f"{url.scheme}_proxy") or os.environ.get(f"{url.scheme.upper()}_PROXY"):
        return True
    answer: list[bool] = []

    def connect() -> None:
        try:
            port = url.port or (80 if url.scheme == "http" else 443)
            socket.create_connection((url.hostname or "", port), timeout).close()
            answer.append(True)
        except (OSError, ValueError):
            answer.append(False)

    # Looking up a name has no time limit of its own, so it is left behind if it takes too long.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(timeout)
    return bool(answer) and answer[0]


def fetch(url: str, *, timeout: float, limit: int) -> bytes:
    """The content at an http(s) URL.

    Args:
        timeout: seconds for all of it, redirects included.
        limit: bytes at most.

    Raises: ValueError for a URL that is none; OSError for what the server or the network does not give, and for an
        address that is not public. QKV_PRIVATE_URLS=1 in the environment allows every address.
    """
    if offline():
        raise OSError(f"{short(url)} is not fetched: HF_HUB_OFFLINE is set. Give the path of a file.")
    until, asked = time.monotonic() + timeout, url
    for _ in range(REDIRECTS + 1):
        parts = _checked(asked)
        try:
            content, moved = _get(parts, until, limit)
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = f"no answer within {timeout:g} s" if time.monotonic() >= until else short(str(error) or error, 120)
            raise OSError(f"{short(asked, 120)} cannot be fetched: {why}. Download it, and give its path.") from None
        if moved is None:
            return content
        onward = urljoin(asked, moved)
        if asked.startswith("https:") and not onward.startswith("https:"):
            raise ValueError(f"{short(url, 120)} leads from https to {short(onward, 80)}, which is not fetched.")
        asked = onward
    raise OSError(f"{short(url, 120)} leads from one address to another more than {REDIRECTS} times.")


def _checked(url: str) -> SplitResult:
    plain = all(32 < ord(letter) < 127 for letter in url)
    with suppress(ValueError):
        parts = urlsplit(url)
        if (
            plain
            and parts.scheme in ("http", "https")
            and parts.hostname
            and "@" not in parts.netloc
            and parts.port != 0
        ):
            return parts
    raise ValueError(f"{short(url, 120)} is not fetched: expected http(s)://host/path, without a user name.")


def _address(host: str, port: int) -> str:
    """The address of a host. Raises: OSError if it has none, ValueError if one is not public."""
    found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not _public(address) and os.environ.get("QKV_PRIVATE_URLS", "").upper() not in OFF:
            raise ValueError(f"{host} is {address}, no public address; QKV_PRIVATE_URLS=1 allows it")
    return found[0]


def _public(address: str) -> bool:
    """Whether everyone may ask an address; one of IPv4 that is inside of one of IPv6 counts too."""
    number = ipaddress.ip_address(address.partition("%")[0])
    numbers = [number]
    if isinstance(number, ipaddress.IPv6Address):
        inside = number.ipv4_mapped or number.sixtofour or (number.teredo or (None, None))[1]
        inside = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF) if number in NAT64 else inside
        numbers = [inside or number] if number.ipv4_mapped else [number, inside or number]
    return all(one.is_global and not one.is_multicast for one in numbers)


def _get(parts: SplitResult, until: float, limit: int) -> tuple[bytes, str | None]:
    """The content, or where it has moved to."""
    secure, host = parts.scheme == "https", parts.hostname or ""
    port = parts.port or (443 if secure else 80)
    left = max(until - time.monotonic(), 0.001)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    proxy = urlsplit(os.environ.get(f"{parts.scheme}_proxy") or os.environ.get(f"{parts.scheme.upper()}_PROXY") or "")
    pipes: list[socket.socket] = []
    watch = threading.Timer(left, lambda: _cut(pipes))  # a server may give a byte now and then for ever
    watch.daemon = True
    watch.start()
    connection = kind(proxy.hostname or host, proxy.port or 80 if proxy.hostname else port, timeout=left)
    try:
        if proxy.hostname:  # it looks the name up, and says where one may go
            if secure:
                connection.set_tunnel(host, port)
            connection.connect()
            path = path if secure else parts.geturl()
        else:
            pipes.append(socket.create_connection((_address(host, port), port), left))
            if secure:
                pipes.append(ssl.create_default_context().wrap_socket(pipes[-1], server_hostname=host))
            connection.sock = pipes[-1]
        pipes.append(connection.sock)
        connection.request("GET", path, headers=HEADERS)
        with connection.getresponse() as answer:
            return _content(answer, until, limit)
    finally:
        watch.cancel()
        connection.close()
        for pipe in pipes:
            pipe.close()


def _content(answer: http.client.HTTPResponse, until: float, limit: int) -> tuple[bytes, str | None]:
    if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
        return b"", answer.headers["Location"]
    if answer.status != 200:
        raise OSError(f"the server says {answer.status} {answer.reason}")
    content = answer.read(limit + 1)
    if len(content) > limit:
        raise OSError(f"more than {limit:,} bytes")
    if answer.length:
        raise OSError("the connection ended before the content did")
    if time.monotonic() >= until:
        raise TimeoutError
    return content, None


def _cut(pipes: list[socket.socket]) -> None:
    for pipe in pipes:
        with suppress(OSError):
            pipe.shutdown(socket.SHUT_RDWR)
