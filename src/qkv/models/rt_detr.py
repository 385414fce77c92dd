"""RT-DETR (Zhao et al., 2023, arXiv:2304.08069): a light encoder proposes places, queries refine them into boxes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..heads.denoising import noise_of
from ..heads.detection import PriorLinear, XavierEmbedding
from ..heads.refining import RefiningDetector
from ..heads.set_loss import checked_targets
from ..keymap import KeyMap, attention_keys
from ..layers import MLP, Layers
from ..layers.boxes import shifted
from ..layers.conv import ConvNorm
from ..layers.deformable import CrossDeformable
from ..layers.observe import note
from ..layers.published import Named
from ..layers.queries import Perceptron, PositionedAttention, QueryBlock
from ..outputs import RefiningDetectorOutput
from .backbone import check_no_name
from .detection import DetectorModel, Scene
from .detr import DEFORMABLE, block_keys
from .frozen_backbone import BackedConfig
from .hybrid_encoder import HybridEncoder
from .proposals import anchors
from .task import Head
from .vision import VisionTaskModel


class RTDetrConfig(BackedConfig):
    model_type = "rt_detr"
    aliases = {
        "d_model": "hidden_size",
        "encoder_attention_heads": "num_attention_heads",
        "encoder_layers": "num_hidden_layers",
    }
    places = ("backbone.model", "backbone.conv_encoder.model")

    initializer_range: float = 0.01
    initializer_bias_prior_prob: float | None = None
    layer_norm_eps: float = 1e-5
    batch_norm_eps: float = 1e-5
    freeze_backbone_batch_norms: bool = True
    encoder_hidden_dim: int = 256
    encoder_in_channels: list | tuple = (512, 1024, 2048)
    feat_strides: list | tuple = (8, 16, 32)
    num_hidden_layers: int = 1
    num_attention_heads: int = 8
    encoder_ffn_dim: int = 1024
    encode_proj_layers: list | tuple = (2,)
    positional_encoding_temperature: float = 10000
    encoder_activation_function: str = "gelu"
    activation_function: str | None = "silu"
    eval_size: int | list | tuple | None = None
    normalize_before: bool = False
    hidden_expansion: float = 1.0
    hidden_size: int = 256
    num_queries: int = 300
    decoder_in_channels: list | tuple = (256, 256, 256)
    decoder_ffn_dim: int = 1024
    num_feature_levels: int = 3
    decoder_n_points: int = 4
    decoder_layers: int = 6
    decoder_attention_heads: int = 8
    decoder_activation_function: str = "relu"
    dropout: float = 0.0
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    num_denoising: int = 100
    label_noise_ratio: float = 0.5
    box_noise_scale: float = 1.0
    learn_initial_query: bool = False
    is_encoder_decoder: bool = True
    matcher_alpha: float = 0.25
    matcher_gamma: float = 2.0
    matcher_class_cost: float = 2.0
    matcher_bbox_cost: float = 5.0
    matcher_giou_cost: float = 2.0
    use_focal_loss: bool = True
    auxiliary_loss: bool = True
    focal_loss_alpha: float = 0.75
    focal_loss_gamma: float = 2.0
    weight_loss_vfl: float = 1.0
    weight_loss_bbox: float = 5.0
    weight_loss_giou: float = 2.0
    eos_coefficient: float = 1e-4

    def backbone_fields(self) -> dict[str, Any]:
        if not self.backbone_config:
            check_no_name(self)
        return dict(self.backbone_config or {"model_type": "rt_detr_resnet", "out_indices": [2, 3, 4]})

    @property
    def freezes_norms(self) -> bool:
        return self.freeze_backbone_batch_norms


FUSION = {"conv1": "deep", "conv2": "flat", "conv3": "out", "bottlenecks.{}.conv1": "blocks.{}.wide", "bottlenecks.{}.conv2": "blocks.{}.narrow"}  # fmt: skip # noqa: E501
STACK = "encoder.encoder.{}.layers.{}", "encoder.attention.{}.layers.{}"
NAMES = {
    "encoder_input_proj.{}.0": "project.{}.conv",
    "encoder_input_proj.{}.1": "project.{}.norm",
    **attention_keys(f"{STACK[0]}.self_attn", f"{STACK[1]}.attn"),
    **block_keys(*STACK),
    "encoder.lateral_convs.{}": "encoder.laterals.{}",
    "encoder.downsample_convs.{}": "encoder.shrinks.{}",
    **{f"encoder.fpn_blocks.{{}}.{theirs}": f"encoder.up.{{}}.{ours}" for theirs, ours in FUSION.items()},
    **{f"encoder.pan_blocks.{{}}.{theirs}": f"encoder.down.{{}}.{ours}" for theirs, ours in FUSION.items()},
    "denoising_class_embed": "embed.noise",
    "weight_embedding": "embed.query",
    "enc_output.0": "propose.states",
    "enc_output.1": "propose.norm",
    "enc_score_head": "propose.labels",
    "enc_bbox_head.layers.{}": "propose.boxes.layers.{}",
    "decoder_input_proj.{}.0": "inputs.{}.conv",
    "decoder_input_proj.{}.1": "inputs.{}.norm",
    "decoder.query_pos_head.layers.{}": "decoder.place.layers.{}",
    **DEFORMABLE,
}


class Decoder(Named):
    """A stack over queries x (B,Q,D), each of which looks at a box; the heads move it after each layer."""

    def __init__(self, c: RTDetrConfig):
        super().__init__()
        dim, heads, eps = c.hidden_size, c.decoder_attention_heads, c.layer_norm_eps
        self.layers = Layers(
            QueryBlock(
                PositionedAttention(dim, heads, dropout=c.attention_dropout),
                MLP(dim, c.decoder_ffn_dim, c.decoder_activation_function, dropout=c.activation_dropout),
                nn.LayerNorm(dim, eps), nn.LayerNorm(dim, eps), dropout=c.dropout,
                cross_attn=CrossDeformable(dim, heads, c.num_feature_levels, c.decoder_n_points),
                cross_attn_norm=nn.LayerNorm(dim, eps),
            )
            for _ in range(c.decoder_layers)
        )  # fmt: skip
        self.place = Perceptron(4, 2 * dim, dim, 2)

    def forward(
        self, x: Tensor, at: Tensor, mask: Tensor | None, states: Tensor, shapes: Any, finders: Any
    ) -> dict[str, Tensor]:
        """Queries x (B,Q,D) at boxes (B,Q,4), whom each attends to (1,1,Q,Q), the maps (B,S,D), heads of labels and of
        boxes."""
        steps, moved, scores = [], [], []
        note("hidden_states", x)
        for i, block in enumerate(self.layers.blocks):
            positions = self.place(at)
            x = self.layers.run(block, x, (mask, positions), (positions, states, None, at[:, :, None], shapes))
            note("hidden_states", x)
            box = at if finders is None else shifted(finders[1][i](x), at)
            at = box.detach()
            steps.append(x)
            moved.append(box)
            if finders is not None:
                scores.append(finders[0][i](x))
        found = {"intermediate_hidden_states": steps, "intermediate_reference_points": moved}
        found |= {"intermediate_logits": scores} if scores else {}
        return {"last_hidden_state": x, **{name: torch.stack(each, dim=1) for name, each in found.items()}}


class Proposals(Named):
    """What each place of the maps may be, and a box there."""

    def __init__(self, c: RTDetrConfig):
        super().__init__()
        dim = c.hidden_size
        self.states, self.norm = nn.Linear(dim, dim), nn.LayerNorm(dim, c.layer_norm_eps)
        self.labels, self.boxes = PriorLinear(c), Perceptron(dim, dim, 4, 3)

    def forward(self, x: Tensor, scene: Scene) -> tuple[Tensor, Tensor, Tensor]:
        """x (B,S,D) -> states (B,S,D), scores (B,S,L) and boxes before the sigmoid (B,S,4), far off at edges"""
        boxes, kept = anchors(scene)
        boxes = boxes.to(x.dtype).masked_fill(~kept, torch.finfo(x.dtype).max)
        states = self.norm(self.states(kept * x))
        return states, self.labels(states), self.boxes(states) + boxes


class Tables(Named):
    """The vectors of labels with noise, and those that queries begin with if these are learned."""

    def __init__(self, c: RTDetrConfig):
        super().__init__()
        self.noise = (
            XavierEmbedding(c.num_labels + 1, c.hidden_size, padding_idx=c.num_labels) if c.num_denoising else None
        )
        self.query = XavierEmbedding(c.num_queries, c.hidden_size) if c.learn_initial_query else None


class RTDetrTaskModel(VisionTaskModel):
    """Body and head, which the body's decoder uses too; in training the body is told the labels."""

    def __init__(self, config: RTDetrConfig, **body: Any):
        super().__init__(config, **body)
        self.backbone.finders = (self.head.out, self.head.boxes)
        names = {"class_embed.{}": "out.{}", "bbox_embed.{}.layers.{}": "boxes.{}.layers.{}"}
        inside = {f"model.decoder.{theirs}": ours for theirs, ours in names.items()}
        self.keys = self.backbone.keys.headed(inside, head_also=names)

    def complete(self, inputs: dict[str, Any], targets: dict[str, Any]) -> dict[str, Any]:
        return {**inputs, "labels": targets.get("labels")} if self.training else inputs


