"""Mask2Former (Cheng et al., 2021, arXiv:2112.01527): queries look where their own masks were a step before.

Shapes: B batch, C channels, h x w a map, S places of several maps, Q queries, D width.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..heads.masks import PointQueries
from ..keymap import Fused, KeyMap, attention_keys
from ..layers import MLP, Layers
from ..layers.conv import GroupConv
from ..layers.queries import Perceptron, PositionedAttention, PositionedCrossAttention, QueryBlock
from ..outputs import Mask2FormerModelOutput, ModelOutput
from .backbone import backbone_of
from .detr import block_keys, deformable_keys
from .maskformer import MaskConfig, MaskModel
from .pixels import LEVELS, DeformablePixels, positions_of
from .task import Head


class Mask2FormerConfig(MaskConfig):
    model_type = "mask2former"
    aliases = {"hidden_dim": "hidden_size", "decoder_layers": "num_hidden_layers"}

    feature_size: int = 256
    hidden_size: int = 256
    encoder_layers: int = 6
    encoder_feedforward_dim: int = 1024
    num_hidden_layers: int = 10  # of the decoder; the first one is of the queries before any layer
    num_attention_heads: int = 8
    dim_feedforward: int = 2048
    activation_function: str = "relu"
    dropout: float = 0.0
    pre_norm: bool = False
    enforce_input_projection: bool = False
    common_stride: int = 4
    feature_strides: list | tuple = (4, 8, 16, 32)
    num_queries: int = 100
    ignore_value: int = 255
    class_weight: float = 2.0
    mask_weight: float = 5.0
    dice_weight: float = 5.0
    train_num_points: int = 12544
    oversample_ratio: float = 3.0
    importance_sample_ratio: float = 0.75
    use_auxiliary_loss: bool = True


class MaskedBlock(QueryBlock):
    """A block of queries that look at a map first, then at each other."""

    def __init__(self, *parts: Any, pre_norm: bool, gain: float, **more: Any):
        super().__init__(*parts, **more)
        self.pre_norm, self.gain = pre_norm, gain

    def forward(self, x: Tensor, own: tuple[Any, ...], cross: tuple[Any, ...]) -> Tensor:
        x = self.step(x, self.cross_attn, self.cross_attn_norm, *cross)
        x = self.step(x, self.attn, self.attn_norm, *own)
        return self.step(x, self.mlp, self.mlp_norm)

    def step(self, x: Tensor, part: nn.Module, norm: nn.Module, *given: Any) -> Tensor:
        if self.pre_norm:
            return x + self.dropout(part(norm(x), *given))
        return norm(x + self.dropout(part(x, *given)))

    def reset_parameters(self) -> None:
        for weight in self.parameters():
            if weight.dim() > 1:
                nn.init.xavier_uniform_(weight, gain=self.gain)
        for name in ("q_proj", "k_proj", "v_proj"):  # drawn as one of three times the height
            nn.init.xavier_uniform_(self.get_parameter(f"cross_attn.{name}.weight"), gain=self.gain * 0.5**0.5)


PIXELS = "pixel_level_module.decoder"
ENCODER = f"{PIXELS}.encoder.layers.{{}}", "pixels.layers.{}"
FINER = {
    f"{PIXELS}.{theirs}_{i + 1}.{j}": f"pixels.{ours}.{i}.{part}"
    for i in range(4)
    for theirs, ours in (("adapter", "adapters"), ("layer", "convs"))
    for j, part in enumerate(("conv", "norm"))
}
BLOCK = "transformer_module.decoder.layers.{}"
DECODER = {
    **attention_keys(f"{BLOCK}.self_attn", "layers.{}.attn"),
    f"{BLOCK}.cross_attn.in_proj_weight": Fused(tuple(f"layers.{{}}.cross_attn.{x}_proj.weight" for x in "qkv")),
    f"{BLOCK}.cross_attn.in_proj_bias": Fused(tuple(f"layers.{{}}.cross_attn.{x}_proj.bias" for x in "qkv")),
    f"{BLOCK}.cross_attn.out_proj": "layers.{}.cross_attn.o_proj",
    f"{BLOCK}.cross_attn_layer_norm": "layers.{}.cross_attn_norm",
    **block_keys(BLOCK, "layers.{}"),
}


class Mask2FormerModel(MaskModel):
    config_class = Mask2FormerConfig
    base_model_prefix = "model"
    keys = KeyMap(
        {
            f"{PIXELS}.input_projections.{{}}.0": "pixels.project.{}.conv",
            f"{PIXELS}.input_projections.{{}}.1": "pixels.project.{}.norm",
            f"{PIXELS}.level_embed": "pixels.level",
            f"{PIXELS}.mask_projection": "pixels.out",
            **deformable_keys(f"{ENCODER[0]}.self_attn", f"{ENCODER[1]}.attn"),
            **block_keys(*ENCODER),
            **FINER,
            "transformer_module.queries_embedder": "positions",
            "transformer_module.queries_features": "queries",
            "transformer_module.input_projections.{}": "project.{}",
            "transformer_module.level_embed": "level",
            **DECODER,
            "transformer_module.decoder.layernorm": "norm",
            "transformer_module.decoder.mask_predictor.mask_embedder.{}.0": "masks.layers.{}",
        },
        prefix="model.",
        ignored=[f"pixel_level_module.encoder.swin.layernorm.{name}" for name in ("weight", "bias")],
    )
    heads = {
        "ForUniversalSegmentation": Head(PointQueries, {"class_predictor": "out"}, ignored=("criterion.empty_weight",)),
    }

    def __init__(self, config: Mask2FormerConfig):
        super().__init__(config)
        c, width = config, config.hidden_size
        self.adopt(backbone_of(c.backbone_fields()))
        self.pixels = DeformablePixels(c, self.backbone.channels)
        projects = c.feature_size != width or c.enforce_input_projection
        self.project = nn.ModuleList(
            nn.Conv2d(c.feature_size, width, 1) if projects else nn.Identity() for _ in range(LEVELS)
        )
        self.level = nn.Embedding(LEVELS, width)
        self.positions, self.queries = nn.Embedding(c.num_queries, width), nn.Embedding(c.num_queries, width)
        self.layers = Layers(
            MaskedBlock(
                PositionedAttention(width, c.num_attention_heads, dropout=c.dropout),
                MLP(width, c.dim_feedforward, c.activation_function, dropout=c.dropout),
                nn.LayerNorm(width),
                nn.LayerNorm(width),
                cross_attn=PositionedCrossAttention(width, c.num_attention_heads, dropout=c.dropout),
                cross_attn_norm=nn.LayerNorm(width),
                dropout=c.dropout,
                pre_norm=c.pre_norm,
                gain=c.init_xavier_std,
            )
            for _ in range(c.num_hidden_layers - 1)
        )
        self.norm = nn.LayerNorm(width)
        self.masks = Perceptron(width, width, c.mask_feature_size, 3)

    def encode(self, pixels: Tensor, **_: Any) -> dict[str, Any]:
        maps = self.backbone(pixels).feature_maps
        embeddings, read = self.pixels(maps)
        levels = [project(x) for x, project in zip(read, self.project, strict=True)]
        looked = [x.flatten(2).mT + level for x, level in zip(levels, self.level.weight, strict=True)]
        places = [positions_of(x) for x in levels]
        x = self.queries.weight.expand(len(embeddings), -1, -1)
        positions = self.positions.weight.expand_as(x)
        states, steps, masks = [x], [self.norm(x)], []
        masks.append(self.masked(steps[-1], embeddings))
        for i, block in enumerate(self.layers):
            at = i % LEVELS  # the coarsest first, and again
            cross = (looked[at], inside(masks[-1], levels[at]), positions, places[at])
            x = self.layers.run(block, x, (None, positions), cross)
            states.append(x)
            steps.append(self.norm(x))
            masks.append(self.masked(steps[-1], embeddings))
        return {
            "encoder_last_hidden_state": maps[-1],
            "pixel_decoder_last_hidden_state": embeddings,
            "transformer_decoder_last_hidden_state": x,
            "masks_queries_logits": tuple(masks),
            "encoder_hidden_states": tuple(maps),
            "pixel_decoder_hidden_states": tuple(read),
            "transformer_decoder_hidden_states": tuple(x.transpose(0, 1) for x in states),
            "transformer_decoder_intermediate_states": tuple(x.transpose(0, 1) for x in steps),
        }

    def masked(self, x: Tensor, embeddings: Tensor) -> Tensor:
        """The masks of queries (B,Q,D): (B,Q,h,w)"""
        return torch.einsum("bqd,bdhw->bqhw", self.masks(x), embeddings)

    def output(self, x: dict[str, Any], hidden_states: Any = None, **notes: Any) -> ModelOutput:
        shown = {name: value for name, value in x.items() if hidden_states is not None or not name.endswith("states")}
        made = Mask2FormerModelOutput(**shown, **notes)
        steps = x["transformer_decoder_intermediate_states"]
        made.steps = [step.transpose(0, 1) for step in steps]  # type: ignore[attr-defined]  # for heads
        return made

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, Perceptron | nn.Embedding):  # as torch draws them
            for layer in module.modules():
                if isinstance(layer, nn.Linear | nn.Embedding):
                    layer.reset_parameters()
        elif module is self.project:
            for layer in module.modules():
                if isinstance(layer, nn.Conv2d):
                    nn.init.xavier_uniform_(layer.weight, gain=self.config.init_xavier_std)
        elif not isinstance(module, GroupConv):
            super()._init_weights(module)


def inside(masks: Tensor, like: Tensor) -> Tensor:
    """Where queries look on a map (B,C,h,w): in their masks (B,Q,h',w'), or everywhere if those are empty there:
    (B,1,Q,h*w)"""
    small = F.interpolate(masks.detach(), like.shape[2:], mode="bilinear", align_corners=False)
    found = (small.sigmoid() >= 0.5).flatten(2)
    return (found | ~found.any(-1, keepdim=True))[:, None]
