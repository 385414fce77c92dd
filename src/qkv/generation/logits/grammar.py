"""Constrained decoding: only tokens that keep the new text within a grammar. The grammars are llguidance's.

A row's state follows from its new tokens alone, so rows may be moved, copied and cut back as a decoding method likes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ...errors import short
from .base import EXCLUDED, LogitsProcessor, is_count, require, token_ids
from .token_text import token_texts

WHITESPACE = r"\n?[ ]{0,16}"  # of JSON between its parts: enough to indent, and a weak model cannot write it for ever
GRAMMAR_OPTIONS = ("json_schema", "regex", "choice", "grammar")
New = tuple[int, ...]  # the new tokens of a row
_engines: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()


class GrammarLogitsProcessor(LogitsProcessor):
    """Only tokens after which the new text can still become one that the grammar accepts, and an end of sequence where
    it may end. A row left without any token, since others were forced on it, can only end.

    Args:
        tokenizer: of the model.
        json_schema: a JSON Schema, as a dictionary, a bool or JSON; also a class with `model_json_schema` (Pydantic).
        regex: a pattern for the whole text, in the syntax of Rust's regex crate (no look-around, no back-references).
        choice: a list of strings, one of which is the text.
        grammar: in Lark's notation, with a rule `start`.
        eos_token_id: one or several ids; the tokenizer's if None.
        prompt_length: tokens before the new ones; None for as many as the first call brings.

    Raises:
        ImportError: without llguidance.
        ValueError: for none or several of the four grammars, one that is wrong or accepts nothing, and at a call for
            one that is too complex.
    """

    def __init__(  # noqa: PLR0913 (four notations of one grammar)
        self, tokenizer: Any, *, json_schema: Any = None, regex: str | None = None,
        choice: Sequence[str] | None = None, grammar: str | None = None,
        eos_token_id: int | list[int] | None = None, prompt_length: int | None = None,
    ):  # fmt: skip
        given = dict(zip(GRAMMAR_OPTIONS, (json_schema, regex, choice, grammar), strict=True))
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) != 1:
            raise ValueError(f"Give one of {', '.join(GRAMMAR_OPTIONS)}; got {', '.join(given) or 'none'}.")
        require(prompt_length is None or is_count(prompt_length), "prompt_length", prompt_length, "at least 0, or None")
        require(tokenizer is not None, "tokenizer", tokenizer, "the model's tokenizer, to know the text of its tokens")
        ends = tokenizer.eos_token_id if eos_token_id is None else eos_token_id
        require(ends is not None, "eos_token_id", ends, "an id that ends a text; the tokenizer has none")
        self.eos_token_id = token_ids("eos_token_id", ends)
        self.prompt_length = prompt_length
        ((self._name, self._value),) = given.items()
        self._value = _schema(self._value) if self._name == "json_schema" else self._value
        self._first = _matcher(tokenizer, tuple(self.eos_token_id.tolist()), self._name, self._value)
        self._check(self._first)
        self._first.compute_logit_bias()  # the first step shows what the grammar alone does not
        self._check(self._first)
        self._states: dict[New, Any] = {}
        self._guess: tuple[int, int, set[New]] | None = None  # prompt length, longest row so far, prompts

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        ids = input_ids.tolist()
        start = self._start(ids) if self.prompt_length is None else self.prompt_length
        rows = [tuple(row[start:]) for row in ids]
        self._states = {row: self._after(row) for row in set(rows)}
        masks = {row: self._mask(state, scores.shape[-1]) for row, state in self._states.items()}
        allowed = torch.stack([masks[row] for row in rows]).to(scores.device)
        found = scores.masked_fill(~allowed, EXCLUDED)
        # A minimum length, say, may have excluded the end where nothing else is left.
        none_left = found.amax(dim=-1, keepdim=True) == EXCLUDED
        return torch.where(none_left & allowed, torch.zeros_like(found), found)

    def _after(self, new: New) -> Any:
        """llguidance's state after these tokens; None after an end, or a token that the grammar does not allow."""
        if new in self._states:
            return self._states[new]
        before = self._states.get(new[:-1], self._first) if new else self._first
        rest = new[-1:] if new[:-1] in self._states else new
        if before is None or not new:
            return before
        state = before.deep_copy()
        ended = not set(rest).isdisjoint(self.eos_token_id.tolist())
        if ended or state.try_consume_tokens(list(rest)) < len(rest):
            self._check(state)
            return None
        return state

    def _mask(self, state: Any, size: int) -> Tensor:
        """Which tokens may come next, (V,) bool."""
        mask = torch.zeros(size, dtype=torch.bool, device="cpu")
        if state is not None:
            bias = torch.frombuffer(bytearray(state.compute_logit_bias()), dtype=torch.uint8)[:size]
            self._check(state)
            mask[: bias.shape[0]] = bias != 0
        if state is None or not mask.any():
            mask[self.eos_token_id[self.eos_token_id < size]] = True
        return mask

    def _check(self, state: Any) -> None:
        if state.is_error():
            why = " ".join(state.get_error().split("<state>")[0].split())
            if "NoExtension" in why:
                why = "at some point, no token of this tokenizer goes on with a text that it accepts"
            raise ValueError(f"{self._name}={short(self._value)} cannot be used: {why[:200]}.")

    def _start(self, ids: list[list[int]]) -> int:
        """How many tokens belong to the prompt. Ids that do not go on from those before are a new prompt."""
        length = len(ids[0])
        if self._guess is not None:
            start, longest, prompts = self._guess
            if start <= length <= longest + 1 and prompts.issuperset(tuple(row[:start]) for row in ids):
                self._guess = start, max(longest, length), prompts
                return start
        self._guess = length, length, {tuple(row) for row in ids}
        self._states = {}
        return length


