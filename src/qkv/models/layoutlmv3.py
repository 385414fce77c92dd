"""LayoutLMv3 (Huang et al., 2022, arXiv:2204.08387): RoBERTa over the words of a page and the patches of its picture.

A word's box is part of its vector. How far apart two tokens stand, in the text and on the page, is a number on the
score of each head. Without `pixel_values` the model reads words alone.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..heads import QuestionAnswering, SequenceClassifier, TokenClassifier
from ..keymap import KeyMap, transposed
from ..layers import RelativeBias
from ..layers.box_embeddings import SIDE, BoxEmbeddings, boxes_or_zeros
from ..layers.masks import additive, padding_mask
from ..outputs import ModelOutput
from .layoutlm import BOXES
from .roberta import RobertaConfig, RobertaModel
from .task import Head

FEW = 10  # labels below which words are scored by one layer


class LayoutLMv3Config(RobertaConfig):
    model_type = "layoutlmv3"

    layer_norm_eps: float = 1e-5
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    max_2d_position_embeddings: int = 1024
    coordinate_size: int = 128  # of the vector of a side of a box
    shape_size: int = 128  # of those of its height and width
    has_relative_attention_bias: bool = True
    rel_pos_bins: int = 32
    max_rel_pos: int = 128
    has_spatial_attention_bias: bool = True
    rel_2d_pos_bins: int = 64
    max_rel_2d_pos: int = 256
    visual_embed: bool = True
    input_size: int = 224
    num_channels: int = 3
    patch_size: int = 16


class Patches(nn.Module):
    """A picture as N vectors of its patches after one of the whole: (B,C,S,S), (1,1,D), (1,1+N,D) -> (B,1+N,D)"""

    def __init__(self, c: LayoutLMv3Config):
        super().__init__()
        self.side = c.input_size // c.patch_size  # patches in a row
        self.shape = (c.num_channels, c.input_size, c.input_size)
        self.proj = nn.Conv2d(c.num_channels, c.hidden_size, c.patch_size, stride=c.patch_size)
        self.norm = nn.LayerNorm(c.hidden_size, eps=1e-6)

    def forward(self, pixels: Tensor, whole: Tensor, positions: Tensor, rows: int) -> Tensor:
        if pixels.shape != (rows, *self.shape):
            raise ValueError(
                f"pixel_values must have the shape {(rows, *self.shape)}, a picture for each text, got "
                f"{tuple(pixels.shape)}. AutoProcessor or AutoImageProcessor makes them from pictures."
            )
        x = self.proj(pixels.to(whole.dtype)).flatten(2).mT  # (B,C,S,S) -> (B,N,D)
        return self.norm(torch.cat((whole.expand(rows, -1, -1), x), dim=1) + positions)

    def places(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Left and bottom edge of each vector's part of the page, (1+N,)."""
        edges = torch.arange(self.side + 1, device=device) * SIDE // self.side
        left, bottom = edges[:-1].repeat(self.side), edges[1:].repeat_interleave(self.side)
        return F.pad(left, (1, 0), value=1), F.pad(bottom, (1, 0), value=SIDE - 1)


