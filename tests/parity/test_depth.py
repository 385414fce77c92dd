"""Depth and masks as the reference's pipelines and processors gave them (tools/golden_depth.py recorded it)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from qkv import (
    DepthEstimationPipeline,
    DPTImageProcessor,
    MaskGenerationPipeline,
    SamImageProcessor,
    SamModel,
    SamProcessor,
)  # fmt: skip
from qkv.auto import AutoModelForDepthEstimation
from tiny_depth import DPT_FIELDS, SAM_FIELDS, SAM_PROMPTS, pictures, redrawn

HERE = Path(__file__).parent
RECORDED = json.loads((HERE / "depth.json").read_text())
IMAGES = [Image.fromarray(picture) for picture in pictures()]


@pytest.fixture(scope="module")
def generator():
    model = SamModel.from_pretrained(HERE / "vision" / "sam" / "Model")
    model.load_state_dict(redrawn(model.state_dict()))
    return MaskGenerationPipeline(model, image_processor=SamImageProcessor(**SAM_FIELDS))


@pytest.mark.parametrize("case", range(len(RECORDED["depth"])))
def test_depth(case):
    name, expected = RECORDED["depth"][case]
    model = AutoModelForDepthEstimation.from_pretrained(HERE / "vision" / name / "ForDepthEstimation")
    pipe = DepthEstimationPipeline(model, image_processor=DPTImageProcessor(**DPT_FIELDS[name]))
    found = pipe(IMAGES)
    assert len(found) == len(expected) == 3
    for image, one, wanted in zip(IMAGES, found, expected, strict=True):
        depth = one["predicted_depth"]
        assert depth.shape == (image.height, image.width) and one["depth"].size == image.size
        rows = torch.tensor(wanted["predicted_depth"])
        assert (depth[::4] - rows).abs().max() <= 1e-4 * max(1, float(rows.abs().max()) / 10)
        grey = np.asarray(one["depth"])[::4].astype(int) - np.asarray(wanted["depth"])
        assert np.abs(grey).max() <= 1 and (grey != 0).mean() < 0.01  # a number at the edge of two greys
    assert torch.allclose(pipe(IMAGES[1])["predicted_depth"], found[1]["predicted_depth"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", range(len(RECORDED["masks"])))
def test_masks(case, generator):
    options, expected = RECORDED["masks"][case]
    found = generator(IMAGES, output_rle_mask=True, output_bboxes_mask=True, **options)
    for image, one, wanted in zip(IMAGES, found, expected, strict=True):
        assert torch.allclose(one["scores"], torch.tensor(wanted["scores"]), rtol=1e-4, atol=1e-4)
        assert one["bounding_boxes"].tolist() == wanted["bounding_boxes"]
        assert one["rle_mask"] == wanted["rle_mask"]
        for mask, runs in zip(one["masks"], one["rle_mask"], strict=True):
            assert mask.shape == (image.height, image.width) and mask.dtype == bool
            assert mask.sum() == sum(runs["counts"][1::2])


def test_how_many_points_at_a_time_changes_nothing(generator):
    options = {"points_per_crop": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "mask_threshold": 18.0}
    one, other = (generator(IMAGES[0], points_per_batch=count, **options) for count in (3, None))
    assert len(one["masks"]) == len(other["masks"]) > 10
    assert all((a == b).all() for a, b in zip(one["masks"], other["masks"], strict=True))
    assert set(one) == {"masks", "scores"}


def test_no_mask_is_good_enough(generator):
    found = generator(IMAGES[0], points_per_crop=2, pred_iou_thresh=1e6, output_bboxes_mask=True)
    assert found["masks"] == [] and found["scores"].shape == (0,) and found["bounding_boxes"].shape == (0, 4)


@pytest.mark.parametrize("case", range(len(SAM_PROMPTS)))
def test_prompts(case):
    count, given = SAM_PROMPTS[case]
    wanted, pixels = RECORDED["prompts"][case]
    processor = SamProcessor(SamImageProcessor(**SAM_FIELDS))
    made = processor(IMAGES[:count] if count > 1 else IMAGES[0], return_tensors="pt", **given)
    assert set(made) == {"pixel_values", *wanted}
    for name, values in wanted.items():
        assert made[name].tolist() == values, name
    assert abs(float(made["pixel_values"].double().abs().sum()) - pixels) <= 1e-6 * pixels


def test_masks_in_the_size_of_their_pictures():
    processor = SamImageProcessor(**SAM_FIELDS)
    made = processor(IMAGES, return_tensors="pt")
    x = torch.sin(torch.arange(3 * 1 * 2 * 16 * 16).float() * 0.37).view(3, 1, 2, 16, 16)
    found = processor.post_process_masks(x, made["original_sizes"], made["reshaped_input_sizes"])
    assert [one.flatten(0, 1).sum(-1).tolist() for one in found] == RECORDED["restored"]
    with pytest.raises(ValueError, match="original_sizes=.*each of the 3 pictures"):
        processor.post_process_masks(x, made["original_sizes"][:1], made["reshaped_input_sizes"])


def test_crops_of_a_picture_as_tensors(generator):
    """The processor's own methods do what the pipeline does."""
    processor, image = generator.image_processor, IMAGES[2]
    boxes, points, parts, labels = processor.generate_crop_boxes(image, 32, 1, points_per_crop=3)
    assert boxes.shape == (5, 4) and points.shape == (1, 9, 5, 2) and labels.shape == (1, 9, 5) and len(parts) == 5
    assert parts[0].shape == (3, 48, 48) and boxes[0].tolist() == [0, 0, 48, 48]
    made = processor(parts, return_tensors="pt")
    masks, scores, found = [], [], []
    for i, box in enumerate(boxes):
        with torch.inference_mode():
            out = generator.model(made["pixel_values"][i : i + 1], points[:, :, i : i + 1])
        sizes = made["original_sizes"][i : i + 1], made["reshaped_input_sizes"][i : i + 1]
        large = processor.post_process_masks(out.pred_masks, *sizes, binarize=False)
        one = processor.filter_masks(large[0], out.iou_scores[0], (48, 48), box, 0.0, 0.0, 16.0)
        masks += one[0]
        scores.append(one[1])
        found.append(one[2])
    kept = processor.post_process_for_mask_generation(masks, torch.cat(scores), torch.cat(found), 0.7)
    piped = generator(
        image, points_per_crop=3, crops_n_layers=1, pred_iou_thresh=0.0, stability_score_thresh=0.0,
        mask_threshold=16.0, output_rle_mask=True,
    )  # fmt: skip
    assert kept[2] == piped["rle_mask"] and len(kept[2]) > 5
    with pytest.raises(ValueError, match="unequal numbers"):
        processor.generate_crop_boxes(image, 32, 1, crop_n_points_downscale_factor=2)
    assert generator(image, points_per_crop=4, crops_n_layers=1, crop_n_points_downscale_factor=2)["masks"] is not None


