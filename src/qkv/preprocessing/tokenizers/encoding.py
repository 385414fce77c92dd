"""The Rust tokenizer and everything a call may ask of it.

A `tokenizers.Tokenizer` keeps truncation and padding as state, so setting them per call breaks callers in other
threads. Here the tokenizer that was loaded is never configured: each combination of settings gets a copy of its own,
sharing the model and its caches, complete before any other thread can see it and never changed after. A copy costs
microseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tokenizers

from qkv.errors import short

CACHED_SETTINGS = 64


@dataclass(frozen=True)
class Settings:
    """What one call wants of the Rust tokenizer. `truncation` and `padding` are None when nothing is to be done.

    `padding` is (length or None for the longest of the batch, multiple, side, id, token type id, token).
    """

    truncation: str | None = None
    max_length: int = 0
    stride: int = 0
    truncation_side: str = "right"
    padding: tuple[int | None, int | None, str, int, int, str] | None = None
    split_special_tokens: bool = False


class Engine:
    """A Rust tokenizer (`rust`, without truncation or padding) and its configured copies."""

    def __init__(self, rust: tokenizers.Tokenizer):
        rust.no_truncation()
        rust.no_padding()
        self.rust = rust
        self._plain = Settings(split_special_tokens=rust.encode_special_tokens)
        self._copies: dict[Settings, tokenizers.Tokenizer] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.rust,)

    def forget(self) -> None:
        """Drop the copies; to be called after `rust` was changed, or handed to someone who may change it."""
        with self._lock:
            self._copies = {}

    def configured(self, settings: Settings) -> tokenizers.Tokenizer:
        """The tokenizer for these settings: `rust` itself when they ask for nothing."""
        if settings == self._plain:
            return self.rust
        copies = self._copies
        found = copies.get(settings)
        if found is not None:
            return found
        with self._lock:
            made = configure(duplicate(self.rust), settings)
            if len(copies) >= CACHED_SETTINGS:
                copies.pop(next(iter(copies)))
            copies[settings] = made
        return made

    def encode(
        self, items: Sequence[Any], settings: Settings, *, pretokenized: bool = False, special: bool = True
    ) -> list[tokenizers.Encoding]:
        """One Encoding per item: a text, a list of words, or a pair of either as a tuple.

        Raises ValueError when the text cannot be cut as asked, or the tokenizer's tables are broken.
        """
        rust = self.configured(settings)
        try:
            if len(items) != 1:
                return rust.encode_batch(items, is_pretokenized=pretokenized, add_special_tokens=special)
            item = items[0]
            first, second = item if isinstance(item, tuple) else (item, None)
            return [rust.encode(first, second, is_pretokenized=pretokenized, add_special_tokens=special)]
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except TypeError:  # items are checked before they come here, so it is a str that is no Unicode
            raise ValueError(
                "The text holds half a character (a lone surrogate such as '\\ud800'), which has no ids. "
                "Clean it with text.encode('utf-8', 'replace').decode()."
            ) from None
        except BaseException as error:  # Rust panics derive from BaseException
            raise ValueError(_explain(error, settings)) from None


def _explain(error: BaseException, settings: Settings) -> str:
    text = short(str(error), 160)
    if settings.truncation and "runcation error" in text:
        return (
            f"Cannot cut this input to max_length={settings.max_length} with truncation={settings.truncation!r}: "
            "the sequence that may be cut is too short, or not there. "
            "Use truncation='longest_first' or a larger max_length."
        )
    return f"The tokenizer failed on this input: {text}"


def configure(rust: tokenizers.Tokenizer, settings: Settings) -> tokenizers.Tokenizer:
    """Set truncation and padding on a tokenizer nobody else holds yet, and return it."""
    if settings.truncation:
        rust.enable_truncation(
            settings.max_length,
            stride=settings.stride,
            strategy=settings.truncation,
            direction=settings.truncation_side,
        )
    if settings.padding:
        length, multiple, side, pad_id, pad_type_id, token = settings.padding
        rust.enable_padding(
            direction=side,
            pad_id=pad_id,
            pad_type_id=pad_type_id,
            pad_token=token,
            length=length,
            pad_to_multiple_of=multiple,
        )
    rust.encode_special_tokens = settings.split_special_tokens
    return rust


def duplicate(rust: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """A second tokenizer over the same model object, equal in all but truncation and padding."""
    twin = tokenizers.Tokenizer(rust.model)
    for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        value = getattr(rust, part)
        if value is not None:
            setattr(twin, part, value)
    added = rust.get_added_tokens_decoder()
    twin.add_tokens([token for _, token in sorted(added.items())])  # all at once: each call takes time for all of them
    if {(i, repr(token)) for i, token in twin.get_added_tokens_decoder().items()} != {
        (i, repr(added[i])) for i in added
    }:
        return tokenizers.Tokenizer.from_str(rust.to_str())
    return twin
