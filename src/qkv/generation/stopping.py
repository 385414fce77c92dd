"""Stopping criteria: functions of the tokens so far that say which rows are finished.

    input_ids (B,T) int64, scores -> (B,) bool

Shapes: B rows, T tokens so far (prompt included), V vocabulary.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from .logits.base import TokenIds, is_count, is_number, merged, require, token_ids
from .logits.token_text import token_texts


class StoppingCriteria:
    """What generate() asks after each step; any callable of the same arguments will do."""

    def __call__(self, input_ids: Tensor, scores: Sequence[Tensor] | None, **kwargs: Any) -> Tensor:
        """Args: scores: (B,V) of each step so far, or None if generate() was not asked to keep them."""
        raise NotImplementedError(f"{type(self).__name__} needs a __call__(input_ids, scores) that returns (B,) bool.")


class StoppingCriteriaList(list):
    """A row is finished when one of the criteria says so."""

    def __call__(self, input_ids: Tensor, scores: Sequence[Tensor] | None, **kwargs: Any) -> Tensor:
        finished = None
        for criterion in self:
            ends = criterion(input_ids, scores, **kwargs)
            finished = ends if finished is None else finished | ends
        return finished if isinstance(finished, Tensor) else _all(input_ids, bool(finished))

    @property
    def max_length(self) -> int | None:
        """The limit of the first MaxLengthCriteria; None without one."""
        return next((one.max_length for one in self if isinstance(one, MaxLengthCriteria)), None)


def _all(input_ids: Tensor, finished: bool) -> Tensor:
    return torch.full((input_ids.shape[0],), finished, dtype=torch.bool, device=input_ids.device)


class MaxLengthCriteria(StoppingCriteria):
    """Rows of `max_length` tokens, prompt included.

    Args:
        max_length: at least 1.
        max_position_embeddings: accepted for compatibility; the model itself says what is too long for it.
    """

    def __init__(self, max_length: int, max_position_embeddings: int | None = None):
        require(is_count(max_length, 1), "max_length", max_length, "an integer of at least 1")
        self.max_length = max_length
        self.max_position_embeddings = max_position_embeddings

    def __call__(self, input_ids: Tensor, scores: Sequence[Tensor] | None, **kwargs: Any) -> Tensor:
        return _all(input_ids, input_ids.shape[1] >= self.max_length)


class MaxTimeCriteria(StoppingCriteria):
    """All rows, after a time.

    Args:
        max_time: seconds, at least 0.
        initial_timestamp: when it began, as of time.time(); None for now.
    """

    def __init__(self, max_time: float, initial_timestamp: float | None = None):
        require(is_number(max_time) and max_time >= 0, "max_time", max_time, "seconds, a number of at least 0")
        self.max_time = max_time
        self.initial_timestamp = time.time() if initial_timestamp is None else initial_timestamp

    def __call__(self, input_ids: Tensor, scores: Sequence[Tensor] | None, **kwargs: Any) -> Tensor:
        return _all(input_ids, time.time() - self.initial_timestamp > self.max_time)


class EosTokenCriteria(StoppingCriteria):
    """Rows that end with one of these tokens."""

    def __init__(self, eos_token_id: TokenIds):
        self.eos_token_id = token_ids("eos_token_id", eos_token_id, least=None)

    def __call__(
        self, input_ids: Tensor, scores: Sequence[Tensor] | None, new_token_length: int = 1, **kwargs: Any
    ) -> Tensor:
        """Args: new_token_length: how many of the last tokens count."""
        self.eos_token_id = self.eos_token_id.to(input_ids.device)
        return torch.isin(input_ids[:, -new_token_length:], self.eos_token_id).any(dim=-1)


class StopStringCriteria(StoppingCriteria):
    """Rows in whose text one of the strings ends, within the last token. The string may begin before, or in the middle
    of a token.

    Args:
        tokenizer: of the model.
        stop_strings: one or several, none of them empty.

    Raises: ValueError if no token can end one of the strings, so that none would ever be found.
    """

    def __init__(self, tokenizer: Any, stop_strings: str | Sequence[str]):
        strings = (stop_strings,) if isinstance(stop_strings, str) else stop_strings
        fits = isinstance(strings, list | tuple) and len(strings) > 0
        fits = fits and all(isinstance(string, str) and string for string in strings)
        require(fits, "stop_strings", stop_strings, "a non-empty string or a list of them")
        self.stop_strings = tuple(strings)
        self._texts: dict[int, Any] = token_texts(tokenizer)
        self._nothing = type(next(iter(self._texts.values())))()
        self._stops: list[Any] = [s.encode() if isinstance(self._nothing, bytes) else s for s in strings]
        self._window = max(map(len, self._stops))  # tokens: each adds at least one element, or none
        require(
            any(_may_end(stop, self._texts.values()) for stop in self._stops), "stop_strings", stop_strings,
            "text that the tokenizer can write",
        )  # fmt: skip

    def __call__(self, input_ids: Tensor, scores: Sequence[Tensor] | None, **kwargs: Any) -> Tensor:
        rows = input_ids[:, -self._window :].tolist()
        return torch.tensor([self._ends(row) for row in rows], dtype=torch.bool, device=input_ids.device)

    def _ends(self, ids: list[int]) -> bool:
        texts = [self._texts.get(index) for index in ids]
        if not texts or not texts[-1]:
            return False
        unknown = max((at for at, text in enumerate(texts) if text is None), default=-1)
        text = self._nothing.join(texts[unknown + 1 :])
        before = len(text) - len(texts[-1])
        return any(text.find(stop, max(0, before - len(stop) + 1)) >= 0 for stop in self._stops)


def _may_end(stop: Any, texts: Iterable[Any]) -> bool:
    """Whether a token's text begins with what a string ends with, or holds the whole string."""
    endings = tuple(stop[at:] for at in range(len(stop)))
    return any(stop in text or text.startswith(endings) or (text and stop.endswith(text)) for text in texts)


