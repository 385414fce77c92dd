"""Conditional DETR (Meng et al., 2021, arXiv:2108.06152): queries look for content and for a place by themselves."""

from typing import Any

import torch
from torch import Tensor, nn

from ..heads.detection import MaskDetector, PlacedDetector
from ..keymap import KeyMap
from ..layers import Attention
from ..layers.queries import Perceptron, QueryBlock, sines
from ..outputs import PlacedDetectorOutput
from .detection import MaskDetectorModel
from .detr import BOXES, ENCODER, MAPS, MASKS, OLDER, Decoder, DetrModel, block_keys, query_block
from .frozen_backbone import DetectorConfig
from .task import Head


class ConditionalDetrConfig(DetectorConfig):
    model_type = "conditional_detr"

    num_queries: int = 300
    class_cost: float = 2
    cls_loss_coefficient: float = 2
    focal_alpha: float = 0.25


class ContentAttention(Attention):
    """Of queries x (B,Q,D) to each other, with projections of their own for positions (B,Q,D)."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__(dim, heads, dropout=dropout)
        self.q_place, self.k_place = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor | None, positions: Tensor) -> Tensor:  # type: ignore[override]
        q, k = self.q_proj(x) + self.q_place(positions), self.k_proj(x) + self.k_place(positions)
        return self.attend(self.split(q), self.split(k), self.split(self.v_proj(x)), mask)


class ConditionalAttention(Attention):
    """Of queries x (B,Q,D) to a map (B,S,D): half of each key and query is content, half is where it is.

    first: whether positions of the queries are added to their content too.
    """

    def __init__(self, dim: int, heads: int, dropout: float, first: bool):
        super().__init__(dim, heads, scale=(2 * dim // heads) ** -0.5, dropout=dropout)
        self.q_place = nn.Linear(dim, dim) if first else None
        self.k_place, self.q_sine = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(  # type: ignore[override]
        self, x: Tensor, states: Tensor, mask: Tensor | None, positions: Tensor, states_positions: Tensor, sine: Tensor
    ) -> Tensor:
        q, k, place = self.q_proj(x), self.k_proj(states), self.k_place(states_positions).expand_as(states)
        if self.q_place is not None:
            q, k = q + self.q_place(positions), k + place
        q = torch.cat((self.split(q), self.split(self.q_sine(sine))), dim=-1)  # (B,H,Q,2C)
        k = torch.cat((self.split(k), self.split(place)), dim=-1)
        return self.attend(q, k, self.split(self.v_proj(states)), mask, "cross_attentions")


class ConditionalDecoder(Decoder):
    """A stack over queries x (B,Q,D), each of which looks from a place of its own."""

    def __init__(self, c: DetectorConfig):
        super().__init__(c)
        dim = c.hidden_size
        self.scale, self.place = Perceptron(dim, dim, dim, 2), Perceptron(dim, dim, 2, 2)

    def block(self, c: DetectorConfig, number: int) -> QueryBlock:
        sizes = c.hidden_size, c.decoder_attention_heads, c.attention_dropout
        return query_block(c, ContentAttention(*sizes), ConditionalAttention(*sizes, first=number == 0))

    def forward(self, x: Tensor, own: tuple[Any, ...], cross: tuple[Any, ...]) -> dict[str, Tensor]:
        places = self.place(own[1]).sigmoid()
        sine = sines(places.flip(-1), x.shape[-1] // 2)  # y before x, as on maps
        return super().forward(x, own, (*cross, sine)) | {"reference_points": places.transpose(0, 1)}

    def looking(self, number: int, x: Tensor, cross: tuple[Any, ...]) -> tuple[Any, ...]:
        *rest, sine = cross
        return (*rest, sine * self.scale(x) if number else sine)


def decoder_keys() -> dict[str, str]:
    theirs = ours = "decoder.layers.{}"
    names = {"qcontent_proj": "q_proj", "kcontent_proj": "k_proj", "v_proj": "v_proj", "qpos_proj": "q_place"}
    names |= {"kpos_proj": "k_place", "qpos_sine_proj": "q_sine"}
    found = {f"{theirs}.sa_{x}": f"{ours}.attn.{y}" for x, y in names.items() if y != "q_sine"}
    found |= {f"{theirs}.ca_{x}": f"{ours}.cross_attn.{y}" for x, y in names.items()}
    return {
        **found,
        f"{theirs}.self_attn.out_proj": f"{ours}.attn.o_proj",
        f"{theirs}.encoder_attn.out_proj": f"{ours}.cross_attn.o_proj",
        f"{theirs}.encoder_attn_layer_norm": f"{ours}.cross_attn_norm",
        **block_keys(ours),
        "decoder.layernorm": "decoder.norm",
        "decoder.query_scale.layers.{}": "decoder.scale.layers.{}",
        "decoder.ref_point_head.layers.{}": "decoder.place.layers.{}",
    }


class ConditionalDetrModel(DetrModel):
    config_class = ConditionalDetrConfig
    output_class = PlacedDetectorOutput
    decoder_class = ConditionalDecoder
    keys = KeyMap({**MAPS, **ENCODER, **decoder_keys()}, prefix="model.", also=OLDER)
    heads = {
        "ForObjectDetection": Head(PlacedDetector, BOXES, {"focal": True}),
        "ForSegmentation": Head(
            MaskDetector,  # whose boxes are not from places, as in the reference
            {**{f"conditional_detr.{theirs}": ours for theirs, ours in BOXES.items()}, **MASKS}, {"focal": True},
            prefix="conditional_detr.model.", model=MaskDetectorModel,
        ),
    }  # fmt: skip
