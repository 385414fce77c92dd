"""MaskFormer (Cheng et al., 2021, arXiv:2107.06278): queries find the parts of a picture, each a class and a mask.

Shapes: B batch, C channels, h x w a map, Q queries, D width.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ..config import Config
from ..heads.masks import MaskQueries
from ..keymap import KeyMap
from ..layers.conv import GroupConv
from ..layers.observe import note, observing, wanted
from ..layers.queries import Perceptron
from ..outputs import MaskFormerModelOutput, ModelOutput
from .backbone import BackboneModel, backbone_head, backbone_of, check_no_name
from .base import NAMES
from .detr import DECODER, Decoder, DetrConfig
from .frozen_backbone import said
from .pixels import PixelDecoder, positions_of
from .swin import SwinConfig, SwinModel
from .task import Head
from .vision import VisionModel

STAGES = ["stage1", "stage2", "stage3", "stage4"]


class MaskConfig(Config):
    """What models of a class and a mask for each query have in common; backbone_config is a dictionary or a Config."""

    backbone_config: dict | None = None
    mask_feature_size: int = 256
    no_object_weight: float = 0.1
    dice_weight: float = 1.0
    mask_weight: float = 20.0
    init_std: float = 0.02
    init_xavier_std: float = 1.0
    use_auxiliary_loss: bool = False
    output_auxiliary_logits: bool | None = None

    def _checked(self, name: str, value: Any) -> Any:
        value = value.to_dict() if name.endswith("_config") and isinstance(value, Config) else value
        return super()._checked(name, value)

    def backbone_fields(self, **swin: Any) -> dict[str, Any]:
        """The config of the backbone; a Swin with these fields if none is given."""
        if self.backbone_config:
            return self.backbone_config
        check_no_name(self)
        return {"model_type": "swin", "drop_path_rate": 0.3, "out_features": STAGES, "depths": [2, 2, 18, 2], **swin}


class MaskFormerConfig(MaskConfig):
    model_type = "maskformer"

    fpn_feature_size: int = 256
    decoder_config: dict | None = None  # of DETR
    cross_entropy_weight: float = 1.0

    @property
    def decoder(self) -> DetrConfig:
        return DetrConfig.from_dict(self.decoder_config or {})

    def to_dict(self) -> dict[str, Any]:
        found = super().to_dict()
        return found | ({"decoder_config": said(found["decoder_config"])} if found.get("decoder_config") else {})

    @property
    def hidden_size(self) -> int:
        return self.decoder.hidden_size


class MaskFormerSwinModel(SwinModel):
    """A Swin whose maps' norms are numbered in files."""

    base_model_prefix = "model"
    keys = KeyMap(
        SwinModel.keys.rules, prefix="model.", ignored=(*SwinModel.keys.ignored, "layernorm.weight", "layernorm.bias")
    )
    heads = {
        "Backbone": backbone_head(
            {f"hidden_states_norms.{i}": f"norms.{name}" for i, name in enumerate(STAGES)}, "model.", norms=True,
            body={"norm": False},
        )
    }  # fmt: skip


def mask_backbone(fields: dict[str, Any]) -> BackboneModel:
    """The backbone of a config, with fresh weights."""
    if fields.get("model_type") not in ("swin", "maskformer-swin"):
        return backbone_of(fields)
    kept = {name: value for name, value in fields.items() if name not in ("model_type", "out_indices")}
    return globals()["MaskFormerSwinBackbone"](SwinConfig.from_dict(kept | {"out_features": STAGES}))


class MaskModel(VisionModel):
    """A backbone, a decoder of pixels, and one of queries."""

    extra = ("pixel_mask", "output_auxiliary_logits")  # neither changes what it computes: maps are of whole pictures
    backbone: BackboneModel

    def adopt(self, backbone: BackboneModel) -> None:
        """Hold a backbone, with its names."""
        self.backbone = backbone
        self.keys = type(self).keys.holding("pixel_level_module.encoder", "backbone", backbone.keys)

    def get_input_embeddings(self) -> Any:
        return self.backbone.base_model.get_input_embeddings()

    def _init_weights(self, module: nn.Module) -> None:
        gain = self.config.init_xavier_std
        if isinstance(module, Perceptron | GroupConv):
            for layer in module.modules():
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    nn.init.xavier_uniform_(layer.weight, gain=gain)
                    if layer.bias is not None:
                        nn.init.zeros_(layer.bias)
        else:
            super()._init_weights(module)
            if isinstance(module, nn.Conv2d) and NAMES.get(module) == "project":
                nn.init.xavier_uniform_(module.weight, gain=gain)


