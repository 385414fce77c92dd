"""Calls of the command line: in this process, or in one of its own on a terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

from typer.testing import CliRunner

from qkv.cli.app import app

COMMAND = [sys.executable, "-c", "from qkv.cli import main; main()"]


def qkv(*args, input=None):
    return CliRunner().invoke(app, [str(arg) for arg in args], input=input, prog_name="qkv")


def failed(result, code, *parts):
    """It exited so, wrote nothing to stdout, and one line to stderr that holds the parts."""
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert all(part in result.stderr for part in parts), result.stderr
    assert "Traceback" not in result.stderr


def on_terminal(*args, columns=80, **variables):
    """What a terminal of that width shows, escape sequences included, and the exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    keep = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    environment = keep | {"TERM": "xterm-256color", "LANG": "C.UTF-8"} | variables
    streams = dict(stdin=theirs, stdout=theirs, stderr=theirs)
    process = subprocess.Popen([*COMMAND, *map(str, args)], env=environment, **streams)
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # Linux: the other end is closed
        pass
    os.close(ours)
    return seen.decode().replace("\r\n", "\n"), process.wait()
