"""DeBERTa v2 and v3 (He et al., 2020, arXiv:2006.03654; 2021, arXiv:2111.09543): BERT with disentangled attention.

Distances have vectors of their own. To the score of a query and a key they add that of the query and the distance
("c2p") and that of the distance and the key ("p2c"). The largest models of v2 have a convolution in the first block.
"""

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..heads import MultipleChoice, QuestionAnswering, SequenceClassifier, TokenClassifier
from ..keymap import KeyMap
from ..layers import MLP, Attention, Embeddings, Layers, PostNormBlock, activation, attend
from ..layers.masks import additive, padding_mask
from ..outputs import ModelOutput
from .bert import BertConfig, BertModel
from .task import Head
from .text import TextModel


class DebertaV2Config(BertConfig):
    model_type = "deberta-v2"
    aliases = {"cls_dropout": "classifier_dropout"}

    vocab_size: int = 128100
    embedding_size: int | None = None  # hidden_size
    hidden_size: int = 1536
    num_hidden_layers: int = 24
    num_attention_heads: int = 24
    intermediate_size: int = 6144
    type_vocab_size: int = 0
    layer_norm_eps: float = 1e-7
    position_biased_input: bool = True  # whether tokens get absolute positions
    relative_attention: bool = False
    pos_att_type: list | str | None = None  # ["c2p", "p2c"] or "c2p|p2c"
    share_att_key: bool = False  # whether positions take the projections of contents
    max_relative_positions: int = -1  # max_position_embeddings
    position_buckets: int = -1  # of distances of one sign; below 1, each distance is by itself
    norm_rel_ebd: str = "none"  # or "layer_norm"
    conv_kernel_size: int = 0
    conv_groups: int = 1
    conv_act: str = "tanh"
    pooler_hidden_act: str = "gelu"
    pooler_dropout: float = 0.0


class RelativePositions(nn.Module):
    """A vector for each distance from key to query up to the longest, or for each bucket of them."""

    def __init__(self, c: DebertaV2Config):
        super().__init__()
        self.longest = c.max_relative_positions if c.max_relative_positions > 0 else c.max_position_embeddings
        self.bucketed = c.position_buckets > 0
        self.span = c.position_buckets if self.bucketed else self.longest  # rows for distances of one sign
        self.embed = nn.Embedding(2 * self.span, c.hidden_size)
        self.norm = _norm(c) if "layer_norm" in c.norm_rel_ebd.lower() else nn.Identity()

    def forward(self, length: int) -> Tensor:
        """Vectors of the offsets -T to T-1, from queries to keys and from keys to queries: (2,1,2T,D)"""
        offset = torch.arange(-length, length, device=self.embed.weight.device)
        distance = torch.stack((-offset, offset))[:, None]
        rows = self.bucket(distance) if self.bucketed else distance
        return self.norm(self.embed((rows + self.span).clamp(0, 2 * self.span - 1)))

    def bucket(self, distance: Tensor) -> Tensor:
        """Half of the buckets are one step wide, half widen logarithmically up to the longest distance."""
        exact = self.span // 2
        far = distance.abs().clamp(min=exact)
        longest = torch.full_like(far, self.longest - 1)  # a tensor, so that its logarithm is rounded as theirs are
        wide = exact + ((far / exact).log() / (longest / exact).log() * (exact - 1)).ceil()
        return torch.where(far == exact, distance, distance.sign() * wide).long()


def diagonals(scores: Tensor) -> Tensor:
    """Scores by offset x (B,H,T,2T), -T to T-1, as scores by place y (B,H,T,T): a view with y[t,s] = x[t,s-t+T]."""
    length = scores.shape[-2]
    return scores.flatten(-2)[..., length:].unflatten(-1, (length, 2 * length - 1))[..., :length]


class DisentangledAttention(Attention):
    """Self-attention with scores of distances; `relative` as from RelativePositions, None without them."""

    def __init__(self, c: DebertaV2Config):
        declared = [term for term in ("c2p", "p2c") if term in str(c.pos_att_type).lower()]
        super().__init__(c.hidden_size, c.num_attention_heads, dropout=c.attention_probs_dropout_prob)
        self.factor = (self.head_dim * (1 + len(declared))) ** -0.5  # on all queries, before the scores
        self.terms = declared if c.relative_attention else []
        dim, own = c.hidden_size, [] if c.share_att_key else self.terms
        self.pos_k_proj = nn.Linear(dim, dim) if "c2p" in own else None
        self.pos_q_proj = nn.Linear(dim, dim) if "p2c" in own else None
        self.pos_dropout = nn.Dropout(c.hidden_dropout_prob)

    def forward(self, x: Tensor, mask: Tensor | None, relative: Tensor | None) -> Tensor:  # type: ignore[override]
        q, k, v = self.split(self.q_proj(x)) * self.factor, self.split(self.k_proj(x)), self.split(self.v_proj(x))
        if mask is not None:  # padding attends to all alike, whatever it asks: no gradient
            q = q * mask.any(-1, keepdim=True)
        bias = q.new_zeros(1, 1, 1, 1) if relative is None else self.bias(q, k, self.pos_dropout(relative))
        x = attend(q, k, v, additive(mask, bias), scale=1.0, dropout=self.dropout if self.training else 0.0)
        return self.o_proj(x.transpose(1, 2).flatten(2))  # (B,H,T,C) -> (B,T,H*C) -> (B,T,D)

    def bias(self, q: Tensor, k: Tensor, relative: Tensor) -> Tensor:
        """What positions add to the scores: (B,H,T,S), or (1,1,1,1) without terms."""
        none = q.new_zeros(1, 1, 1, 1)
        pos_k, pos_q = self.pos_k_proj or self.k_proj, self.pos_q_proj or self.q_proj
        c2p = diagonals(q @ self.split(pos_k(relative[0])).mT) if "c2p" in self.terms else none
        p2c = diagonals(k @ self.split(pos_q(relative[1]) * self.factor).mT).mT if "p2c" in self.terms else none
        return c2p + p2c


