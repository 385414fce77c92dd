"""DETR (Carion et al., 2020, arXiv:2005.12872): learned queries look at a picture's map, each finds one object."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..heads.detection import MaskDetector, ObjectDetector
from ..keymap import KeyMap, attention_keys
from ..layers import MLP, Layers, PostNormBlock
from ..layers.masks import padding_mask
from ..layers.observe import note
from ..layers.published import Named
from ..layers.queries import MapPositions, PositionedAttention, PositionedCrossAttention, QueryBlock
from .detection import DetectorModel, MaskDetectorModel, Scene, places
from .frozen_backbone import DetectorConfig
from .task import Head


class DetrConfig(DetectorConfig):
    model_type = "detr"


def block_keys(theirs: str, ours: str = "") -> dict[str, str]:
    ours = ours or theirs
    return {
        f"{theirs}.self_attn_layer_norm": f"{ours}.attn_norm",
        f"{theirs}.fc1": f"{ours}.mlp.up_proj",
        f"{theirs}.fc2": f"{ours}.mlp.down_proj",
        f"{theirs}.final_layer_norm": f"{ours}.mlp_norm",
    }


def deformable_keys(theirs: str, ours: str) -> dict[str, str]:
    names = {"sampling_offsets": "offsets", "attention_weights": "weights", "value_proj": "v_proj", "output_proj": "o_proj"}  # fmt: skip # noqa: E501
    return {f"{theirs}.{x}": f"{ours}.{y}" for x, y in names.items()}


LEARNED = {f"position_embedding.{name}_embeddings": f"positions.{name}" for name in ("row", "column")}
OLDER = {f"backbone.{theirs}": ours for theirs, ours in LEARNED.items()}  # as the fourth generation writes them
MAPS = {"input_projection": "project", "query_position_embeddings": "embed.position", **LEARNED}
ENCODER = {**attention_keys("encoder.layers.{}.self_attn", "encoder.layers.{}.attn"), **block_keys("encoder.layers.{}")}
QUERIES = {
    **attention_keys("decoder.layers.{}.self_attn", "decoder.layers.{}.attn"),
    **block_keys("decoder.layers.{}"),
    "decoder.layers.{}.encoder_attn_layer_norm": "decoder.layers.{}.cross_attn_norm",
}
DECODER = QUERIES | attention_keys("decoder.layers.{}.encoder_attn", "decoder.layers.{}.cross_attn")
DEFORMABLE = QUERIES | deformable_keys("decoder.layers.{}.encoder_attn", "decoder.layers.{}.cross_attn")
BOXES = {"class_labels_classifier": "out", "bbox_predictor.layers.{}": "boxes.layers.{}"}
MASKS = {
    **{f"mask_head.lay{i + 1}": f"masks.convs.{i}" for i in range(5)},
    **{f"mask_head.gn{i + 1}": f"masks.norms.{i}" for i in range(5)},
    **{f"mask_head.adapter{i + 1}": f"masks.adapters.{i}" for i in range(3)},
    "mask_head.out_lay": "masks.out",
    "bbox_attention.q_linear": "attention.q_proj",
    "bbox_attention.k_linear": "attention.k_proj",
}


def network(c: DetectorConfig, width: int) -> MLP:
    return MLP(c.hidden_size, width, c.activation_function, dropout=c.activation_dropout)


class Encoder(Named):
    """A stack over a map x (B,S,D), with positions added in each attention."""

    def __init__(self, c: DetectorConfig):
        super().__init__()
        self.layers = Layers(
            PostNormBlock(
                PositionedAttention(c.hidden_size, c.num_attention_heads, dropout=c.attention_dropout),
                network(c, c.encoder_ffn_dim), nn.LayerNorm(c.hidden_size), nn.LayerNorm(c.hidden_size), c.dropout,
            )
            for _ in range(c.num_hidden_layers)
        )  # fmt: skip
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, x: Tensor, mask: Tensor | None, positions: Tensor) -> Tensor:
        return self.layers(self.dropout(x), mask, positions)


def query_block(c: DetectorConfig, attn: nn.Module, cross_attn: nn.Module) -> QueryBlock:
    return QueryBlock(
        attn, network(c, c.decoder_ffn_dim), nn.LayerNorm(c.hidden_size), nn.LayerNorm(c.hidden_size),
        cross_attn=cross_attn, cross_attn_norm=nn.LayerNorm(c.hidden_size), dropout=c.dropout,
    )  # fmt: skip


class Decoder(Named):
    """A stack over queries x (B,Q,D) that look at the encoder's states."""

    def __init__(self, c: DetectorConfig):
        super().__init__()
        self.layers = Layers(self.block(c, i) for i in range(c.decoder_layers))
        self.norm = nn.LayerNorm(c.hidden_size)
        self.each = c.auxiliary_loss  # whether what each layer gives is normalised, and kept

    def block(self, c: DetectorConfig, number: int) -> QueryBlock:
        sizes = c.hidden_size, c.decoder_attention_heads
        own = PositionedAttention(*sizes, dropout=c.attention_dropout)
        return query_block(c, own, PositionedCrossAttention(*sizes, dropout=c.attention_dropout))

    def forward(self, x: Tensor, own: tuple[Any, ...], cross: tuple[Any, ...]) -> dict[str, Tensor]:
        steps = []
        note("hidden_states", x)
        for i, block in enumerate(self.layers.blocks):
            x = self.layers.run(block, x, own, self.looking(i, x, cross))
            note("hidden_states", x)
            if self.each:  # the next layer reads it so too, as in published models
                x = self.norm(x)
                steps.append(x)
        found = {"last_hidden_state": self.norm(x)}
        return found | ({"intermediate_hidden_states": torch.stack(steps)} if steps else {})

    def looking(self, number: int, x: Tensor, cross: tuple[Any, ...]) -> tuple[Any, ...]:
        """What the cross-attention of a layer is given beside x."""
        return cross


