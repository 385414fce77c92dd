"""Phi-3, Phi-3.5 and Phi-4 (Abdin et al., 2024, arXiv:2404.14219): a Llama published with fused projections.

Queries, keys and values are one tensor, and so are the two of the gated MLP. The long-text versions have LongRoPE.
"""

from typing import Any

from torch import nn

from ..keymap import Fused, KeyMap
from ..layers import PreNormBlock
from .llama import LlamaConfig, LlamaModel


class Phi3Config(LlamaConfig):
    model_type = "phi3"

    vocab_size: int = 32064
    hidden_size: int = 3072
    intermediate_size: int = 8192
    max_position_embeddings: int = 4096
    original_max_position_embeddings: int | None = 4096
    rms_norm_eps: float = 1e-5
    resid_pdrop: float = 0.0
    embd_pdrop: float = 0.0  # of no effect in the reference either
    pad_token_id: int | None = 32000
    eos_token_id: int | list | None = 32000


def _key_map(heads: int, kv_heads: int) -> KeyMap:
    return KeyMap(
        {
            **{theirs: ours for theirs, ours in LlamaModel.table.items() if theirs.endswith(("norm", "tokens"))},
            "layers.{}.self_attn.qkv_proj": Fused(
                tuple(f"layers.{{}}.attn.{x}_proj" for x in "qkv"), shares=(heads, kv_heads, kv_heads)
            ),
            "layers.{}.self_attn.o_proj": "layers.{}.attn.o_proj",
            "layers.{}.mlp.gate_up_proj": Fused(("layers.{}.mlp.gate_proj", "layers.{}.mlp.up_proj")),
            "layers.{}.mlp.down_proj": "layers.{}.mlp.down_proj",
        },
        prefix="model.",
        ignored=LlamaModel.keys.ignored,
    )


class Phi3Model(LlamaModel):
    config_class = Phi3Config
    keys = _key_map(1, 1)

    def __init__(self, config: Phi3Config):
        super().__init__(config)
        heads = config.num_attention_heads
        self.keys = _key_map(heads, config.num_key_value_heads or heads)

    def block(self, c: Any, layer: int) -> nn.Module:
        parts = self.attention(c, layer), self.mlp(c), self.norm_layer(c), self.norm_layer(c)
        return PreNormBlock(*parts, dropout=c.resid_pdrop)

    @property
    def windows(self) -> list[int | None]:
        return [self.config.sliding_window] * self.config.num_hidden_layers
