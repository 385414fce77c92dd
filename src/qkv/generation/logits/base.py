"""LogitsProcessor: a function of the tokens so far and the next token's scores, which gives new scores.

    input_ids (B,T) int64, scores (B,V) float -> scores (B,V); rows do not see each other; arguments stay unchanged.

Shapes: B rows, T tokens so far (prompt included), V vocabulary.
"""

import inspect
import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from ...errors import short

EXCLUDED = -math.inf  # the score of a token that must not come next
TokenIds = int | list[int] | Tensor


class LogitsProcessor:
    """What generate() applies to the scores of the next token; any callable of the same two arguments will do."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Args: input_ids: (B,T) int64. scores: (B,V) logits, or log-probabilities in beam search."""
        raise NotImplementedError(f"{type(self).__name__} needs a __call__(input_ids, scores) that returns scores.")


class LogitsProcessorList(list):
    """Processors in the order in which they are applied."""

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
        """The scores after all processors.

        Args:
            kwargs: what single processors take beside the two, such as current_tokens for group beams.

        Raises: ValueError if a processor needs an argument that was not given.
        """
        for processor in self:
            scores = processor(input_ids, scores, **_wanted(processor, kwargs))
        return scores


def _wanted(processor: Callable[..., Tensor], given: dict[str, Any]) -> dict[str, Any]:
    required, optional, anything = _further_arguments(
        processor if inspect.isroutine(processor) else type(processor).__call__
    )
    missing = [name for name in required if name not in given]
    if missing:
        raise ValueError(
            f"{type(processor).__name__} needs {', '.join(missing)} beside input_ids and scores; give them by name."
        )
    return given if anything else {name: given[name] for name in (*required, *optional) if name in given}


@lru_cache
def _further_arguments(function: Callable[..., Tensor]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Names of a processor's arguments after the scores, required and optional, and whether it takes any name."""
    found = list(inspect.signature(function).parameters.values())
    named = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name != "self"][2:]
    required = tuple(p.name for p in named if p.default is p.empty)
    optional = tuple(p.name for p in named if p.default is not p.empty)
    return required, optional, any(p.kind is p.VAR_KEYWORD for p in found)


def merged(made: list[Any], given: Iterable[Any]) -> list[Any]:
    """What a configuration asks for, then what the caller gives, which takes the place of what has the same class."""
    given = list(given)
    found = [next((one for one in given if type(one) is type(default)), default) for default in made]
    return found + [one for one in given if not any(one is other for other in found)]


# ------------------------------------------------------------------------------------------------ arguments


def require(fits: bool, name: str, value: object, allowed: str) -> None:
    """ValueError with the argument's name, its value and what it may be, unless it fits."""
    if not fits:
        raise ValueError(f"{name}={short(value)} must be {allowed}.")


def is_number(value: object) -> bool:
    """Whether a value is a finite real number; True and False are not."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def is_count(value: object, least: int = 0) -> bool:
    """Whether a value is an integer of at least `least`; True and False are not."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def is_token_list(value: object) -> bool:
    """Whether a value is a list or tuple of token ids."""
    return isinstance(value, list | tuple) and all(is_count(token) for token in value)


def token_ids(name: str, value: Any, least: int | None = 0) -> Tensor:
    """One id or several as a tensor (N,) on the CPU. Raises: ValueError if one is no integer, or below `least`."""
    allowed = "a token id or a list of token ids" + (f" of at least {least}" if least is not None else "")
    if isinstance(value, Tensor):
        require(not value.is_floating_point() and value.dtype != torch.bool, name, value, allowed)
        value = value.flatten().tolist()
    ids: Any = [value] if isinstance(value, Integral) else value
    fits = isinstance(ids, list | tuple | set) and all(is_count(i, -(2**62) if least is None else least) for i in ids)
    require(fits, name, value, allowed)
    return torch.tensor([int(i) for i in ids], dtype=torch.long, device="cpu")


# ------------------------------------------------------------------------------------------------ scores


def exclude(scores: Tensor, ids: Tensor) -> Tensor:
    """Scores without these tokens (N,), given on the CPU; ids outside the vocabulary do not matter."""
    inside = ids[(ids >= 0) & (ids < scores.shape[-1])]
    return scores.index_fill(-1, inside.to(scores.device), EXCLUDED)


def only(scores: Tensor, ids: Tensor, name: str) -> Tensor:
    """Scores that leave nothing but these tokens (N,), all equally good. Raises: ValueError for an unknown token."""
    size = scores.shape[-1]
    require(bool((ids < size).all()), name, ids.tolist(), f"below the size of the vocabulary, {size}")
    return torch.full_like(scores, EXCLUDED).index_fill(-1, ids.to(scores.device), 0.0)


def occurring(ids: Tensor, scores: Tensor) -> Tensor:
    """Which tokens occur in each row of ids (B,N), as a mask of the scores (B,V); ids outside of it do not matter."""
    size = scores.shape[-1]
    inside = ids.masked_fill((ids < 0) | (ids >= size), size)
    mask = torch.zeros(scores.shape[0], size + 1, dtype=torch.bool, device=scores.device)
    return mask.scatter_(1, inside.to(scores.device), True)[:, :size]


def per_row(values: Tensor, rows: int, name: str) -> Tensor:
    """Values of each prompt (P,...), repeated for its beams: (B,...). Raises: ValueError if B is no multiple of P."""
    if values.shape[0] == rows:
        return values
    if not values.shape[0] or rows % values.shape[0]:
        raise ValueError(f"{name} has {values.shape[0]} rows, which does not divide the {rows} rows of scores.")
    return values.repeat_interleave(rows // values.shape[0], dim=0)
