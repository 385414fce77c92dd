"""Where a text begins and ends: tokens forced, suppressed or made likelier by position; and scores made finite."""

import math
import sys
from collections.abc import Iterable

import torch
from torch import Tensor

from .base import LogitsProcessor, TokenIds, exclude, is_count, is_number, only, require, token_ids


class MinLengthLogitsProcessor(LogitsProcessor):
    """No end before the sequence has `min_length` tokens; with a decoder alone, the prompt counts.

    Args:
        min_length: at least 0.
        device: accepted for compatibility, here and below; the scores say where to compute.
    """

    def __init__(self, min_length: int, eos_token_id: TokenIds, device: object = "cpu"):
        require(is_count(min_length), "min_length", min_length, "an integer of at least 0")
        self.min_length = min_length
        self.eos_token_id = token_ids("eos_token_id", eos_token_id, least=None)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return exclude(scores, self.eos_token_id) if input_ids.shape[1] < self.min_length else scores


class MinNewTokensLengthLogitsProcessor(LogitsProcessor):
    """No end before `min_new_tokens` came after the prompt.

    Args:
        prompt_length_to_skip: tokens of the prompt, at least 0.
        min_new_tokens: at least 0.
    """

    def __init__(self, prompt_length_to_skip: int, min_new_tokens: int, eos_token_id: TokenIds, device: object = "cpu"):
        allowed = "an integer of at least 0"
        require(is_count(prompt_length_to_skip), "prompt_length_to_skip", prompt_length_to_skip, allowed)
        require(is_count(min_new_tokens), "min_new_tokens", min_new_tokens, allowed)
        self.prompt_length_to_skip = prompt_length_to_skip
        self.min_new_tokens = min_new_tokens
        self.eos_token_id = token_ids("eos_token_id", eos_token_id, least=None)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        new = input_ids.shape[1] - self.prompt_length_to_skip
        return exclude(scores, self.eos_token_id) if new < self.min_new_tokens else scores


class ForcedBOSTokenLogitsProcessor(LogitsProcessor):
    """A decoder's first token after its start token, such as the language to translate to.

    Args:
        bos_token_id: at least 0.
    """

    def __init__(self, bos_token_id: int):
        self.bos_token_id = bos_token_id
        self._ids = token_ids("forced_bos_token_id", bos_token_id)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return only(scores, self._ids, "forced_bos_token_id") if input_ids.shape[1] == 1 else scores


class ForcedEOSTokenLogitsProcessor(LogitsProcessor):
    """The last token when a sequence reaches `max_length`; any of several.

    Args:
        max_length: tokens of the whole sequence.
        eos_token_id: at least 0.
    """

    def __init__(self, max_length: int, eos_token_id: TokenIds, device: object = "cpu"):
        require(is_count(max_length, 1), "max_length", max_length, "an integer of at least 1")
        self.max_length = max_length
        self.eos_token_id = token_ids("forced_eos_token_id", eos_token_id)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        last = input_ids.shape[1] == self.max_length - 1
        return only(scores, self.eos_token_id, "forced_eos_token_id") if last else scores


class ExponentialDecayLengthPenalty(LogitsProcessor):
    """An end that becomes likelier with each token: its score s grows by |s| * (factor ** tokens - 1).

    Args:
        exponential_decay_length_penalty: (start, factor): new tokens before it begins, and a factor above 1.
        eos_token_id: at least 0.
        input_ids_seq_length: tokens of the prompt.
    """

    def __init__(
        self, exponential_decay_length_penalty: tuple[int, float], eos_token_id: TokenIds, input_ids_seq_length: int
    ):
        pair = exponential_decay_length_penalty
        fits = isinstance(pair, list | tuple) and len(pair) == 2 and is_number(pair[0]) and is_number(pair[1])
        allowed = "(start, factor), two numbers such as (20, 1.05)"
        require(fits, "exponential_decay_length_penalty", pair, allowed)
        length = input_ids_seq_length
        require(is_count(length), "input_ids_seq_length", length, "an integer of at least 0")
        self.regulation_start = pair[0] + length
        self.regulation_factor = pair[1]
        self.eos_token_id = token_ids("eos_token_id", eos_token_id)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        beyond = input_ids.shape[1] - self.regulation_start
        if beyond <= 0:
            return scores
        ids = self.eos_token_id[self.eos_token_id < scores.shape[-1]].to(scores.device)
        ends = scores[:, ids]
        penalty = (ends.abs() * (self._power(beyond) - 1)).clamp(max=torch.finfo(scores.dtype).max)
        return scores.index_copy(1, ids, ends + penalty.masked_fill(~ends.isfinite(), 0.0))

    def _power(self, exponent: float) -> float:
        try:
            return math.pow(self.regulation_factor, exponent)
        except OverflowError:
            return sys.float_info.max


class SuppressTokensLogitsProcessor(LogitsProcessor):
    """Tokens that never come.

    Args:
        suppress_tokens: ids; those outside the vocabulary do not matter.
    """

    def __init__(self, suppress_tokens: Iterable[int], device: object = "cpu"):
        self.suppress_tokens = token_ids("suppress_tokens", suppress_tokens, least=None)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return exclude(scores, self.suppress_tokens)


class SuppressTokensAtBeginLogitsProcessor(LogitsProcessor):
    """Tokens that do not come first.

    Args:
        begin_suppress_tokens: ids; those outside the vocabulary do not matter.
        begin_index: tokens before the first one.
    """

    def __init__(self, begin_suppress_tokens: Iterable[int], begin_index: int, device: object = "cpu"):
        require(is_count(begin_index), "begin_index", begin_index, "an integer of at least 0")
        self.begin_suppress_tokens = token_ids("begin_suppress_tokens", begin_suppress_tokens, least=None)
        self.begin_index = begin_index

    def set_begin_index(self, begin_index: int) -> None:
        self.begin_index = begin_index

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return exclude(scores, self.begin_suppress_tokens) if input_ids.shape[1] == self.begin_index else scores


class InfNanRemoveLogitsProcessor(LogitsProcessor):
    """NaN becomes 0, an infinite score the largest or smallest number of its type."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        limits = torch.finfo(scores.dtype)
        return scores.nan_to_num(nan=0.0, posinf=limits.max, neginf=limits.min)
