"""Gemma 2 (Rivière et al., 2024, arXiv:2408.00118): Gemma with norms on both sides of each sublayer.

Scores of attention and of words are bent into a range by tanh, and every other layer looks back over a window only.
"""

from dataclasses import replace
from typing import Any

from torch import nn

from ..keymap import KeyMap
from ..layers import Attention, GatedMLP, SandwichNormBlock
from .causal import windows_by_type
from .gemma import GemmaConfig, GemmaModel, ScaledEmbedding
from .llama import LlamaModel


class Gemma2Config(GemmaConfig):
    model_type = "gemma2"

    hidden_size: int = 2304
    intermediate_size: int = 9216
    num_hidden_layers: int = 26
    num_attention_heads: int = 8
    num_key_value_heads: int | None = 4
    hidden_activation: str = "gelu_pytorch_tanh"  # goes before hidden_act, which old files have too
    query_pre_attn_scalar: int = 256  # in place of head_dim in the scale of scores
    sliding_window: int | None = 4096
    attn_logit_softcapping: float | None = 50.0
    final_logit_softcapping: float | None = 30.0


class Gemma2Model(LlamaModel):
    config_class = Gemma2Config
    keys = KeyMap(
        {
            **LlamaModel.table,
            "layers.{}.post_attention_layernorm": "layers.{}.attn_out_norm",
            "layers.{}.pre_feedforward_layernorm": "layers.{}.mlp_norm",
            "layers.{}.post_feedforward_layernorm": "layers.{}.mlp_out_norm",
        },
        prefix="model.",
        ignored=LlamaModel.keys.ignored,
    )
    words = replace(LlamaModel.heads["ForCausalLM"], options={"softcap": "final_logit_softcapping"})
    heads = {**LlamaModel.heads, "ForCausalLM": words}
    norm_layer = staticmethod(GemmaModel.norm_layer)

    def __init__(self, config: Gemma2Config):
        super().__init__(config)
        self.embed.token = ScaledEmbedding(config.vocab_size, config.hidden_size, config.pad_token_id)

    def attention(self, c: Any, layer: int, **parts: Any) -> Attention:
        scale = {"scale": c.query_pre_attn_scalar**-0.5, "softcap": c.attn_logit_softcapping}
        return super().attention(c, layer, **{**scale, **parts})

    def mlp(self, c: Any) -> nn.Module:
        return GatedMLP(c.hidden_size, c.intermediate_size, c.hidden_activation)

    def block(self, c: Any, layer: int) -> nn.Module:
        outer = {"attn_out_norm": self.norm_layer(c), "mlp_out_norm": self.norm_layer(c)}
        return SandwichNormBlock(self.attention(c, layer), self.mlp(c), self.norm_layer(c), self.norm_layer(c), **outer)

    @property
    def windows(self) -> list[int | None]:
        types = ["full_attention" if i % 2 else "sliding_attention" for i in range(self.config.num_hidden_layers)]
        return windows_by_type(self.config, types, self.config.sliding_window)
