"""Qwen2 and Qwen2.5 (Yang et al., 2024, arXiv:2407.10671): a Llama with biases on queries, keys and values alone.

Where `use_sliding_window` is on, the layers from number `max_window_layers` on look back over a window only.
"""

from typing import Any

from ..layers import Attention
from .causal import windows_by_type
from .llama import LlamaConfig, LlamaModel


class Qwen2Config(LlamaConfig):
    model_type = "qwen2"

    vocab_size: int = 151936
    intermediate_size: int = 22016
    num_key_value_heads: int | None = 32
    max_position_embeddings: int = 32768
    use_sliding_window: bool = False
    sliding_window: int | None = 4096
    max_window_layers: int = 28
    bos_token_id: int | list | None = None
    eos_token_id: int | list | None = None


class Qwen2Model(LlamaModel):
    config_class = Qwen2Config

    def attention(self, c: Any, layer: int, **parts: Any) -> Attention:
        return super().attention(c, layer, bias=True, out_bias=False, **parts)

    @property
    def windows(self) -> list[int | None]:
        return late_windows(self.config)


def late_windows(c: Any) -> list[int | None]:
    """The windows of a config that has them in its last layers."""
    types = ["full_attention" if i < c.max_window_layers else "sliding_attention" for i in range(c.num_hidden_layers)]
    return windows_by_type(c, types, c.sliding_window if c.use_sliding_window else None)
