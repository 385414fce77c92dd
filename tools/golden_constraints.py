"""Record how the reference library's constraints take random tokens; runs in an environment with transformers 4.55.4,
the last that has them.

    python tools/golden_constraints.py        write tests/parity/generation/constraints.json

A row is a list of constraints (a list of ids is a phrase, a list of lists a choice of phrases), a stream of tokens, and
after each token: what `add` returned, the bank, whether all is complete, and what `advance` returned.
"""

import json
import random
from pathlib import Path

import transformers
from transformers import ConstraintListState, DisjunctiveConstraint, PhrasalConstraint

GOLDEN = Path(__file__).parents[1] / "tests" / "parity" / "generation" / "constraints.json"
TOKENS = range(1, 7)


def phrase(pick: random.Random) -> list[int]:
    return [pick.choice(TOKENS) for _ in range(pick.randint(1, 3))]


def choice(pick: random.Random) -> list[list[int]]:
    """Phrases of which none begins with another."""
    while True:
        phrases = [phrase(pick) for _ in range(pick.randint(1, 3))]
        if sum(a == b[: len(a)] for a in phrases for b in phrases) == len(phrases):
            return phrases


def state(constraints: list) -> ConstraintListState:
    kinds = [DisjunctiveConstraint(ids) if isinstance(ids[0], list) else PhrasalConstraint(ids) for ids in constraints]
    return ConstraintListState(kinds)


def row(pick: random.Random) -> dict:
    constraints = [choice(pick) if pick.random() < 0.4 else phrase(pick) for _ in range(pick.randint(1, 3))]
    progress, tokens, seen = state(constraints), [], []
    for _ in range(12):
        helps = progress.advance()
        token = pick.choice(helps) if helps and pick.random() < 0.6 else pick.choice(TOKENS)
        tokens.append(token)
        complete, stepped = progress.add(token)
        seen.append([complete, stepped, progress.get_bank(), progress.completed, progress.advance()])
    return {"constraints": constraints, "tokens": tokens, "seen": seen}


def single(pick: random.Random) -> dict:
    """One constraint alone; after a reset, a new copy."""
    ids = choice(pick) if pick.random() < 0.5 else phrase(pick)
    constraint, tokens, seen = state([ids]).pending_constraints[0], [], []
    for _ in range(8):
        helps = constraint.advance()
        helps = [helps] if isinstance(helps, int) else helps
        token = pick.choice(helps) if helps and pick.random() < 0.7 else pick.choice(TOKENS)
        tokens.append(token)
        does = constraint.does_advance(token)
        update = constraint.update(token)
        if update[2]:
            constraint = constraint.copy()
        seen.append([does, *update, constraint.remaining(), constraint.completed, constraint.advance()])
    return {"constraint": ids, "tokens": tokens, "seen": seen}


def main() -> None:
    pick = random.Random(0)
    rows = {"lists": [row(pick) for _ in range(120)], "singles": [single(pick) for _ in range(80)]}
    text = json.dumps({"transformers": transformers.__version__, **rows}, separators=(",", ":"))
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text(text.replace('},{"', '},\n{"') + "\n")


if __name__ == "__main__":
    main()
