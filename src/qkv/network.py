"""Whether the Hub can be reached at all: asked once, quickly, before a default model is chosen. Sends nothing."""

import os
import socket
import threading
from urllib.parse import urlsplit

OFF = ("1", "ON", "YES", "TRUE")


def reachable(timeout: float = 1.0) -> bool:
    """True if the Hub's address takes a connection within `timeout` seconds; False if offline mode is on.

    Behind a proxy the answer is True: only the proxy knows.
    """
    if any(os.environ.get(name, "").upper() in OFF for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")):
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
