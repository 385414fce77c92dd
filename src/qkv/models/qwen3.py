"""Qwen3 (Yang et al., 2025, arXiv:2505.09388): a Llama that normalises the queries and keys of each head.

The width of a head does not follow from the model's.
"""

from typing import Any

from torch import nn

from ..keymap import KeyMap
from ..layers import Attention
from .llama import LlamaConfig, LlamaModel
from .qwen2 import late_windows


class Qwen3Config(LlamaConfig):
    model_type = "qwen3"

    vocab_size: int = 151936
    intermediate_size: int = 22016
    num_key_value_heads: int | None = 32
    head_dim: int | None = 128
    max_position_embeddings: int = 32768
    use_sliding_window: bool = False
    sliding_window: int | None = 4096
    max_window_layers: int = 28
    bos_token_id: int | list | None = None
    eos_token_id: int | list | None = None


class Qwen3Model(LlamaModel):
    config_class = Qwen3Config
    keys = KeyMap(
        LlamaModel.table | {f"layers.{{}}.self_attn.{x}_norm": f"layers.{{}}.attn.{x}_norm" for x in "qk"},
        prefix="model.",
        ignored=LlamaModel.keys.ignored,
    )

    def attention(self, c: Any, layer: int, **parts: Any) -> Attention:
        norms = {f"{x}_norm": nn.RMSNorm(self.head_dim(c), c.rms_norm_eps) for x in "qk"}
        return super().attention(c, layer, **norms, **parts)

    @property
    def windows(self) -> list[int | None]:
        return late_windows(self.config)
