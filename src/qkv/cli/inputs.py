"""From arguments, a file or a pipe to a pipeline's inputs, one at a time: a file of any length is never held whole.

A text file or a pipe has one input per line, blank lines left out. A .csv or .tsv file has a header; a .jsonl file has
an object, or a string, per line.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import typer

from qkv.errors import nearest, short

from .forms import Form
from .terminal import say

Lines = Iterator[tuple[int, str]]  # line number, line
TABLES = {".csv": ",", ".tsv": "\t"}
OBJECTS = (".jsonl", ".ndjson")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


@dataclass
class Source:
    """Inputs and, where it is known, how many there are."""

    items: Iterator[Any]
    count: int | None


def read(texts: list[str], file: str | None, column: str | None, form: Form) -> Source:
    """The inputs that a command line names: its arguments, or --file, or else what is piped in.

    The first one is read at once, so that a bad file is an error before a model is loaded.
    Raises: OSError for a file that cannot be read, ValueError for one that is not what its name says.
    """
    if column is not None and Path(file or "").suffix.lower() not in (*TABLES, *OBJECTS):
        raise typer.BadParameter("--column is for --file with a .csv, .tsv or .jsonl file")
    if texts and file is not None:
        raise typer.BadParameter("give inputs as arguments or with --file, not both")
    if texts:
        _check_arguments(texts, form)
        return Source((form.make({form.fields[0]: text}) for text in texts), len(texts))
    if file is None and sys.stdin.isatty():
        raise typer.BadParameter("no input. Give texts as arguments, --file FILE, or pipe lines in")
    items = _records(file or "-", column, form)
    first = list(islice(items, 1))
    return Source(chain(first, items), _count(file) if first else 0)


def _check_arguments(texts: list[str], form: Form) -> None:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"the argument {short(text)} is not UTF-8.") from None
    likely = len(texts) == 1 and len(texts[0]) < 200 and "." in texts[0] and not form.files
    if likely and Path(texts[0]).is_file():
        say("warning", f"{texts[0]} is taken as a text. For what the file holds, type: --file {texts[0]}")


def _records(name: str, column: str | None, form: Form) -> Iterator[Any]:
    """The inputs of a file; of the pipe for "-"."""
    if name == "-":
        yield from _texts(lines_of(sys.stdin.buffer, "the pipe"), name, column, form)
        return
    suffix = Path(name).suffix.lower()
    if suffix == ".json":
        raise ValueError(f"{short(name)}: a .json file is not read line by line; make it .jsonl, an object per line.")
    if form.files and suffix in PICTURES:
        raise typer.BadParameter(f"--file names a list of paths: give {short(name)} as an argument")
    reader: Callable[..., Iterator[Any]] = _texts
    if suffix in TABLES:
        reader = _table
    elif suffix in OBJECTS:
        reader = _objects
    with open(name, "rb") as stream:
        yield from reader(lines_of(stream, short(name)), name, column, form)


def lines_of(stream: BinaryIO, name: str) -> Lines:
    """Numbered lines of UTF-8 text. Raises: ValueError for bytes that are none."""
    for number, raw in enumerate(stream, 1):
        try:
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"line {number} of {name} is not UTF-8. Save it as UTF-8 text.") from None


def _texts(lines: Lines, name: str, column: str | None, form: Form) -> Iterator[Any]:
    return (form.make({form.fields[0]: line.rstrip("\r\n")}) for _, line in lines if line.strip())


def _table(lines: Lines, name: str, column: str | None, form: Form) -> Iterator[Any]:
    rows = csv.DictReader((line for _, line in lines), delimiter=TABLES[Path(name).suffix.lower()], strict=True)
    try:
        for row in rows:
            cells = {key: value or "" for key, value in row.items() if isinstance(key, str)}
            yield form.make(_chosen(cells, name, column, form))
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num} of {short(name)} is not a row of a table: {error}.") from None


def _objects(lines: Lines, name: str, column: str | None, form: Form) -> Iterator[Any]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError(f"line {number} of {short(name)} is not JSON: {short(line.strip(), 60)}.") from None
        value = {form.fields[0]: value} if isinstance(value, str) and column is None else value
        if not isinstance(value, dict):
            raise ValueError(f"line {number} of {short(name)} is {short(value, 60)}, not an object {{...}}.")
        chosen = _chosen(value, name, column, form)
        for key, text in chosen.items():
            if not isinstance(text, str):
                raise ValueError(f"line {number} of {short(name)}: {key!r} is {short(text, 60)}, not a string.")
        yield form.make(chosen)


def _chosen(row: dict[str, Any], name: str, column: str | None, form: Form) -> dict[str, Any]:
    """The fields of an input: the column asked for, or those that have the fields' names, or the only one."""
    if column is None:
        named = {key: row[key] for key in form.fields if key in row}
        if form.fields[0] in named:
            return named
        column = next(iter(row)) if len(row) == 1 else form.fields[0]
    if column not in row:
        near = nearest(column, row) if row else "none"
        raise ValueError(f"{short(name)} has no column {short(column)}; the nearest are {near}. Type: --column NAME")
    return {form.fields[0]: row[column]}


def _count(file: str | None) -> int | None:
    """How many inputs a file of lines has; None for a pipe, and for a table, whose rows may span lines."""
    path = Path(file or "-")
    if not path.is_file() or path.suffix.lower() in TABLES:
        return None
    with open(path, "rb") as stream:
        return sum(1 for line in stream if line.strip())
