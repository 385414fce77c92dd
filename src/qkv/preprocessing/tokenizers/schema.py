"""get_json_schema: a Python function as the JSON schema that chat templates show to a model as a tool."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Callable
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from qkv.errors import short

SCALARS = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}
NAMES = {**SCALARS, list: "array", tuple: "array", dict: "object"}
BY_PATH = {"PIL.Image.Image": "image", "torch.Tensor": "audio"}  # known without importing either
_HEADING = re.compile(r"Args:|Returns:|Raises:")
_ENTRY = re.compile(r"([ \t]*)(\w+):\s*(.*)")
_CHOICES = re.compile(r"\(choices:\s*(.*?)\)\s*$", re.IGNORECASE)


def get_json_schema(func: Callable[..., Any]) -> dict[str, Any]:
    """{"type": "function", "function": {name, description, parameters, return}} of a function.

    func: has a docstring in Google style that describes each argument under "Args:", and a type hint for each but
    `self` and `cls`. A description that ends in `(choices: ["a", "b"])` lists the values allowed.
    Raises ValueError that says which argument lacks what.
    """
    name = getattr(func, "__name__", "operation")
    doc = inspect.getdoc(func)
    if not doc or not doc.strip():
        raise ValueError(
            f"{name}() has no docstring, which a tool needs. Describe it and, under 'Args:', its arguments."
        )
    about, described, returned = _read(doc.strip())
    hints = get_type_hints(func)
    arguments = _arguments(func, name)
    properties = {}
    for argument, hint in hints.items():
        if argument in arguments:
            if argument not in described:
                raise ValueError(f"The docstring of {name}() does not describe {argument!r}. Add it under 'Args:'.")
            properties[argument] = _described(_typed(hint, f"{argument} of {name}()"), described[argument], argument)
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if required := [argument for argument, needed in arguments.items() if needed]:
        parameters["required"] = required
    function = {"name": name, "description": about, "parameters": parameters}
    if "return" in hints and (result := _result(hints["return"], returned)) is not None:
        function["return"] = result
    return {"type": "function", "function": function}


def _arguments(func: Callable[..., Any], name: str) -> dict[str, bool]:
    """Whether each argument has to be given. ValueError for one without a type hint."""
    found = {}
    for place, (argument, parameter) in enumerate(inspect.signature(func).parameters.items()):
        if parameter.annotation is not parameter.empty:
            found[argument] = parameter.default is parameter.empty
        elif place or argument not in ("self", "cls"):
            raise ValueError(f"{argument} of {name}() has no type hint, which a tool needs: write {argument}: str.")
    return found


def _result(hint: Any, about: str | None) -> dict[str, Any] | None:
    """Of the type hint of what is returned; None when it has no JSON type, since no model writes it."""
    try:
        schema = _typed(hint, "the result")
    except ValueError:
        return None
    return schema if about is None else {**schema, "description": about}


def _described(schema: dict[str, Any], about: str, argument: str) -> dict[str, Any]:
    choices = _CHOICES.search(about)
    if choices:
        try:
            values = json.loads(choices.group(1))
        except json.JSONDecodeError:
            raise ValueError(f"The choices of {argument!r} are not a JSON list: {short(choices.group(1))}.") from None
        schema["enum"] = [value.strip() if isinstance(value, str) else value for value in values]
        about = about[: choices.start()].strip()
    return {**schema, "description": about}


def _read(doc: str) -> tuple[str, dict[str, str], str | None]:
    """Description, arguments and result of a docstring."""
    headings = [*_HEADING.finditer(doc)]
    sections: dict[str, str] = {}
    for place, match in enumerate(headings):
        body = doc[match.end() : headings[place + 1].start() if place + 1 < len(headings) else None]
        if body.startswith("\n") and doc[: match.start()].rstrip(" \t").endswith("\n"):
            sections.setdefault(match.group(), body[1:].rstrip())
    about = doc[: headings[0].start()] if headings else doc
    returned = sections.get("Returns:")
    return about.strip(), _entries(sections.get("Args:", "")), None if returned is None else returned.strip()


def _entries(section: str) -> dict[str, str]:
    """Argument to description; lines that are indented deeper continue the one above."""
    found: dict[str, list[str]] = {}
    name, indent = "", None
    for line in filter(str.strip, section.split("\n")):
        entry = _ENTRY.match(line)
        if entry and (indent is None or not re.match(re.escape(indent) + r"[ \t]", line)):
            indent, name, first = entry.groups()
            found[name] = [first]
        elif indent is not None:
            found[name].append(line)
    return {name: " ".join(line.strip() for line in lines).strip() for name, lines in found.items()}


def _typed(hint: Any, where: str) -> dict[str, Any]:
    """The JSON schema of a type hint."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union([_typed(one, where) for one in inner if one is not type(None)], type(None) in inner)
    if origin is Literal:
        return _enumerated(list(inner), hint, where)
    if origin in NAMES:
        return _container(origin, inner, hint, where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enumerated([member.value for member in hint], hint, where)
    if hint is Any:
        return {}
    path = f"{getattr(hint, '__module__', '')}.{getattr(hint, '__qualname__', '')}"
    known = BY_PATH.get(path) or (NAMES.get(hint) if isinstance(hint, type) else None)
    if known is None:
        raise _unknown(hint, where)
    return {"type": known}


def _container(origin: type, inner: tuple[Any, ...], hint: Any, where: str) -> dict[str, Any]:
    if not inner:
        return {"type": NAMES[origin]}
    if origin is list:
        return {"type": "array", "items": _typed(inner[0], where)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _typed(inner[1], where)}
    if len(inner) == 1 or ... in inner:  # of any length, or just one: a list says so better
        raise _unknown(hint, where)
    return {"type": "array", "prefixItems": [_typed(one, where) for one in inner]}


def _unknown(hint: Any, where: str) -> ValueError:
    return ValueError(
        f"The type hint {short(hint)} of {where} has no JSON type. Use int, float, str, bool, list[...], "
        "dict[str, ...], tuple[int, str], Literal, an Enum or a union of these, or pass the tool as a JSON schema."
    )


def _enumerated(values: list[Any], hint: Any, where: str) -> dict[str, Any]:
    kinds = list(dict.fromkeys(SCALARS.get(type(value), "") for value in values))
    if not values or "" in kinds:
        raise _unknown(hint, where)
    return {"type": kinds[0] if len(kinds) == 1 else kinds, "enum": values}


def _union(options: list[dict[str, Any]], nullable: bool) -> dict[str, Any]:
    if len(options) == 1:
        schema = options[0]
    elif all(option.keys() == {"type"} and isinstance(option["type"], str) for option in options):
        names = sorted({option["type"] for option in options})
        schema = {"type": names[0] if len(names) == 1 else names}
    else:
        schema = {"anyOf": options}
    return {**schema, "nullable": True} if nullable else schema
