"""Deformable DETR (Zhu et al., 2020, arXiv:2010.04159): queries look at a few places of several maps."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..heads.refining import LayeredDetector
from ..keymap import KeyMap, Rule
from ..layers import Layers, PostNormBlock
from ..layers.boxes import shifted
from ..layers.conv import GroupConv
from ..layers.deformable import CrossDeformable, SelfDeformable
from ..layers.observe import note
from ..layers.published import Named
from ..layers.queries import MapPositions, PositionedAttention, sines
from ..outputs import DeformableDetectorOutput
from .detection import DetectorModel, Scene, places
from .detr import DEFORMABLE, LEARNED, OLDER, block_keys, deformable_keys, network, query_block
from .frozen_backbone import DetectorConfig
from .proposals import Proposals, in_pictures, ratios
from .task import Head
from .vision import VisionTaskModel


class DeformableDetrConfig(DetectorConfig):
    model_type = "deformable_detr"

    num_queries: int = 300
    encoder_ffn_dim: int = 1024
    decoder_ffn_dim: int = 1024
    max_position_embeddings: int = 1024
    num_feature_levels: int = 4
    encoder_n_points: int = 4
    decoder_n_points: int = 4
    two_stage: bool = False
    two_stage_num_proposals: int = 300
    with_box_refine: bool = False
    focal_alpha: float = 0.25

    @property
    def first_stage(self) -> int:  # type: ignore[override]
        return 2 if self.num_feature_levels > 1 else 4


NAMES = {
    "input_proj.{}.0": "project.{}.conv",
    "input_proj.{}.1": "project.{}.norm",
    "level_embed": "embed.level",
    "query_position_embeddings": "embed.position",
    "reference_points": "embed.place",
    **LEARNED,
    **{f"enc_{x}": f"propose.{x}" for x in ("output", "output_norm")},
    **{f"pos_{x}": f"propose.{x}" for x in ("trans", "trans_norm")},
    **deformable_keys("encoder.layers.{}.self_attn", "encoder.layers.{}.attn"),
    **block_keys("encoder.layers.{}"),
    **DEFORMABLE,
}


class Encoder(Named):
    """A stack over the places of all maps, each of which looks at a few others."""

    def __init__(self, c: DeformableDetrConfig):
        super().__init__()
        self.layers = Layers(
            PostNormBlock(
                SelfDeformable(c.hidden_size, c.num_attention_heads, c.num_feature_levels, c.encoder_n_points),
                network(c, c.encoder_ffn_dim), nn.LayerNorm(c.hidden_size), nn.LayerNorm(c.hidden_size), c.dropout,
            )
            for _ in range(c.num_hidden_layers)
        )  # fmt: skip
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, scene: Scene) -> Tensor:
        at = (in_pictures(scene)[:, :, None] * scene.more["covered"][:, None]).to(scene.x.dtype)
        return self.layers(self.dropout(scene.x), scene.positions, scene.inside, at, scene.shapes)


class Decoder(Named):
    """A stack over queries that look at places of maps; with heads of boxes each layer moves the place of the next."""

    def __init__(self, c: DeformableDetrConfig):
        super().__init__()
        heads, points = c.decoder_attention_heads, c.decoder_n_points
        self.layers = Layers(
            query_block(
                c, PositionedAttention(c.hidden_size, heads, dropout=c.attention_dropout),
                CrossDeformable(c.hidden_size, heads, c.num_feature_levels, points),
            )
            for _ in range(c.decoder_layers)
        )  # fmt: skip

    def forward(
        self, x: Tensor, positions: Tensor, states: Tensor, scene: Scene, at: Tensor, boxes: Any = None
    ) -> dict[str, Tensor]:
        """Queries x (B,Q,D) at places or boxes `at` (B,Q,2 or 4), and the heads that move them after each layer."""
        steps, moved = [], []
        covered = scene.more["covered"].to(x.dtype).repeat(1, 1, at.shape[-1] // 2)
        note("hidden_states", x)
        for i, block in enumerate(self.layers.blocks):
            if covered.shape[-1] != at.shape[-1]:  # a place has become a box
                covered = covered.repeat(1, 1, 2)
            looked = at[:, :, None] * covered[:, None]
            cross = (positions, states, scene.inside, looked, scene.shapes)
            x = self.layers.run(block, x, (None, positions), cross)
            note("hidden_states", x)
            if boxes is not None:
                at = shifted(boxes[i](x), at).detach()
            steps.append(x)
            moved.append(at)
        states = torch.stack(steps, dim=1)
        return {
            "last_hidden_state": x,
            "intermediate_hidden_states": states,
            "intermediate_reference_points": torch.stack(moved, dim=1),
        }


class Places(Named):
    """What tells the maps apart; and without a first stage the queries' positions, what they begin with, and where."""

    def __init__(self, c: DeformableDetrConfig):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(c.num_feature_levels, c.hidden_size))
        self.position = None if c.two_stage else nn.Embedding(c.num_queries, 2 * c.hidden_size)
        self.place = None if c.two_stage else nn.Linear(c.hidden_size, 2)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.level)
        if self.place is not None:
            nn.init.xavier_uniform_(self.place.weight)
            nn.init.zeros_(self.place.bias)


