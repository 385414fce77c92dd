"""ConvNeXt V2 (Woo et al., 2023, arXiv:2301.00808): channels compete, in place of a scale."""

import torch
from torch import Tensor, nn

from ..keymap import KeyMap
from ..layers import MLP
from .convnext import ConvBlock, ConvNextConfig, ConvNextModel


class ConvNextV2Config(ConvNextConfig):
    model_type = "convnextv2"

    layer_scale_init_value: float = 0.0


class ResponseMLP(MLP):
    """An MLP with a global response normalisation (section 3.2): each channel by how strong it is in the whole map, to
    the mean of all. (B,h,w,D) -> (B,h,w,D)"""

    def __init__(self, dim: int, hidden: int, act: str):
        super().__init__(dim, hidden, act)
        self.response = Response(hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(self.response(self.act(self.up_proj(x))))


class Response(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.weight, self.bias = (nn.Parameter(torch.zeros(1, 1, 1, dim)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        strength = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)  # (B,1,1,D)
        return x + torch.addcmul(self.bias, self.weight, x * (strength / (strength.mean(-1, keepdim=True) + 1e-6)))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class ConvNextV2Block(ConvBlock):
    def network(self, c: ConvNextConfig, dim: int) -> MLP:
        return ResponseMLP(dim, 4 * dim, c.hidden_act)


class ConvNextV2Model(ConvNextModel):
    config_class = ConvNextV2Config
    base_model_prefix = "convnextv2"
    block = ConvNextV2Block
    keys = KeyMap(
        {**ConvNextModel.names, "encoder.stages.{}.layers.{}.grn": "stages.{}.layers.{}.mlp.response"},
        prefix="convnextv2.",
    )
