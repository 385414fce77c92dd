"""OLMo 2 (OLMo et al., 2024, arXiv:2501.00656): a Llama that normalises what leaves each sublayer.

Queries and keys are normalised too, each over all heads at once.
"""

from typing import Any

from torch import Tensor, nn

from ..keymap import KeyMap
from ..layers import Attention, SublayerNormBlock
from .llama import LlamaConfig, LlamaModel


class Olmo2Config(LlamaConfig):
    model_type = "olmo2"

    vocab_size: int = 50304
    rms_norm_eps: float = 1e-5
    pad_token_id: int | None = 1
    bos_token_id: int | list | None = None
    eos_token_id: int | list | None = 50279


class AllHeadsRMSNorm(nn.RMSNorm):
    """RMSNorm over the numbers of all heads of a token. x (B,H,T,C) -> (B,H,T,C)"""

    def forward(self, x: Tensor) -> Tensor:
        joined = super().forward(x.transpose(1, 2).flatten(2))  # (B,T,H*C)
        return joined.unflatten(2, (x.shape[1], x.shape[3])).transpose(1, 2)


class Olmo2Model(LlamaModel):
    config_class = Olmo2Config
    keys = KeyMap(
        {
            **{theirs: ours for theirs, ours in LlamaModel.table.items() if "layernorm" not in theirs},
            "layers.{}.post_attention_layernorm": "layers.{}.attn_norm",
            "layers.{}.post_feedforward_layernorm": "layers.{}.mlp_norm",
            **{f"layers.{{}}.self_attn.{x}_norm": f"layers.{{}}.attn.{x}_norm" for x in "qk"},
        },
        prefix="model.",
        ignored=LlamaModel.keys.ignored,
    )

    def attention(self, c: Any, layer: int, **parts: Any) -> Attention:
        heads = {"q_norm": c.num_attention_heads, "k_norm": c.num_key_value_heads or c.num_attention_heads}
        norms = {name: AllHeadsRMSNorm(n * self.head_dim(c), c.rms_norm_eps) for name, n in heads.items()}
        return super().attention(c, layer, **norms, **parts)

    def block(self, c: Any, layer: int) -> nn.Module:
        return SublayerNormBlock(self.attention(c, layer), self.mlp(c), self.norm_layer(c), self.norm_layer(c))
