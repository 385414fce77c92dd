"""Caches: what a decoder keeps of the tokens it has read, in all its layers.

A layer's cache decides how much it keeps and in what form (layer_cache.py, quantized_cache.py); here they are together,
under the names that users pass as `past_key_values`. Shapes: B batch, K key/value heads, S keys, C head width.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from .layer_cache import LayerCache, StaticLayerCache, WindowCache
from .quantized_cache import QuantizedLayerCache


class PerLayer(list):
    """A value for each layer, where a stack of layers expects one value for all."""


class Cache(PerLayer):
    """The caches of all layers; `cache[i]` is that of layer i. Empty until a model fills it at its first use."""

    def __iter__(self) -> Iterator[LayerCache]:
        return super().__iter__()

    def fill(self, windows: Iterable[int | None]) -> None:
        """Make the caches of layers with these windows, None for a layer that looks back without bound."""
        raise NotImplementedError

    @property
    def length(self) -> int:
        """Tokens read."""
        return self[0].length if len(self) else 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self[layer_idx].length if layer_idx < len(self) else 0

    def crop(self, max_length: int) -> None:
        """Forget the tokens from number `max_length` on; a negative one counts from the end."""
        for layer in self:
            layer.crop(max_length if max_length >= 0 else max(0, layer.length + max_length))

    def reorder_cache(self, beam_idx: Tensor, start: int = 0) -> None:
        """Row i becomes what row beam_idx[i] was; there may be more or fewer of them.

        Args:
            beam_idx: (B',)
            start: up to this token the rows are known to be the same already.
        """
        for layer in self:
            layer.select(beam_idx, start)

    batch_select_indices = reorder_cache

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each row becomes `repeats` equal rows that follow each other."""
        pair = self[0].pair if len(self) else None
        if pair is not None:
            self.reorder_cache(torch.arange(len(pair[0])).repeat_interleave(repeats))

    def to_legacy_cache(self) -> tuple[Any, ...]:
        """((keys, values), ...) of each layer, (B,K,S,C) each."""
        return tuple(layer.pair for layer in self)

    def reset(self) -> None:
        """Forget everything."""
        for layer in self:
            layer.reset()

    @property
    def nbytes(self) -> int:
        return sum(layer.nbytes for layer in self)


class DynamicCache(Cache):
    """Grows with what is read.

    Args:
        config: of a model; then layers with a sliding window keep only that. Without it they keep all, which allows
            cropping.
        room: tokens to make room for at first.
    """

    def __init__(self, config: Any = None, *, room: int = 0):
        super().__init__()
        self.windowed, self.room = config is not None, room

    @classmethod
    def from_legacy_cache(cls, past_key_values: Any) -> "DynamicCache":
        """A cache from ((keys, values), ...) of each layer, (B,K,S,C) each, as older code has them."""
        pairs = past_key_values if isinstance(past_key_values, tuple | list) else ()
        if not pairs or not all(isinstance(pair, tuple | list) and len(pair) >= 2 for pair in pairs):
            raise ValueError(
                "past_key_values must be a Cache, such as DynamicCache(), or ((keys, values), ...) a layer."
            )
        cache = cls()
        cache.fill([None] * len(pairs))
        for layer, (k, v, *_) in zip(cache, pairs, strict=True):
            layer.update(k, v)
        return cache

    def fill(self, windows: Iterable[int | None]) -> None:
        self[:] = [WindowCache(w) if w is not None and self.windowed else LayerCache(self.room) for w in windows]


class StaticCache(Cache):
    """Room for a fixed number of tokens, made at once.

    Args:
        max_cache_len: tokens at most; further ones raise ValueError.
    """

    def __init__(self, config: Any = None, max_cache_len: int = 0, **_: Any):
        super().__init__()
        self.max_cache_len = max_cache_len

    def fill(self, windows: Iterable[int | None]) -> None:
        self[:] = [StaticLayerCache(self.max_cache_len) for _ in windows]


class QuantizedCache(Cache):
    """Keeps keys and values in few bits.

    Args:
        nbits: 8, 4 or 2.
        q_group_size: neighbouring numbers that share a scale.
        residual_length: so many of the last tokens stay in full precision.
    """

    def __init__(
        self, backend: str = "qkv", config: Any = None, nbits: int = 4, q_group_size: int = 64,
        residual_length: int = 128, **_: Any,
    ):  # fmt: skip
        super().__init__()
        if nbits not in (2, 4, 8):
            raise ValueError(f"nbits={nbits!r} of a quantized cache must be 8, 4 or 2.")
        self.options = {"nbits": nbits, "group": q_group_size, "residual": residual_length}

    def fill(self, windows: Iterable[int | None]) -> None:
        self[:] = [QuantizedLayerCache(**self.options) for _ in windows]


class EncoderDecoderCache:
    """The cache of a decoder's own tokens, and that of the encoder's states as the decoder's layers project them."""

    def __init__(self, self_attention_cache: Cache, cross_attention_cache: Cache):
        self.self_attention_cache, self.cross_attention_cache = self_attention_cache, cross_attention_cache

    def fill(self, windows: Iterable[int | None]) -> None:
        windows = list(windows)
        self.self_attention_cache.fill(windows)
        self.cross_attention_cache.fill([None] * len(windows))

    def __len__(self) -> int:
        return len(self.self_attention_cache)

    @property
    def length(self) -> int:
        return self.self_attention_cache.length

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.self_attention_cache.get_seq_length(layer_idx)

    def crop(self, max_length: int) -> None:
        self.self_attention_cache.crop(max_length)

    def reorder_cache(self, beam_idx: Tensor, start: int = 0) -> None:
        self.self_attention_cache.reorder_cache(beam_idx, start)
        if start == 0:  # else the rows read the same text
            self.cross_attention_cache.reorder_cache(beam_idx)

    batch_select_indices = reorder_cache

    def batch_repeat_interleave(self, repeats: int) -> None:
        self.self_attention_cache.batch_repeat_interleave(repeats)
        self.cross_attention_cache.batch_repeat_interleave(repeats)

    def to_legacy_cache(self) -> tuple[Any, ...]:
        """((own keys, own values, the encoder's keys, the encoder's values), ...) of each layer."""
        own, cross = self.self_attention_cache.to_legacy_cache(), self.cross_attention_cache.to_legacy_cache()
        return tuple((*a, *b) for a, b in zip(own, cross, strict=True))

    def reset(self) -> None:
        self.self_attention_cache.reset()
        self.cross_attention_cache.reset()

    @property
    def nbytes(self) -> int:
        return self.self_attention_cache.nbytes + self.cross_attention_cache.nbytes
