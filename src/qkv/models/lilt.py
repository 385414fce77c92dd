"""LiLT (Wang et al., 2022, arXiv:2202.13669): RoBERTa beside a narrow encoder of the boxes, which share attention.

The scores of the two are added, so that both attend alike; nothing else goes from one to the other. So the text half
can be the RoBERTa of any language.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ..keymap import KeyMap
from ..layers import MLP, Attention, Layers, PostNormBlock, attend
from ..layers.box_embeddings import BoxEmbeddings, boxes_or_zeros
from ..layers.masks import spreading_mask
from ..layers.observe import note
from .bert import BertConfig
from .roberta import RobertaModel

SIDES = 6  # numbers that say where a box is, each a sixth of the text's width
LAYER = "encoder.layer.{}."
LAYOUT = {  # published path of a layer -> ours, below the half that reads boxes
    **{f"attention.self.layout_{name}": f"attn.{name[0]}_proj" for name in ("query", "key", "value")},
    "attention.layout_output.dense": "attn.o_proj",
    "attention.layout_output.LayerNorm": "attn_norm",
    "layout_intermediate.dense": "mlp.up_proj",
    "layout_output.dense": "mlp.down_proj",
    "layout_output.LayerNorm": "mlp_norm",
}


class LiltConfig(BertConfig):
    model_type = "lilt"

    channel_shrink_ratio: int = 4  # how much narrower the half is that reads boxes
    max_2d_position_embeddings: int = 1024


class LayoutEmbeddings(nn.Module):
    """Boxes and positions as vectors: (B,T,4), (B or 1,T) -> (B,T,D/ratio)"""

    def __init__(self, c: LiltConfig):
        super().__init__()
        width = c.hidden_size // c.channel_shrink_ratio
        self.boxes = BoxEmbeddings(c.max_2d_position_embeddings, c.hidden_size // SIDES)
        self.proj = nn.Linear(c.hidden_size, width)
        self.position = nn.Embedding(c.max_position_embeddings, width, c.pad_token_id)
        self.norm = nn.LayerNorm(width, c.layer_norm_eps)
        self.dropout = nn.Dropout(c.hidden_dropout_prob)

    def forward(self, boxes: Tensor, positions: Tensor) -> Tensor:
        x = self.proj(torch.cat(self.boxes(boxes), dim=-1))
        return self.dropout(self.norm(x + self.position(positions)))


class SharedBlock(PostNormBlock):
    """A block of the text, whose `layout` is the block of the boxes beside it. x (B,T,D), y (B,T,D/ratio)"""

    def __init__(self, c: LiltConfig):
        super().__init__(*_parts(c, 1), dropout=c.hidden_dropout_prob)
        self.layout = PostNormBlock(*_parts(c, c.channel_shrink_ratio), dropout=c.hidden_dropout_prob)

    def forward(self, x: Tensor, y: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        a: Any = self.attn
        b: Any = self.layout.attn
        # q·k of vectors side by side is the sum of both scores, each scaled by its own width
        q = torch.cat((a.split(a.q_proj(x)) * a.head_dim**-0.5, b.split(b.q_proj(y)) * b.head_dim**-0.5), dim=-1)
        k = torch.cat((a.split(a.k_proj(x)), b.split(b.k_proj(y))), dim=-1)
        v = torch.cat((a.split(a.v_proj(x)), b.split(b.v_proj(y))), dim=-1)
        mixed = attend(q, k, v, mask, scale=1.0, dropout=a.dropout if self.training else 0.0).transpose(1, 2)
        text, boxes = mixed.split((a.head_dim, b.head_dim), dim=-1)  # (B,T,H,C)
        return _after(self, x, a.o_proj(text.flatten(2))), _after(self.layout, y, b.o_proj(boxes.flatten(2)))


class SharedLayers(Layers):
    """A stack of two halves, of which the text's is observed."""

    def forward(self, x: Tensor, y: Tensor, mask: Tensor | None) -> Tensor:  # type: ignore[override]
        note("hidden_states", x)
        for block in self:
            x, y = self.run(block, x, y, mask)
            note("hidden_states", x)
        return x


def _parts(c: LiltConfig, ratio: int) -> tuple[nn.Module, ...]:
    width = c.hidden_size // ratio
    return (
        Attention(width, c.num_attention_heads, dropout=c.attention_probs_dropout_prob),
        MLP(width, c.intermediate_size // ratio, c.hidden_act),
        nn.LayerNorm(width, c.layer_norm_eps), nn.LayerNorm(width, c.layer_norm_eps),
    )  # fmt: skip


def _after(block: Any, x: Tensor, attended: Tensor) -> Tensor:
    x = block.attn_norm(x + block.dropout(attended))
    return block.mlp_norm(x + block.dropout(block.mlp(x)))


class LiltModel(RobertaModel):
    config_class = LiltConfig
    base_model_prefix = "lilt"
    extra = ("bbox",)
    keys = KeyMap(
        {
            **RobertaModel.keys.rules,
            **{f"layout_embeddings.{name}_position_embeddings": f"layout.boxes.{name}" for name in "xyhw"},
            "layout_embeddings.box_linear_embeddings": "layout.proj",
            "layout_embeddings.box_position_embeddings": "layout.position",
            "layout_embeddings.LayerNorm": "layout.norm",
            **{LAYER + theirs: "layers.{}.layout." + ours for theirs, ours in LAYOUT.items()},
        },
        prefix="lilt.",
        ignored=RobertaModel.keys.ignored,
    )
    heads = {
        f"For{task}": RobertaModel.heads[f"For{task}"]
        for task in ("SequenceClassification", "TokenClassification", "QuestionAnswering")
    }

    def __init__(self, config: LiltConfig, add_pooling_layer: bool = True):
        c = config
        if c.hidden_size % SIDES or c.hidden_size % (c.channel_shrink_ratio * c.num_attention_heads):
            raise ValueError(
                f"hidden_size={c.hidden_size} of a LiLT must be divisible by {SIDES}, for what a box is made of, and "
                f"by channel_shrink_ratio * num_attention_heads = {c.channel_shrink_ratio * c.num_attention_heads}."
            )
        super().__init__(config, add_pooling_layer)  # type: ignore[arg-type]  # its defaults are BERT's
        self.layout = LayoutEmbeddings(c)
        self.layers = SharedLayers(SharedBlock(c) for _ in range(c.num_hidden_layers))

    def encode(  # type: ignore[override]
        self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None, bbox: Tensor | None
    ) -> Tensor:
        y = self.layout(boxes_or_zeros(bbox, x), positions)
        return self.layers(self.embed(x, positions, segments), y, spreading_mask(mask, x.dtype))
