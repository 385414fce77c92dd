"""Texts of any length as windows that a model can read, each of which knows where its tokens came from."""

from typing import Any

from .base import Row

PLACES = ("offset_mapping", "word_ids", "sequence_ids", "special_tokens_mask")  # of each token, beside the inputs


def windows(
    tokenizer: Any, texts: list[Any], seconds: list[Any] | None = None, *, limit: int, stride: int,
    cut: str = "only_first", **asked: Any,
) -> list[list[Row]]:  # fmt: skip
    """The rows of each text, or of each pair: one if it fits into `limit` tokens, else overlapping windows.

    Args:
        stride: tokens that a window shares with the one before it; half of its room where so many leave no room to
            advance.
        cut: which text of a pair is split: "only_first" or "only_second".
        asked: further arguments of the tokenizer, such as is_split_into_words.

    Returns: rows with input_ids and what else the model takes, and PLACES: the characters [start, end) of each token in
        its own text, the index of its word, which text it is of (None for special tokens), and 1 for special tokens.

    Raises: ValueError if special tokens and the text that is not split leave no room for the other.
    """
    rooms = _rooms(tokenizer, texts, seconds, limit, cut, asked)
    strides = [stride if stride < room else room // 2 for room in rooms]
    found: list[list[Row]] = [[] for _ in texts]
    for stride in dict.fromkeys(strides):
        chosen = [i for i, own in enumerate(strides) if own == stride]
        encoded = tokenizer(
            [texts[i] for i in chosen], None if seconds is None else [seconds[i] for i in chosen], truncation=cut,
            max_length=limit, stride=stride, return_overflowing_tokens=True, return_offsets_mapping=True,
            return_special_tokens_mask=True, verbose=False, **asked,
        )  # fmt: skip
        source = encoded.pop("overflow_to_sample_mapping")
        for place, text in enumerate(source):
            row = {name: column[place] for name, column in encoded.items()}
            row |= {"word_ids": encoded.word_ids(place), "sequence_ids": encoded.sequence_ids(place)}
            found[chosen[text]].append(row)
    return found


def _rooms(
    tokenizer: Any, texts: list[Any], seconds: list[Any] | None, limit: int, cut: str, asked: dict[str, Any]
) -> list[int]:
    """Tokens of each text that is split which a window has room for."""
    room = limit
    if asked.get("add_special_tokens", True):
        room -= tokenizer.num_special_tokens_to_add(pair=seconds is not None)
    rooms = [room] * len(texts)
    if seconds is not None:
        whole = seconds if cut == "only_first" else texts
        ids = tokenizer(whole, verbose=False, **asked | {"add_special_tokens": False})["input_ids"] if whole else []
        rooms = [room - len(row) for row in ids]
    if rooms and min(rooms) < 1:
        raise ValueError(
            f"{limit} tokens leave no room for a text beside {limit - min(rooms)} others, special tokens included. "
            f"Allow more tokens, or shorten the text that is not split."
        )
    return rooms
