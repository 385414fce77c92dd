"""Wrong pictures, options, configs, annotations and targets: qkv says what is wrong, not what it is built on."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import qkv
from qkv import load_image, pipeline
from tiny_depth import VISION, make_depth, make_sam
from tiny_matching import make_clip, make_owlvit
from tiny_pictures import make_detr, make_dinov2, make_segformer, make_vit

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8))
BOX = {"bbox": [1, 2, 3, 4], "category_id": 1, "area": 12}


def refused(call, says, error=ValueError):
    with pytest.raises(error, match=says) as caught:
        call()
    assert len(str(caught.value)) < 400


def test_a_folder_is_no_picture(tmp_path):
    refused(lambda: load_image(tmp_path), "is a folder. Give what is in it", OSError)
    refused(lambda: load_image(""), r"there is no picture ''\.$", FileNotFoundError)


@pytest.mark.parametrize("kind", [object, complex, str])
def test_arrays_of_other_kinds(kind):
    refused(lambda: load_image(np.zeros((3, 3, 3)).astype(kind)), "is no picture; expected integers to 255")


@pytest.mark.parametrize(
    ("make", "task", "options", "says"),
    [
        (make_detr, "object-detection", {"threshold": 2}, "threshold=2 must be a number from 0 to 1"),
        (make_detr, "object-detection", {"threshold": "a"}, "threshold='a' must be a number"),
        (make_detr, "object-detection", {"threshold": float("nan")}, "threshold=nan must be a number"),
        (make_vit, "image-classification", {"timeout": -1}, "timeout=-1 must be a number from 0"),
        (make_dinov2, "image-feature-extraction", {"image_processor_kwargs": 5}, "must be a dictionary"),
        (make_clip, "zero-shot-image-classification", {"tokenizer_kwargs": 5}, "must be a dictionary"),
        (make_sam, "mask-generation", {"crops_n_layers": -1}, "crops_n_layers=-1 must be a whole number from 0 to 5"),
        (make_sam, "mask-generation", {"crops_n_layers": 1.5}, "must be a whole number"),
        (make_sam, "mask-generation", {"pred_iou_thresh": None}, "pred_iou_thresh=None must be a number"),
        (make_sam, "mask-generation", {"crops_nms_thresh": "x"}, "crops_nms_thresh='x' must be"),
        (make_sam, "mask-generation", {"crop_n_points_downscale_factor": 0}, "must be a whole number from 1"),
    ],
)
def test_options_out_of_range(make, task, options, says, tmp_path):
    pipe = pipeline(task, model=str(make(tmp_path / "model")))
    refused(lambda: pipe(PICTURE, **options), says)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_crops_of_less_than_a_pixel(size, tmp_path):
    generate = pipeline("mask-generation", model=str(make_sam(tmp_path)))
    options = {"points_per_crop": 2, "crops_n_layers": 2, "crop_n_points_downscale_factor": 4, "pred_iou_thresh": 0}
    found = generate(PICTURE.resize(size), **options, stability_score_thresh=0)
    assert all(mask.shape == size[::-1] for mask in found["masks"])


def test_states_of_sam(tmp_path):
    qkv.AutoModel.from_pretrained(VISION / "sam-vision" / "Model").save_pretrained(tmp_path)
    qkv.SamImageProcessor(size=32, pad_size=32).save_pretrained(tmp_path)
    states = pipeline("image-feature-extraction", model=str(tmp_path))(PICTURE, return_tensors="pt")
    assert states.shape[0] == 1 and states.isfinite().all()


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        ("ViT", {"image_mean": [0.5] * 4}, "image_mean=.* must be three numbers"),
        ("ViT", {"image_mean": ["a"] * 3}, "image_mean=.* must be three numbers"),
        ("ViT", {"image_mean": [float("nan")] * 3}, "image_mean=.* must be three numbers"),
        ("ViT", {"image_std": [None] * 3}, "image_std=.* must be three numbers"),
        ("ViT", {"image_std": [0, 1, 1]}, "none of them 0"),
        ("ViT", {"rescale_factor": "x"}, "rescale_factor='x' must be a number"),
        ("ViT", {"do_resize": "false"}, "do_resize='false' must be True or False"),
        ("ViT", {"do_normalize": "no"}, "do_normalize='no' must be True or False"),
        ("ViT", {"data_format": "x"}, "must be .channels_first. or"),
        (
            "ViT",
            {"do_center_crop": True, "crop_size": {"shortest_edge": 8}},
            "crop_size=.* must be a height and a width",
        ),
        ("ViT", {"image_processor_type": 5}, "names no image_processor_type"),
        ("ConvNext", {"crop_pct": 0}, "crop_pct=0 must be a number above 0"),
        ("DPT", {"ensure_multiple_of": 0}, "ensure_multiple_of=0 must be a whole number, at least 1"),
        ("MaskFormer", {"size_divisor": "x"}, "size_divisor='x' must be a whole number"),
        ("Sam", {"size": {"height": 32, "width": 32}}, "longest_edge"),
    ],
)
def test_configs_of_nonsense(name, fields, says, tmp_path):
    fields = {"image_processor_type": f"{name}ImageProcessor", **fields}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(fields))
    refused(lambda: qkv.AutoImageProcessor.from_pretrained(tmp_path), says)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ("x", "must be a list of dictionaries"),
        (["x"], "must be a list of dictionaries"),
        ([{"bbox": [1, 2, 3, 4]}], "no 'category_id'"),
        ([{**BOX, "bbox": [1, 2]}], "bbox of each annotation must be 4 numbers"),
        ([BOX, {**BOX, "bbox": [1, 2, 3]}], "bbox of each annotation must be 4 numbers"),
        ([{**BOX, "bbox": None}], "bbox of each annotation must be 4 numbers"),
        ([{**BOX, "category_id": "cat"}], "category_id of each annotation must be a number"),
        ([{**BOX, "area": "x"}], "area of each annotation must be a number"),
        ([{**BOX, "segmentation": {"counts": [-5, 2245]}}], "neither a list of polygons"),
        ([{**BOX, "segmentation": {"counts": [10**12]}}], "neither a list of polygons"),
        ([{**BOX, "segmentation": [[float("nan")] * 6]}], "neither a list of polygons"),
        ([{**BOX, "segmentation": [[0, 0, 1e12, 0, 0, 1e12]]}], "neither a list of polygons"),
    ],
)
def test_annotations_of_nonsense(found, says):
    process = qkv.DetrImageProcessor(size={"shortest_edge": 24, "longest_edge": 40})
    masks = any("segmentation" in one for one in found)
    annotation = {"image_id": 1, "annotations": found}
    refused(lambda: process(PICTURE, annotation, return_segmentation_masks=masks), says)


def test_panoptic_annotations(tmp_path):
    PICTURE.save(tmp_path / "a.png")
    segment = {"id": 5, "category_id": 1, "area": 3, "iscrowd": 0}
    process = qkv.DetrImageProcessor(size={"shortest_edge": 24, "longest_edge": 40}, format="coco_panoptic")
    row = {"image_id": 1, "file_name": "a.png", "segments_info": [segment]}
    assert process(PICTURE, row, masks_path=tmp_path)["labels"][0]["masks"].shape == (1, 24, 33)
    refused(lambda: process(PICTURE.resize((20, 20)), row, masks_path=tmp_path), r"a\.png' is of \(40, 56\)")
    without = {"file_name": "a.png", "segments_info": [segment]}
    refused(lambda: process(PICTURE, without, masks_path=tmp_path), "image_id of each annotation")


@pytest.mark.parametrize("name", ["Segformer", "MaskFormer", "Sam"])
def test_maps_of_many_classes(name):
    """Numbers beyond those of bytes stay: of instances there may be thousands."""
    truth = np.arange(6).repeat(40 * 56 // 6 + 1)[: 40 * 56].reshape(40, 56) * 30_000
    process = getattr(qkv, f"{name}ImageProcessor")(do_resize=False, do_pad=name != "Segformer")
    made = process(PICTURE, segmentation_maps=truth)
    if name == "MaskFormer":
        assert made["class_labels"][0].tolist() == [0, 30_000, 60_000, 90_000, 120_000, 150_000]
    else:
        assert np.array_equal(made["labels"][0][:40, :56], truth)
    refused(lambda: process(PICTURE, segmentation_maps=truth - 1), "the numbers of classes")
    refused(lambda: process(PICTURE, segmentation_maps=truth + 0.5), "the numbers of classes")
    refused(lambda: process(PICTURE, segmentation_maps=np.zeros((0, 0), int)), "expected")


@pytest.mark.parametrize("sizes", [[(0, 0)], [(-3, 4)], [3, 4], 5, ["ab"], [(1, 2), (3, 4)]])
def test_sizes_that_are_none(sizes):
    outputs = {
        "Detr": ("object_detection", {"logits": torch.zeros(1, 5, 4), "pred_boxes": torch.zeros(1, 5, 4)}),
        "Segformer": ("semantic_segmentation", {"logits": torch.zeros(1, 3, 4, 4)}),
        "DPT": ("depth_estimation", {"predicted_depth": torch.zeros(1, 4, 4)}),
    }
    for name, (kind, fields) in outputs.items():
        finish = getattr(getattr(qkv, f"{name}ImageProcessor")(), f"post_process_{kind}")
        output = type("Output", (), fields)()
        refused(lambda finish=finish, output=output: finish(output, target_sizes=sizes), "target_sizes=.* of each of")
        refused(lambda finish=finish: finish(None), "a NoneType has no")


@pytest.mark.parametrize("name", ["detr/ForObjectDetection", "rt_detr/ForObjectDetection", "yolos/ForObjectDetection"])
def test_targets_of_detectors(name):
    model = qkv.AutoModelForObjectDetection.from_pretrained(VISION / name).train()
    box, kind = torch.full((1, 4), 0.5), torch.tensor([0])
    for kinds, boxes, says in (
        (kind, box * float("nan"), "boxes must be"),
        (torch.tensor(0), box[0], r"integers of shape \(N,\)"),
        (torch.tensor([0.5]), box, "integers of shape"),
        (torch.tensor([-1]), box, "but the model has"),
    ):
        labels = [{"class_labels": kinds, "boxes": boxes}]
        refused(lambda labels=labels: model(pixel_values=torch.zeros(1, 3, 64, 64), labels=labels), says)


@pytest.mark.parametrize(
    ("masks", "says"),
    [
        (torch.zeros(3, 8, 8), "N of 1 labels"), (torch.zeros(8, 8), "N of 1 labels"), ([1], "N of 1 labels"),
        (torch.zeros(1, 0, 0), "N of 1 labels"), (torch.full((1, 8, 8), 255), "must be 0 and 1, got 255"),
        (torch.full((1, 8, 8), float("nan")), "must be 0 and 1"),
    ],
)  # fmt: skip
def test_masks_of_targets(masks, says):
    kinds, pixels = torch.tensor([0]), torch.zeros(1, 3, 64, 64)
    former = qkv.MaskFormerForInstanceSegmentation.from_pretrained(VISION / "maskformer" / "ForInstanceSegmentation")
    refused(lambda: former(pixels, mask_labels=[masks], class_labels=[kinds]), says)
    if isinstance(masks, torch.Tensor):
        detr = qkv.DetrForSegmentation.from_pretrained(VISION / "detr" / "ForSegmentation")
        labels = [{"class_labels": kinds, "boxes": torch.full((1, 4), 0.5), "masks": masks}]
        refused(lambda: detr(pixels, labels=labels), says)


@pytest.mark.parametrize(
    "given", [None, "x", np.zeros((1, 3, 32, 32)), torch.zeros(3, 32, 32), torch.zeros(0, 3, 32, 32)]
)
@pytest.mark.parametrize("name", ["beit/Backbone", "swin/Backbone", "sam/Model", "vit/Model", "detr/Model"])
def test_pixels_that_are_none(name, given):
    folder = VISION / name
    model = (qkv.AutoBackbone if "Backbone" in name else qkv.AutoModel).from_pretrained(folder)
    refused(lambda: model(given), "pixel_values")


def test_prompts_that_are_none():
    model = qkv.SamModel.from_pretrained(VISION / "sam" / "Model")
    refused(lambda: model(torch.zeros(1, 3, 32, 32), input_points=[[[1, 2]]]), "input_points must be a tensor of shape")
    refused(lambda: model(image_embeddings=torch.zeros(1, 5, 8, 8)), r"image_embeddings must be \(B,16,h,w\)")


def test_labels_of_no_pixels(tmp_path):
    model = qkv.SegformerForSemanticSegmentation.from_pretrained(make_segformer(tmp_path))
    refused(lambda: model(torch.zeros(1, 3, 64, 64), labels=torch.zeros(1, 0, 0, dtype=torch.long)), "class indices")


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("vit/Model", {"image_size": [1]}, "impossible network"),
        ("vit/Model", {"num_labels": 10**9}, "num_labels=1000000000 must be from 0 to 1,000,000"),
        ("swin/Model", {"depths": []}, "impossible network"),
        ("swin/Model", {"depths": [10**6, 1]}, "depths is above 2000"),
        ("convnext/Model", {"hidden_sizes": [0] * 4}, "config.hidden_sizes must be at least 1"),
        ("segformer/Model", {"num_encoder_blocks": 0}, "config.num_encoder_blocks must be at least 1"),
        ("clip/Model", {"vision_config": {"num_hidden_layers": 10**9}}, "num_hidden_layers is above 2000"),
        ("rt_detr/Model", {"encode_proj_layers": [99]}, "encode_proj_layers must number"),
        ("dpt/ForDepthEstimation", {"head_in_index": 99}, "head_in_index=99"),
        ("dpt/ForDepthEstimation", {"readout_type": "x"}, "readout_type must be"),
        ("dpt/ForDepthEstimation", {"reassemble_factors": []}, "reassemble_factors=.* must fit"),
    ],
)
def test_hostile_configs(name, changes, says, tmp_path):
    config = json.loads((VISION / name / "config.json").read_text()) | changes
    (tmp_path / "config.json").write_text(json.dumps(config))
    shutil.copyfile(VISION / name / "model.safetensors", tmp_path / "model.safetensors")
    auto = qkv.AutoModelForDepthEstimation if "Depth" in name else qkv.AutoModel
    refused(lambda: auto.from_pretrained(tmp_path), says)


@pytest.mark.parametrize(
    ("make", "task"), [(make_detr, "object-detection"), (make_depth, "depth-estimation"), (make_sam, "mask-generation")]
)
def test_the_image_processor_of_another_family(make, task, tmp_path):
    folder = str(make(tmp_path))
    for processor in (qkv.ViTImageProcessor(), 5):
        refused(
            lambda p=processor: pipeline(task, model=folder, image_processor=p), f"{task} with a .* needs the image"
        )


def test_what_finds_words_is_no_detector_of_labels(tmp_path):
    model = str(make_owlvit(tmp_path))
    refused(lambda: pipeline("object-detection", model=model), "zero-shot-object-detection")
    processor = qkv.OwlViTProcessor.from_pretrained(model)
    found = type("Output", (), {"logits": torch.ones(1, 5, 3), "pred_boxes": torch.rand(1, 5, 4)})()
    found.logits[..., 2] = 9
    names = [["a", "b"]]
    refused(
        lambda: processor.post_process_grounded_object_detection(found, text_labels=names),
        "are 2, but text 2 was found",
    )


def test_a_stage_that_is_none(tmp_path):
    refused(lambda: qkv.AutoBackbone.from_pretrained(make_dinov2(tmp_path), out_features=["x"]), "is no stage")
