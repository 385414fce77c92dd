"""Gemma 2 (Rivière et al., 2024, arXiv:2408.00118): Gemma with norms on both sides of each sublayer.

Scores of attention and of words are bent into a range by tanh, and every other layer looks back over a window only.
"""

from typing import Any

from torch import nn

from ..heads import CausalLM
from ..keymap import KeyMap
from ..layers import Attention, GatedMLP, RMSNorm1p, SandwichNormBlock
from .gemma import GemmaConfig, ScaledEmbedding
from .llama import LlamaModel
from .task import Head


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
        LlamaModel.table
        | {
            "layers.{}.post_attention_layernorm": "layers.{}.attn_out_norm",
            "layers.{}.pre_feedforward_layernorm": "layers.{}.mlp_norm",
            "layers.{}.post_feedforward_layernorm": "layers.{}.mlp_out_norm",
        },
        prefix="model.",
        ignored=LlamaModel.keys.ignored,
    )
    word_scores = Head(
        CausalLM, {"lm_head": "out"}, {"softcap": "final_logit_softcapping"}, tied={"out.weight": "embed.token.weight"}
    )
    heads = LlamaModel.heads | {"ForCausalLM": word_scores}

    def __init__(self, config: Gemma2Config):
        super().__init__(config)
        self.embed.token = ScaledEmbedding(config.vocab_size, config.hidden_size, config.pad_token_id)

    @staticmethod
    def norm_layer(c: Any) -> nn.Module:
        return RMSNorm1p(c.hidden_size, c.rms_norm_eps)

    def attention(self, c: Any, layer: int, **parts: Any) -> Attention:
        scale = {"scale": c.query_pre_attn_scalar**-0.5, "softcap": c.attn_logit_softcapping}
        return super().attention(c, layer, **{**scale, **parts})

    def mlp(self, c: Any) -> nn.Module:
        return GatedMLP(c.hidden_size, c.intermediate_size, c.hidden_activation)

    def block(self, c: Any, layer: int) -> nn.Module:
        outer = {"attn_out_norm": self.norm_layer(c), "mlp_out_norm": self.norm_layer(c)}
        return SandwichNormBlock(
            self.attention(c, layer), self.mlp(c), self.norm_layer(c), self.norm_layer(c), **outer
        )

    @property
    def kinds(self) -> list[str]:
        """ "full_attention" or "sliding_attention" for each layer."""
        c = self.config
        turns = range(1, c.num_hidden_layers + 1)
        return c.layer_types or ["sliding_attention" if i % 2 else "full_attention" for i in turns]

    @property
    def windows(self) -> list[int | None]:
        return [self.config.sliding_window if kind == "sliding_attention" else None for kind in self.kinds]
