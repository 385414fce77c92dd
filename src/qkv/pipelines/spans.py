"""The spans of a text that a question-answering head finds most likely."""

import torch
import torch.nn.functional as F
from torch import Tensor

Span = tuple[float, int, int]  # score, first token, last token


def best_spans(
    start: Tensor, end: Tensor, allowed: Tensor, *, longest: int, count: int, null: int | None = None
) -> tuple[list[Span], float]:
    """The `count` most likely spans of a window of T tokens, best first; memory is O(T * longest).

    Args:
        start, end: scores of each token as a span's first and last (T,), before the softmax.
        allowed: (T,) bool, the tokens that a span may begin and end with.
        longest: tokens of a span at most.
        null: the token that means "no answer": it takes its part of the probability, but is in no span.

    Returns: spans with start's probability times end's as the score, equal scores in the order of the text; and the
        probability of no answer, 0.0 without a `null`.
    """
    counted = allowed.clone()
    if null is not None:
        counted[null] = True
    if not counted.any():
        return [], 0.0
    start, end = (x.float().masked_fill(~counted, -torch.inf).softmax(0) for x in (start, end))
    nothing = 0.0 if null is None else float(start[null] * end[null])
    if null is not None:
        allowed = allowed.clone()
        allowed[null] = False
    longest = min(longest, len(start))
    # Row s has the spans that start at token s, of 1 to `longest` tokens; those that may not be have a score below 0.
    ends = F.pad(end.masked_fill(~allowed, -1.0), (0, longest - 1), value=-1.0).unfold(0, longest, 1)
    scores = (start[:, None] * ends).masked_fill(~allowed[:, None] | (ends < 0), -1.0).flatten()
    values, places = (x[:count].tolist() for x in scores.sort(descending=True, stable=True))
    best = [(score, *divmod(place, longest)) for score, place in zip(values, places, strict=True) if score >= 0]
    return [(score, first, first + further) for score, first, further in best], nothing
