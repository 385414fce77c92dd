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
        stride: tokens that a window shares with the one before it; fewer where so many leave no room to advance.
        cut: which text of a pair is split: "only_first" or "only_second".
        asked: further arguments of the tokenizer, such as is_split_into_words.

    Returns: rows with input_ids and what else the model takes, and PLACES: the characters [start, end) of each token in
        its own text, the index of its word, which text it is of (None for special tokens), and 1 for special tokens.

    Raises: ValueError if the text that is not split leaves no room for the other.
    """
    special = tokenizer.num_special_tokens_to_add(pair=seconds is not None)
    stride = max(0, min(stride, (limit - special) // 2))
    encoded = tokenizer(
        texts, seconds, truncation=cut, max_length=limit, stride=stride, return_overflowing_tokens=True,
        return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False, **asked,
    )  # fmt: skip
    source = encoded.pop("overflow_to_sample_mapping")
    found: list[list[Row]] = [[] for _ in texts]
    for place, text in enumerate(source):
        row = {name: column[place] for name, column in encoded.items()}
        found[text].append(row | {"word_ids": encoded.word_ids(place), "sequence_ids": encoded.sequence_ids(place)})
    return found
