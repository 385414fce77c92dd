"""What commands share in talking to a terminal or a pipe: notices on stderr, rows of names and values, progress."""

import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from qkv.files import amount

COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}
SHOW_BAR = 50  # inputs; fewer are done before a bar could be read


class Debug:
    """Whether --debug was given, to the command or before it."""

    on = False

    @staticmethod
    def switch(wanted: bool) -> None:
        Debug.on = Debug.on or wanted

    Option = Annotated[bool, typer.Option("--debug", help="Show where an error comes from.", callback=switch)]


def clean(text: object) -> str:
    """A text as one line without control characters, which could steer a terminal or break a row."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def clean_lines(text: str) -> str:
    """A text of several lines without other control characters."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def size(count: int | None) -> str:
    """A number of bytes for people: "17.5 MB"; "?" for an unknown one."""
    return "?" if count is None else amount(count)


def say(kind: str, message: object) -> None:
    """One line on stderr: "warning: ..." or "error: ..."."""
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble((f"{kind}:", COLOURS.get(kind, "")), f" {clean(' '.join(str(message).split()))}")
    with _beside_bar(sys.stderr):
        Console(stderr=True, highlight=False).print(line, soft_wrap=True)


@contextmanager
def notices() -> Iterator[None]:
    """Show the library's log and Python's warnings as plain lines while a command runs; a place warns once."""
    logger, handler, seen = logging.getLogger("qkv"), _Notices(), set()

    def show(message: Any, category: type, filename: str, lineno: int, *_: Any) -> None:
        if (category, filename, lineno) not in seen:
            seen.add((category, filename, lineno))
            say("warning", message)

    Debug.on = False
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:  # -W and PYTHONWARNINGS decide if they are given
                warnings.simplefilter("ignore")
                warnings.simplefilter("always", UserWarning)
            warnings.showwarning = show
            yield
    finally:
        logger.removeHandler(handler)


class _Notices(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.levelname.lower(), record.getMessage())


def print_rows(rows: Iterable[tuple[str, object]]) -> None:
    """Names and values: in columns on a terminal, tab-separated in a pipe. A repeated name is shown once."""
    rows = [(name, clean(value)) for name, value in rows]
    if not sys.stdout.isatty():
        for name, value in rows:
            print(f"{name}\t{value.strip()}")
        return
    from rich.table import Table
    from rich.text import Text

    table, last = Table.grid(padding=(0, 2)), None
    for name, value in rows:
        table.add_row(Text(name if name != last else "", "bold"), Text(value, overflow="fold"))
        last = name
    console().print(table)


def console() -> Any:
    """rich's console on stdout; it honours NO_COLOR."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def print_above_bar(renderable: Any) -> None:
    """Print on the terminal without tearing a progress bar."""
    with _beside_bar(sys.stdout):
        console().print(renderable)


@contextmanager
def _beside_bar(stream: Any) -> Iterator[None]:
    tqdm = sys.modules.get("tqdm")  # not imported: there is no bar
    if tqdm is None:
        yield
    else:
        with tqdm.tqdm.external_write_mode(file=stream):
            yield


@contextmanager
def progress(total: int | None) -> Iterator[Any]:
    """A function to call with the number of inputs done; a bar on stderr if that is a terminal and there are many."""
    few = total is not None and total <= SHOW_BAR
    if few or not sys.stderr.isatty() or os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS"):
        yield lambda count: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit=" inputs", file=sys.stderr, leave=False, dynamic_ncols=True, smoothing=0.1) as bar:
        yield bar.update
