"""SmolLM3 (Bakouch et al., 2025): a Llama in which every fourth layer knows no positions (NoPE).

After Yang et al. (2025, arXiv:2501.18795); such layers may look back over a window only.
"""

from typing import Any

from torch import Tensor

from ..layers import PerLayer
from .causal import windows_by_type
from .llama import LlamaConfig, LlamaModel


class SmolLM3Config(LlamaConfig):
    model_type = "smollm3"

    vocab_size: int = 128256
    hidden_size: int = 2048
    num_hidden_layers: int = 36
    num_attention_heads: int = 16
    num_key_value_heads: int | None = 4
    max_position_embeddings: int = 32768
    rope_theta: float = 2_000_000.0
    use_sliding_window: bool = False
    no_rope_layers: list | None = None  # 1 for each layer that knows positions, 0 for the others
    no_rope_layer_interval: int = 4  # if that is None
    pad_token_id: int | None = 128004
    bos_token_id: int | list | None = 128000
    eos_token_id: int | list | None = 128001
    tie_word_embeddings: bool = True


class SmolLM3Model(LlamaModel):
    config_class = SmolLM3Config

    def __init__(self, config: SmolLM3Config):
        super().__init__(config)
        self.turned = _turned(config)

    @property
    def windows(self) -> list[int | None]:
        c, window = self.config, self.config.sliding_window
        late = [not turned and c.use_sliding_window and window is not None for turned in _turned(c)]
        return windows_by_type(c, ["sliding_attention" if is_late else "full_attention" for is_late in late], window)

    def angles(self, positions: Tensor) -> Any:
        angles = self.rope(positions)
        return PerLayer(angles if turned else None for turned in self.turned)


def _turned(c: Any) -> list:
    """Which layers turn queries and keys by their positions. Raises ValueError if the config names too few layers."""
    if c.no_rope_layers is None:
        return [(i + 1) % c.no_rope_layer_interval != 0 for i in range(c.num_hidden_layers)]
    if len(c.no_rope_layers) < c.num_hidden_layers:
        raise ValueError(
            f"config.no_rope_layers has {len(c.no_rope_layers)} entries, one for each of {c.num_hidden_layers} layers "
            f"is needed. Correct it in config.json."
        )
    return c.no_rope_layers
