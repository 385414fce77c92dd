"""Longformer (Beltagy et al., 2020, arXiv:2004.05150): RoBERTa for long texts, in time linear in their length.

A token attends to its neighbours, half a window on each side. A few tokens are global: all attend to them, and they,
through projections of their own, attend to all. So memory is linear too: no tensor has a number for each two tokens.
"""

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..heads import MultipleChoice, QuestionAnswering, SequenceClassifier
from ..keymap import KeyMap
from ..layers import Attention, attend
from ..layers.observe import note, observing, wanted
from ..layers.published import Named
from ..outputs import ModelOutput
from .roberta import RobertaConfig, RobertaModel
from .task import TaskModel


class LongformerConfig(RobertaConfig):
    model_type = "longformer"

    vocab_size: int = 30522
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    sep_token_id: int | None = 2
    attention_window: int | list = 512  # even: half of it on each side; or one for each layer


class Scope:
    """Which tokens of a batch are padding and which are global. G: the most global ones that a text has.

    Args:
        tokens, is_global: (B,T) bool; no padding is global.
        padded: the length that published attention weights of global tokens have.
    """

    def __init__(self, tokens: Tensor, is_global: Tensor, padded: int):
        self.tokens, self.is_global, self.padded = tokens, is_global, padded
        count = is_global.sum(dim=1)
        most = tokens.shape[1] if tokens.is_meta else max(count.tolist(), default=0)  # nothing can be counted on meta
        self.local = tokens & ~is_global
        self.places = is_global.int().argsort(dim=1, descending=True, stable=True)[:, :most]  # (B,G)
        self.real = torch.arange(most, device=tokens.device) < count[:, None]  # (B,G), False where a text has fewer

    def take(self, x: Tensor) -> Tensor:
        """The global tokens: (B,H,T,C) -> (B,H,G,C)"""
        return x.take_along_dim(self.places[:, None, :, None], dim=2)

    def put(self, x: Tensor, values: Tensor) -> Tensor:
        """x (B,H,T,C) with values (B,H,G,C) at the global tokens."""
        values = torch.where(self.real[:, None, :, None], values, self.take(x))
        return x.scatter(2, self.places[:, None, :, None].expand_as(values), values)

    def mask(self, queries: slice, keys: slice, reach: int) -> Tensor:
        """What `queries` see of the global tokens and of `keys`: (B,1,t,G+s). Padding sees itself, not nothing."""
        device = self.tokens.device
        query = torch.arange(queries.start, queries.stop, device=device)[:, None]
        distance = torch.arange(keys.start, keys.stop, device=device) - query  # (t,s)
        near = (distance.abs() <= reach) & self.local[:, None, keys]
        near = near | ((distance == 0) & ~self.is_global[:, queries, None])
        return torch.cat((self.real[:, None].expand(-1, len(query), -1), near), dim=-1)[:, None]


class GlobalAttention(Named):
    """Attention of global tokens to all: x (B,T,D) -> (B,H,G,C)"""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(dim, dim) for _ in range(3))
        self.heads, self.dropout = heads, dropout

    def forward(self, x: Tensor, scope: Scope) -> Tensor:
        q, k, v = self.q_proj(scope.take(x[:, None])[:, 0]), self.k_proj(x), self.v_proj(x)
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))
        mask = scope.tokens | ~scope.tokens.any(dim=1, keepdim=True)
        with observing(*(["attentions"] if wanted("attentions") else [])) as notes:
            y = attend(q, k, v, mask[:, None, None], dropout=self.dropout if self.training else 0.0)
        for weights in notes["attentions"]:  # those of global tokens that a text does not have are spread evenly
            weights = F.pad(weights, (0, scope.padded - x.shape[1]))
            note("attentions", weights.where(scope.real[:, None, :, None], 1 / scope.padded).mT)
        return y


