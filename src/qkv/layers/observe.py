"""Observation: hidden states and attention weights, noted while a forward pass runs, without a flag in any layer.

The notebook belongs to the calling context, so threads that share a model do not see each other's notes.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from threading import Lock

from torch import Tensor

Notes = dict[str, list[Tensor]]
_notes: ContextVar[Notes | None] = ContextVar("notes", default=None)
_open, _lock = 0, Lock()  # notebooks of all contexts: a plain number, which compiled code can ask first


def observing(*kinds: str) -> AbstractContextManager[Notes]:
    """Collect what layers note under the given kinds: "hidden_states", "attentions", "cross_attentions"."""
    return _observing(kinds) if kinds or _open else nullcontext(defaultdict(list))


@contextmanager
def _observing(kinds: tuple[str, ...]) -> Iterator[Notes]:
    global _open
    notes: Notes = defaultdict(list, {kind: [] for kind in kinds})
    token = _notes.set(notes if kinds else None)
    with _lock:
        _open += 1
    try:
        yield notes
    finally:
        with _lock:
            _open -= 1
        _notes.reset(token)


def wanted(kind: str) -> bool:
    notes = _notes.get() if _open else None
    return notes is not None and kind in notes


def note(kind: str, tensor: Tensor) -> None:
    notes = _notes.get() if _open else None
    if notes is not None and kind in notes:
        notes[kind].append(tensor)
