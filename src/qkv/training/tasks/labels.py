"""Labels as they stand in files: names or numbers, one of a row or several, classes or a quantity."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...config import Config
from ...errors import nearest, short
from ..data.reading import Rows

PROBLEMS = {
    "single": "single_label_classification", "multi": "multi_label_classification", "regression": "regression",
}  # fmt: skip
SEPARATORS = re.compile(r"\s*[|;,]\s*")  # between the labels of a cell
MANY = 200  # classes that are numbers; more are likelier a quantity
FEW = 20  # classes; more, of which most have one row, are no classes
SHOWN = 8


@dataclass
class Labels:
    """The labels of a data set.

    problem: a key of PROBLEMS. names: of the classes, by id; none of a regression. counts: rows of each class in
    training, of `rows` in all. spread: smallest, mean and largest value of a regression.
    """

    problem: str
    names: list[str]
    counts: list[int]
    rows: int
    spread: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def options(self) -> dict[str, Any]:
        """What a model is loaded with."""
        named = self.names or ["LABEL_0"]
        return {
            "num_labels": len(named), "id2label": dict(enumerate(named)), "problem_type": PROBLEMS[self.problem],
            "label2id": {name: i for i, name in enumerate(named)},
        }  # fmt: skip

    def encode(self, values: Sequence[Any]) -> list[Any]:
        """Values as `read` gives them, as class indices, rows of 0.0 and 1.0, or numbers."""
        if self.problem == "regression":
            return list(values)
        ids = {name: i for i, name in enumerate(self.names)}
        if self.problem == "single":
            return [ids[value] for value in values]
        return [[float(name in row) for name in self.names] for row in values]

    def __str__(self) -> str:
        if self.problem == "regression":
            low, mean, high = self.spread
            return f"numbers from {low:g} to {high:g}, mean {mean:.3g} (a regression)"
        order = sorted(range(len(self.names)), key=lambda i: -self.counts[i])
        shown = [
            f"{self.names[i]} {self.counts[i]:,} ({100 * self.counts[i] / self.rows:.0f} %)" for i in order[:SHOWN]
        ]
        more = [f"… {len(self.names)} classes in all"] if len(self.names) > SHOWN else []
        several = " (any number of a row)" if self.problem == "multi" else ""
        return ", ".join([*shown, *more]) + several

    def uneven(self) -> str | None:
        """What to know of classes that are of very different size."""
        most, least = max(self.counts, default=0), min(self.counts, default=0)
        if self.problem != "single" or most < 10 * max(least, 1):
            return None
        rare = self.names[self.counts.index(least)]
        return f"classes are uneven: {short(rare)} has {least:,} rows, the largest {most:,}. Look at F1, not accuracy."


def find_problem(values: Sequence[Any], given: str | None, where: str) -> str:
    """A key of PROBLEMS: what was asked for, or what the values look like."""
    if given is not None:
        named = {long: name for name, long in PROBLEMS.items()}
        if given not in PROBLEMS and given not in named:
            raise ValueError(f"problem={short(given)} is unknown; the nearest are {nearest(given, PROBLEMS)}.")
        return named.get(given, given)
    if any(isinstance(value, list | tuple) for value in values):
        return "multi"
    numbers = [number_of(value) for value in values]
    if all(number is not None for number in numbers):
        whole = all(float(number).is_integer() for number in numbers if number is not None)
        if not whole:
            return "regression"
        if len(set(numbers)) > MANY:
            raise ValueError(
                f"{where} holds {len(set(numbers)):,} different numbers. Are they a quantity? Then say "
                f"problem='regression' (--problem regression); for classes say problem='single'."
            )
    return "single"


def read(rows: Rows, columns: Sequence[str], problem: str) -> list[Any]:
    """The label of each row: a name, a set of names, or a number.

    Several columns are labels of their own, each 0 or 1. Raises: ValueError for a label that is missing or is no
    number, with its line.
    """
    if len(columns) > 1:
        return [frozenset(name for name in columns if _is_on(row.get(name), rows, i)) for i, row in enumerate(rows)]
    found: list[Any] = []
    for index, row in enumerate(rows):
        value = row.get(columns[0])
        if problem == "multi":
            found.append(_names(value))
            continue
        if value is None or isinstance(value, str) and not value.strip() or value != value:
            raise ValueError(f"{rows.where(index)} has no label in {columns[0]!r}. Fill it in, or take the row out.")
        if problem == "single":
            if isinstance(value, list | tuple | dict):
                raise ValueError(f"{rows.where(index)} has {short(value, 60)} in {columns[0]!r}; expected one label.")
            found.append(name_of(value))
            continue
        number = number_of(value)
        if number is None or not math.isfinite(number):
            raise ValueError(f"{rows.where(index)} has {short(value, 60)} in {columns[0]!r}; expected a number.")
        found.append(float(number))
    return found


def _is_on(value: Any, rows: Rows, index: int) -> bool:
    number = number_of(value)
    if number not in (0, 1):
        raise ValueError(f"{rows.where(index)} has {short(value, 60)} as a label of its own column; expected 0 or 1.")
    return number == 1


def _names(value: Any) -> frozenset[str]:
    """The labels of a cell: a list, or names with | ; or , between them."""
    if isinstance(value, str):
        value = SEPARATORS.split(value.strip().strip("[]"))
    elif value is None or not isinstance(value, list | tuple):
        value = [] if value is None else [value]
    return frozenset(name for name in (name_of(one).strip("'\"") for one in value) if name)


def name_of(value: Any) -> str:
    """A label as it is written in a config: 1.0, as tables may have it, is "1"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def number_of(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def settle(train: Sequence[Any], held: Sequence[Any], rows: Rows, others: Rows, problem: str, config: Config) -> Labels:
    """The labels of a data set from those of its two parts, as `read` gives them.

    Their order is that of the model, where it has these names; of classes 0, 1, … the names are the model's own.
    Raises: ValueError for one class only, or for a label that only evaluation has.
    """
    if problem == "regression":
        return Labels(problem, [], [], len(train), (min(train), sum(train) / len(train), max(train)))
    counts = Counter(name for value in train for name in (value if problem == "multi" else [value]))
    if len(counts) < 2 and problem == "single" or not counts:
        only = f"one class, {short(next(iter(counts)))}" if counts else "no label"
        if counts and any(value not in counts for value in held):
            raise ValueError(f"{rows.name} has {only}, beside rows held out: give more rows of each, or eval_data.")
        raise ValueError(f"{rows.name} has {only}, so there is nothing to tell apart. Is it the right column?")
    if problem == "single" and len(counts) > FEW and 2 * len(counts) > len(train):
        raise ValueError(
            f"{rows.name} has {len(counts):,} different labels in {len(train):,} rows, first "
            f"{short(next(iter(counts)), 60)}. Is it the right column? Name another: columns={{'label': …}} "
            f"(--label-column NAME)."
        )
    for index, value in enumerate(held):
        check_known(value if problem == "multi" else [value], counts, others, index)
    names = ordered(counts, config)
    return Labels(problem, names, [counts[name] for name in names], len(train))


def check_known(names: Iterable[str], counts: Counter[str], rows: Rows, index: int) -> None:
    """Raises: ValueError for a label of a row held out that no row of training has."""
    new = next((name for name in names if name not in counts), None)
    if new is not None:
        raise ValueError(
            f"{rows.where(index)} has the label {short(new)}, which no row of training has; it has "
            f"{nearest(new, counts, 5)}. Correct it, or put rows of it into training."
        )


def ordered(names: Any, config: Config) -> list[str]:
    """Names by id: as the model has them if they are its own, else sorted, numbers by size."""
    own = [str(name) for _, name in sorted((config.id2label or {}).items())]
    if set(own) == set(names):
        return own
    found = list(names)
    numbers = [number_of(name) for name in found]
    if any(number is None for number in numbers):
        return sorted(found)
    return sorted(found, key=lambda name: number_of(name) or 0.0)