class LongformerAttention(Attention):
    """Attention of x (B,T,D) to neighbours at most `reach` tokens away, and to and from global tokens.

    It notes two kinds of weights: (B,H,T,G+2*reach+1), of each token for the global ones and for its neighbours from
    left to right; then, if there are global tokens, (B,H,T',G), of these for all, T' the padded length.
    """

    block = 128  # queries that are computed together, at least

    def __init__(self, dim: int, heads: int, *, reach: int, dropout: float):
        super().__init__(dim, heads, dropout=dropout)
        self.reach = reach
        self.far = GlobalAttention(dim, heads, dropout)

    def forward(self, x: Tensor, scope: Scope) -> Tensor:  # type: ignore[override]
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))  # (B,H,T,C)
        y = self.near(q, k, v, scope)
        if scope.places.shape[1]:
            y = scope.put(y, self.far(x, scope))
        y = y * scope.tokens[:, None, :, None]
        return self.o_proj(y.transpose(1, 2).flatten(2))  # (B,H,T,C) -> (B,T,H*C) -> (B,T,D)

    def near(self, q: Tensor, k: Tensor, v: Tensor, scope: Scope) -> Tensor:
        """Attention to neighbours and global tokens, (B,H,T,C): block after block of queries, and the keys in reach."""
        length, step = q.shape[2], max(self.block, self.reach)
        global_k, global_v = scope.take(k), scope.take(v)
        found, seen = [], []
        for start in range(0, length, step):
            queries = slice(start, min(start + step, length))
            keys = slice(max(0, start - self.reach), min(length, queries.stop + self.reach))
            pair = torch.cat((global_k, k[:, :, keys]), dim=2), torch.cat((global_v, v[:, :, keys]), dim=2)
            with observing(*(["attentions"] if wanted("attentions") else [])) as notes:
                mask = scope.mask(queries, keys, self.reach)
                found.append(attend(q[:, :, queries], *pair, mask, dropout=self.dropout if self.training else 0.0))
            for weights in notes["attentions"]:
                weights = relative(weights, len(scope.places[0]), queries.start - keys.start, self.reach)
                seen.append(weights * scope.local[:, None, queries, None])
        if seen:
            note("attentions", torch.cat(seen, dim=2))
        return torch.cat(found, dim=2)


def relative(weights: Tensor, count: int, first: int, reach: int) -> Tensor:
    """Weights (B,H,t,G+s) of t queries for G global tokens and s keys, the first query being key `first`, as weights
    (B,H,t,G+2*reach+1) for global tokens and for keys by their distance, -reach to reach."""
    queries, keys = weights.shape[2], weights.shape[3] - count
    place = torch.arange(queries, device=weights.device)[:, None] + first  # (t,1)
    place = place + torch.arange(-reach, reach + 1, device=weights.device)
    near = weights[..., count:].take_along_dim(place.clamp(0, keys - 1)[None, None], dim=3)
    return torch.cat((weights[..., :count], near * ((place >= 0) & (place < keys))), dim=-1)


class LongformerTask(TaskModel):
    """A body and a head that says which tokens are global, where `global_attention_mask` is not given: the first for a
    class of the text, the question for an answer, and a text to choose."""

    def complete(self, inputs: dict[str, Any], targets: dict[str, Tensor]) -> dict[str, Any]:
        ids, x = inputs["input_ids"], inputs.get("inputs_embeds")
        given, kind = x if ids is None else ids, type(self.head)
        if inputs.get("global_attention_mask") is not None or given is None or given.dim() != (3 if ids is None else 2):
            return inputs
        mask = None
        if kind is SequenceClassifier:
            mask = (torch.arange(given.shape[1], device=given.device) == 0).expand(given.shape[:2])
        elif kind in (QuestionAnswering, MultipleChoice) and ids is not None:
            mask = question_or_answer(ids, self.config.sep_token_id, after=kind is MultipleChoice)
        elif kind in (QuestionAnswering, MultipleChoice):
            warnings.warn(
                "inputs_embeds do not show where the question ends, so no token is global. "
                "Pass global_attention_mask (B,T), 1 on the question's tokens, or zeros to mean that.",
                stacklevel=4,
            )
        return {**inputs, "global_attention_mask": mask}