class RTDetrModel(DetectorModel):
    config_class = RTDetrConfig
    base_model_prefix = "model"
    output_class = RefiningDetectorOutput
    keys = KeyMap(NAMES, prefix="model.")
    heads = {"ForObjectDetection": Head(RefiningDetector, {}, model=RTDetrTaskModel)}
    finders: Any = None  # of labels and of boxes, which belong to a head

    def __init__(self, config: RTDetrConfig):
        super().__init__(config)
        c = config
        if c.normalize_before:
            raise ValueError("qkv has no RT-DETR with normalize_before=True, which no published model has.")
        dim, inner = c.hidden_size, c.encoder_hidden_dim
        self.project = nn.ModuleList(ConvNorm(n, inner, 1) for n in self.backbone.model.channels)
        self.encoder, self.decoder = HybridEncoder(c), Decoder(c)
        extra = range(c.num_feature_levels - len(c.decoder_in_channels))
        sizes = [(n, 1, 1) for n in c.decoder_in_channels]
        sizes += [(dim if i else c.decoder_in_channels[-1], 3, 2) for i in extra]
        self.inputs = nn.ModuleList(ConvNorm(n, dim, size, stride, eps=c.batch_norm_eps) for n, size, stride in sizes)
        self.embed, self.propose = Tables(c), Proposals(c)

    def look(self, pixels: Tensor, mask: Tensor | None) -> Scene:
        maps = self.backbone(pixels)
        found = [project(x) for project, x in zip(self.project.children(), maps, strict=True)]
        return Scene(maps, found[-1], found[-1], None, [], {"maps": found})

    def encode(self, scene: Scene) -> Any:
        return self.encoder(scene.more["maps"])

    def noted(self, notes: Any, x: Any) -> dict[str, Any]:
        return {kind: tuple(tensors) for kind, tensors in notes.items()}

    def decode(self, scene: Scene, states: Any, queries: Tensor | None, mask: Tensor | None) -> Mapping[str, Any]:
        c, pairs = self.config, enumerate(self.inputs.children())
        maps = [project(states[min(i, len(states) - 1)]) for i, project in pairs]
        scene.shapes = [(x.shape[2], x.shape[3]) for x in maps]
        x = torch.cat([one.flatten(2).mT for one in maps], dim=1)
        scene.more["covered"] = x.new_ones(1, len(maps), 2)
        found, scores, boxes = self.propose(x, scene)
        best = scores.amax(-1).topk(min(c.num_queries, scores.shape[1]), dim=1).indices[..., None]
        at = boxes.gather(1, best.expand(-1, -1, 4))  # (B,Q,4)
        asks = found.gather(1, best.expand(-1, -1, found.shape[2])).detach()
        asks = asks if self.embed.query is None else self.embed.query.weight.expand(len(x), -1, -1)
        known: dict[str, Any] = {
            "enc_topk_logits": scores.gather(1, best.expand(-1, -1, scores.shape[2])), "enc_topk_bboxes": at.sigmoid(),
            "enc_outputs_class": scores, "enc_outputs_coord_logits": boxes,
        }  # fmt: skip
        labels, noise, seen, names = scene.more.get("labels"), None, None, self.embed.noise
        if labels is not None and self.training and names is not None:
            noise = noise_of(checked_targets(labels, x, c.num_labels), c, at.shape[1])
        if noise is not None and names is not None:
            pairs = (noise.boxes.to(at), at), (names(noise.labels), asks)
            at, asks = (torch.cat(both, dim=1) for both in pairs)
            seen = noise.mask[None, None]
            known["denoising_meta_values"] = noise.facts(best.shape[1])
        scene.more["noise"] = noise
        at = at.detach()
        decoded = self.decoder(asks if queries is None else queries, at.sigmoid(), seen, x, scene.shapes, self.finders)
        return {**known, "init_reference_points": at, **decoded}
