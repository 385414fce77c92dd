"""What a chat template is given: conversations, tools and documents as plain data.

Anything that is not text, a number, a list or a dict becomes the name of its type, so that a template can call no
method of an object. Everything is a copy: a template's view may be changed, the caller's messages are not.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from qkv.errors import short

from .schema import get_json_schema

REASONING = ("reasoning_content", "thinking", "reasoning")  # names of one thing; templates read the first or second


def conversations(given: Any) -> tuple[list[list[dict[str, Any]]], bool]:
    """Plain messages of each conversation, and whether there was a list of conversations."""
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence) and not hasattr(given, "messages"):
        raise TypeError(
            f"A conversation is a list of messages such as {{'role': 'user', 'content': 'Hi'}}, not {short(given)}."
        )
    if not hasattr(given, "messages") and not given:
        raise ValueError("The conversation is empty. It needs at least one message: {'role': 'user', 'content': 'Hi'}.")
    batched = not hasattr(given, "messages") and (isinstance(given[0], (list, tuple)) or hasattr(given[0], "messages"))
    return [_messages(one) for one in (given if batched else [given])], batched


def _messages(conversation: Any) -> list[dict[str, Any]]:
    messages = plain(list(getattr(conversation, "messages", conversation)))
    for place, message in enumerate(messages):
        if not isinstance(message, dict):
            raise TypeError(
                f"Message {place} is {short(message)}: expected a dict such as {{'role': 'user', 'content': 'Hi'}}."
            )
    return [_reasoned({name: value for name, value in message.items() if value is not None}) for message in messages]


def _reasoned(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose reasoning is under the names that templates read, whichever it was given under."""
    name = next((name for name in REASONING if name in message), None)
    if name is None:
        return message
    return {"thinking": message[name], **message, "reasoning_content": message[name]}


def plain(value: Any) -> Any:
    """Of the same value what a template may see: texts, numbers, lists and dicts of exactly these types."""
    try:
        return _simple(value)
    except RecursionError:
        raise ValueError("The conversation is nested too deeply, or contains itself.") from None


def _simple(value: Any) -> Any:
    numpy = sys.modules.get("numpy")
    if value is None or isinstance(value, bool):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return value if type(value) is kind else getattr(kind, f"__{kind.__name__}__")(value)
    if isinstance(value, Mapping):
        return {_simple(name): _simple(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_simple(item) for item in value] if isinstance(value, list) else tuple(map(_simple, value))
    if numpy is not None and isinstance(value, numpy.generic):
        return _simple(value.item())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _simple(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if callable(dump := getattr(value, "model_dump", None)):  # Pydantic
        return _simple(dump())
    return f"<{type(value).__name__}>"


def schemas(tools: Any) -> list[Any] | None:
    if tools is None:
        return None
    schemas = []
    for tool in [tools] if isinstance(tools, Mapping) or not isinstance(tools, Sequence) else tools:
        if not isinstance(tool, Mapping) and not inspect.isfunction(tool) and not inspect.ismethod(tool):
            raise ValueError(f"The tool {short(tool)} is neither a Python function nor a JSON schema (a dict).")
        schemas.append(tool if isinstance(tool, Mapping) else get_json_schema(tool))
    return schemas


def checked_documents(documents: Any) -> Any:
    for one in documents or ():
        if not isinstance(one, Mapping):
            raise TypeError(f"The document {short(one)} is not a dict. Use dicts with 'title' and 'text'.")
    return documents
