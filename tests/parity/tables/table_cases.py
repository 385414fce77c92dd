"""The tables, questions and calls that TAPAS's tokenizer is compared on, the same on every machine.

Numbers and dates in every way that people write them, empty cells, thirty-two languages, emoji, special tokens written
out; tables that fit, and tables that must lose words or rows.
"""

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tokenizers"))

from tokenizer_strings import Choice, literals, mixed, sentence, technical, whitespace, written  # noqa: E402

VOCAB = HERE.parent / "tokenizers" / "vocab" / "vocab.txt"
COUNT = 400  # random tables
BLOCK = 10  # calls under one digest
KINDS = {  # of tokenizers: whether letters are made small, whether the vocabulary has [EMPTY], further settings
    "lower": (True, True, {}),
    "cased": (False, False, {}),
    "narrow": (
        True,
        False,
        {"cell_trim_length": 3, "strip_column_names": True, "max_row_id": 9, "max_question_length": 12},
    ),
}
MONTHS = ("January", "feb", "March", "Apr", "may", "JUNE", "Jul", "august", "Sept", "september", "oct", "Dec", "smarch")
DAYS = ("Monday", "tuesday", "Fri", "Sunday")
WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "seven",
    "twelve",
    "thirteen",
    "first",
    "second",
    "ninth",
    "eleventh",
    "twentieth",
)
EMPTY = ("", " ", "-", "n/a", "N/A", "?", "nan", "--", "_", "…", "()", "[EMPTY]", "[MASK] [MASK]", "a_b")
CLASSIC = {
    "Actors": ["Brad Pitt", "Leonardo Di Caprio", "George Clooney"],
    "Age": ["56", "45", "59"],
    "Number of movies": ["87", "53", "69"],
    "Date of birth": ["7 february 1967", "10 june 1996", "28 november 1967"],
}


def folder(parent: Path, kind: str) -> Path:
    """A tokenizer's folder of this kind."""
    lower, known, settings = KINDS[kind]
    path = parent / kind
    path.mkdir(exist_ok=True)
    words = VOCAB.read_text("utf8").split("\n")[:-1]
    (path / "vocab.txt").write_text("\n".join([words[0], *["[EMPTY]"] * known, *words[1:], ""]), "utf8")
    config = {"tokenizer_class": "TapasTokenizer", "do_lower_case": lower, "model_max_length": 512} | settings
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path


def number(pick: Choice) -> str:
    value = pick.of([pick.below(13), pick.below(3000), pick.below(10**7), pick.below(10**5) / 100])
    form = pick.of(
        ["{}", "{:,}", "${}", "{}%", "-{}", "+{}", "+ {}", "{} km", "{}th", "{}nd", "({})", "{}.", ".{}", "0{}"]
    )
    word = pick.of(WORDS)
    return pick.of(
        [form.format(value), form.format(value), word, "1e5", "12,34", "1,234,56", "٣٤", "１２", "½", "inf", "1_000"]
    )


def date(pick: Choice) -> str:
    parts = {"y": pick.of([1700, 1699, 1969, 1988, 2000, 2016, 2017, 2024, "0000", 33]), "d": pick.below(33)}
    parts |= {"m": pick.below(14), "M": pick.of(MONTHS), "A": pick.of(DAYS)}
    forms = "{y}|{y}s|{M}|{M} {y}|{M} {d}|{d} {M}|{M} {d}, {y}|{d} {M} {y}|{m}-{d}-{y}|{y}-{m}-{d}|{y}-{m}|{d}.{m}.{y}"
    forms += "|{A}, {M} {d}|{M}  {d} ,{y}|{y}-{m:02}-{d:02}|in {M} {y}, or {d} {M}|{y}–{y}|{d}/{m}/{y}|{d}th {M} {y}"
    return pick.of(forms.split("|")).format(**parts)


TEXTS = (sentence, mixed, written, technical, literals, whitespace)
FEW = ("ab", "bc", "12", "x")


