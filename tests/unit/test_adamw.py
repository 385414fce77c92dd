"""AdamW in one pass: torch's numbers, with any instruction set and without the library; rows without gradients."""

import copy

import pytest
import torch

import qkv.training.optim.adamw as ours
from qkv.backends.cpu.library import isas, library
from qkv.training.optim.adamw import AdamW

SHAPES = ((400, 33), (7,), (5, 2, 3), (), (0, 4), (3, 70000))
needs_library = pytest.mark.skipif(library() is None, reason="no native library")


@pytest.fixture(params=[*isas(), "torch"])
def way(request, monkeypatch):
    """What computes."""
    if request.param == "torch":
        monkeypatch.setattr(ours, "library", lambda: None)
        yield request.param
        return
    native = library()
    now = native.qkv_isa()
    native.qkv_use_isa(request.param.encode())
    yield request.param
    native.qkv_use_isa(now)


def weights(dtype=torch.float32):
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in SHAPES]


def give_gradients(step, *models, rows=True):
    """Large ones, of some rows of the first weight only."""
    torch.manual_seed(step)
    for each in zip(*models, strict=True):
        grad = torch.randn(each[0].shape, dtype=each[0].dtype)
        if rows and grad.shape == SHAPES[0]:
            grad[20 * step + 20 :] = 0
            grad[3] = 0
        for weight in each:
            weight.grad = grad.clone()


def close(mine, theirs):
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("limit", [1.0, 1e9])
def test_numbers_are_torchs(way, decay, limit):
    mine, theirs = weights(), weights()
    first = mine[0].detach().clone()
    optimizer = AdamW(mine, lr=0.01, weight_decay=decay, fused=True)
    reference = torch.optim.AdamW(theirs, lr=0.01, weight_decay=decay)
    for step in range(5):
        give_gradients(step, mine, theirs)
        optimizer.param_groups[0]["lr"] = reference.param_groups[0]["lr"] = 0.01 / (step + 1)
        expected = torch.nn.utils.clip_grad_norm_(theirs, limit)
        assert optimizer.clip(limit) == pytest.approx(float(expected), rel=1e-5)
        optimizer.step()
        reference.step()
    close(mine, theirs)
    for name in ("step", "exp_avg", "exp_avg_sq"):
        close([optimizer.state[x][name] for x in mine], [reference.state[x][name] for x in theirs])
    if not decay:
        assert torch.equal(mine[0][101:], first[101:]) and torch.equal(mine[0][3], first[3])


def test_a_state_goes_on_in_either(way):
    """Three steps here, two in torch's and two here again: rows that have moments move without gradients."""
    mine, theirs = weights(), weights()
    optimizer, reference = AdamW(mine, lr=0.01, fused=True), torch.optim.AdamW(theirs, lr=0.01, fused=True)
    for step in range(3):
        give_gradients(step, mine, theirs)
        optimizer.step()
        reference.step()
    for _ in range(2):
        state = copy.deepcopy(reference.state_dict())
        optimizer = AdamW(mine, lr=0.01, fused=True)
        optimizer.load_state_dict(state)
        give_gradients(0, mine, theirs)
        optimizer.step()
        reference.step()
    close(mine, theirs)


def test_gradients_and_moments_that_others_change(way):
    """As a callback may, after the norm was taken."""
    mine, theirs = weights(), weights()
    optimizer, reference = AdamW(mine, lr=0.01, fused=True), torch.optim.AdamW(theirs, lr=0.01, fused=True)
    for step in range(3):
        give_gradients(step, mine, theirs)
        optimizer.clip(1e9)
        for each in (mine, theirs):
            each[0].grad[300 + step] = 5.0
        optimizer.step()
        reference.step()
        if step == 1:
            for each, state in ((mine, optimizer.state), (theirs, reference.state)):
                state[each[0]]["exp_avg"][350] = 1.0
    close(mine, theirs)


@needs_library
def test_bits_do_not_depend_on_threads():
    found, threads = [], torch.get_num_threads()
    for count in (1, 3):
        torch.set_num_threads(count)
        mine = weights()
        optimizer = AdamW(mine, lr=0.01, fused=True)
        for step in range(2):
            give_gradients(step, mine, rows=False)
            found.append(torch.tensor(optimizer.clip(0.5)))
            optimizer.step()
        found += mine
    torch.set_num_threads(threads)
    half = len(found) // 2
    assert all(map(torch.equal, found[:half], found[half:]))


@pytest.mark.parametrize(("dtype", "options"), [(torch.float64, {}), (torch.float32, {"amsgrad": True})])
def test_what_is_left_to_torch(dtype, options):
    mine, theirs = weights(dtype), weights(dtype)
    optimizer = AdamW(mine, lr=0.01, fused=True, **options)
    reference = torch.optim.AdamW(theirs, lr=0.01, fused=True, **options)
    for step in range(2):
        give_gradients(step, mine, theirs)
        norms = optimizer.clip(1.0), torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        assert norms[0] == norms[1]
        optimizer.step()
        reference.step()
    assert all(map(torch.equal, mine, theirs))


def test_a_norm_that_is_no_number(way):
    mine = weights()
    optimizer = AdamW(mine, lr=0.01, fused=True)
    give_gradients(0, mine)
    mine[0].grad[0, 0] = float("nan")
    assert optimizer.clip(1.0) != optimizer.clip(1.0)