class MaskFormerModel(MaskModel):
    config_class = MaskFormerConfig
    base_model_prefix = "model"
    keys = KeyMap(
        {
            "pixel_level_module.decoder.fpn.stem.0": "pixels.stem.conv",
            "pixel_level_module.decoder.fpn.stem.1": "pixels.stem.norm",
            "pixel_level_module.decoder.fpn.layers.{}.proj.0": "pixels.layers.{}.proj.conv",
            "pixel_level_module.decoder.fpn.layers.{}.proj.1": "pixels.layers.{}.proj.norm",
            "pixel_level_module.decoder.fpn.layers.{}.block.0": "pixels.layers.{}.block.conv",
            "pixel_level_module.decoder.fpn.layers.{}.block.1": "pixels.layers.{}.block.norm",
            "pixel_level_module.decoder.mask_projection": "pixels.out",
            "transformer_module.queries_embedder": "queries",
            "transformer_module.input_projection": "project",
            **{f"transformer_module.{theirs}": ours for theirs, ours in DECODER.items()},
            "transformer_module.decoder.layernorm": "decoder.norm",
        },
        prefix="model.",
    )
    heads = {
        "ForInstanceSegmentation": Head(
            MaskQueries,
            {"class_predictor": "out", "mask_embedder.{}.0": "masks.layers.{}"},
            ignored=("criterion.empty_weight",),
        ),
    }

    def __init__(self, config: MaskFormerConfig):
        super().__init__(config)
        swin = {"embed_dim": 128, "num_heads": [4, 8, 16, 32], "window_size": 12, "image_size": 384}
        self.adopt(mask_backbone(config.backbone_fields(**swin)))
        channels, width = self.backbone.channels, config.hidden_size
        self.pixels = PixelDecoder(channels, config.fpn_feature_size, config.mask_feature_size)
        self.queries = nn.Embedding(config.decoder.num_queries, width)
        self.project = nn.Conv2d(channels[-1], width, 1) if channels[-1] != width else nn.Identity()
        self.decoder = Decoder(config.decoder)

    def encode(self, pixels: Tensor, **_: Any) -> dict[str, Any]:
        maps = self.backbone(pixels).feature_maps
        embeddings, steps = self.pixels(maps)
        x = self.project(maps[-1])
        queries = self.queries.weight.expand(len(x), -1, -1)
        cross = (x.flatten(2).mT, None, queries, positions_of(x))
        kinds = [kind for kind in ("attentions",) if wanted(kind)]
        with observing("hidden_states", *kinds) as notes:
            last = self.decoder(torch.zeros_like(queries), (None, queries), cross)["last_hidden_state"]
        for kind in kinds:
            for tensor in notes[kind]:
                note(kind, tensor)
        return {
            "encoder_last_hidden_state": maps[-1],
            "pixel_decoder_last_hidden_state": embeddings,
            "transformer_decoder_last_hidden_state": last,
            "encoder_hidden_states": tuple(maps),
            "pixel_decoder_hidden_states": tuple(steps),
            "transformer_decoder_hidden_states": (*notes["hidden_states"][:-1], last),
        }

    def output(self, x: dict[str, Any], **notes: Any) -> ModelOutput:
        lists = {name: value for name, value in x.items() if isinstance(value, tuple)}
        shown = lists | {"hidden_states": tuple(s for states in lists.values() for s in states)}
        last = {name: value for name, value in x.items() if name not in lists}
        made = MaskFormerModelOutput(**last, **(notes | shown if "hidden_states" in notes else notes))
        made.steps = lists["transformer_decoder_hidden_states"]  # type: ignore[attr-defined]  # for heads
        return made
