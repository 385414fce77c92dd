"""A table as texts, from any form that people have one in; pandas is not needed to read its DataFrame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qkv.errors import short

FORMS = (
    'a dictionary of columns {"city": ["Bonn", "Ulm"], ...}, a list of rows as dictionaries, a list of lists of which '
    "the first is the header, or a DataFrame"
)
NOTHING = ("n/a", "?", "nan")  # what people write into cells without a value


@dataclass(frozen=True)
class Table:
    """Names of columns, and rows with one text for each of them."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def head(self, count: int) -> Table:
        """The first rows."""
        return self if count >= len(self.rows) else Table(self.header, self.rows[:count])

    def columns(self) -> list[list[str]]:
        return [[row[i] for row in self.rows] for i in range(len(self.header))]


def read_table(given: Any) -> Table:
    """A table of texts. What is no text is written as Python writes it, what is missing (None, NaN) as "".

    Raises: TypeError for what is no table, ValueError for rows or columns that differ in length.
    """
    if isinstance(given, Table):
        return given
    if hasattr(given, "columns") and hasattr(given, "itertuples"):
        return _table(given.columns, given.itertuples(index=False, name=None))
    if isinstance(given, Mapping):
        return _from_columns(given)
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise TypeError(f"a table is {FORMS}; got {type(given).__name__}: {short(given, 60)}.")
    if given and all(isinstance(row, Mapping) for row in given):
        names = list(dict.fromkeys(name for row in given for name in row))
        return _table(names, ([row.get(name) for name in names] for row in given))
    for i, row in enumerate(given):
        if not isinstance(row, Sequence) or isinstance(row, str | bytes):
            raise TypeError(f"row {i} of the table is {short(row, 60)}, but a table is {FORMS}.")
    return _table(given[0], given[1:]) if given else Table((), ())


def _from_columns(given: Mapping[Any, Any]) -> Table:
    columns: dict[Any, list[Any]] = {}
    for name, column in given.items():
        if isinstance(column, str | bytes) or not isinstance(column, Iterable):
            raise TypeError(
                f"column {short(name, 60)} of the table is {short(column, 60)}, but must be a list of cells."
            )
        columns[name] = list(column.values() if isinstance(column, Mapping) else column)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        few, many = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise ValueError(
            f"columns of a table must be equally long, but {short(many, 60)} has {lengths[many]} cells and "
            f'{short(few, 60)} has {lengths[few]}. Write "" for a cell that is empty.'
        )
    return _table(columns, zip(*columns.values(), strict=True))


def _table(header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> Table:
    names = tuple(map(_text, header))
    cells = tuple(tuple(map(_text, row)) for row in rows)
    for i, row in enumerate(cells):
        if len(row) != len(names):
            raise ValueError(
                f"row {i} of the table has {len(row)} cells, but the header has {len(names)} columns: "
                f'{short(", ".join(names), 100)}. Write "" for a cell that is empty.'
            )
    return Table(names, cells)


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    missing = cell is None or (isinstance(cell, float) and cell != cell) or str(cell) in ("NaT", "<NA>")
    return "" if missing else str(cell)


def is_empty(cell: str) -> bool:
    """Whether a cell says nothing: it has neither letter nor digit, or one of NOTHING."""
    return cell.lower().strip() in NOTHING or re.search(r"[^\W_]", cell) is None
