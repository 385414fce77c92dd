"""SynthID-Text: a watermark by tournaments between tokens, which leaves the distribution as it is on average
(Dathathri et al., Nature 634, 2024).

The tokens before and a token are hashed with each of several keys; each hash gives the token a bit, its g-value, and a
round of the tournament shifts probability to tokens with a 1.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from .base import LogitsProcessor, is_count, is_token_list, require

MULTIPLIER, INCREMENT = 6364136223846793005, 1  # of a linear congruential generator modulo 2^64
LARGEST_TABLE = 2**24


@dataclass
class SynthIDTextWatermarkingConfig:
    """How a text is marked.

    Args:
        ngram_len: tokens that are hashed together, at least 2 (5 in the paper).
        keys: secrets, a round of the tournament each (20 to 30 in the paper).
        context_history_size: contexts that are remembered, so that each marks only once.
        sampling_table_seed, sampling_table_size: of the table of bits; its size is at most 2**24.
        skip_first_ngram_calls: leave the first `ngram_len` - 1 tokens unmarked.
        debug_mode: mark a uniform distribution instead of the model's.
    """

    ngram_len: int
    keys: Sequence[int]
    context_history_size: int = 1024
    sampling_table_seed: int = 0
    sampling_table_size: int = 2**16
    skip_first_ngram_calls: bool = False
    debug_mode: bool = False

    def validate(self) -> None:
        """Raises: ValueError for a value out of its range."""
        require(is_count(self.ngram_len, 2), "ngram_len", self.ngram_len, "an integer of at least 2")
        fits = is_token_list(self.keys) and len(self.keys) > 0
        require(fits, "keys", self.keys, "a non-empty list of integers of at least 0")
        size = self.context_history_size
        require(is_count(size, 1), "context_history_size", size, "an integer of at least 1")
        size = self.sampling_table_size
        fits = is_count(size, 1) and size <= LARGEST_TABLE
        require(fits, "sampling_table_size", size, f"an integer from 1 to {LARGEST_TABLE}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def construct_processor(self, vocab_size: int, device: Any) -> "SynthIDTextWatermarkLogitsProcessor":
        return SynthIDTextWatermarkLogitsProcessor(**self.to_dict(), device=device)


class SynthIDTextWatermarkLogitsProcessor(LogitsProcessor):
    """Gives the log-probabilities after the tournament. It counts the tokens after its first call, so it serves one
    generation; rows stay in their places, as in sampling.

    Args:
        device: of the scores.
        options: as in SynthIDTextWatermarkingConfig.
    """

    def __init__(self, ngram_len: int, keys: Sequence[int], *, device: Any = "cpu", **options: Any):
        config = SynthIDTextWatermarkingConfig(ngram_len, keys, **options)
        config.validate()
        self.config = config
        self.ngram_len = ngram_len
        self.keys = torch.tensor(list(keys), device=device)
        generator = torch.Generator(device=device).manual_seed(config.sampling_table_seed)
        self.sampling_table = torch.randint(0, 2, (config.sampling_table_size,), generator=generator, device=device)
        self._context: Tensor | None = None  # the last tokens of each row (B,n-1), zeros before the first
        self._history: Tensor | None = None  # hashes of the contexts before (B,H), the latest first
        self._calls = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        scores = torch.ones_like(scores) if self.config.debug_mode else scores
        context, history = self._advance(input_ids)
        if self.config.skip_first_ngram_calls and self._calls < self.ngram_len:
            return scores
        hashed = _hash(torch.ones_like(context[:, 0]), context)[:, None]  # (B,1)
        tokens = torch.arange(scores.shape[1], device=context.device)[None, :, None]
        marked = self._tournament(scores, self._bits(_hash(hashed, tokens)))
        self._history = torch.cat([hashed, history], dim=1)[:, :-1]
        return torch.where((history == hashed).any(dim=1, keepdim=True), scores, marked)

    def _advance(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        rows, device = input_ids.shape[0], self.keys.device
        self._calls += 1
        if self._context is None or self._history is None:
            self._context = torch.zeros(rows, self.ngram_len - 1, dtype=torch.long, device=device)
            self._history = torch.zeros(rows, self.config.context_history_size, dtype=torch.long, device=device)
        else:
            self._context = torch.cat([self._context, input_ids[:, -1:].to(device)], dim=1)[:, 1:]
        return self._context, self._history

    def _bits(self, hashed: Tensor) -> Tensor:
        """The g-values of hashes (B,N), a bit for each key: (B,N,K)."""
        keyed = _hash(hashed[:, :, None], self.keys[:, None])
        return self.sampling_table[keyed % self.sampling_table.shape[0]]

    def _tournament(self, scores: Tensor, bits: Tensor) -> Tensor:
        probabilities = scores.softmax(dim=1)
        for bit in bits.unbind(dim=2):
            winning = (bit * probabilities).sum(dim=1, keepdim=True)
            probabilities = probabilities * (1 + bit - winning)
        logs = probabilities.log()
        return logs.where(logs.isfinite(), torch.finfo(logs.dtype).min)

    # ---------------------------------------------------------------------------------------------- for a detector

    def compute_g_values(self, input_ids: Tensor) -> Tensor:
        """The bits of a text (B,T), for each run of `ngram_len` tokens and each key: (B,T-n+1,K)."""
        windows = input_ids.unfold(1, self.ngram_len, 1)
        return self._bits(_hash(torch.ones_like(windows[:, :, 0]), windows))

    def compute_context_repetition_mask(self, input_ids: Tensor) -> Tensor:
        """Which runs of a text (B,T) follow a context that did not come before: (B,T-n+1) bool."""
        contexts = input_ids[:, :-1].unfold(1, self.ngram_len - 1, 1)
        hashed = _hash(torch.ones_like(contexts[:, :, 0]), contexts)
        at = torch.arange(hashed.shape[1], device=hashed.device)
        distance = at[:, None] - at  # of a context to an earlier one
        earlier = (distance > 0) & (distance <= self.config.context_history_size)
        repeated = ((hashed[:, :, None] == hashed[:, None]) & earlier).any(dim=-1)
        empty = (hashed == 0) & (at < self.config.context_history_size)  # the history begins with zeros
        return ~(repeated | empty)

    def compute_eos_token_mask(self, input_ids: Tensor, eos_token_id: int) -> Tensor:
        """Which tokens of a text (B,T) come before its first end: (B,T) bool."""
        return (input_ids == eos_token_id).cumsum(dim=1) == 0

    def expected_mean_g_value(self, vocab_size: int, coinflip_prob: float = 0.5) -> float:
        """The mean bit of a marked text with one key, where all tokens are as likely."""
        return coinflip_prob + coinflip_prob * (1 - coinflip_prob) * (1 - 1 / vocab_size)


def _hash(start: Tensor, data: Tensor) -> Tensor:
    """Integers (...,N) hashed one after the other, each as of `start` (...)."""
    for value in data.unbind(dim=-1):
        start = (start + value) * MULTIPLIER + INCREMENT
    return start
