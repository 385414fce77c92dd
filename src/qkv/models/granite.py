"""Granite 3 (IBM, 2024): a Llama with constants on the embeddings, the scores, what a sublayer adds and the logits.

They make the best learning rate independent of the width (Yang et al., 2022, arXiv:2203.03466).
"""

from typing import Any

from torch import Tensor, nn

from ..heads import CausalLM
from ..layers import Attention, Cache, PreNormBlock
from .llama import LlamaConfig, LlamaModel
from .task import Head


class GraniteConfig(LlamaConfig):
    model_type = "granite"

    embedding_multiplier: float = 1.0
    attention_multiplier: float = 1.0  # in place of 1/sqrt(head_dim)
    residual_multiplier: float = 1.0
    logits_scaling: float = 1.0  # logits are divided by it


class GraniteBlock(PreNormBlock):
    """What each sublayer adds is multiplied by `share`."""

    def __init__(self, *parts: Any, share: float):
        super().__init__(*parts)
        self.share = share

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        x = x + self.attn(self.attn_norm(x), *context) * self.share
        return x + self.mlp(self.mlp_norm(x)) * self.share


class GraniteModel(LlamaModel):
    config_class = GraniteConfig
    heads = {
        **LlamaModel.heads,
        "ForCausalLM": Head(
            CausalLM, {"lm_head": "out"}, {"divisor": "logits_scaling"}, tied={"out.weight": "embed.token.weight"}
        ),
    }

    def attention(self, c: Any, layer: int, **parts: Any) -> Attention:
        return super().attention(c, layer, scale=c.attention_multiplier, **parts)

    def block(self, c: Any, layer: int) -> nn.Module:
        parts = self.attention(c, layer), self.mlp(c), self.norm_layer(c), self.norm_layer(c)
        return GraniteBlock(*parts, share=c.residual_multiplier)

    def decode(self, x: Tensor, masks: Any, positions: Tensor, segments: Tensor | None, cache: Cache | None) -> Tensor:
        return super().decode(x * self.config.embedding_multiplier, masks, positions, segments, cache)
