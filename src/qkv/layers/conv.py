"""Convolutions and what follows them. Shapes: B batch, C channels, H x W a map."""

from torch import Tensor, nn

from .mlp import activation
from .published import Named

GROUPS = 32  # of channels that are normalised together


class ConvNorm(Named):
    """Convolution, batch norm, activation: (B,C,H,W) -> (B,C',H/stride,W/stride)"""

    def __init__(
        self, channels: int, out: int, size: int = 3, stride: int = 1, act: str | None = "", eps: float = 1e-5
    ):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, size, stride, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(out, eps)
        self.act = activation(act) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class GroupConv(Named):
    """Convolution, norm of groups of channels, and ReLU if `act`: (B,C,H,W) -> (B,out,H/stride,W/stride)"""

    def __init__(
        self, channels: int, out: int, size: int = 1, stride: int = 1, *, bias: bool = False, act: bool = False
    ):
        super().__init__()
        if out % GROUPS:
            raise ValueError(
                f"the width of maps must be a multiple of {GROUPS}, got {out} (hidden_size, feature_size)."
            )
        self.conv = nn.Conv2d(channels, out, size, stride, padding=size // 2, bias=bias)
        self.norm = nn.GroupNorm(GROUPS, out)
        self.act = nn.ReLU() if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))
