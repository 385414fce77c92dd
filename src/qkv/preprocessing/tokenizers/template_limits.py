"""How much one rendering of a chat template may do: every step and every character it copies is charged to a budget.

A template comes from whoever published the model, and one expression such as `'a' * 10**10` can take a machine's memory
before any clock is looked at. So the cost of an operation is estimated and charged before it is carried out. The unit
is a character copied; a step (an expression, an element of a list) is charged as 32.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import update_wrapper
from types import BuiltinMethodType, MethodType
from typing import Any

STEP = 32
BUDGET = 2**24  # about a quarter of a second
PER_INPUT = 64  # added for each unit of the conversation, so that long ones are rendered too
MAX_OUTPUT = 16 * 2**20  # characters
MAX_BITS = 1024  # of an integer

NUMBERS = (int, float)
SIZED = (list, tuple, dict, set, frozenset, range, type({}.keys()), type({}.values()), type({}.items()))
METHODS: dict[type, frozenset[str]] = {
    str: frozenset(name for name in dir(str) if name[0] != "_") - {"encode", "maketrans", "translate"},
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    list: frozenset({"copy", "count", "index"}),
    tuple: frozenset({"count", "index"}),
    float: frozenset({"is_integer"}),
}
# filters that look at one element, and those that visit each without looking inside
LOOKS = {"count", "d", "default", "first", "last", "length", "random"}
VISITS = {"batch", "items", "list", "map", "reject", "rejectattr", "reverse", "select", "selectattr", "slice"}
# filters that run Python code for each element or word
SLOW = {"dictsort", "groupby", "max", "min", "sort", "sum", "title", "unique", "wordcount"}
# tests that read no more of a value than its kind
KINDS = {
    "boolean",
    "callable",
    "defined",
    "escaped",
    "even",
    "false",
    "float",
    "integer",
    "iterable",
    "mapping",
    "none",
}
KINDS |= {"number", "odd", "sameas", "sequence", "string", "true", "undefined"}
_WIDTH = re.compile(r"[%)][#0\- +]*(\*|\d+)?(?:\.(\*|\d+))?")


class LimitError(Exception):
    """A template does more than it may. Not a ValueError or TypeError: Jinja itself catches some of those."""


@dataclass
class Run:
    """One rendering: what is left of its budget, what it has written, and where the assistant's parts are."""

    left: int = BUDGET
    written: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)

    def wrote(self, part: str) -> str:
        """The part, its length added to the output's."""
        self.written += len(part)
        if self.written > MAX_OUTPUT:
            raise LimitError(f"it writes more than {MAX_OUTPUT} characters")
        return part


current: ContextVar[Run] = ContextVar("current")


def charge(units: int) -> bool:
    """Take units from the budget of this thread's rendering. True, so that a condition can charge."""
    run = current.get()
    run.left -= units
    if run.left < 0:
        raise LimitError("it loops too often or makes too much text, more than any chat needs")
    return True


def size(value: Any) -> int:
    """Units of copying a value without what its elements hold."""
    if isinstance(value, str):
        return len(value)
    return STEP * len(value) if isinstance(value, SIZED) else 0


def weight(value: Any, limit: int) -> int:
    """Units of reading all that is inside a value, counted no further than `limit`: `[a, a]` nested is exponential."""
    total, waiting = STEP, [value]
    while waiting and total <= limit:
        one = waiting.pop()
        total += size(one)
        if isinstance(one, dict):
            waiting.extend(one.values())
        if isinstance(one, SIZED) and not isinstance(one, range):
            waiting.extend(one)
    return total


def consume(*values: Any, rate: int = 1) -> None:
    """Charge for reading all that is inside the values."""
    for value in values:
        charge(rate * weight(value, current.get().left))


def consumed(value: Any) -> Any:
    """The value, charged for."""
    consume(value)
    return value


def joined(*parts: Any) -> str:
    """The `~` operator."""
    consume(*parts)
    return "".join(map(str, parts))


def listed(value: Any) -> Any:
    """Iterators as lists, so that what they will give can be charged for."""
    return list(value) if hasattr(type(value), "__next__") else value


def counted(items: Iterable[Any]) -> Iterator[Any]:
    """The items, each charged for as a step."""
    for item in items:
        charge(STEP)
        yield item


