"""Observation: hidden states and attention weights, noted while a forward pass runs, without a flag in any layer.

The notebook belongs to the calling context, so threads that share a model do not see each other's notes.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

Notes = dict[str, list[Tensor]]
_notes: ContextVar[Notes | None] = ContextVar("notes", default=None)


@contextmanager
def observing(*kinds: str) -> Iterator[Notes]:
    """Collect what layers note under the given kinds: "hidden_states", "attentions", "cross_attentions"."""
    notes: Notes = defaultdict(list, {kind: [] for kind in kinds})
    token = _notes.set(notes if kinds else None)
    try:
        yield notes
    finally:
        _notes.reset(token)


def wanted(kind: str) -> bool:
    notes = _notes.get()
    return notes is not None and kind in notes


def note(kind: str, tensor: Tensor) -> None:
    notes = _notes.get()
    if notes is not None and kind in notes:
        notes[kind].append(tensor)
