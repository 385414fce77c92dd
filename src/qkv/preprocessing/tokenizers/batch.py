"""BatchEncoding: what a tokenizer returns. A mapping of lists, arrays or tensors that also knows, through the Rust
encodings behind it, which characters and which word each token came from."""

from __future__ import annotations

from collections import UserDict
from typing import TYPE_CHECKING, Any, NamedTuple

from qkv.errors import short

from .arrays import to_arrays

if TYPE_CHECKING:
    from tokenizers import Encoding


class CharSpan(NamedTuple):
    """Characters [start, end) of the text."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens [start, end) of an encoding."""

    start: int
    end: int


class BatchEncoding(UserDict):
    """`enc["input_ids"]`, `enc.input_ids`, `**enc`; `enc[0]` is the tokenizers.Encoding of the first row.

    data: the mapping. encoding: Rust encodings, one or a list; without them the methods about words and characters
    raise ValueError. tensor_type: "pt" or "np" converts the values. prepend_batch_axis: wrap one example as a batch.
    """

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        encoding: Encoding | list[Encoding] | None = None,
        tensor_type: str | None = None,
        prepend_batch_axis: bool = False,
        n_sequences: int | None = None,
    ):
        super().__init__(data or {})
        rows = encoding if isinstance(encoding, list) or encoding is None else [encoding]
        self._encodings: list[Encoding] | None = rows
        self._n_sequences = rows[0].n_sequences if n_sequences is None and rows else n_sequences
        self.convert_to_tensors(tensor_type, prepend_batch_axis)

    @property
    def n_sequences(self) -> int | None:
        """1 for single texts, 2 for pairs, None when unknown."""
        return self._n_sequences

    @property
    def encodings(self) -> list[Encoding] | None:
        """The Rust encodings, one a row, or None."""
        return self._encodings

    @property
    def is_fast(self) -> bool:
        """Whether the Rust encodings are there."""
        return self._encodings is not None

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, str):
            return self.data[item]
        if isinstance(item, slice):
            return self._encodings[item] if self._encodings else {key: value[item] for key, value in self.data.items()}
        return self._row(item)

    def __getattr__(self, name: str) -> Any:
        if name != "data" and name in self.__dict__.get("data", {}):
            return self.data[name]
        raise AttributeError(f"BatchEncoding has no {name!r}; its keys are {list(self.__dict__.get('data', {}))}")

    def __getstate__(self) -> dict[str, Any]:
        return {"data": self.data, "encodings": self._encodings, "n_sequences": self._n_sequences}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.data = state["data"]
        self._encodings = state["encodings"]
        self._n_sequences = state.get("n_sequences")

    def _row(self, index: int) -> Encoding:
        if self._encodings is None:
            raise ValueError("This BatchEncoding was not made by a tokenizer call, so it knows no words or characters.")
        try:
            return self._encodings[index]
        except (IndexError, TypeError):
            raise KeyError(
                f"BatchEncoding has no {short(index)}: it takes a key of {list(self.data)} "
                f"or a row below {len(self._encodings)}."
            ) from None

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The tokens of a row, special ones and padding included."""
        return self._row(batch_index).tokens

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token 0 (first text), 1 (second text) or None (special)."""
        return self._row(batch_index).sequence_ids

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token the index of its word, None for special tokens."""
        return self._row(batch_index).word_ids

    words = word_ids

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """Which of the two texts a token came from."""
        row, token = self._locate(batch_or_token_index, token_index)
        return row.token_to_sequence(token)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The word a token belongs to."""
        row, token = self._locate(batch_or_token_index, token_index)
        return row.token_to_word(token)

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """The characters a token covers, None for special tokens."""
        row, token = self._locate(batch_or_token_index, token_index)
        span = row.token_to_chars(token)
        return None if span is None else CharSpan(*span)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """The tokens of a word, None if it has none."""
        row, word = self._locate(batch_or_word_index, word_index)
        span = row.word_to_tokens(word, sequence_index)
        return None if span is None else TokenSpan(*span)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a word."""
        row, word = self._locate(batch_or_word_index, word_index)
        span = row.word_to_chars(word, sequence_index)
        return None if span is None else CharSpan(*span)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The token that covers a character, None between tokens."""
        row, char = self._locate(batch_or_char_index, char_index)
        return row.char_to_token(char, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The word that covers a character, None between words."""
        row, char = self._locate(batch_or_char_index, char_index)
        return row.char_to_word(char, sequence_index)

    def _locate(self, first: int, second: int | None) -> tuple[Encoding, int]:
        row, position = (0, first) if second is None else (first, second)
        encoding = self._row(row)
        return encoding, position + len(encoding.ids) if position < 0 else position

    def convert_to_tensors(self, tensor_type: Any = None, prepend_batch_axis: bool = False) -> BatchEncoding:
        """Turn every value into a tensor ("pt") or array ("np"), in place, and return self.

        Raises ValueError when rows differ in length.
        """
        if tensor_type is not None:
            self.data.update(to_arrays(self.data, tensor_type, prepend_batch_axis))
        return self

    def to(self, device: Any, *, non_blocking: bool = False) -> BatchEncoding:
        """Move every tensor to a device, in place, and return self."""
        for key, value in self.data.items():
            if hasattr(value, "to") and callable(value.to):
                self.data[key] = value.to(device=device, non_blocking=non_blocking)
        return self
