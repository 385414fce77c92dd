"""Feed-forward networks and their activations."""

from torch import Tensor, nn

from ..errors import nearest, short
from .dropout import dropout
from .linear import Linear
from .published import Named


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x), CLIP's approximation of GELU (Hendrycks and Gimpel, 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (1.702 * x).sigmoid()


class SquaredReLU(nn.Module):
    """max(x, 0) squared (Primer: So et al., 2021)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.relu().square()


ACTIVATIONS: dict[str, type[nn.Module] | tuple[type[nn.Module], dict]] = {
    "gelu": nn.GELU,
    "gelu_new": (nn.GELU, {"approximate": "tanh"}),
    "gelu_pytorch_tanh": (nn.GELU, {"approximate": "tanh"}),
    "gelu_fast": (nn.GELU, {"approximate": "tanh"}),
    "gelu_python": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "linear": nn.Identity,
    "mish": nn.Mish,
    "quick_gelu": QuickGELU,
    "relu": nn.ReLU,
    "relu2": SquaredReLU,
    "relu6": nn.ReLU6,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "tanh": nn.Tanh,
}


def activation(name: str) -> nn.Module:
    """The activation that a config names. Raises ValueError for a name outside `ACTIVATIONS`."""
    if name not in ACTIVATIONS:
        near = nearest(name[:80], ACTIVATIONS)
        raise ValueError(f"unknown activation {short(name)} in config.json; the nearest are {near}.")
    found = ACTIVATIONS[name]
    return found[0](**found[1]) if isinstance(found, tuple) else found()


class MLP(Named):
    """down(act(up(x))): (B,T,D) -> (B,T,F) -> (B,T,D)

    Args:
        dropout: between the two, as T5 has it.
        out_dropout: after them, where it is not that of the block.
    """

    def __init__(
        self, dim: int, hidden: int, act: str, *, bias: bool = True, dropout: float = 0.0, out_dropout: float = 0.0
    ):
        super().__init__()
        self.up_proj = Linear(dim, hidden, bias=bias)
        self.down_proj = Linear(hidden, dim, bias=bias)
        self.act, self.dropout, self.out_dropout = activation(act), dropout, out_dropout

    def forward(self, x: Tensor) -> Tensor:
        x = self.down_proj(dropout(self.act(self.up_proj(x)), self.dropout, self.training))
        return dropout(x, self.out_dropout, self.training)


class GatedMLP(MLP):
    """down(act(gate(x)) * up(x)), the GLU variants of Shazeer (2020)."""

    def __init__(self, dim: int, hidden: int, act: str, *, bias: bool = False, dropout: float = 0.0):
        super().__init__(dim, hidden, act, bias=bias, dropout=dropout)
        self.gate_proj = Linear(dim, hidden, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.gate_proj(x)) * self.up_proj(x)
        return self.down_proj(dropout(x, self.dropout, self.training))