def question_or_answer(ids: Tensor, sep: int | None, *, after: bool) -> Tensor:
    """Of <s> question </s></s> text </s>, the tokens before the first </s>, or those `after` the second: (B,T) bool.

    Raises: ValueError for a row that has not three of them.
    """
    found = ids == (-1 if sep is None else sep)
    wrong = [] if ids.is_meta else [(i, n) for i, n in enumerate(found.sum(dim=1).tolist()) if n != 3]
    if wrong:
        raise ValueError(
            f"row {wrong[0][0]} of input_ids has {wrong[0][1]} separators (sep_token_id {sep}), not the 3 of "
            f"'<s> question </s></s> text </s>', so the question is not found. Encode both in one call, "
            f"tokenizer(question, text), or pass global_attention_mask (B,T), 1 on the tokens that all others see."
        )
    end = found.int().argmax(dim=1, keepdim=True)
    place = torch.arange(ids.shape[1], device=ids.device)
    return place > end + 1 if after else place < end


class LongformerModel(RobertaModel):
    config_class = LongformerConfig
    base_model_prefix = "longformer"
    extra = ("global_attention_mask",)
    keys = KeyMap(
        {
            **RobertaModel.keys.rules,
            "encoder.layer.{}.attention.self.query_global": "layers.{}.attn.far.q_proj",
            "encoder.layer.{}.attention.self.key_global": "layers.{}.attn.far.k_proj",
            "encoder.layer.{}.attention.self.value_global": "layers.{}.attn.far.v_proj",
        },
        prefix="longformer.",
        ignored=RobertaModel.keys.ignored,
    )

    @classmethod
    def task_model(cls) -> type[TaskModel]:
        return LongformerTask

    def __init__(self, config: LongformerConfig, add_pooling_layer: bool = True):
        super().__init__(config, add_pooling_layer)
        c, self.windows = config, _windows(config)
        for block, window in zip(self.layers, self.windows, strict=True):
            block.attn = LongformerAttention(
                c.hidden_size, c.num_attention_heads, reach=window // 2, dropout=c.attention_probs_dropout_prob
            )

    def encode(
        self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None,
        global_attention_mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Beside the inputs of RoBERTa:

        Args:
            global_attention_mask: (B,T), 1 for tokens that all others see and that see all others; none if None.

        Raises: ValueError for a mask that is not (B,T).
        """
        for name, given in (("attention_mask", mask), ("global_attention_mask", global_attention_mask)):
            if given is not None and given.shape != x.shape[:2]:
                raise ValueError(f"{name} {tuple(given.shape)} must have the shape {tuple(x.shape[:2])}, (B,T).")
        kind = torch.ones_like(x[..., 0], dtype=torch.long) if mask is None else mask.long()
        if global_attention_mask is not None:
            kind = kind * (global_attention_mask.long() + 1)  # 0 padding, 1 local, 2 global
        most = max(self.windows)
        scope = Scope(kind > 0, kind == 2, padded=-(-x.shape[1] // most) * most)
        return self.layers(self.embed(x, positions, segments), scope)

    def output(self, x: Tensor, **notes: Any) -> ModelOutput:
        seen = notes.get("attentions", ())
        if len(seen) > len(self.layers):  # each layer noted both kinds
            notes |= {"attentions": seen[::2], "global_attentions": seen[1::2]}
        return super().output(x, **notes)

    def by_pairs(self, attentions: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Weights (B,H,T,window+1) of a call without global tokens as (B,H,T,T), as they are drawn."""
        found = []
        for weights, window in zip(attentions, self.windows, strict=True):
            length, device = weights.shape[2], weights.device
            place = torch.arange(length, device=device)[:, None] + torch.arange(window + 1, device=device)
            whole = weights.new_zeros(*weights.shape[:3], length + window)
            found.append(whole.scatter(3, place.expand_as(weights), weights)[..., window // 2 :][..., :length])
        return tuple(found)


def _windows(c: LongformerConfig) -> list[int]:
    """The window of each layer. Raises ValueError for one that is not even and positive."""
    window, count = c.attention_window, c.num_hidden_layers
    found = window if isinstance(window, list) else [window] * count
    if len(found) != count or not all(isinstance(w, int) and w > 0 and w % 2 == 0 for w in found):
        raise ValueError(
            f"attention_window={window} must be an even positive number, or a list of {count} of them, one a layer."
        )
    return found
