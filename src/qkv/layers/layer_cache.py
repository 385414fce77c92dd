"""What one layer keeps of the tokens it has read: keys and values, growing, of a window, or of a fixed size.

Shapes: B batch, K key/value heads, S keys, C head width.
"""

from typing import ClassVar

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


class LayerCache:
    """Keys and values of one layer (B,K,S,C), growing; room is made ahead, so that a step copies only what is new.

    Args:
        room: keys to make room for at first; it grows by half when it is full.
    """

    stays: ClassVar[bool] = True  # whether key number i stays at place i of the memory, as long as there is room

    def __init__(self, room: int = 0):
        self.room = room
        self.length = 0  # tokens read
        self.store: Pair | None = None  # with the room that was made

    @property
    def pair(self) -> Pair | None:
        """The keys and values that are kept, (B,K,S,C) each; None before the first token."""
        if self.store is None:
            return None
        keys, values = self.store
        return keys[:, :, : self.length], values[:, :, : self.length]

    def __getitem__(self, side: int) -> Tensor:
        """`keys, values = layer`, and layer[0], layer[1]."""
        return (self.pair or ())[side]

    @property
    def keys(self) -> Tensor | None:
        return None if self.pair is None else self.pair[0]

    @property
    def values(self) -> Tensor | None:
        return None if self.pair is None else self.pair[1]

    def update(self, k: Tensor, v: Tensor) -> Pair:
        """Add the keys and values of new tokens (B,K,T,C); all that the new queries may attend to (B,K,S,C)."""
        start = self.length
        if torch.is_grad_enabled() or self._frozen:  # a backward pass needs the earlier tensors unchanged
            self.store, self.length = joined(self._kept(start), (k, v)), start + k.shape[2]
            return self.store
        store, past = self.extend(k, v)
        end = past + k.shape[2]
        for whole, new in zip(store, (k, v), strict=True):
            whole[:, :, past:end] = new
        self.settle()
        return store[0][:, :, :end], store[1][:, :, :end]

    def extend(self, k: Tensor, v: Tensor) -> tuple[Pair, int]:
        """Make room for new keys and values (B,K,T,C), of which only shapes and dtypes are read.

        Returns: keys and values (B,K,>=S,C) of equal strides, 1 in the last dimension; and where the caller is to
            write the new ones, before it calls `settle`.
        """
        check_rows(self.store, k)
        start, self.length = self.length, self.length + k.shape[2]
        self._make_room(start, k, v)
        return self.store or (k, v), start

    def settle(self) -> None:
        """Keep what later tokens need of what `extend` gave."""

    @property
    def _frozen(self) -> bool:
        """Whether torch forbids to write into what is kept, since that was made in inference mode, which has ended."""
        return self.store is not None and self.store[0].is_inference() and not torch.is_inference_mode_enabled()

    def _kept(self, length: int) -> Pair | None:
        return None if self.store is None else (self.store[0][:, :, :length], self.store[1][:, :, :length])

    def _make_room(self, start: int, k: Tensor, v: Tensor) -> None:
        have = 0 if self.store is None else self.store[0].shape[2]
        if have >= self.length and self.store is not None and self.store[0].stride() == self.store[1].stride():
            return
        size = max(self.room, self.length + (self.length // 2 if have else 0))
        grown = tuple(new.new_empty(*new.shape[:2], size, new.shape[3]) for new in (k, v))
        if self.store is not None:
            for new, old in zip(grown, self.store, strict=True):
                new[:, :, :start] = old[:, :, :start]
        self.store = grown[0], grown[1]

    def reach(self, new: int) -> int:
        """How many keys `update` will give for `new` more tokens."""
        return self.length + new

    def crop(self, length: int) -> None:
        """Forget the tokens from number `length` on."""
        self.length = min(self.length, length)

    def select(self, rows: Tensor, start: int = 0) -> None:
        """Row i becomes what row rows[i] was; there may be more or fewer of them.

        Args:
            rows: (B',)
            start: up to this token the rows are known to be the same already, and need not be copied.
        """
        if self.store is None:
            return
        kept, rows = self.pair or self.store, rows.to(self.store[0].device)
        if len(rows) == len(kept[0]) and not self._frozen:
            first = max(0, start - (self.length - kept[0].shape[2]))
            for old in (x[:, :, first:] for x in kept):
                old.copy_(old.index_select(0, rows))
        else:  # with the room that was made
            self.store = self.store[0].index_select(0, rows), self.store[1].index_select(0, rows)

    def reset(self) -> None:
        """Forget everything; room that was made stays."""
        self.length = 0

    @property
    def nbytes(self) -> int:
        return 0 if self.store is None else sum(x.nbytes for x in self.store)


def check_rows(old: Pair | None, new: Tensor) -> None:
    """Raise ValueError if keys (B,K,T,C) are not of the texts that a cache holds."""
    if old is not None and old[0].shape[:2] != new.shape[:2]:
        raise ValueError(
            f"past_key_values holds {old[0].shape[0]} rows of {old[0].shape[1]} heads, the input gives {new.shape[0]} "
            f"rows of {new.shape[1]}: call past_key_values.batch_repeat_interleave(n), or begin with a new cache."
        )


def joined(old: Pair | None, new: Pair) -> Pair:
    """Keys and values (B,K,S,C) and those of further tokens (B,K,T,C) -> (B,K,S+T,C)"""
    check_rows(old, new[0])
    if old is None:
        return new
    return torch.cat([old[0], new[0]], dim=2), torch.cat([old[1], new[1]], dim=2)


class WindowCache(LayerCache):
    """The last `window` keys only, for a layer that looks no further back."""

    stays = False

    def __init__(self, window: int):
        super().__init__()
        self.window = window

    @property
    def pair(self) -> Pair | None:
        return self.store

    def update(self, k: Tensor, v: Tensor) -> Pair:
        self.store = joined(self.store, (k, v))
        self.length += k.shape[2]
        pair = self.store
        self.settle()
        return pair

    def extend(self, k: Tensor, v: Tensor) -> tuple[Pair, int]:
        self.store = joined(self.store, (torch.empty_like(k), torch.empty_like(v)))
        self.length += k.shape[2]
        return self.store, self.store[0].shape[2] - k.shape[2]

    def settle(self) -> None:
        if self.store is None:
            return
        keys, values = self.store
        first = max(0, keys.shape[2] - self.window + 1)  # the next query sees itself too
        kept = keys[:, :, first:], values[:, :, first:]
        self.store = (kept[0].clone(), kept[1].clone()) if first > 1 else kept  # of a long text, not all the memory

    def reach(self, new: int) -> int:
        return min(self.length, self.window - 1) + new

    def crop(self, length: int) -> None:
        drop = self.length - length
        if drop <= 0 or self.store is None:
            return
        if self.length >= self.window:
            raise ValueError(
                "this cache keeps only the last tokens of a sliding window, so it cannot be cropped: what comes before "
                "them is gone. Use DynamicCache() without a config, which keeps all."
            )
        keys, values = self.store
        self.store, self.length = (keys[:, :, :length], values[:, :, :length]), length

    def reset(self) -> None:
        self.store, self.length = None, 0

    @property
    def nbytes(self) -> int:
        return 0 if self.store is None else sum(x.untyped_storage().nbytes() for x in self.store)


class StaticLayerCache(LayerCache):
    """A fixed number of keys, made at the first token. Raises ValueError when more are added."""

    def update(self, k: Tensor, v: Tensor) -> Pair:
        self._check(k)
        return super().update(k, v)

    def extend(self, k: Tensor, v: Tensor) -> tuple[Pair, int]:
        self._check(k)
        return super().extend(k, v)

    def _check(self, k: Tensor) -> None:
        needed = self.length + k.shape[2]
        if needed > self.room:
            raise ValueError(
                f"the static cache has room for {self.room} tokens and {needed} are needed: make it with a larger "
                f"max_cache_len."
            )

    def _make_room(self, start: int, k: Tensor, v: Tensor) -> None:
        old = self._kept(start)
        if old is not None and self.store is not None and self.store[0].shape[2] == self.room:
            return
        made = k.new_zeros(*k.shape[:2], self.room, k.shape[3]), v.new_zeros(*v.shape[:2], self.room, v.shape[3])
        for new, kept in zip(made, old or (), strict=False):
            new[:, :, :start] = kept
        self.store = made