class ConvBlock(PostNormBlock):
    """A block to whose output a convolution over its input is added."""

    def __init__(self, c: DebertaV2Config, *parts: nn.Module):
        super().__init__(*parts, dropout=c.hidden_dropout_prob)
        self.conv = nn.Conv1d(c.hidden_size, c.hidden_size, c.conv_kernel_size, padding="same", groups=c.conv_groups)
        self.conv_act, self.conv_norm = activation(c.conv_act), _norm(c)

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        mask = context[0]  # (B,1,T,S)
        tokens = 1 if mask is None else mask.any(-1).mT  # (B,T,1), False for padding
        local = self.conv_act(self.dropout(self.conv(x.mT).mT * tokens))
        return self.conv_norm(super().forward(x, *context) + local) * tokens


class ContextClassifier(SequenceClassifier):
    """a score for each label of a whole text (labels: class indices (B,), or floats for a regression)."""

    def __init__(self, config: DebertaV2Config):
        super().__init__(config, act=config.pooler_hidden_act, dropout="classifier_dropout")
        self.pooler_dropout = nn.Dropout(config.pooler_dropout)

    def summary(self, body: ModelOutput, ids: Tensor | None, mask: Tensor | None) -> Tensor:
        return self.pooler_dropout(super().summary(body, ids, mask))


class ContextChoice(MultipleChoice, ContextClassifier):
    """a score for each of several texts, of which one is right (inputs (B,C,T); labels: its index (B,))."""


def _norm(c: DebertaV2Config) -> nn.Module:
    return nn.LayerNorm(c.hidden_size, c.layer_norm_eps)


class DebertaV2Model(TextModel):
    config_class = DebertaV2Config
    base_model_prefix = "deberta"
    attention: ClassVar[type[DisentangledAttention]] = DisentangledAttention
    keys = KeyMap(
        {  # BERT's names, but for the projections of attention
            **{f"{k}_proj" if ".self." in k else k: v for k, v in BertModel.keys.rules.items() if k != "pooler.dense"},
            "embeddings.embed_proj": "embed.proj",
            "encoder.rel_embeddings": "relative.embed",
            "encoder.LayerNorm": "relative.norm",
            "encoder.layer.{}.attention.self.pos_key_proj": "layers.{}.attn.pos_k_proj",
            "encoder.layer.{}.attention.self.pos_query_proj": "layers.{}.attn.pos_q_proj",
            "encoder.conv.conv": "layers.0.conv",
            "encoder.conv.LayerNorm": "layers.0.conv_norm",
        },
        prefix="deberta.",
        ignored=(  # positions that are not added, and the heads that v3 was trained with
            "embeddings.position_ids", "embeddings.position_embeddings.weight", "lm_predictions.lm_head.bias",
            *(f"lm_predictions.lm_head.{x}.{y}" for x in ("dense", "LayerNorm") for y in ("weight", "bias")),
            *(f"mask_predictions.{x}.{y}" for x in ("dense", "LayerNorm", "classifier") for y in ("weight", "bias")),
        ),
    )  # fmt: skip
    heads = {
        "ForSequenceClassification": Head(ContextClassifier, {"pooler.dense": "dense", "classifier": "out"}),
        "ForMultipleChoice": Head(ContextChoice, {"pooler.dense": "dense", "classifier": "out"}),
        "ForTokenClassification": Head(TokenClassifier, {"classifier": "out"}),
        "ForQuestionAnswering": Head(QuestionAnswering, {"qa_outputs": "out"}),
        "ForMaskedLM": replace(BertModel.heads["ForMaskedLM"], body={}),
    }

    def __init__(self, config: DebertaV2Config):
        super().__init__(config)
        c, width = config, config.embedding_size or config.hidden_size
        self.embed = Embeddings(
            c.vocab_size, width, positions=c.max_position_embeddings if c.position_biased_input else 0,
            segments=c.type_vocab_size, dropout=c.hidden_dropout_prob, padding_idx=c.pad_token_id,
            proj=None if width == c.hidden_size else nn.Linear(width, c.hidden_size, bias=False), norm=_norm(c),
        )  # fmt: skip
        self.relative = RelativePositions(c) if c.relative_attention else None
        self.layers = Layers(self.block(c, first=i == 0) for i in range(c.num_hidden_layers))

    def block(self, c: Any, first: bool) -> nn.Module:
        parts = self.attention(c), MLP(c.hidden_size, c.intermediate_size, c.hidden_act), _norm(c), _norm(c)
        is_local = first and c.conv_kernel_size > 0
        return ConvBlock(c, *parts) if is_local else PostNormBlock(*parts, c.hidden_dropout_prob)

    def encode(self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None) -> Tensor:
        mask = padding_mask(mask)  # (B,1,1,S)
        x = self.embed(x, positions, segments)
        if mask is not None:  # padding is zero, and attends to nothing
            tokens = mask.any(-2)  # (B,1,S)
            x, mask = x * tokens.mT, mask & tokens[..., None]  # (B,1,T,S)
        return self.layers(x, mask, None if self.relative is None else self.relative(x.shape[1]))
