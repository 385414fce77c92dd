"""Dropout by the native library: how much is dropped and where, the way back, and that it follows the seed."""

import math

import pytest
import torch
from torch import nn

from qkv.backends.cpu.library import isas, library, status
from qkv.layers.dropout import Dropout, dropout

pytestmark = pytest.mark.skipif(library() is None, reason=f"no native library: {status()}")


@pytest.fixture(params=isas())
def isa(request):
    native = library()
    now = native.qkv_isa()
    native.qkv_use_isa(request.param.encode())
    yield request.param
    native.qkv_use_isa(now)


def dropped(shape, p, seed=0):
    """Where ones became zeros."""
    torch.manual_seed(seed)
    found = dropout(torch.ones(shape), p)
    assert torch.isin(found, torch.tensor([0, 1 / (1 - p)])).all()
    return (found == 0).float()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_shares(isa, p):
    """Within five standard deviations of p: in all, in each row and column of a table, and in pairs of neighbours."""
    zeros = dropped((700, 900), p)

    def near(values, count, share):
        assert (values - share).abs().max() < 5.5 * math.sqrt(share * (1 - share) / count)

    near(zeros.mean(), zeros.numel(), p)
    near(zeros.mean(0), 700, p)
    near(zeros.mean(1), 900, p)
    flat = zeros.flatten()
    for distance in (1, 2, 16, 256, 900, 1 << 14):
        near((flat[distance:] * flat[:-distance]).mean(), (len(flat) - distance) / 2, p * p)


def test_every_call_and_every_seed_drops_others(isa):
    torch.manual_seed(0)
    ones = torch.ones(20000)
    found = [dropout(ones, 0.5) == 0 for _ in range(30)]
    found += [dropped((20000,), 0.5, seed).bool() for seed in range(1, 30)]
    for i, one in enumerate(found):
        for other in found[:i]:
            assert abs((one & other).float().mean() - 0.25) < 6 * math.sqrt(0.25 * 0.75 / 20000)


def test_all_instruction_sets_and_threads_drop_the_same():
    native, threads, found = library(), torch.get_num_threads(), []
    now = native.qkv_isa()
    for name in isas():
        native.qkv_use_isa(name.encode())
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(dropped((3, 20011), 0.1))
    native.qkv_use_isa(now)
    torch.set_num_threads(threads)
    assert len(found) > 1 and all(torch.equal(found[0], one) for one in found)


def test_gradients_are_of_what_was_kept():
    x = torch.randn(50, 7, requires_grad=True)
    torch.manual_seed(0)
    y = dropout(x.t(), 0.3)
    (first,) = torch.autograd.grad(y.pow(2).sum(), x, create_graph=True)
    kept = (y.detach() != 0).t() / 0.7
    torch.testing.assert_close(first, 2 * x * kept.square())
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(second, 2 * kept.square())


def test_what_is_torchs(monkeypatch):
    x = torch.randn(5, 100)
    for given, p in ((x.double(), 0.3), (x, 1.0), (x.bfloat16(), 0.3)):
        torch.manual_seed(0)
        found = dropout(given, p)
        torch.manual_seed(0)
        assert torch.equal(found, nn.functional.dropout(given, p))
    assert dropout(x, 0.3, training=False) is x and dropout(x, 0.0) is x and Dropout(0.3).eval()(x) is x
    mapped = torch.vmap(lambda row: dropout(row, 0.3), randomness="different")(x)
    assert 0 < (mapped == 0).float().mean() < 1
