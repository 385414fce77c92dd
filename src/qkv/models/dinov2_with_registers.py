"""DINOv2 with registers (Darcet et al., 2023, arXiv:2309.16588): tokens without a place, which keep maps clean."""

from typing import Any

import torch
from torch import Tensor, nn

from ..keymap import KeyMap
from ..layers.patches import PictureEmbeddings
from .dinov2 import PLAIN, Dinov2Config, Dinov2Model


class Dinov2WithRegistersConfig(Dinov2Config):
    model_type = "dinov2_with_registers"

    patch_size: int | list | tuple = 16
    num_register_tokens: int = 4


class RegisterEmbeddings(PictureEmbeddings):
    """Registers after the token of the whole picture: (B,C,H,W) -> (B,1+R+N,D)"""

    antialias = True

    def __init__(self, channels: int, dim: int, *, registers: int, **options: Any):
        super().__init__(channels, dim, **options)
        self.registers = nn.Parameter(torch.zeros(1, registers, dim))

    def forward(self, pixels: Tensor, hidden: Tensor | None = None) -> Tensor:
        x = super().forward(pixels, hidden)
        return torch.cat((x[:, :1], self.dropout(self.registers.expand(len(x), -1, -1)), x[:, 1:]), dim=1)


class Dinov2WithRegistersModel(Dinov2Model):
    config_class = Dinov2WithRegistersConfig
    base_model_prefix = "dinov2_with_registers"
    names = {**Dinov2Model.names, "embeddings.register_tokens": "embed.registers"}
    keys = KeyMap({**names, **PLAIN}, prefix="dinov2_with_registers.")

    def __init__(self, config: Dinov2WithRegistersConfig):
        super().__init__(config)
        self.tokens = 1 + config.num_register_tokens

    def embedded(self, c: Any, kind: Any = RegisterEmbeddings, **options: Any) -> PictureEmbeddings:
        return super().embedded(c, kind, registers=c.num_register_tokens, **options)
