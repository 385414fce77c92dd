"""Norms that torch does not have."""

import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm1p(nn.RMSNorm):
    """RMSNorm whose weight is what it adds to one (Gemma): x (..., D) -> (..., D)"""

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.normalized_shape, 1.0 + self.weight.float(), self.eps).to(x.dtype)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)


class MapNorm(nn.LayerNorm):
    """A layer norm of each place of a map: (B,D,h,w) -> (B,D,h,w)"""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
