import json
from pathlib import Path

import pytest

from qkv.generation.constraints import Constraint, ConstraintListState, DisjunctiveConstraint, PhrasalConstraint

GOLDEN = json.loads((Path(__file__).parents[1] / "parity" / "generation" / "constraints.json").read_text())


def made(ids):
    return DisjunctiveConstraint(ids) if isinstance(ids[0], list) else PhrasalConstraint(ids)


def test_lists_take_tokens_as_the_reference():
    for row in GOLDEN["lists"]:
        state, seen = ConstraintListState([made(ids) for ids in row["constraints"]]), []
        for token in row["tokens"]:
            complete, stepped = state.add(token)
            seen.append([complete, stepped, state.get_bank(), state.completed, state.advance()])
        assert seen == row["seen"], row["constraints"]


def test_single_constraints_take_tokens_as_the_reference():
    for row in GOLDEN["singles"]:
        constraint, seen = made(row["constraint"]), []
        for token in row["tokens"]:
            does = constraint.does_advance(token)
            update = constraint.update(token)
            seen.append([does, *update, constraint.remaining(), constraint.completed, constraint.advance()])
        assert seen == row["seen"], row["constraint"]


def test_a_state_reset_to_tokens_equals_one_that_took_them():
    for row in GOLDEN["lists"]:
        constraints = [made(ids) for ids in row["constraints"]]
        reset, added = ConstraintListState(constraints), ConstraintListState(constraints)
        for token in reversed(row["tokens"]):
            reset.add(token)
        for token in row["tokens"]:
            added.add(token)
        reset.reset(row["tokens"])
        assert (reset.get_bank(), reset.completed, reset.advance()) == (
            added.get_bank(), added.completed, added.advance(),
        )  # fmt: skip


def test_copies_go_their_own_way():
    state = ConstraintListState([DisjunctiveConstraint([[1, 2, 5], [1, 3]]), PhrasalConstraint([4])])
    state.add(1)
    one, other = state.copy(), state.copy()
    assert one.add(2) == (False, True)
    assert other.add(3) == (True, True)
    assert (state.advance(), one.advance(), other.advance()) == ([2, 3], [5], [4])
    assert other.add(4) == (True, True)
    assert other.completed
    assert other.copy().completed
    assert other.copy(stateful=False).advance() == [1, 4]
    assert other.add(9) == (True, False)
    other.reset(None)
    assert not other.completed
    assert state.max_seqlen == 3
    assert state.n_constraints == 2


def test_a_reset_phrase_begins_anew():
    phrase = PhrasalConstraint([5, 7])
    assert phrase.update(5) == (True, False, False)
    assert phrase.copy(stateful=True).advance() == 7
    assert phrase.update(9) == (False, False, True)
    assert (phrase.advance(), phrase.remaining()) == (5, 2)


@pytest.mark.parametrize("ids", [[], None, "5", [5, "7"], [-1], [True], [[5]], (5, 7), [1.0], [0] * 10**5 + [None]])
def test_phrases_that_are_none(ids):
    with pytest.raises(ValueError, match="token_ids must be a list of ids") as error:
        PhrasalConstraint(ids)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "ids", [[], None, [5], [[]], [[5], "7"], [[5], [5]], [[5], [5, 7]], [[5, 7], [5]], [[-5]], [[5], [6, None]]]
)
def test_choices_that_are_none(ids):
    with pytest.raises(ValueError, match="nested_token_ids"):
        DisjunctiveConstraint(ids)


def test_tokens_that_are_none():
    for taker in (PhrasalConstraint([5]).update, DisjunctiveConstraint([[5]]).does_advance,
                  ConstraintListState([PhrasalConstraint([5])]).add):  # fmt: skip
        with pytest.raises(TypeError, match="a token is an int, got '5'"):
            taker("5")
    with pytest.raises(ValueError, match="at least one"):
        ConstraintListState([])


class Count(Constraint):
    """Any `times` tokens; `leads` and `left` make it wrong."""

    def __init__(self, times=3, leads=True, left=0):
        self.seqlen, self.leads, self.left, self.done = times, leads, left, 0
        super().__init__()

    def advance(self):
        return 1

    def does_advance(self, token_id):
        return self.leads

    def update(self, token_id):
        self.done += 1
        return True, self.done >= self.seqlen, False

    def reset(self):
        self.done = 0

    def remaining(self):
        return max(0, self.seqlen - self.done) + self.left


def test_constraints_of_your_own():
    assert ConstraintListState([Count()]).advance() == [1]
    for wrong, message in (
        (dict(leads=False), "denies"), (dict(left=1), "must be 0"), (dict(times=10**5), "not complete after 10,000")
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            Count(**wrong)
    with pytest.raises(TypeError, match="abstract"):
        Constraint()
