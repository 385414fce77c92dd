"""Sequences of tokens that are encouraged, forbidden or the only ones allowed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from .base import EXCLUDED, LogitsProcessor, TokenIds, is_count, is_token_list, require, token_ids


class SequenceBiasLogitsProcessor(LogitsProcessor):
    """A bias on the token that would complete a sequence.

    Args:
        sequence_bias: {(id, ...): bias} or [[[id, ...], bias], ...]; a positive bias makes a sequence likelier. A
            word has other ids at the start of a text than after a space: bias both.

    Raises: ValueError, also at the call, for ids outside the vocabulary.
    """

    def __init__(self, sequence_bias: Mapping[tuple[int, ...], float] | Sequence[Any]):
        pairs = list(sequence_bias.items()) if isinstance(sequence_bias, Mapping) else sequence_bias
        allowed = (
            "a non-empty {(id, ...): bias} or [[[id, ...], bias], ...] with ids of at least 0 and biases as numbers"
        )
        require(isinstance(pairs, list | tuple) and bool(pairs), "sequence_bias", sequence_bias, allowed)
        for pair in pairs:
            require(isinstance(pair, list | tuple) and len(pair) == 2, "sequence_bias", sequence_bias, allowed)
            ids, bias = pair
            fits = is_token_list(ids) and len(ids) > 0 and isinstance(bias, Real) and bias == bias
            require(fits, "sequence_bias", sequence_bias, allowed)
        self.sequence_bias = {tuple(map(int, ids)): float(bias) for ids, bias in pairs}
        self._prepared: tuple[Any, Tensor, list[tuple[Tensor, Tensor, Tensor]]] | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        single, longer = self._tables(scores)
        if not longer:
            return scores + single
        bias = single.repeat(scores.shape[0], 1)
        for beginnings, ends, biases in longer:
            length = beginnings.shape[1]
            if length <= input_ids.shape[1]:
                begun = (input_ids[:, None, -length:].to(scores.device) == beginnings).all(dim=-1)  # (B,N)
                bias.index_add_(1, ends, torch.where(begun, biases, 0.0).to(bias.dtype))
        return scores + bias

    def _tables(self, scores: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
        """Biases of single tokens (V,); by length, the others' beginnings (N,L), last tokens (N,) and biases (N,)."""
        key = scores.shape[-1], scores.device, scores.dtype
        if self._prepared is None or self._prepared[0] != key:
            self._prepared = (key, *self._made(*key))
        return self._prepared[1:]

    def _made(
        self, size: int, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
        unknown = sorted({token for ids in self.sequence_bias for token in ids if token >= size})
        require(not unknown, "token ids", unknown, f"below the size of the vocabulary, {size}")
        single = torch.zeros(size, dtype=torch.float32, device="cpu")
        by_length: dict[int, list[tuple[tuple[int, ...], float]]] = {}
        for ids, bias in self.sequence_bias.items():
            if len(ids) == 1:
                single[ids[0]] = bias
            else:
                by_length.setdefault(len(ids), []).append((ids, bias))
        longer = []
        for group in by_length.values():
            ids = torch.tensor([ids for ids, _ in group], device=device)
            biases = torch.tensor([bias for _, bias in group], dtype=torch.float32, device=device)
            longer.append((ids[:, :-1], ids[:, -1], biases))
        return single.to(device, dtype), longer


class NoBadWordsLogitsProcessor(SequenceBiasLogitsProcessor):
    """Sequences that never come.

    Args:
        bad_words_ids: [[id, ...], ...], of at least one sequence.
        eos_token_id: sequences of one of these alone stay possible.
    """

    def __init__(self, bad_words_ids: list[list[int]], eos_token_id: TokenIds | None = None):
        fits = isinstance(bad_words_ids, list | tuple) and len(bad_words_ids) > 0
        fits = fits and all(is_token_list(ids) for ids in bad_words_ids)
        require(fits, "bad_words_ids", bad_words_ids, "a non-empty list of lists of token ids, [[id, ...], ...]")
        ends = [] if eos_token_id is None else token_ids("eos_token_id", eos_token_id, least=None).tolist()
        self.bad_word_ids = bad_words_ids
        banned = {tuple(map(int, ids)): EXCLUDED for ids in bad_words_ids if ids and [*ids] not in [[i] for i in ends]}
        if banned:
            super().__init__(banned)
        else:
            self.sequence_bias = {}

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return super().__call__(input_ids, scores) if self.sequence_bias else scores


class PrefixConstrainedLogitsProcessor(LogitsProcessor):
    """Only the tokens that a function allows (De Cao et al., 2020).

    If processors before this one have excluded all of them, for all beams of a prompt, they come back as equals.

    Args:
        prefix_allowed_tokens_fn: called as f(prompt's number, ids so far (T,)); gives the ids that may come next.
        num_beams: rows for each prompt.

    Raises: ValueError if the function gives no ids, or ids outside the vocabulary.
    """

    def __init__(self, prefix_allowed_tokens_fn: Callable[[int, Tensor], Iterable[int]], num_beams: int = 1):
        require(callable(prefix_allowed_tokens_fn), "prefix_allowed_tokens_fn", prefix_allowed_tokens_fn, "a function")
        require(is_count(num_beams, 1), "num_beams", num_beams, "an integer of at least 1")
        self.prefix_allowed_tokens_fn = prefix_allowed_tokens_fn
        self.num_beams = num_beams

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        mask = torch.full_like(scores, EXCLUDED)
        for row, ids in enumerate(input_ids):
            mask[row, self._allowed(row // self.num_beams, ids, scores.shape[-1]).to(scores.device)] = 0
        found = scores + mask
        none_left = found.amax(dim=-1).isneginf().view(-1, self.num_beams).all(dim=-1)
        return torch.where(none_left.repeat_interleave(self.num_beams)[:, None], mask, found)

    def _allowed(self, prompt: int, ids: Tensor, size: int) -> Tensor:
        allowed = self.prefix_allowed_tokens_fn(prompt, ids)
        found = allowed.flatten() if isinstance(allowed, Tensor) else torch.tensor([*allowed], device="cpu")
        if not found.numel():
            raise ValueError(
                f"prefix_allowed_tokens_fn allows no token for prompt {prompt} after {ids.shape[0]} tokens. "
                "Let it return at least one id, such as the end of sequence."
            )
        fits = not found.is_floating_point() and int(found.min()) >= 0 and int(found.max()) < size
        require(fits, f"prefix_allowed_tokens_fn({prompt}, ...)", found.tolist(), f"ids from 0 to {size - 1}")
        return found
