"""Linear layers and their gradients by the native library are torch's."""

import pytest
import torch
import torch.nn.functional as F

from qkv.backends.cpu import linear as native
from qkv.backends.cpu.library import isas, library, status
from qkv.layers import Linear

pytestmark = pytest.mark.skipif(library() is None, reason=f"no native library: {status()}")


@pytest.fixture(params=isas() or ["none"])
def isa(request):
    before = library().qkv_isa()
    assert library().qkv_use_isa(request.param.encode()) == 0
    yield request.param
    library().qkv_use_isa(before)


@pytest.fixture(autouse=True)
def taken(monkeypatch):
    """Each call that the library took; little work is taken too."""
    monkeypatch.setattr(native, "WORTH", 1)
    calls, run = [], native.run

    def counted(*args):
        found = run(*args)
        calls.append(found is not None)
        return found

    monkeypatch.setattr(Linear, "engine", staticmethod(counted))
    return calls


@pytest.mark.parametrize(("rows", "k", "n"), [((2, 19), 40, 70), ((1,), 7, 33), ((5, 3), 129, 1), ((300,), 64, 96)])
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients(rows, k, n, bias, isa, taken):
    torch.manual_seed(0)
    layer, x = Linear(k, n, bias=bias), torch.randn(*rows, k, requires_grad=True)
    weight, y = torch.randn(*rows, n), layer(x)
    (y * weight).sum().backward()
    found = [x.grad, *(p.grad for p in layer.parameters())]
    doubles = [p.detach().double().requires_grad_() for p in (x, *layer.parameters())]
    expected = F.linear(*doubles)
    (expected * weight).sum().backward()
    for ours, other in zip([y, *found], [expected, *(p.grad for p in doubles)], strict=True):
        torch.testing.assert_close(ours.double(), other.detach(), rtol=1e-4, atol=2e-4)
    assert taken == [isa != "scalar"]


def test_gradients_that_are_not_wanted_are_not_made(taken):
    layer, x = Linear(8, 6), torch.randn(4, 8, requires_grad=True)
    layer.weight.requires_grad_(False)
    layer(x).sum().backward()
    assert layer.weight.grad is None and layer.bias.grad is not None and x.grad is not None
    with torch.no_grad():
        assert not layer(x).requires_grad
    assert taken == [True, True]


def test_gradients_of_gradients(taken):
    torch.manual_seed(0)
    layer, x = Linear(8, 6), torch.randn(4, 8, requires_grad=True)

    def penalty(product):
        (grad,) = torch.autograd.grad(product(x).pow(3).sum(), x, create_graph=True)
        return torch.autograd.grad(grad.pow(2).sum(), [x, layer.weight])

    for ours, other in zip(penalty(layer), penalty(lambda x: F.linear(x, layer.weight, layer.bias)), strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-4)
    assert taken == [True]


def test_sums_do_not_depend_on_threads():
    torch.manual_seed(0)
    layer, x = Linear(200, 300), torch.randn(150, 200, requires_grad=True)
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            y = layer(x)
            found.append([y, *torch.autograd.grad(y.pow(2).sum(), [x, layer.weight])])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_weights_that_are_not_dense_are_torch_s(taken):
    layer, x = Linear(6, 6), torch.randn(4, 6)
    for name, other in (("weight", torch.randn(6, 6).t()), ("bias", torch.randn(12)[::2])):
        setattr(layer, name, torch.nn.Parameter(other))
        torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias), rtol=0, atol=0)
    assert not any(taken)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_what_is_left_to_torch(taken):
    """Other dtypes, transformations, tracing, automatic casts, wrong shapes: with torch's results and errors."""
    layer, x = Linear(8, 6), torch.randn(4, 8)
    assert layer.double()(x.double()).dtype == torch.float64
    layer.float()
    torch.testing.assert_close(torch.func.vmap(layer)(x), F.linear(x, layer.weight, layer.bias))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    torch.func.jvp(layer, (x,), (torch.ones_like(x),))
    per_row = torch.func.grad(lambda w: F.linear(x, w).sum())(layer.weight)
    assert per_row.shape == layer.weight.shape
    torch.jit.trace(layer, x, check_trace=False)
    assert torch.export.export(layer, (x,)).module()(x).shape == (4, 6)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        layer(torch.randn(4, 7))
    assert layer(torch.empty(0, 8)).shape == (0, 6)
    assert not any(taken)