def _matcher(tokenizer: Any, ends: New, name: str, value: Any) -> Any:
    """llguidance's state before the first token."""
    try:
        import llguidance
    except ImportError:
        raise ImportError(f"{name}= needs the package llguidance: pip install qkv[grammar]") from None
    make = llguidance.LLMatcher
    if name == "json_schema":
        try:
            grammar = make.grammar_from_json_schema(value, overrides={"whitespace_pattern": WHITESPACE})
        except ValueError as error:
            raise ValueError(f"json_schema={short(value)} cannot be used: {short(str(error), 200)}") from None
    elif name == "choice":
        fits = isinstance(value, list | tuple) and value and all(isinstance(text, str) and text for text in value)
        require(bool(fits), name, value, "a non-empty list of non-empty strings")
        grammar = make.grammar_from_lark("start: " + " | ".join(json.dumps(text, ensure_ascii=False) for text in value))
    else:
        require(isinstance(value, str) and bool(value), name, value, "a non-empty string")
        grammar = make.grammar_from_regex(value) if name == "regex" else make.grammar_from_lark(value)
    return make(_engine(llguidance, tokenizer, ends), grammar, log_level=0)


def _schema(value: Any) -> str:
    """A JSON schema as JSON. Raises: ValueError for what is none."""
    allowed = "a JSON Schema: a dictionary, its JSON, or a Pydantic class"
    try:
        value = value.model_json_schema() if hasattr(value, "model_json_schema") else value
        value = json.loads(value) if isinstance(value, str | bytes) else value
        require(isinstance(value, Mapping | bool), "json_schema", value, allowed)
        return json.dumps(value)
    except RecursionError:
        raise ValueError("json_schema is nested too deeply, or holds itself.") from None
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"json_schema={short(value)} must be {allowed} ({short(str(error))}).") from None


def _engine(llguidance: Any, tokenizer: Any, ends: New) -> Any:
    """llguidance's view of a tokenizer; it takes a second for a large vocabulary, so it is kept."""
    kept = _engines.setdefault(tokenizer, {})
    key = len(tokenizer), ends
    if key not in kept:
        kept.clear()
        wrapper = llguidance.TokenizerWrapper(_Words(tokenizer, ends))
        kept[key] = llguidance.LLTokenizer(wrapper, eos_token=list(ends))
    return kept[key]


class _Words:
    """A tokenizer as llguidance wants it."""

    def __init__(self, tokenizer: Any, ends: New):
        texts = token_texts(tokenizer)
        size = max([*texts, *ends]) + 1
        words = [texts.get(index, b"") for index in range(size)]
        self.tokens = [word.encode() if isinstance(word, str) else word for word in words]
        self.eos_token_id, self.bos_token_id = ends[0], tokenizer.bos_token_id
        self.special_token_ids = sorted({*ends, *tokenizer.all_special_ids})
        self._ids = {word: index for index, word in reversed([*enumerate(self.tokens)]) if len(word) == 1}

    def __call__(self, text: bytes) -> list[int]:
        """Any ids that spell a text; llguidance asks for them only to look ahead."""
        return [self._ids[byte] for byte in (bytes([b]) for b in text) if byte in self._ids]
