"""Keys and values in few bits, after KIVI (Liu et al., 2024, arXiv:2402.02750)."""

import torch
from torch import Tensor

from .layer_cache import LayerCache, Pair, joined


class QuantizedLayerCache(LayerCache):
    """Keys and values of one layer (B,K,S,C) in 8, 4 or 2 bits, but for the last tokens.

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
        sides = [(k.unpack(), v.unpack()) for k, v in self._packed] + ([self.store] if self.store else [])
        return None if not sides else (torch.cat([k for k, _ in sides], 2), torch.cat([v for _, v in sides], 2))

    def update(self, k: Tensor, v: Tensor) -> Pair:
        self.store = joined(self.store, (k, v))
        self.length += k.shape[2]
        whole = self.pair or (k, v)  # a step reads exact what it has just written
        if self.store[0].shape[2] >= self.residual:
            keys, values = (Packed.of(x, self.nbits, self.group) for x in self.store)
            self._packed.append((keys, values))
            self.store = None
        return whole

    def crop(self, length: int) -> None:
        if length < self.length:
            raise ValueError("a quantized cache cannot be cropped. Use cache_implementation='dynamic'.")

    def select(self, rows: Tensor, start: int = 0) -> None:
        self._packed = [(k.select(rows), v.select(rows)) for k, v in self._packed]
        if self.store is not None:
            self.store = self.store[0].index_select(0, rows), self.store[1].index_select(0, rows)

    def reset(self) -> None:
        self._packed, self.store, self.length = [], None, 0

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
        codes, scale, low = (x.index_select(0, rows) for x in (self.codes, self.scale, self.low))
        return Packed(codes, scale, low, self.nbits)

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + self.scale.nbytes + self.low.nbytes