def cell(pick: Choice, kind: int) -> str:
    kind = pick.below(8) if pick.below(8) == 0 else kind  # a few of another kind
    if kind < 2:
        return number(pick)
    if kind < 4:
        return date(pick)
    if kind == 4:
        return pick.of(EMPTY)
    if kind == 5:
        return " ".join(pick.some(FEW, 3))
    if kind == 6:
        return pick.of(TEXTS)(pick)[:60]
    return pick.of([number, date])(pick) + " " + pick.of(FEW)


def question(pick: Choice) -> str:
    parts = [number(pick), date(pick), sentence(pick)[:40], pick.of(EMPTY), "how many", "[MASK]"]
    return pick.of(["", " "]).join(parts[pick.below(6)] for _ in range(1 + pick.below(5)))


def table(pick: Choice) -> dict[str, list[str]]:
    width, height = 1 + pick.below(6), pick.below(12)
    kinds = [pick.below(8) for _ in range(width)]
    names = [f"{cell(pick, pick.below(8))}{i}" for i in range(width)]
    return {name: [cell(pick, kind) for _ in range(height)] for name, kind in zip(names, kinds, strict=True)}


def cases(kind: str) -> list[tuple[dict[str, list[str]], object, dict]]:
    """(table, questions, options of the call): a question alone, and several with the answers before them."""
    return _cases()[:: 1 if kind == "lower" else 4]


def _cases() -> list[tuple[dict[str, list[str]], object, dict]]:
    asked = "How many movies has George Clooney played in?"
    found = [
        (CLASSIC, asked, {}), (CLASSIC, [asked, "How old is he, 59 or 45?"], {"padding": True}), (CLASSIC, "", {}),
        (CLASSIC, asked, {"padding": "max_length"}), (CLASSIC, asked, {"padding": True, "max_length": 90}),
        (CLASSIC, asked, {"padding": "longest", "pad_to_multiple_of": 32}), (CLASSIC, asked, {"return_length": True}),
        (CLASSIC, [asked, "?"], {"padding": "longest", "pad_to_multiple_of": 32, "padding_side": "left"}),
        (CLASSIC, asked, {"return_special_tokens_mask": True, "return_attention_mask": False}),
        (CLASSIC, asked, {"return_token_type_ids": False}), (CLASSIC, None, {}),
    ]  # fmt: skip
    for length in (24, 30, 40, 60):
        found += [
            (CLASSIC, "how old?", {"truncation": how, "max_length": length}) for how in (True, "drop_rows_to_fit")
        ]
    pick = Choice(11)
    for i in range(COUNT):
        made = table(pick)
        if i % 9 == 8:
            made = {name: column * 30 for name, column in made.items()}
        height, width = len(next(iter(made.values()))), len(made)
        asked = [question(pick) for _ in range(1 + pick.below(3))] if i % 3 else question(pick)
        options = {"truncation": True} if i % 9 == 8 or i % 4 == 0 else {}
        if i % 5 == 0:
            options |= {
                "truncation": True,
                "max_length": 40 + pick.below(100),
                "padding": pick.of([True, "max_length"]),
            }
        elif isinstance(asked, list):
            options["padding"] = True
        if i % 2 and height and "max_length" not in options and i % 9 != 8:
            places = [
                [(pick.below(min(height, 8)), pick.below(width)) for _ in range(1 + pick.below(3))] for _ in range(3)
            ]
            texts = [[made[list(made)[column]][row] for row, column in one] for one in places]
            alone = isinstance(asked, str)
            options |= {
                "answer_coordinates": places[0] if alone else places[: len(asked)],
                "answer_text": texts[0] if alone else texts[: len(asked)],
            }
        found.append((made, asked, options))
    return found


def result(tokenizer, table, asked, options) -> object:
    """What a call returns, as plain lists; the kind of error where it fails."""
    try:
        encoded = tokenizer(table, list(asked) if isinstance(asked, list) else asked, **options)
    except ValueError:
        return "ValueError"
    return {
        name: [repr(x) for x in value] if name.startswith("numeric") else value
        for name, value in sorted(encoded.items())
    }


def digest(found: list) -> str:
    return hashlib.blake2b(json.dumps(found).encode(), digest_size=6).hexdigest()
