"""Gemma 3, its text models (Gemma Team, 2025, arXiv:2503.19786): Gemma 2 with norms of queries and keys for each head.

Five of six layers look back over a window only, and turn queries and keys by shorter waves than the others.
EmbeddingGemma (2025, arXiv:2509.20354) is one in which tokens see what follows them too.
"""

from dataclasses import replace
from typing import Any

from torch import Tensor

from ..keymap import KeyMap
from ..layers import Attention, Cache, PerLayer, RMSNorm1p, Rope
from ..layers.masks import padding_mask, window_mask
from .causal import windows_by_type
from .gemma2 import Gemma2Config, Gemma2Model


class Gemma3TextConfig(Gemma2Config):
    model_type = "gemma3_text"

    vocab_size: int = 262208
    max_position_embeddings: int = 131072
    rope_theta: float = 1_000_000.0
    rope_local_base_freq: float = 10_000.0  # of layers with a window
    sliding_window_pattern: int = 6  # every sixth layer has no window
    _sliding_window_pattern: int | None = None  # the same once more in saved files, never read
    attn_logit_softcapping: float | None = None  # has no effect in the reference either
    final_logit_softcapping: float | None = None
    use_bidirectional_attention: bool | None = False  # windows are then half as wide, to both sides


class Gemma3TextModel(Gemma2Model):
    config_class = Gemma3TextConfig
    keys = KeyMap(
        Gemma2Model.keys.rules | {f"layers.{{}}.self_attn.{x}_norm": f"layers.{{}}.attn.{x}_norm" for x in "qk"},
        prefix="model.",
        ignored=Gemma2Model.keys.ignored,
    )
    words = replace(Gemma2Model.words, name="Gemma3ForCausalLM")
    heads = {**Gemma2Model.heads, "ForCausalLM": words}

    def __init__(self, config: Gemma3TextConfig):
        super().__init__(config)
        head_dim, local = self.head_dim(config), (config.rope_parameters or {}).get("sliding_attention") or {}
        theta = local.get("rope_theta", config.rope_local_base_freq)
        self.rope = Rope.of(config, head_dim, "full_attention")
        self.local_rope = Rope(head_dim, theta, local, config.max_position_embeddings)

    def attention(self, c: Any, layer: int, **parts: Any) -> Attention:
        norms = {f"{x}_norm": RMSNorm1p(self.head_dim(c), c.rms_norm_eps) for x in "qk"}
        return super().attention(c, layer, softcap=None, **norms, **parts)

    @property
    def windows(self) -> list[int | None]:
        c = self.config
        full = [(i + 1) % c.sliding_window_pattern == 0 for i in range(c.num_hidden_layers)]
        window = c.sliding_window // 2 + 1 if c.use_bidirectional_attention and c.sliding_window else c.sliding_window
        return windows_by_type(c, ["full_attention" if is_full else "sliding_attention" for is_full in full], window)

    def _cache(self, given: Any, wanted: bool | None) -> Cache | None:
        return None if self.config.use_bidirectional_attention else super()._cache(given, wanted)

    def _masks(self, x: Tensor, mask: Tensor | None, cache: Cache | None) -> Any:
        if not self.config.use_bidirectional_attention:
            return super()._masks(x, mask, cache)
        padding, windows = padding_mask(mask), self.windows
        made = {window: window_mask(x.shape[1], padding, x.device, window) for window in set(windows)}
        return PerLayer(made[window] for window in windows)

    def angles(self, positions: Tensor) -> Any:
        far, near = self.rope(positions), self.local_rope(positions)
        return PerLayer(far if window is None else near for window in self.windows)
