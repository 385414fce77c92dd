"""What the numbers of a table are to each other, and to those of a question: order, equality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from .numbers import Value, numeric_values

MOST = 0.7  # of a column's cells must hold a value of one kind, or it has none
EQUAL, LESS, GREATER = 1, 2, 4  # the question's value is so, compared to the cell's

Key = float | tuple[int, ...]  # of what can be compared


def column_values(cells: Sequence[str]) -> dict[int, Value]:
    """Row -> its first value of the kind, number or date, that most cells of the column have."""
    values = [numeric_values(cell) for cell in cells]
    kinds = Counter(kind for found in values for kind in {type(value) for value in found})
    if not kinds or max(kinds.values()) < len(cells) * MOST:
        return {}
    kind = max(kinds, key=lambda kind: (kinds[kind], kind is not float))  # dates where both are as many
    firsts = {row: [value for value in found if type(value) is kind] for row, found in enumerate(values)}
    return {row: found[0] for row, found in firsts.items() if found}


def ranks(values: Mapping[int, Value]) -> dict[int, tuple[int, int]]:
    """Row -> its place among the column's values from the smallest, and from the largest, both from 1."""
    key = comparable(values.values())
    if key is None:
        return {}
    keys = {row: key(value) for row, value in values.items()}
    order = {one: place for place, one in enumerate(sorted(set(keys.values())))}
    return {row: (order[one] + 1, len(order) - order[one]) for row, one in keys.items()}


def relations(asked: Iterable[Value], values: Mapping[int, Value]) -> dict[int, int]:
    """Row -> how the question's values compare to the cell's: a sum of EQUAL, LESS and GREATER."""
    found = dict.fromkeys(values, 0)
    for value in asked if values else ():
        key = comparable([*values.values(), value])
        if key is None:
            continue
        mine = key(value)
        for row, other in values.items():
            theirs = key(other)
            found[row] |= EQUAL if mine == theirs else LESS if mine < theirs else GREATER  # type: ignore[operator]
    return found


def comparable(values: Iterable[Value]) -> Callable[[Value], Key] | None:
    """The key to compare values by: numbers as they are, dates by the parts that all of them have; None without any."""
    values = list(values)
    if not values or len({type(value) for value in values}) > 1:
        return None
    if isinstance(values[0], float):
        return lambda number: number  # type: ignore[return-value]
    shared = [part for part in range(3) if all(date[part] is not None for date in values)]  # type: ignore[index]
    return (lambda date: tuple(date[part] for part in shared)) if shared else None  # type: ignore[index, misc]