class DeformableTaskModel(VisionTaskModel):
    """Body and head, which the body's decoder and first stage use too."""

    def __init__(self, config: DeformableDetrConfig, **body: Any):
        super().__init__(config, **body)
        self.backbone.finders = (self.head.out, self.head.boxes)
        self.keys = self.backbone.keys.headed(*head_keys(config))


def head_keys(c: DeformableDetrConfig) -> tuple[Mapping[str, Rule], list[str], None, Mapping[str, Rule]]:
    """Published names of a head that are written, ignored, and read: older files have them twice."""
    labels = {"class_embed.{}": "out.{}"}
    boxes = {"bbox_embed.{}.layers.{}": "boxes.{}.layers.{}"}
    inside = {f"model.decoder.{name}": ours for name, ours in (labels | boxes).items()}
    if c.with_box_refine:
        written = {name: ours for name, ours in inside.items() if "bbox" in name or c.two_stage}
        return {**({} if c.two_stage else labels), **written}, [], None, {**inside, **labels, **boxes}
    first = {name.replace("{}", "0", 1): ours.replace("{}", "0", 1) for name, ours in (labels | boxes).items()}
    copies = [f"{name}.{part}" for name in (*inside, *labels, *boxes) for part in ("weight", "bias")]
    return first, copies, None, {}


class DeformableDetrModel(DetectorModel):
    config_class = DeformableDetrConfig
    base_model_prefix = "model"
    output_class = DeformableDetectorOutput
    keys = KeyMap(NAMES, prefix="model.", also=OLDER)
    heads = {"ForObjectDetection": Head(LayeredDetector, {}, model=DeformableTaskModel)}
    finders: Any = None  # of labels and of boxes, which belong to a head: the decoder moves places with them

    def __init__(self, config: DeformableDetrConfig):
        super().__init__(config)
        c, channels = config, self.backbone.model.channels
        channels = channels if c.num_feature_levels > 1 else channels[-1:]
        extra = c.num_feature_levels - len(channels)
        if extra < 0:
            raise ValueError(
                f"num_feature_levels={c.num_feature_levels} is less than the backbone's {len(channels)} maps."
            )
        sizes = [(n, 1) for n in channels] + [(channels[-1] if i == 0 else c.hidden_size, 3) for i in range(extra)]
        self.project = nn.ModuleList(
            GroupConv(n, c.hidden_size, size, stride=size // 2 + 1, bias=True) for n, size in sizes
        )
        self.positions = MapPositions(c.position_embedding_type, c.hidden_size, shift=0.5)
        self.embed = Places(c)
        self.encoder, self.decoder = Encoder(c), Decoder(c)
        self.propose = Proposals(c.hidden_size) if c.two_stage else None

    def look(self, pixels: Tensor, mask: Tensor | None) -> Scene:
        maps = self.backbone(pixels)
        maps = maps if self.config.num_feature_levels > 1 else maps[-1:]
        found: list[Tensor] = []
        for i, project in enumerate(self.project.children()):
            found.append(project(maps[i] if i < len(maps) else maps[-1] if i == len(maps) else found[-1]))
        inside = [places(mask, x) for x in found]
        positions = [self.positions(y, x.dtype) + self.embed.level[i] for i, (x, y) in enumerate(zip(found, inside, strict=True))]  # fmt: skip # noqa: E501
        return Scene(
            maps, torch.cat([x.flatten(2).mT for x in found], dim=1), torch.cat(positions, dim=1),
            None if mask is None else torch.cat([y.flatten(1) for y in inside], dim=1),
            [(x.shape[2], x.shape[3]) for x in found], {"covered": torch.stack([ratios(y) for y in inside], dim=1)},
        )  # fmt: skip

    def encode(self, scene: Scene) -> Tensor:
        return self.encoder(scene)

    def decode(self, scene: Scene, states: Tensor, queries: Tensor | None, mask: Tensor | None) -> Mapping[str, Any]:
        labels, boxes = self.finders or (None, None)
        proposed: dict[str, Tensor] = {}
        if self.propose is None:
            both = self.embed.position.weight.expand(len(states), -1, -1)  # type: ignore[union-attr]  # (B,Q,2D)
            at = self.embed.place(both[..., : states.shape[-1]]).sigmoid()  # type: ignore[misc]
        elif labels is None or boxes is None:
            raise ValueError("with two_stage=True queries come from heads: use DeformableDetrForObjectDetection.")
        else:
            objects, where = self.propose.objects(states, scene)
            scores, where = labels[-1](objects), boxes[-1](objects) + where
            best = scores[..., 0].topk(min(self.config.two_stage_num_proposals, scores.shape[1]), dim=1).indices
            at = where.gather(1, best[..., None].expand(-1, -1, 4)).detach().sigmoid()
            both = self.propose.trans_norm(self.propose.trans(sines(at, states.shape[-1] // 2)))
            proposed = {"enc_outputs_class": scores, "enc_outputs_coord_logits": where}
        positions, x = both.chunk(2, dim=-1)
        x = x if queries is None else queries
        moving = boxes if self.config.with_box_refine else None
        return {"init_reference_points": at, **proposed, **self.decoder(x, positions, states, scene, at, moving)}
