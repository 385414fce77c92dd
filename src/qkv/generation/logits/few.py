"""A draw from the few tokens that top-k leaves: the ids are those of a draw from all, in a third of the time.

Shapes: B rows, V vocabulary, k tokens.
"""

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import EXCLUDED, LogitsProcessorList
from .warpers import ALIGNED, MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

BLOCK = 64  # tokens
AFTER = (TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper, MinPLogitsWarper)


def divided(processors: Any) -> tuple[Any, Any]:
    """Processors before those that `draw` may take over, and these: top-k and what follows it; none if not all fit."""
    at = next((i for i, one in enumerate(processors) if type(one) is TopKLogitsWarper), len(processors))
    if not all(type(one) in AFTER and getattr(one, "filter_value", EXCLUDED) == EXCLUDED for one in processors[at:]):
        return processors, ()
    return LogitsProcessorList(processors[:at]), tuple(processors[at:])


def draw(scores: Tensor, warpers: Any = ()) -> Tensor | None:
    """A token of each row (B,) by the probabilities that scores (B,V) have after warpers of `divided`.

    Returns: None if a row has no token with a chance.
    """
    found = _shortlist(warpers, scores) if warpers and scores.device.type == "cpu" and _known() else None
    if found is None:
        for warper in warpers:
            scores = warper(scores, scores)
        found = scores, None
    probabilities = found[0].softmax(dim=-1)
    if bool(probabilities[:, 0].isnan().any()):  # then the row is NaN throughout
        return None
    if found[1] is None:
        return torch.multinomial(probabilities, 1)[:, 0]
    return _race(probabilities, found[1], scores.shape[1])


def _shortlist(warpers: Any, scores: Tensor) -> tuple[Tensor, Tensor] | None:
    """Scores (B,k) in ascending order of tokens (B,k), after the warpers; None where equal scores make it ambiguous."""
    (size, k), values = (scores.shape[1], warpers[0].top_k), scores
    if 4 * k * BLOCK > size or scores.dtype != torch.float32:
        return None
    values, index = _highest(scores, k + 1)
    if bool((values[:, 0] == values[:, 1]).any()):
        return None
    values, index = values[:, 1:], index[:, 1:]
    for warper in warpers[1:]:
        if type(warper) is TopPLogitsWarper:
            unlikely = warper.unlikely(F.pad(values, ((size - k) % ALIGNED + ALIGNED, 0), value=EXCLUDED))
            if unlikely is None:
                return None
            values = values.masked_fill(unlikely[:, -k:], EXCLUDED)
        else:
            values = warper(index, values)
    return values, index


def _highest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The highest scores and their tokens, (B,count) each, in ascending order: they are in the blocks of tokens whose
    own highest scores are the highest."""
    blocks = F.pad(scores, (0, -scores.shape[1] % BLOCK), value=EXCLUDED).unflatten(1, (-1, BLOCK))
    best = blocks.amax(dim=-1).topk(count).indices
    values, index = blocks.gather(1, best[..., None].expand(-1, -1, BLOCK)).flatten(1).topk(count)
    index = best.gather(1, index // BLOCK) * BLOCK + index % BLOCK
    return values.flip(-1), index.flip(-1)


def _race(probabilities: Tensor, index: Tensor, size: int) -> Tensor:
    """What torch.multinomial draws, (B,), where all but the tokens (B,k) of `size` have a probability of 0.

    The first of exponential clocks, which are the logarithms of uniform numbers of 53 bits; one for each of all tokens.
    """
    bits = torch.empty(len(index), size, dtype=torch.long, device="cpu").random_().gather(1, index)
    clocks = -torch.log1p(-(bits & (1 << 53) - 1).double() * 2.0**-53)
    return index.gather(1, (probabilities / clocks.float()).argmax(dim=1, keepdim=True))[:, 0]


@cache
def _known() -> bool:
    """Whether this version of torch draws as `_race` does, so that a seed gives the same ids."""
    state, flat = torch.get_rng_state(), torch.full((1, 4096), 2.0**-12, device="cpu")
    theirs, after = torch.multinomial(flat, 1)[:, 0], torch.get_rng_state()
    torch.set_rng_state(state)
    ours = _race(flat, torch.arange(4096, device="cpu")[None], 4096)
    same = torch.equal(ours, theirs) and torch.equal(torch.get_rng_state(), after)
    torch.set_rng_state(state)
    return same
