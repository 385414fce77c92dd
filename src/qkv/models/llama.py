"""Llama (Touvron et al., 2023, arXiv:2302.13971; Llama 3: arXiv:2407.21783): a causal decoder with RMSNorm before the
sublayers, rotary positions, a gated MLP, and fewer key/value heads than heads.

SmolLM2, TinyLlama and many others are Llamas. Families that are nearly Llamas subclass it and override what differs:
`attention`, `mlp`, `block`, `norm_layer`, `windows`, `angles`.
"""

from typing import Any

from torch import nn

from ..config import Config
from ..heads import CausalLM, SequenceClassifier
from ..keymap import KeyMap, Rule
from ..layers import Attention, Embeddings, GatedMLP, Layers, PreNormBlock, Rope
from .causal import CausalModel
from .task import Head


class LlamaConfig(Config):
    model_type = "llama"

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int | None = None  # as many as heads
    head_dim: int | None = None  # hidden_size / num_attention_heads
    hidden_act: str = "silu"
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: dict | None = None
    rope_parameters: dict | None = None  # 5.x: rope_theta and rope_scaling in one
    partial_rotary_factor: float | None = None
    original_max_position_embeddings: int | None = None
    sliding_window: int | None = None
    layer_types: list | None = None  # "full_attention" or "sliding_attention" for each layer
    attention_bias: bool = False
    attention_dropout: float = 0.0
    mlp_bias: bool = False
    bos_token_id: int | list | None = 1
    eos_token_id: int | list | None = 2
    tie_word_embeddings: bool = False

    def __init__(self, **values: Any):
        super().__init__(**values)
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads


class LlamaModel(CausalModel):
    config_class = LlamaConfig
    base_model_prefix = "model"
    table: dict[str, Rule] = {
        "embed_tokens": "embed.token",
        "layers.{}.input_layernorm": "layers.{}.attn_norm",
        **{f"layers.{{}}.self_attn.{x}_proj": f"layers.{{}}.attn.{x}_proj" for x in "qkvo"},
        "layers.{}.post_attention_layernorm": "layers.{}.mlp_norm",
        **{f"layers.{{}}.mlp.{x}_proj": f"layers.{{}}.mlp.{x}_proj" for x in ("gate", "up", "down")},
        "norm": "norm",
    }
    keys = KeyMap(table, prefix="model.", ignored=("layers.{}.self_attn.rotary_emb.inv_freq", "rotary_emb.inv_freq"))
    heads = {
        "ForCausalLM": Head(CausalLM, {"lm_head": "out"}, tied={"out.weight": "embed.token.weight"}),
        "ForSequenceClassification": Head(SequenceClassifier, {"score": "out"}, {"token": "last", "bias": False}),
    }

    def __init__(self, config: LlamaConfig):
        super().__init__(config)
        self.embed = Embeddings(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.layers = Layers(self.block(config, i) for i in range(config.num_hidden_layers))
        self.norm = self.norm_layer(config)
        self.rope = Rope.of(config, self.head_dim(config))

    @staticmethod
    def head_dim(c: Any) -> int:
        return c.head_dim or c.hidden_size // c.num_attention_heads

    @staticmethod
    def norm_layer(c: Any) -> nn.Module:
        return nn.RMSNorm(c.hidden_size, c.rms_norm_eps)

    def attention(self, c: Any, layer: int, **parts: Any) -> Attention:
        sizes = {"head_dim": self.head_dim(c), "kv_heads": c.num_key_value_heads, "dropout": c.attention_dropout}
        return Attention(c.hidden_size, c.num_attention_heads, **{**sizes, "bias": c.attention_bias, **parts})

    def mlp(self, c: Any) -> nn.Module:
        return GatedMLP(c.hidden_size, c.intermediate_size, c.hidden_act, bias=c.mlp_bias)

    def block(self, c: Any, layer: int) -> nn.Module:
        return PreNormBlock(self.attention(c, layer), self.mlp(c), self.norm_layer(c), self.norm_layer(c))