def test_suppression_is_the_greedy_one():
    from qkv.preprocessing.images.sam import suppressed

    torch.manual_seed(0)
    for threshold in (0.1, 0.5, 0.9):
        corners = torch.rand(60, 2, 2).sort(dim=1).values.flatten(1)
        scores = torch.rand(60).round(decimals=1)  # with equal ones
        kept, left = [], scores.argsort(descending=True, stable=True).tolist()
        while left:
            best = left.pop(0)
            kept.append(best)
            left = [i for i in left if overlap(corners[best], corners[i]) <= threshold]
        assert suppressed(corners, scores, threshold).tolist() == kept


def overlap(a, b):
    sides = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0)
    whole = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - sides.prod()
    return float(sides.prod() / whole)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input_points": [10, 20]}, "list of lists"),
        ({"input_points": [[10, 20]]}, r"\[picture\]\[point\]\[x, y\]"),
        ({"input_points": [[["a", "b"]]]}, r"\[x, y\]"),
        ({"input_points": [[[1, 2]], [[3, 4]], [[3, 4]]]}, "3 pictures, but there are 2"),
        ({"input_boxes": [[[1, 2, 3]], [[1, 2, 3]]]}, "left, top, right, bottom"),
        ({"input_points": [[[[1, 2]]], [[[1, 2]], [[3, 4]]]]}, "one picture at a time"),
    ],
)
def test_wrong_prompts(given, message):
    processor = SamProcessor(SamImageProcessor(**SAM_FIELDS))
    with pytest.raises(ValueError, match=message):
        processor(IMAGES[:2], return_tensors="pt", **given)


def test_a_processor_is_saved_and_found(tmp_path):
    from qkv import AutoProcessor

    processor = SamProcessor(SamImageProcessor(**SAM_FIELDS))
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(again, SamProcessor) and again.target_size == 32
    with pytest.raises(TypeError, match="takes a SamImageProcessor"):
        SamProcessor(DPTImageProcessor())