class Distances(nn.Module):
    """What distances add to the scores of H heads. As in the reference library no gradient reaches its tables."""

    def __init__(self, c: LayoutLMv3Config):
        super().__init__()
        heads, self.scale = c.num_attention_heads, (c.hidden_size // c.num_attention_heads) ** -0.5

        def table(bins: int, longest: int) -> nn.Module:
            return RelativeBias(bins, heads, max_distance=longest, bidirectional=True)

        order, page = c.has_relative_attention_bias, c.has_spatial_attention_bias
        self.order = table(c.rel_pos_bins, c.max_rel_pos) if order else None
        self.x = table(c.rel_2d_pos_bins, c.max_rel_2d_pos) if page else None
        self.y = table(c.rel_2d_pos_bins, c.max_rel_2d_pos) if page else None

    @torch.no_grad()
    def forward(self, order: Tensor, left: Tensor, bottom: Tensor) -> Tensor:
        """(B,H,T,T) of the places of tokens in the text (1,T), and on the page (B,T); (1,1,1,1) without tables.

        Places on the page count only where those in the text do.
        """
        if self.order is None:
            return torch.zeros(1, 1, 1, 1, device=order.device)
        tables = [(self.order, order), (self.x, left), (self.y, bottom)]
        parts = [t(t.bucket(place[:, None] - place[:, :, None])) for t, place in tables if t is not None]  # (B,T,T,H)
        return sum(parts[1:], parts[0]).permute(0, 3, 1, 2) * self.scale


class DenseOut(nn.Module):
    """A dense layer and the scores: (..., D) -> (..., L)"""

    def __init__(self, c: LayoutLMv3Config):
        super().__init__()
        self.dense, self.out = nn.Linear(c.hidden_size, c.hidden_size), nn.Linear(c.hidden_size, c.num_labels)
        self.dropout = nn.Dropout(c.hidden_dropout_prob if c.classifier_dropout is None else c.classifier_dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.dropout(self.dense(self.dropout(x)).tanh()))


class PageAnswering(QuestionAnswering):
    """scores of each token as the first and as the last of an answer (start_positions, end_positions: indices (B,)).

    Tokens of the picture, which follow those of the text, have scores too.
    """

    def __init__(self, config: LayoutLMv3Config):
        super().__init__(config)
        self.out = DenseOut(config)


class WordClassifier(TokenClassifier):
    """a score for each label of each token of the text (labels: class indices (B,T), -100 where none is asked)."""

    by_token = False  # tokens of the picture, which have states, have no scores

    def __init__(self, config: LayoutLMv3Config):
        super().__init__(config)
        if config.num_labels >= FEW:
            self.out = DenseOut(config)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        given = inputs["inputs_embeds"] if inputs.get("input_ids") is None else inputs["input_ids"]
        return self.out(self.dropout(body["last_hidden_state"][:, : given.shape[1]]))


def _deep(name: str) -> dict[str, str]:
    return {f"{name}.dense": "out.dense", f"{name}.out_proj": "out.out"}


class LayoutLMv3Model(RobertaModel):
    config_class = LayoutLMv3Config
    base_model_prefix = "layoutlmv3"
    extra = ("bbox", "pixel_values")
    keys = KeyMap(
        {
            **{theirs: rule for theirs, rule in RobertaModel.keys.rules.items() if theirs != "pooler.dense"},
            **BOXES,
            "encoder.rel_pos_bias": transposed("distances.order"),
            "encoder.rel_pos_x_bias": transposed("distances.x"),
            "encoder.rel_pos_y_bias": transposed("distances.y"),
            "cls_token": "cls_token",
            "pos_embed": "pos_embed",
            "patch_embed.proj": "patches.proj",
            "norm": "patches.norm",
            "LayerNorm": "joint_norm",
        },
        prefix="layoutlmv3.",
        ignored=RobertaModel.keys.ignored,
    )
    heads = {
        "ForSequenceClassification": Head(
            SequenceClassifier,
            {"classifier.dense": "dense", "classifier.out_proj": "out"},
            {"act": "tanh", "dropout": "classifier_dropout", "early": True},
        ),
        "ForTokenClassification": Head(WordClassifier, {"classifier": "out", **_deep("classifier")}),
        "ForQuestionAnswering": Head(PageAnswering, _deep("qa_outputs")),
    }

    def __init__(self, config: LayoutLMv3Config):
        super().__init__(config, add_pooling_layer=False)
        c = config
        if 4 * c.coordinate_size + 2 * c.shape_size != c.hidden_size:
            raise ValueError(
                f"hidden_size={c.hidden_size} of a LayoutLMv3 must be 4 * coordinate_size + 2 * shape_size = "
                f"{4 * c.coordinate_size + 2 * c.shape_size}."
            )
        self.boxes = BoxEmbeddings(c.max_2d_position_embeddings, c.coordinate_size, c.shape_size, inverted=True)
        self.distances = Distances(c)
        self.patches = Patches(c) if c.visual_embed else None
        if self.patches is not None:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, c.hidden_size))
            self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.patches.side**2, c.hidden_size))
        self.joint_norm = nn.LayerNorm(c.hidden_size, c.layer_norm_eps) if c.visual_embed else None
        self.dropout = nn.Dropout(c.hidden_dropout_prob)

    def reset_parameters(self) -> None:
        for name in self._parameters:
            nn.init.zeros_(self.get_parameter(name))

    def forward(  # type: ignore[override]
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None, **inputs: Any
    ) -> Any:
        """As other encoders', and

        Args:
            bbox: boxes (B,T,4) of the tokens, in thousandths of the page; zeros if None.
            pixel_values: pictures (B,C,S,S) of the pages, whose patches follow the tokens; alone, if there is no text.
        """
        pixels = inputs.get("pixel_values")
        if input_ids is None and inputs.get("inputs_embeds") is None and pixels is not None:
            inputs["inputs_embeds"] = torch.zeros(len(pixels), 0, self.config.hidden_size, device=pixels.device)
        return super().forward(input_ids, attention_mask, **inputs)

    def encode(  # type: ignore[override]
        self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None, bbox: Tensor | None,
        pixel_values: Tensor | None,
    ) -> Tensor:  # fmt: skip
        boxes = boxes_or_zeros(bbox, x)
        x = self.embed(x + torch.cat(self.boxes(boxes), dim=-1), positions, segments)
        order, left, bottom = torch.arange(x.shape[1], device=x.device), boxes[..., 0], boxes[..., 3]
        if pixel_values is not None:
            if self.patches is None or self.joint_norm is None:
                raise ValueError("this LayoutLMv3 reads no pictures (visual_embed in config.json); leave pixel_values.")
            picture = self.patches(pixel_values, self.cls_token, self.pos_embed, len(x))
            x = self.dropout(self.joint_norm(torch.cat((x, picture), dim=1)))
            order = torch.cat((order, torch.arange(picture.shape[1], device=x.device)))
            left, bottom = (
                torch.cat((side, more.expand(len(x), -1)), dim=1)
                for side, more in zip((left, bottom), self.patches.places(x.device), strict=True)
            )
            mask = mask if mask is None else F.pad(mask, (0, picture.shape[1]), value=1)
        bias = self.distances(order[None], left, bottom).to(x.dtype)
        return self.layers(x, additive(padding_mask(mask), bias))
