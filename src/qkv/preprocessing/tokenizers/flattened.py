"""A table as one row of tokens: header and cells from left to right and from top to bottom, cut to a budget by rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from qkv.errors import short

from ..tables import Cell, Value, ranks, relations

INNER = "##"  # begins what goes on with a word


@dataclass(frozen=True)
class Piece:
    """The tokens of one text, as ids, and of each the place of the token that begins its word."""

    ids: list[int]
    begins: list[int]

    @classmethod
    def of(cls, ids: list[int], tokens: Sequence[str]) -> Piece:
        begins: list[int] = []
        for place, token in enumerate(tokens):
            begins.append(place if not token.startswith(INNER) else begins[-1] if begins else 0)
        return cls(ids, begins)

    def first(self, count: int) -> list[int]:
        """Ids of the words that begin within so many tokens."""
        return [token for token, begin in zip(self.ids, self.begins, strict=True) if begin < count]


@dataclass(frozen=True)
class Sheet:
    """A table that is tokenized, header first; and for each column the numbers or dates in its rows."""

    grid: list[list[Piece]]
    values: list[dict[int, Value]]

    @property
    def most(self) -> int:
        """Tokens of the longest cell."""
        return max((len(piece.ids) for pieces in self.grid for piece in pieces), default=0)

    def fit(self, rows: int, budget: int, trim: int) -> tuple[int, int]:
        """(rows, tokens): how many of the rows fit into the budget, and how many tokens of each cell do then.

        Args:
            trim: at 0 or more, cells have so many tokens at most, and rows go before any more is cut.
        """
        most = min(self.most, max(budget, 0) + 1)  # a cell of more tokens than the budget is cut anyway
        most = min(most, trim) if trim >= 0 else most
        costs = [_costs(pieces, most) for pieces in self.grid[: rows + 1]]
        total = [sum(column) for column in zip(*costs, strict=True)]  # of all, with up to 1, 2, ... tokens of each cell
        while True:
            tokens = min(bisect_right(total, budget), most)
            if tokens == most or (tokens and trim < 0):
                return rows, tokens or 1
            if rows <= 1:
                return 0, 1
            total = [whole - part for whole, part in zip(total, costs[rows], strict=True)]
            rows -= 1


def _costs(pieces: list[Piece], most: int) -> list[int]:
    """The tokens of a row if each cell may have the words that begin within 1, 2, ... most + 1 tokens."""
    begins = [0] * (most + 1)
    for piece in pieces:
        for begin in piece.begins:
            if begin <= most:
                begins[begin] += 1
    return list(accumulate(begins))


class Flat:
    """A question and what is shown of a table. Columns and rows count from 1; 0 is the question, and row 0 the header.

    Args:
        question: its ids, with the special ones around it.
        rows, tokens: so many rows below the header, and of each cell the words that begin within so many tokens.
    """

    def __init__(self, question: list[int], sheet: Sheet, rows: int, tokens: int):
        self.ids, self.start = list(question), len(question)
        self.columns, self.rows = [0] * self.start, [0] * self.start
        self.cells: dict[Cell, list[int]] = {}  # (row, column), both from 0, -> places of its tokens
        for row, pieces in enumerate(sheet.grid[: rows + 1]):
            for column, piece in enumerate(pieces, start=1):
                ids, at = piece.first(tokens), len(self.ids)
                self.ids += ids
                self.columns += [column] * len(ids)
                self.rows += [row] * len(ids)
                if row and ids:
                    self.cells[row - 1, column - 1] = list(range(at, len(self.ids)))

    def spread(self, values: Mapping[Cell, float], default: float = 0) -> list[float]:
        """A number for each token: that of its cell."""
        found = [default] * len(self.ids)
        for cell in self.cells.keys() & values.keys():
            for place in self.cells[cell]:
                found[place] = values[cell]
        return found

    def types(self, sheet: Sheet, asked: Sequence[Value], previous: list[int]) -> list[list[int]]:
        """The seven types of each token: segment, column, row, previous answer, ranks, relation to what is asked."""
        rank, inverse, relation = {}, {}, {}
        for column, values in enumerate(sheet.values):
            for row, (first, last) in ranks(values).items():
                rank[row, column], inverse[row, column] = first, last
            relation |= {(row, column): how for row, how in relations(asked, values).items()}
        segments = [int(place >= self.start) for place in range(len(self.ids))]
        numbers = (self.spread(one) for one in (rank, inverse, relation))
        return [list(types) for types in zip(segments, self.columns, self.rows, previous, *numbers, strict=True)]

    def at(self, cells: Iterable[Sequence[int]]) -> list[int]:
        """1 for tokens of these cells, 0 for others. Raises: ValueError for a cell that is not shown."""
        found = [0] * len(self.ids)
        for row, column in cells:
            if (row, column) not in self.cells:
                raise ValueError(
                    f"the answer's cell {short((row, column))} (row and column from 0) is not among those shown of "
                    f"the table. Check answer_coordinates, or give a larger max_length."
                )
            for place in self.cells[row, column]:
                found[place] = 1
        return found

    def saying(self, texts: Iterable[list[int]]) -> list[int]:
        """1 for the tokens where each text, given as ids, first stands in a cell, 0 for others."""
        found = [0] * len(self.ids)
        for ids in texts:
            starts = (
                place
                for places in self.cells.values()
                for place in places[: len(places) - len(ids) + 1]
                if ids and self.ids[place : place + len(ids)] == ids
            )
            start = next(starts, 0)
            for place in range(start, start + len(ids) if start else 0):
                found[place] = 1
        return found

    def numbers(self, sheet: Sheet) -> tuple[list[float], list[float]]:
        """Of each token: the number in its cell, NaN where there is none; and in how many tokens it is."""
        values = {
            (row, column): value
            for column, found in enumerate(sheet.values)
            for row, value in found.items()
            if isinstance(value, float)
        }
        parts = {cell: float(len(places)) for cell, places in self.cells.items()}
        return self.spread(values, float("nan")), self.spread(parts, 1.0)
