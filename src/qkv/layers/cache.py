"""Caches of keys and values: what a decoder keeps of the tokens it has read, layer by layer.

A layer's cache decides how much it keeps and in what form; `update` gives what the new queries attend to. Shapes: B
batch, K key/value heads, S keys, C head width.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


class PerLayer(list):
    """A value for each layer, where a stack of layers expects one value for all."""


class LayerCache:
    """Keys and values of one layer (B,K,S,C), growing; room is made ahead, so that a step copies only what is new.

    Args:
        room: keys to make room for at first; it grows by half when it is full.
    """

    def __init__(self, room: int = 0):
        self.room = room
        self.length = 0  # tokens read
        self._store: Pair | None = None

    @property
    def pair(self) -> Pair | None:
        """The keys and values that are kept, (B,K,S,C) each; None before the first token."""
        if self._store is None:
            return None
        keys, values = self._store
        return keys[:, :, : self.length], values[:, :, : self.length]

    @property
    def keys(self) -> Tensor | None:
        return None if self.pair is None else self.pair[0]

    @property
    def values(self) -> Tensor | None:
        return None if self.pair is None else self.pair[1]

    def update(self, k: Tensor, v: Tensor) -> Pair:
        """Add the keys and values of new tokens (B,K,T,C); all that the new queries may attend to (B,K,S,C)."""
        start, self.length = self.length, self.length + k.shape[2]
        if k.requires_grad:  # a backward pass needs the earlier tensors unchanged
            self._store = _joined(self._kept(start), (k, v))
            return self._store
        self._make_room(start, k, v)
        if self._store is None:
            self._store = k, v
        else:
            for store, new in zip(self._store, (k, v), strict=True):
                store[:, :, start : self.length] = new
        return self.pair or (k, v)

    def _kept(self, length: int) -> Pair | None:
        return None if self._store is None else (self._store[0][:, :, :length], self._store[1][:, :, :length])

    def _make_room(self, start: int, k: Tensor, v: Tensor) -> None:
        have = 0 if self._store is None else self._store[0].shape[2]
        if have >= self.length or (self._store is None and self.room <= self.length):
            return
        size = max(self.room, self.length + self.length // 2)
        grown = tuple(new.new_empty(*new.shape[:2], size, new.shape[3]) for new in (k, v))
        if self._store is not None:
            for new, old in zip(grown, self._store, strict=True):
                new[:, :, :start] = old[:, :, :start]
        self._store = grown[0], grown[1]

    def reach(self, new: int) -> int:
        """How many keys `update` will give for `new` more tokens."""
        return self.length + new

    def crop(self, length: int) -> None:
        """Forget the tokens from number `length` on."""
        self.length = min(self.length, length)

    def select(self, rows: Tensor) -> None:
        """Row i becomes what row rows[i] was; there may be more or fewer of them. rows (B',)"""
        if self._store is None:
            return
        kept, rows = self.pair or self._store, rows.to(self._store[0].device)
        if len(rows) == len(kept[0]):  # in place, so that the room stays
            for old in kept:
                old.copy_(old.index_select(0, rows))
        else:
            self._store = kept[0].index_select(0, rows), kept[1].index_select(0, rows)

    def reset(self) -> None:
        """Forget everything; room that was made stays."""
        self.length = 0

    @property
    def nbytes(self) -> int:
        return 0 if self._store is None else sum(x.nbytes for x in self._store)


def _joined(old: Pair | None, new: Pair) -> Pair:
    if old is None:
        return new
    return torch.cat([old[0], new[0]], dim=2), torch.cat([old[1], new[1]], dim=2)


class WindowCache(LayerCache):
    """The last `window` keys only, for a layer that looks no further back."""

    def __init__(self, window: int):
        super().__init__()
        self.window = window

    @property
    def pair(self) -> Pair | None:
        return self._store

    def update(self, k: Tensor, v: Tensor) -> Pair:
        keys, values = _joined(self._store, (k, v))
        self.length += k.shape[2]
        first = max(0, keys.shape[2] - self.window + 1)  # the next query sees itself too
        self._store = keys[:, :, first:], values[:, :, first:]
        return keys, values

    def reach(self, new: int) -> int:
        return min(self.length, self.window - 1) + new

    def crop(self, length: int) -> None:
        drop = self.length - length
        if drop <= 0 or self._store is None:
            return
        if self.length >= self.window:
            raise ValueError(
                "this cache keeps only the last tokens of a sliding window, so it cannot be cropped: what comes before "
                "them is gone. Use DynamicCache() without a config, which keeps all."
            )
        keys, values = self._store
        self._store, self.length = (keys[:, :, :length], values[:, :, :length]), length

    def reset(self) -> None:
        self._store, self.length = None, 0

    @property
    def nbytes(self) -> int:
        return 0 if self._store is None else sum(x.untyped_storage().nbytes() for x in self._store)


class StaticLayerCache(LayerCache):
    """A fixed number of keys, made at the first token. Raises ValueError when more are added."""

    def _make_room(self, start: int, k: Tensor, v: Tensor) -> None:
        if self.length > self.room:
            raise ValueError(
                f"the static cache has room for {self.room} tokens and {self.length} are needed: make it with a larger "
                f"max_cache_len."
            )
        if self._store is None:
            self._store = tuple(x.new_zeros(*x.shape[:2], self.room, x.shape[3]) for x in (k, v))  # type: ignore


class QuantizedLayerCache(LayerCache):
    """Keys and values in 8, 4 or 2 bits, but for the last tokens, after KIVI (Liu et al., 2024, arXiv:2402.02750).

    Args:
        nbits: 8, 4 or 2.
        group: neighbouring numbers of a head that share a scale and a minimum.
        residual: so many tokens are collected in full precision before they are packed together.
    """

    def __init__(self, nbits: int = 4, group: int = 64, residual: int = 128):
        super().__init__()
        self.nbits, self.group, self.residual = nbits, group, residual
        self._packed: list[tuple[Packed, Packed]] = []

    @property
    def pair(self) -> Pair | None:
        sides = [(k.unpack(), v.unpack()) for k, v in self._packed] + ([self._store] if self._store else [])
        return None if not sides else (torch.cat([k for k, _ in sides], 2), torch.cat([v for _, v in sides], 2))

    def update(self, k: Tensor, v: Tensor) -> Pair:
        self._store = _joined(self._store, (k, v))
        self.length += k.shape[2]
        whole = self.pair or (k, v)  # a step reads exact what it has just written
        if self._store[0].shape[2] >= self.residual:
            keys, values = (Packed.of(x, self.nbits, self.group) for x in self._store)
            self._packed.append((keys, values))
            self._store = None
        return whole

    def crop(self, length: int) -> None:
        if length < self.length:
            raise ValueError("a quantized cache cannot be cropped. Use cache_implementation='dynamic'.")

    def select(self, rows: Tensor) -> None:
        self._packed = [(k.select(rows), v.select(rows)) for k, v in self._packed]
        if self._store is not None:
            self._store = self._store[0].index_select(0, rows), self._store[1].index_select(0, rows)

    def reset(self) -> None:
        self._packed, self._store, self.length = [], None, 0

    @property
    def nbytes(self) -> int:
        return super().nbytes + sum(x.nbytes for pair in self._packed for x in pair)


class Packed:
    """Numbers as codes of a few bits, with a scale and a minimum for each group of neighbours in the last dimension."""

    def __init__(self, codes: Tensor, scale: Tensor, low: Tensor, nbits: int):
        self.codes, self.scale, self.low, self.nbits = codes, scale, low, nbits

    @classmethod
    def of(cls, x: Tensor, nbits: int, group: int) -> "Packed":
        """x (B,K,S,C) -> codes (B,K,S,G,C/G), several of them in a byte; scale and minimum (B,K,S,G,1)."""
        width = x.shape[-1]
        x = x.unflatten(-1, (-1, group if width % group == 0 else width))
        low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
        scale = ((high - low) / (2**nbits - 1)).clamp(min=1e-8)
        codes = ((x - low) / scale).round().to(torch.uint8)
        count = 8 // nbits
        if codes.shape[-1] % count:
            return cls(codes, scale, low, 8)
        shifts = torch.arange(count, device=x.device, dtype=torch.uint8) * nbits
        return cls((codes.unflatten(-1, (-1, count)) << shifts).sum(-1, dtype=torch.uint8), scale, low, nbits)

    def unpack(self) -> Tensor:
        shifts = torch.arange(8 // self.nbits, device=self.codes.device, dtype=torch.uint8) * self.nbits
        codes = ((self.codes[..., None] >> shifts) & (2**self.nbits - 1)).flatten(-2)
        return (codes.to(self.scale.dtype) * self.scale + self.low).flatten(-2)

    def select(self, rows: Tensor) -> "Packed":
        return Packed(*(x.index_select(0, rows) for x in (self.codes, self.scale, self.low)), self.nbits)

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + self.scale.nbytes + self.low.nbytes


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

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Row i becomes what row beam_idx[i] was; there may be more or fewer of them. beam_idx (B',)"""
        for layer in self:
            layer.select(beam_idx)

    batch_select_indices = reorder_cache

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each row becomes `repeats` equal rows that follow each other."""
        pair = self[0].pair if len(self) else None
        if pair is not None:
            self.reorder_cache(torch.arange(len(pair[0])).repeat_interleave(repeats))

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
        self.options = nbits, q_group_size, residual_length

    def fill(self, windows: Iterable[int | None]) -> None:
        self[:] = [QuantizedLayerCache(*self.options) for _ in windows]


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

    def reorder_cache(self, beam_idx: Tensor) -> None:
        self.self_attention_cache.reorder_cache(beam_idx)
        self.cross_attention_cache.reorder_cache(beam_idx)

    batch_select_indices = reorder_cache

    def batch_repeat_interleave(self, repeats: int) -> None:
        self.self_attention_cache.batch_repeat_interleave(repeats)
        self.cross_attention_cache.batch_repeat_interleave(repeats)

    def reset(self) -> None:
        self.self_attention_cache.reset()
        self.cross_attention_cache.reset()

    @property
    def nbytes(self) -> int:
        return self.self_attention_cache.nbytes + self.cross_attention_cache.nbytes