class Queries(Named):
    """The learned positions of the queries."""

    def __init__(self, count: int, dim: int):
        super().__init__()
        self.position = nn.Embedding(count, dim)


class DetrModel(DetectorModel):
    config_class = DetrConfig
    base_model_prefix = "model"
    decoder_class: ClassVar[type[nn.Module]] = Decoder
    keys = KeyMap({**MAPS, **ENCODER, **DECODER, "decoder.layernorm": "decoder.norm"}, prefix="model.", also=OLDER)
    heads = {
        "ForObjectDetection": Head(ObjectDetector, BOXES),
        "ForSegmentation": Head(
            MaskDetector,
            {**{f"detr.{theirs}": ours for theirs, ours in BOXES.items()}, **MASKS},
            prefix="detr.model.",
            model=MaskDetectorModel,
        ),
    }

    def __init__(self, config: DetectorConfig):
        super().__init__(config)
        c = config
        self.project = nn.Conv2d(self.backbone.model.channels[-1], c.hidden_size, 1)
        self.positions = MapPositions(c.position_embedding_type, c.hidden_size)
        self.embed = Queries(c.num_queries, c.hidden_size)
        self.encoder, self.decoder = Encoder(c), self.decoder_class(c)

    def look(self, pixels: Tensor, mask: Tensor | None) -> Scene:
        maps = self.backbone(pixels)
        x, inside = self.project(maps[-1]), places(mask, maps[-1])
        positions = self.positions(inside, x.dtype)
        seen = None if mask is None else inside.flatten(1)
        return Scene(maps, x.flatten(2).mT, positions, seen, [tuple(x.shape[2:])])

    def encode(self, scene: Scene) -> Tensor:
        return self.encoder(scene.x, padding_mask(scene.inside), scene.positions)

    def decode(self, scene: Scene, states: Tensor, queries: Tensor | None, mask: Tensor | None) -> Mapping[str, Any]:
        positions = self.embed.position.weight.expand(len(states), -1, -1)
        x = torch.zeros_like(positions) if queries is None else queries
        cross = (states, padding_mask(scene.inside), positions, scene.positions)
        return self.decoder(x, (padding_mask(mask), positions), cross)
