"""Attention: the one place where queries meet keys. Backends plug in at `attend`.

Shapes: B batch, T queries, S keys, D model width, H heads, K key/value heads, C head width.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dropout import dropout as dropped
from .layer_cache import LayerCache
from .linear import Linear
from .observe import note, wanted
from .published import Named
from .rope import Angles, rotate
from .texts import Texts, read


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | Texts | None, *, scale: float | None = None, dropout: float = 0.0,
    kind: str = "attentions", softcap: float | None = None,
) -> Tensor:  # fmt: skip
    """softmax(q·k·scale + mask)·v: q (B,H,T,C), k and v (B,K,S,C) -> (B,H,T,C).

    Args:
        mask: broadcast to (B,H,T,S); bool, True where to attend, or a float that is added to the scores; or `Texts`.
        scale: 1/sqrt(C) if None.
        softcap: scores are bent into (-softcap, softcap) by tanh, as in Gemma 2.
        kind: the name under which the weights (B,H,T,S) are noted when they are observed.
    """
    if isinstance(mask, Texts):
        return mask.attend(partial(attend, scale=scale, dropout=dropout, kind=kind, softcap=softcap), q, k, v)
    if softcap is None and not wanted(kind) and not (dropout and q.device.type == "cpu"):  # torch has no kernel there
        gqa = q.shape[1] != k.shape[1]
        return F.scaled_dot_product_attention(q, k, v, mask, dropout, scale=scale, enable_gqa=gqa)
    k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for x in (k, v))  # (B,H,S,C)
    scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if softcap is not None:
        scores = (scores / softcap).tanh() * softcap
    weights = masked_softmax(scores, mask)
    note(kind, weights)
    return dropped(weights, dropout) @ v


def masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the last dimension; a row with nothing to attend to spreads evenly instead of giving NaN."""
    if mask is not None:
        low = torch.finfo(scores.dtype).min  # a sum with it may overflow in half precision
        scores = scores.masked_fill(~mask, low) if mask.dtype == torch.bool else (scores + mask).clamp(min=low)
    return scores.softmax(dim=-1)


class Attention(Named):
    """Multi-head attention of x (B,T,D) to itself, and to what a cache holds of the tokens before.

    Fewer key/value heads than heads make it grouped-query attention (Ainslie et al., 2023).

    Args:
        q_norm, k_norm: applied to queries (B,H,T,C) and keys (B,K,T,C) before they are turned.
        out_bias: of the last projection; as `bias` if None.
        out_dropout: on what the last projection gives, where it is not that of the block.
    """

    def __init__(  # noqa: PLR0913 (each is a size or a part that families differ in)
        self, dim: int, heads: int, *, head_dim: int | None = None, kv_heads: int | None = None, bias: bool = True,
        out_bias: bool | None = None, scale: float | None = None, softcap: float | None = None, dropout: float = 0.0,
        q_norm: nn.Module | None = None, k_norm: nn.Module | None = None, out_dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        if (head_dim is None and dim % heads) or heads % (kv_heads or heads):
            raise ValueError(
                f"a width of {dim} cannot be divided among {heads} heads (hidden_size, num_attention_heads), or "
                f"those among {kv_heads or heads} heads of keys (num_key_value_heads)."
            )
        self.head_dim, self.scale, self.softcap, self.dropout = head_dim or dim // heads, scale, softcap, dropout
        self.q_proj = Linear(dim, heads * self.head_dim, bias=bias)
        self.k_proj = Linear(dim, (kv_heads or heads) * self.head_dim, bias=bias)
        self.v_proj = Linear(dim, (kv_heads or heads) * self.head_dim, bias=bias)
        self.o_proj = Linear(heads * self.head_dim, dim, bias=bias if out_bias is None else out_bias)
        self.q_norm, self.k_norm, self.out_dropout = q_norm, k_norm, out_dropout

    def forward(
        self,
        x: Tensor,
        mask: Tensor | Texts | None = None,
        angles: Angles | None = None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        y = read(x, mask)  # what asks; all of x is asked
        q, k, v = self.split(self.q_proj(y)), self.split(self.k_proj(x)), self.split(self.v_proj(x))  # (B,H,T,C)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        if angles is not None:
            q, k = rotate(q, (read(angles[0], mask, dim=2), read(angles[1], mask, dim=2))), rotate(k, angles)
        if cache is not None:
            k, v = cache.update(k, v)
        return self.attend(q, k, v, mask)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | Texts | None, kind: str = "attentions") -> Tensor:
        dropout = self.dropout if self.training else 0.0
        x = attend(q, k, v, mask, scale=self.scale, dropout=dropout, kind=kind, softcap=self.softcap)
        x = self.o_proj(x.transpose(1, 2).flatten(2))  # (B,H,T,C) -> (B,T,H*C) -> (B,T,D)
        return dropped(x, self.out_dropout, self.training)

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)  # (B,T,H*C) -> (B,H,T,C)


class CrossAttention(Attention):
    """Attention of a decoder's x (B,T,D) to the encoder's states (B,S,D'), projected once if there is a cache."""

    def forward(  # type: ignore[override]
        self, x: Tensor, mask: Tensor | None, states: Tensor, cache: LayerCache | None = None
    ) -> Tensor:
        found = None if cache is None else cache.pair
        if found is None:
            found = self.split(self.k_proj(states)), self.split(self.v_proj(states))
            found = found if cache is None else cache.update(*found)
        return self.attend(self.split(self.q_proj(x)), *found, mask, "cross_attentions")
