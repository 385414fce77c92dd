"""Calls of the table-question-answering pipeline: (fields of config.json, the input, options of the call)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tokenizers"))

from tokenizer_strings import Choice  # noqa: E402

WORDS = (
    "film",
    "yes",
    "no",
    "12",
    "3",
    "1990",
    "may 1990",
    "not very good",
    "",
    "x y",
    "2.5",
    "?",
    "i love this",
    "n/a",
)
SQA = {"num_aggregation_labels": 0, "aggregation_labels": None, "no_aggregation_label_index": None}
CONFIGS = (
    {},
    SQA,
    {"aggregation_labels": None},
    {"no_aggregation_label_index": None},
    {"no_aggregation_label_index": 2},
    {"average_logits_per_cell": False, "temperature": 2.0},
    {"reset_position_index_per_cell": False},
    {"max_num_rows": 64, "max_num_columns": 32},
)


def table(pick: Choice, rows: int) -> dict[str, list[str]]:
    """Up to so many rows of words and numbers."""
    names = [f"{pick.of(WORDS)} {'abcdef'[i]}" for i in range(1 + pick.below(4))]
    height = 1 + pick.below(rows)
    return {name: [" ".join(pick.some(WORDS, 2)) for _ in range(height)] for name in names}


def question(pick: Choice) -> str:
    return " ".join(["what", *pick.some(WORDS, 4)])


def questions() -> list[tuple[dict, object, dict]]:
    pick, found = Choice(3), []
    for i in range(160):
        config = CONFIGS[i % len(CONFIGS)]
        several = [question(pick) for _ in range(2 + pick.below(3))]
        given = {"table": table(pick, 8 if i % 3 == 0 else 3), "query": several if i % 2 else several[0]}
        call = {"truncation": True}
        if i % 5 < 2:
            call["sequential"] = True
        if i % 7 == 0:
            given = [given, {"table": table(pick, 4), "query": question(pick)}]
        elif i % 11 == 0:
            given = [given]
        found.append((config, given, call))
    return found
