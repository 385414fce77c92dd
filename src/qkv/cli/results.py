"""How results are written: a table on a terminal, tab-separated lines in a pipe, or one JSON document."""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from .forms import Form
from .terminal import clean, console, print_above_bar

Window = list[tuple[Any, Any]]  # inputs, each with its result
BAR = 10  # characters


def write_json(windows: Iterable[Window], stream: TextIO) -> None:
    """A list with one {"input", "result"} a line, in the order of the inputs."""
    before = "["
    for window in windows:
        for item, result in window:
            found = result if isinstance(result, list) else [result]
            record = json.dumps({"input": item, "result": found}, ensure_ascii=False)
            stream.write(f"{before}\n  {record}")
            before = ","
        stream.flush()
    stream.write("[]\n" if before == "[" else "\n]\n")


def write_lines(windows: Iterable[Window], stream: TextIO, form: Form) -> None:
    """A line per result: the form's columns, then the input, separated by tabs."""
    for window in windows:
        for item, result in window:
            for entry in form.entries(result):
                cells = (_plain(value) for _, value in _cells(entry, form))
                stream.write("\t".join([*cells, clean(form.shown(item))]) + "\n")
        stream.flush()


def write_table(windows: Iterable[Window], form: Form) -> None:
    """A table as wide as the terminal, which grows while results come; the first window sets the columns' widths."""
    from rich.table import Table
    from rich.text import Text

    screen, widths = console(), {}
    unicode = screen.encoding.startswith("utf")
    for window in windows:
        rows = list(_rows(window, form, unicode))
        first = not widths
        for cells, _ in rows if first else ():
            widths = {name: max(widths.get(name, len(name)), text.cell_len) for name, text in cells.items()}
        part = screen.width // 4 * 3 if form.wide else screen.width // 3
        widths = {name: min(width, part) for name, width in widths.items()}
        table = Table(box=None, show_header=first, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
        for name, width in widths.items():
            lines = name == form.wide
            table.add_column(name, width=width, no_wrap=not lines, overflow="fold" if lines else "ellipsis")
        room = max(8, screen.width - sum(widths.values()) - 2 * len(widths) - 1)
        table.add_column(form.fields[0], max_width=room, no_wrap=True, overflow="ellipsis")
        for cells, shown in rows:
            table.add_row(*(cells.get(name, Text()) for name in widths), Text(shown, overflow="ellipsis"))
        print_above_bar(table)


def write_marked(windows: Iterable[Window], form: Form) -> None:
    """What the form draws of each result."""
    for window in windows:
        for item, result in window:
            for renderable in form.drawn(item, result):
                print_above_bar(renderable)


def _rows(window: Window, form: Form, unicode: bool) -> Iterator[tuple[dict[str, Any], str]]:
    """Styled cells by column, and the input; several results of one input show it once."""
    for item, result in window:
        shown = clean(form.shown(item))
        for entry in form.entries(result):
            yield {name: _styled(name, value, entry, unicode) for name, value in _cells(entry, form)}, shown
            shown = ""


def _cells(entry: dict[str, Any], form: Form) -> list[tuple[str, Any]]:
    return [(name, entry[name]) for name in form.columns or entry if name in entry]


def _plain(value: Any) -> str:
    return f"{value:.6f}" if isinstance(value, float) else clean(value)


def _styled(name: str, value: Any, entry: dict[str, Any], unicode: bool) -> Any:
    from rich.text import Text

    colour = _colour(str(entry.get("label", "")))
    if name != "score" or not isinstance(value, float):
        return Text(_plain(value), colour if name == "label" else "", overflow="ellipsis")
    text = Text(f"{value:.4f}")
    if 0 <= value <= 1:  # a probability
        filled = round(value * BAR)
        text.append(" ").append(("━" if unicode else "#") * filled, colour).append(" " * (BAR - filled))
    return text


def _colour(label: str) -> str:
    """Green and red only where the label itself says good or bad."""
    start = label.lower()[:3]
    return {"pos": "green", "neg": "red"}.get(start, "cyan")


def write(windows: Iterable[Window], form: Form, path: str | None, as_json: bool) -> None:
    """Results to a file, or to stdout in the form that suits it."""
    if path is not None:
        with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            write_json(windows, stream) if as_json else write_lines(windows, stream, form)
    elif as_json:
        write_json(windows, sys.stdout)
    elif sys.stdout.isatty():
        write_marked(windows, form) if form.marked else write_table(windows, form)
    else:
        write_lines(windows, sys.stdout, form)
