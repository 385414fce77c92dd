"""Pictures made by a rule, and what tiny models of depth and of masks are asked of them."""

from pathlib import Path

import numpy as np
import torch

VISION = Path(__file__).parent / "parity" / "vision"

DPT_FIELDS = {
    "depth-anything": {
        "size": {"height": 32, "width": 32}, "keep_aspect_ratio": True, "ensure_multiple_of": 8, "resample": 3,
    },
    "depth-anything-metric": {"size": {"height": 40, "width": 24}, "ensure_multiple_of": 8},
    "dpt-dinov2": {"size": {"height": 32, "width": 32}, "ensure_multiple_of": 8},
}  # fmt: skip
SAM_FIELDS = {
    "size": {"longest_edge": 32}, "pad_size": {"height": 32, "width": 32}, "mask_size": {"longest_edge": 16},
    "mask_pad_size": {"height": 16, "width": 16},
}  # fmt: skip
LOOSE = {"points_per_crop": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
SAM_CASES = [
    LOOSE | {"mask_threshold": 14.0},
    LOOSE | {"mask_threshold": 18.0, "points_per_batch": 5, "crops_nms_thresh": 0.95},
    LOOSE | {"mask_threshold": 18.0, "stability_score_thresh": 0.7, "crops_nms_thresh": 0.97},
    LOOSE | {"mask_threshold": 18.0, "pred_iou_thresh": 1.0, "crops_nms_thresh": 0.99},
    LOOSE | {"mask_threshold": 16.0, "crops_n_layers": 1, "points_per_batch": 3, "stability_score_thresh": 0.5},
    LOOSE | {"mask_threshold": 16.0, "crops_n_layers": 2, "crop_overlap_ratio": 0.1, "pred_iou_thresh": 0.1},
]
SAM_PROMPTS = [  # how many pictures, and what is said of them
    (1, {}),
    (1, {"input_points": [[[10, 20]]]}),
    (1, {"input_points": [[[[10, 20], [3, 4]], [[1, 2], [5.5, 6]]]], "input_labels": [[[1, 0], [1, 1]]]}),
    (1, {"input_boxes": [[[1, 2, 30, 20]]]}),
    (
        3,
        {
            "input_points": [[[10, 20]], [[3, 4]], [[5, 6]]],
            "input_boxes": [[[0, 0, 5, 5]], [[1, 1, 9, 9]], [[2, 2, 3, 3]]],
        },
    ),
    (2, {"input_points": [[[10, 20], [3, 4]], [[5, 6]]], "input_labels": [[1, 0], [1]], "point_pad_value": -10}),
]  # fmt: skip


def pictures():
    """Three pictures (H,W,3) of bytes: waves of three sizes."""
    found = []
    for height, width in ((40, 56), (52, 36), (48, 48)):
        y, x = np.mgrid[:height, :width]
        waves = [np.sin(x / 5 + k) * np.cos(y / (4 + k)) + (x + y) / (height + width) for k in range(3)]
        found.append((np.stack(waves, -1).clip(-1, 2) * 85 + 85).astype(np.uint8))
    return found


def redrawn(state):
    """The weights of a tiny SAM, by name, drawn so that what it says depends on the points that it is asked about."""
    generator, found = torch.Generator().manual_seed(3), {}
    twice = "prompt_encoder.shared_embedding.positional_embedding"  # the reference has it by two names
    for name in sorted(state.keys() - {twice}):
        shape = state[name].shape
        drawn = torch.randn(shape, generator=generator)
        if len(shape) == 1:
            found[name] = torch.ones(shape) if "norm" in name and name.endswith("weight") else 0.3 * drawn
        else:
            scale = 2.0 if "rel_pos" in name or "embed" in name else 2.5 / drawn[0].numel() ** 0.5
            scale *= 4 if "token_to_image" in name or "self_attn" in name else 1
            found[name] = scale * drawn
    return found | ({twice: found["shared_image_embedding.positional_embedding"]} if twice in state else {})


def make_depth(folder: Path) -> Path:
    """A tiny Depth Anything and its image processor, in `folder`."""
    from qkv import AutoModelForDepthEstimation, DPTImageProcessor  # not where the reference is recorded

    name = "depth-anything"
    AutoModelForDepthEstimation.from_pretrained(VISION / name / "ForDepthEstimation").save_pretrained(folder)
    DPTImageProcessor(**DPT_FIELDS[name]).save_pretrained(folder)
    return folder


def make_sam(folder: Path) -> Path:
    """A tiny SAM and its processor, in `folder`."""
    from qkv import SamImageProcessor, SamModel, SamProcessor

    SamModel.from_pretrained(VISION / "sam" / "Model").save_pretrained(folder)
    SamProcessor(SamImageProcessor(**SAM_FIELDS)).save_pretrained(folder)
    return folder
