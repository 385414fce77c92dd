"""Qwen3 (Yang et al., 2025, arXiv:2505.09388): a Llama that normalises the queries and keys of each head.

The width of a head does not follow from the model's.
"""

from typing import Any

from torch import nn

from ..keymap import KeyMap
from ..layers import Attention
from .llama import LlamaModel
from .qwen2 import Qwen2Config, late_windows


class Qwen3Config(Qwen2Config):
    model_type = "qwen3"

    head_dim: int | None = 128


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
