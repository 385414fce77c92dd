"""A draw from few tokens gives the ids that a draw from all gives, and leaves the generator where that leaves it."""

import math

import pytest
import torch

from qkv.generation import logits
from qkv.generation.logits import few
from qkv.generation.search import best

WARPERS = {
    "top_k": [logits.TopKLogitsWarper(50)],
    "top_k, top_p": [logits.TopKLogitsWarper(50), logits.TopPLogitsWarper(0.9)],
    "top_k, top_p, min_p": [
        logits.TopKLogitsWarper(20), logits.TemperatureLogitsWarper(1.5), logits.TopPLogitsWarper(0.8),
        logits.MinPLogitsWarper(0.05),
    ],
}  # fmt: skip


def by_all(scores, warpers):
    for warper in warpers:
        scores = warper(scores, scores)
    return torch.multinomial(scores.softmax(-1), 1)[:, 0]


@pytest.mark.parametrize("rows, size", [(1, 20_011), (3, 13_056)])
@pytest.mark.parametrize("decimals", [1, 9])
@pytest.mark.parametrize("name", WARPERS)
def test_the_ids_are_those_of_a_draw_from_all(name, decimals, rows, size):
    short = 0
    for seed in range(12):
        torch.manual_seed(seed)
        given = (torch.randn(rows, size) * 3).round(decimals=decimals)
        short += few._shortlist(WARPERS[name], given) is not None
        before = torch.get_rng_state()
        expected, after = by_all(given, WARPERS[name]), torch.get_rng_state()
        torch.set_rng_state(before)
        assert torch.equal(few.draw(given, WARPERS[name]), expected)
        assert torch.equal(torch.get_rng_state(), after)
    assert short == 12 if decimals == 9 else short < 12  # equal scores make the long way necessary


def test_a_draw_is_by_the_probabilities():
    given = torch.full((2000, 13_000), -9.0)
    given[:, [5, 12_999]] = torch.tensor([0.75, 0.25]).log()
    torch.manual_seed(0)
    drawn = few.draw(given, [logits.TopKLogitsWarper(2)])
    assert set(drawn.tolist()) == {5, 12_999}
    assert abs((drawn == 5).float().mean() - 0.75) < 0.03


def test_another_torch_draws_from_all(monkeypatch):
    given = torch.randn(2, 20_000, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(few, "_race", lambda *_: torch.tensor([0]))
    few._known.cache_clear()
    assert not few._known()
    torch.manual_seed(1)
    found = few.draw(given, WARPERS["top_k"])
    torch.manual_seed(1)
    assert torch.equal(found, by_all(given, WARPERS["top_k"]))
    few._known.cache_clear()


@pytest.mark.parametrize("worst", [-math.inf, math.nan])
def test_a_row_without_a_chance_is_told(worst):
    given = torch.randn(2, 20_000)
    given[1] = worst
    assert few.draw(given, WARPERS["top_k, top_p"]) is None
    assert few.draw(given) is None


def test_only_processors_at_the_end_that_fit_are_taken_over():
    class Own(logits.TopPLogitsWarper):
        pass

    warm, top_k, top_p = logits.TemperatureLogitsWarper(0.5), logits.TopKLogitsWarper(5), logits.TopPLogitsWarper(0.5)
    assert few.divided([warm, top_k, top_p]) == ([warm], (top_k, top_p))
    for processors in ([warm, top_p], [top_k, Own(0.5)], [top_k, logits.LogitNormalization()], []):
        assert few.divided(processors) == (processors, ())
    assert few.divided([logits.TopKLogitsWarper(5, filter_value=-99.0)])[1] == ()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_best_token_is_the_first_of_equals(dtype):
    given = torch.tensor([[1.0, 3.0, 2.0, 3.0], [-math.inf, -5.0, -math.inf, -6.0]], dtype=dtype)
    assert best(given).tolist() == [1, 1]
