"""DPT (Ranftl et al., 2021, arXiv:2103.13413): depth, or classes, at each place from layers of a ViT."""

from typing import Any

from torch import Tensor

from ..config import Config
from ..heads.depth import DenseClassifier, DepthEstimator
from ..keymap import KeyMap
from ..layers.patches import PictureEmbeddings
from .backbone import AnyConfig, BackboneBody
from .task import Head
from .vision import VisionTaskModel
from .vit import ENCODER, NO_POOLER, PATCHES, ViTModel


class DPTConfig(Config):
    model_type = "dpt"
    parts = {"backbone_config": AnyConfig("bit")}

    hidden_size: int | None = 768  # None of a model that has a backbone, as other sizes of a ViT
    num_hidden_layers: int | None = 12
    num_attention_heads: int | None = 12
    intermediate_size: int | None = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float | None = 0.0
    attention_probs_dropout_prob: float | None = 0.0
    layer_norm_eps: float | None = 1e-12
    image_size: int | list | tuple | None = 384
    patch_size: int | list | tuple | None = 16
    num_channels: int | None = 3
    qkv_bias: bool | None = True
    is_hybrid: bool = False
    backbone_config: Config | None = None
    backbone_out_indices: list | tuple | None = (2, 5, 8, 11)  # layers of its own ViT whose states are read
    readout_type: str = "project"
    reassemble_factors: list | tuple = (4, 2, 1, 0.5)
    neck_hidden_sizes: list | tuple = (96, 192, 384, 768)
    fusion_hidden_size: int = 256
    head_in_index: int = -1
    use_batch_norm_in_fusion_residual: bool | None = False
    use_bias_in_fusion_residual: bool | None = None  # if there is no batch norm
    add_projection: bool = False
    use_auxiliary_head: bool | None = True
    auxiliary_loss_weight: float = 0.4
    semantic_loss_ignore_index: int = 255
    semantic_classifier_dropout: float = 0.1
    pooler_output_size: int | None = None  # hidden_size if None
    pooler_act: str = "tanh"


def _unit(theirs: str, ours: str) -> dict[str, str]:
    pairs = {"convolution": "convs", "batch_norm": "norms"}
    return {
        f"neck.fusion_stage.layers.{{}}.{theirs}.{name}{i + 1}": f"neck.fusions.{{}}.{ours}.{own}.{i}"
        for name, own in pairs.items()
        for i in range(2)
    }


NECK = {
    "neck.reassemble_stage.layers.{}.projection": "neck.stages.{}.project",
    "neck.reassemble_stage.layers.{}.resize": "neck.stages.{}.resize",
    "neck.convs.{}": "neck.convs.{}",
    "neck.fusion_stage.layers.{}.projection": "neck.fusions.{}.project",
    **_unit("residual_layer1", "side"),
    **_unit("residual_layer2", "main"),
}
READ = {**NECK, "neck.reassemble_stage.readout_projects.{}.0": "neck.stages.{}.readout"}
DEPTH = {
    "head.projection": "project", "head.head.0": "first", "head.head.2": "second", "head.head.4": "last",
}  # fmt: skip
CLASSES = {
    f"{theirs}.head.{i}": f"{ours}.{i}"
    for theirs, ours in {"head": "classes", "auxiliary_head": "auxiliary"}.items()
    for i in (0, 1, 4)
}


class Positions(PictureEmbeddings):
    mode = "bilinear"


class DPTTaskModel(VisionTaskModel):
    """The body is DPT's own ViT, or the backbone that the config describes."""

    def make_body(self, config: DPTConfig, **options: Any) -> Any:
        own = (config.backbone_config is None and getattr(config, "backbone", None) is None) or config.is_hybrid
        return super().make_body(config, **options) if own else BackboneBody(config)


class DPTModel(ViTModel):
    config_class = DPTConfig
    base_model_prefix = "dpt"
    draws_vectors = False
    embed_class = Positions
    keys = KeyMap({**PATCHES, **ENCODER, "pooler.dense": "pooler.dense"}, prefix="dpt.")
    heads = {
        "ForDepthEstimation": Head(DepthEstimator, {**READ, **DEPTH}, body=NO_POOLER, model=DPTTaskModel),
        "ForSemanticSegmentation": Head(DenseClassifier, {**READ, **CLASSES}, body=NO_POOLER),
    }

    def __init__(self, config: DPTConfig, add_pooling_layer: bool = True):
        if config.is_hybrid:
            raise ValueError("qkv has no DPT on a BiT backbone (is_hybrid=True). Intel/dpt-large has the same heads.")
        super().__init__(config, add_pooling_layer)  # type: ignore[arg-type]

    def encode(self, pixels: Tensor, bool_masked_pos: Tensor | None) -> tuple[Tensor, list[Tensor]]:  # type: ignore[override]
        """The last states, after the norm, and those of the layers that heads read, before it."""
        x, read, chosen = pixels, [], self.config.backbone_out_indices or ()
        for number, x in enumerate(self.layers.states(self.embed(pixels, bool_masked_pos)), -1):  # noqa: B007
            if number in chosen:
                read.append(x)
        return self.norm(x), read
