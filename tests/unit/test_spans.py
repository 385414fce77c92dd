"""The best spans of a window, against all spans one by one."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from qkv.pipelines.spans import best_spans

SCORE = st.integers(-40, 40).map(lambda n: n / 8)


@st.composite
def window(draw):
    rows = draw(st.lists(st.tuples(SCORE, SCORE, st.booleans()), min_size=1, max_size=14))
    null = draw(st.none() | st.integers(0, len(rows) - 1))
    return (*map(list, zip(*rows, strict=True)), null, draw(st.integers(1, 20)), draw(st.integers(1, 60)))


def every(start, end, allowed, null, longest):
    """All spans by the definition, and the probability of none."""
    counted = [ok or i == null for i, ok in enumerate(allowed)]
    sums = [sum(math.exp(x) for x, ok in zip(side, counted, strict=True) if ok) for side in (start, end)]
    chance = [[math.exp(x) / (total or 1) for x in side] for side, total in zip((start, end), sums, strict=True)]
    spans = {
        (first, last): chance[0][first] * chance[1][last]
        for first in range(len(start))
        for last in range(first, min(first + longest, len(start)))
        if allowed[first] and allowed[last] and null not in (first, last)
    }
    return spans, 0.0 if null is None else chance[0][null] * chance[1][null]


@given(window())
def test_the_best_of_all_spans(case):
    start, end, allowed, null, longest, count = case
    spans, nothing = every(start, end, allowed, null, longest)
    found, none = best_spans(
        torch.tensor(start), torch.tensor(end), torch.tensor(allowed), longest=longest, count=count, null=null
    )
    assert math.isclose(none, nothing, rel_tol=1e-4, abs_tol=1e-7)
    assert len(found) == min(count, len(spans)) == len({(first, last) for _, first, last in found})
    for score, first, last in found:
        assert math.isclose(score, spans[first, last], rel_tol=1e-4)
    scores = [score for score, _, _ in found]
    assert scores == sorted(scores, reverse=True)
    left = [chance for place, chance in spans.items() if place not in {(first, last) for _, first, last in found}]
    assert not left or max(left) <= min(scores) * (1 + 1e-4)


@given(window(), st.integers(1, 30), st.floats(-1e4, 1e4))
def test_tokens_that_do_not_count_change_nothing(case, more, value):
    """Padding and a question, whatever a model says of them."""
    start, end, allowed, null, longest, count = case
    options = {"longest": longest, "count": count, "null": null}
    found, none = best_spans(torch.tensor(start), torch.tensor(end), torch.tensor(allowed), **options)
    padded = [torch.tensor([*side, *[value] * more]) for side in (start, end)]
    again, still = best_spans(*padded, torch.tensor([*allowed, *[False] * more]), **options)
    assert len(again) == len(found) and all(last < len(start) for _, _, last in again)
    for (score, *_), (other, *_) in zip(found, again, strict=True):  # sums may be rounded otherwise
        assert math.isclose(score, other, rel_tol=1e-5)
    assert math.isclose(none, still, rel_tol=1e-5)


def test_memory_is_linear_in_the_length():
    """All pairs of these would be 10 GB."""
    torch.manual_seed(0)
    start, end = torch.randn(2, 50_000).unbind()
    ((_, first, last),), _ = best_spans(start, end, torch.ones(50_000, dtype=torch.bool), longest=15, count=1)
    assert 0 <= last - first < 15
    best = max(float(start[i] + end[i : i + 15].max()) for i in start.topk(50).indices.tolist())
    assert math.isclose(float(start[first] + end[last]), best, rel_tol=1e-5)


def test_equal_scores_come_in_the_order_of_the_text():
    flat = torch.zeros(4)
    found, _ = best_spans(flat, flat, torch.tensor([False, True, True, True]), longest=2, count=9)
    assert [place for _, *place in found] == [[1, 1], [1, 2], [2, 2], [2, 3], [3, 3]]
