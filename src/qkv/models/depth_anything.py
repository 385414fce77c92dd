"""Depth Anything (Yang et al., 2024, arXiv:2401.10891 and 2406.09414): DPT's maps on DINOv2, for depth alone."""

from ..config import Config
from ..heads.depth import DepthEstimator
from ..keymap import KeyMap
from .backbone import AnyConfig, BackboneBody
from .dpt import NECK
from .task import Head

SMALL = {
    "model_type": "dinov2", "image_size": 518, "hidden_size": 384, "num_attention_heads": 6,
    "out_indices": [9, 10, 11, 12], "reshape_hidden_states": False,
}  # fmt: skip


class DepthAnythingConfig(Config):
    model_type = "depth_anything"
    parts = {"backbone_config": AnyConfig("dinov2", SMALL)}

    backbone_config: Config
    patch_size: int = 14
    reassemble_hidden_size: int = 384
    reassemble_factors: list | tuple = (4, 2, 1, 0.5)
    neck_hidden_sizes: list | tuple = (48, 96, 192, 384)
    fusion_hidden_size: int = 64
    head_in_index: int = -1
    head_hidden_size: int = 32
    depth_estimation_type: str = "relative"  # nearer places have larger numbers; or "metric", in metres
    max_depth: float | None = 1


class DepthAnythingModel(BackboneBody):
    config_class = DepthAnythingConfig
    base_model_prefix = "depth_anything"
    keys = KeyMap({})
    heads = {
        "ForDepthEstimation": Head(
            DepthEstimator,
            {**NECK, "head.conv1": "first", "head.conv2": "second", "head.conv3": "last"},
            {"exact": True},
        ),
    }
