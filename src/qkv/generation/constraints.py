"""Constraints: what an answer must contain, and how far it is. Positive lexical constraints of beam search.

A constraint is told each new token and says whether it stepped, is complete, or had to start again; the list of them
works on one at a time, and its bank says how far it is in all (Post and Vilar, 2018; Hu et al., 2019).
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import short

if TYPE_CHECKING:
    from typing_extensions import Self

LONGEST = 10_000  # tokens of a constraint; one that has more never ends


class Constraint(ABC):
    """A demand on the answer. A class of your own gives the methods below and `seqlen`, the most tokens it needs.

    `advance` must lead to the end: whoever follows it completes the constraint. `test` tries that.
    """

    seqlen: int
    completed: bool = False

    def __init__(self) -> None:
        self.test()

    def test(self) -> None:
        """Raises: ValueError when following `advance` does not complete this constraint, or `remaining` disagrees."""
        name = type(self).__name__
        for step in range(LONGEST):
            if step == 1:
                self.reset()  # a constraint must bear it in the middle
            tokens = _as_list(self.advance())
            if not tokens or not self.does_advance(tokens[0]):
                raise ValueError(f"{name}.advance() gave {short(tokens)}, which does_advance() denies. Correct one.")
            if self.update(tokens[0])[1]:
                break
        else:
            raise ValueError(f"{name} is not complete after {LONGEST:,} tokens of advance(). Correct update().")
        if self.remaining() != 0:
            raise ValueError(f"{name} is complete, but remaining() is {short(self.remaining())}. It must be 0.")

    @abstractmethod
    def advance(self) -> int | list[int] | None:
        """The token, or tokens, of which one would be a step; None when complete."""

    @abstractmethod
    def does_advance(self, token_id: int) -> bool:
        """Whether a token would be a step."""

    @abstractmethod
    def update(self, token_id: int) -> tuple[bool, bool, bool]:
        """Take a generated token; whether it was a step, whether all is complete, and whether progress was lost."""

    @abstractmethod
    def reset(self) -> None:
        """Forget the progress."""

    @abstractmethod
    def remaining(self) -> int:
        """Steps to completion."""

    def copy(self, stateful: bool = False) -> "Self":
        """The same constraint from the start, or with its progress if `stateful`. What attributes hold is shared."""
        new = copy.copy(self)
        if not stateful:
            new.reset()
        return new


class PhrasalConstraint(Constraint):
    """The answer must contain these tokens, one after the other.

    Args: token_ids: ids, at least one.
    Raises: ValueError when that is no list of ids; TypeError, by its methods, for a token that is no int.
    """

    def __init__(self, token_ids: list[int]) -> None:
        self.token_ids = _ids(token_ids, "token_ids must be a list of ids, as [5, 7]")
        self.seqlen = len(token_ids)
        self.fulfilled_idx = -1  # place in token_ids of the last token that came
        self.completed = False

    def advance(self) -> int | None:
        return None if self.completed else self.token_ids[self.fulfilled_idx + 1]

    def does_advance(self, token_id: int) -> bool:
        return self.advance() == _token(token_id)

    def update(self, token_id: int) -> tuple[bool, bool, bool]:
        if not self.does_advance(token_id):
            self.reset()
            return False, False, True
        self.fulfilled_idx += 1
        self.completed = self.remaining() == 0
        return True, self.completed, False

    def reset(self) -> None:
        self.completed, self.fulfilled_idx = False, -1

    def remaining(self) -> int:
        return self.seqlen - 1 - self.fulfilled_idx


class DisjunctiveConstraint(Constraint):
    """The answer must contain one of several sequences, such as the forms of a word.

    Args: nested_token_ids: sequences of ids, of which none begins with another.
    Raises: ValueError when they are not that; TypeError, by its methods, for a token that is no int.
    """

    def __init__(self, nested_token_ids: list[list[int]]) -> None:
        expected = "nested_token_ids must be a list of lists of ids, as [[5, 7], [9]]"
        if not isinstance(nested_token_ids, list) or not nested_token_ids:
            raise ValueError(f"{expected}, not empty, got {short(nested_token_ids)}.")
        self.token_ids = [_ids(ids, expected) for ids in nested_token_ids]
        self.seqlen = max(map(len, nested_token_ids))
        self.current_seq: list[int] = []
        self.completed = False
        self._next = _continuations(self.token_ids)

    def advance(self) -> list[int] | None:
        return self._next.get(tuple(self.current_seq))

    def does_advance(self, token_id: int) -> bool:
        return _token(token_id) in (self.advance() or ())

    def update(self, token_id: int) -> tuple[bool, bool, bool]:
        if not self.does_advance(token_id):
            self.reset()
            return False, False, True
        self.current_seq = [*self.current_seq, token_id]  # a new list: copies share the old one
        self.completed = self.advance() is None
        return True, self.completed, False

    def reset(self) -> None:
        self.completed, self.current_seq = False, []

    def remaining(self) -> int:
        return 0 if self.completed else self.seqlen - len(self.current_seq)


class ConstraintListState:
    """How far one beam is with its constraints. Any may be begun first; one that is begun is worked on alone.

    Args: constraints: at least one; they stay as they are, the state works on copies. Raises: ValueError for none.
    """

    def __init__(self, constraints: list[Constraint]) -> None:
        if not constraints:
            raise ValueError("constraints must hold at least one, as [PhrasalConstraint([5, 7])].")
        self.constraints = constraints
        self.max_seqlen = max(constraint.seqlen for constraint in constraints)
        self.n_constraints = len(constraints)
        self.completed = False
        self.init_state()

    def init_state(self) -> None:
        self.complete_constraints: list[Constraint] = []
        self.inprogress_constraint: Constraint | None = None
        self.pending_constraints: list[Constraint] = [constraint.copy() for constraint in self.constraints]

    def get_bank(self) -> int:
        """Progress as a number: a complete constraint counts `max_seqlen`, one in work what is done of that."""
        begun = self.inprogress_constraint
        part = 0 if begun is None else self.max_seqlen - begun.remaining()
        return len(self.complete_constraints) * self.max_seqlen + part

    def advance(self) -> list[int] | None:
        """The tokens that are a step: of the constraint in work, or else of any that waits; None when there is none."""
        begun = self.inprogress_constraint
        open_ones = self.pending_constraints if begun is None else [begun]
        return [token for constraint in open_ones for token in _as_list(constraint.advance())] or None

    def reset(self, token_ids: Iterable[int] | None) -> None:
        """Begin anew, and take these tokens."""
        self.init_state()
        self.completed = False
        for token in token_ids if token_ids is not None else ():
            self.add(token)

    def add(self, token_id: int) -> tuple[bool, bool]:
        """Take a generated token; whether it completed a constraint (or all are complete), and whether it was a step.

        Raises: TypeError for a token that is no int.
        """
        _token(token_id)
        if self.completed:
            return True, False
        begun = self.inprogress_constraint or self._begin(token_id)
        if begun is None:
            return False, False
        stepped, complete, lost = begun.update(token_id)
        self.inprogress_constraint = None if complete or lost else begun
        if lost:
            self.pending_constraints.append(begun.copy())
        elif complete:
            self.complete_constraints.append(begun)
            self.completed = not self.pending_constraints
        return complete, stepped

    def _begin(self, token_id: int) -> Constraint | None:
        """The first waiting constraint that a token is a step of, which waits no longer."""
        for place, constraint in enumerate(self.pending_constraints):
            if constraint.does_advance(token_id):
                return self.pending_constraints.pop(place)
        return None

    def copy(self, stateful: bool = True) -> "ConstraintListState":
        """The same constraints, with their progress if `stateful`."""
        new = ConstraintListState(self.constraints)
        if stateful:
            begun, new.completed = self.inprogress_constraint, self.completed
            new.inprogress_constraint = None if begun is None else begun.copy(stateful=True)
            new.complete_constraints = [constraint.copy(stateful=True) for constraint in self.complete_constraints]
            new.pending_constraints = [constraint.copy() for constraint in self.pending_constraints]
        return new


def _ids(ids: Any, expected: str) -> list[int]:
    if not (isinstance(ids, list) and ids and all(type(x) is int and x >= 0 for x in ids)):
        raise ValueError(f"{expected}, each 0 or more, got {short(ids)}.")
    return list(ids)


def _token(token_id: Any) -> int:
    if not isinstance(token_id, int):
        raise TypeError(f"a token is an int, got {short(token_id)}. For a tensor, use .tolist() first.")
    return token_id


def _as_list(step: int | list[int] | None) -> list[int]:
    return [] if step is None else step if isinstance(step, list) else [step]


def _continuations(sequences: list[list[int]]) -> dict[tuple[int, ...], list[int]]:
    """{beginning of a sequence: tokens that may follow it}. Raises: ValueError when one begins with another."""
    following: dict[tuple[int, ...], dict[int, None]] = {}
    for ids in sequences:
        for place, token in enumerate(ids):
            following.setdefault(tuple(ids[:place]), {})[token] = None
    if any(tuple(ids) in following for ids in sequences) or len(set(map(tuple, sequences))) < len(sequences):
        raise ValueError(f"none of nested_token_ids may begin with another, or be twice in it, got {short(sequences)}.")
    return {begin: list(tokens) for begin, tokens in following.items()}