def growth(name: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Units that a method or filter of this name may add to a value."""
    given = (*args, *kwargs.values())
    numbers = sum(abs(one) for one in given if isinstance(one, int))
    texts = sum(len(one) for one in given if isinstance(one, str))
    if name in ("center", "ljust", "rjust", "zfill"):
        return numbers
    if name in ("batch", "slice", "round"):
        return numbers * STEP
    if name == "expandtabs":
        return str(value).count("\t") * max(numbers, 8)
    if name == "indent":
        return (len(str(value).splitlines()) + 1) * max(numbers + texts, 4)
    if name == "replace":
        pair = dict(zip(("old", "new"), args, strict=False)) | kwargs
        return str(value).count(str(pair.get("old"))) * len(str(pair.get("new")))
    if name == "join":  # a method of the separator, a filter of the parts
        parts, separator = (value, given) if isinstance(value, SIZED) else (given[0] if given else "", [value])
        return size(parts) * sum(map(len, map(str, separator)))
    if name == "sum" and not all(isinstance(one, NUMBERS) for one in (*given, *value)):
        return len(value) * weight(value, current.get().left)
    return 0


def printf(text: str, values: Any) -> None:
    """Charge for `text % values`."""
    charge(size(text) + STEP * text.count("%"))
    given = values if isinstance(values, tuple) else (values,)
    largest = max((abs(one) for one in given if isinstance(one, int)), default=0)
    widths = (number for match in _WIDTH.finditer(text) for number in match.groups() if number)
    charge(sum(largest if number == "*" else int(number) for number in widths))
    charge(text.count("%") * weight(values, current.get().left))


def operate(operator: str, left: Any, right: Any) -> None:
    """Charge for an arithmetic operator. LimitError for integers that would become too long."""
    charge(STEP)
    if isinstance(left, NUMBERS) and isinstance(right, NUMBERS):
        bits = [one.bit_length() for one in (left, right) if isinstance(one, int)]
        power = operator == "**" and isinstance(right, int) and len(bits) == 2
        if (bits[0] * max(int(right), 1) if power else sum(bits)) > MAX_BITS:
            raise LimitError(f"it computes integers of more than {MAX_BITS} bits")
    elif operator == "*":
        times = next((one for one in (left, right) if isinstance(one, int)), 1)
        charge((size(left) + size(right)) * max(times, 0))
    elif operator == "%" and isinstance(left, str):
        printf(left, right)
    else:
        charge(size(left) + size(right))


def call(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Charge for calling a method of a text, list or dict, or any other function."""
    owner = getattr(function, "__self__", None)
    consume(*args, *kwargs.values())
    if isinstance(owner, str):
        charge(len(owner) + growth(function.__name__, owner, args, kwargs))
    elif isinstance(owner, (list, tuple)):
        consume(owner)


def allowed(owner: Any, name: str, value: Any) -> bool:
    """Whether a template may have this attribute: of the methods of built-in types only those in METHODS."""
    if not isinstance(value, BuiltinMethodType | MethodType):
        return True
    kind = next((kind for kind in METHODS if isinstance(owner, kind)), None)
    if kind is None:
        return type(owner).__module__ != "builtins"
    return name in METHODS[kind]


def metered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that charges for what it does."""
    start = int(hasattr(function, "jinja_pass_arg"))  # those take Jinja's context before the value

    def run(*args: Any, **kwargs: Any) -> Any:
        charge(STEP)
        if name in LOOKS:
            return function(*args, **kwargs)
        before, values = args[:start], args[start:]
        if name in VISITS:
            charge(size(values[0]) if values else 0)
            consume(*values[1:], *kwargs.values())
        else:
            values = tuple(map(listed, values))
            consume(*values, *kwargs.values(), rate=16 if name in SLOW else 1)
        charge(growth(name, values[0], values[1:], kwargs))
        if name == "format":
            printf(str(values[0]), (*values[1:], *kwargs.values()))
        result = function(*before, *values, **kwargs)
        if hasattr(type(result), "__next__"):
            return counted(result)
        charge(size(result))
        return result

    return update_wrapper(run, function)


def reading(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A test that charges for what it reads of its arguments."""

    def run(*args: Any) -> Any:
        consume(*args)
        return function(*args)

    return function if name in KINDS else update_wrapper(run, function)


def written(parts: Iterable[str]) -> Iterator[str]:
    """The parts of a text, each charged for as it comes."""
    for part in parts:
        charge(len(part))
        yield part