class ConfidenceCriteria(StoppingCriteria):
    """For an assistant model: rows whose last token was less likely than a threshold.

    Args:
        assistant_confidence_threshold: a probability.
    """

    def __init__(self, assistant_confidence_threshold: float):
        value = assistant_confidence_threshold
        require(is_number(value) and 0 <= value <= 1, "assistant_confidence_threshold", value, "a number from 0 to 1")
        self.assistant_confidence_threshold = value

    def __call__(self, input_ids: Tensor, scores: Sequence[Tensor] | None, **kwargs: Any) -> Tensor:
        if not scores:
            raise ValueError("ConfidenceCriteria needs scores; use output_scores=True, return_dict_in_generate=True.")
        last = input_ids[:, -1:].to(scores[-1].device)
        probability = scores[-1].softmax(dim=-1).gather(-1, last)[:, 0]
        return (probability < self.assistant_confidence_threshold).to(input_ids.device)


def build_stopping(  # noqa: PLR0913 (everything that can end a row)
    config: Any, *, max_length: int, prompt_length: int, eos_token_ids: list[int], device: Any,
    extra: Iterable[Callable[..., Tensor]] | None = (), tokenizer: Any = None,
) -> StoppingCriteriaList:  # fmt: skip
    """The stopping criteria of a call; one of the caller's takes the place of one of the same class.

    Args:
        config: a GenerationConfig.
        max_length: tokens in a row, prompt included.
        prompt_length: tokens in a row before the first new one.
        eos_token_ids: ids that end a row; may be empty.
        device: of the ids.
        extra: the caller's criteria.
        tokenizer: for stop_strings.

    Raises: ValueError if a prompt leaves no room, or for stop_strings without a tokenizer.
    """
    if prompt_length >= max_length:
        raise ValueError(
            f"The prompt has {prompt_length} tokens and max_length={max_length} counts them, so no new one fits. "
            "Use max_new_tokens=, or a larger max_length."
        )
    made: list[StoppingCriteria] = [MaxLengthCriteria(max_length)]
    if config.max_time is not None:
        made.append(MaxTimeCriteria(config.max_time))
    if config.stop_strings is not None:
        if tokenizer is None:
            raise ValueError("stop_strings needs the model's tokenizer: generate(..., tokenizer=tokenizer).")
        made.append(StopStringCriteria(tokenizer, config.stop_strings))
    if eos_token_ids:
        made.append(EosTokenCriteria(torch.tensor(eos_token_ids, device=device)))
    if config.is_assistant and config.assistant_confidence_threshold:
        made.append(ConfidenceCriteria(config.assistant_confidence_threshold))
    return StoppingCriteriaList(merged(made, extra or ()))
