"""Image processors give, to the bit, what those of the reference library give that resize by Pillow: 208 pictures
of every mode and shape, targets of annotations, labels of maps, and what is saved (tools/golden_pixels.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pictures as recipe
import qkv

GOLDEN = json.loads((Path(__file__).parent / "pixels.json").read_text())
EVERY = recipe.every()
PAIR = [(47, 63), (60, 33)]
pytestmark = pytest.mark.filterwarnings("ignore:.*become white")


def processor(name, fields):
    return getattr(qkv, f"{name}ImageProcessor")(**fields)


def digests(batch):
    return {name: recipe.digest(batch[name]) for name in sorted(batch)}


def test_pictures_are_of_every_mode_and_shape():
    assert len(EVERY) >= 200
    assert {picture.mode for _, is_file, picture in EVERY if not is_file} >= set(recipe.MODES) - {"P+"}


@pytest.mark.parametrize("name", recipe.CLASSES)
def test_pixels(name):
    process = processor(name, recipe.CLASSES[name])
    wrong, alone = [], []
    for (what, _, picture), expected in zip(EVERY, GOLDEN["pixels"][name], strict=True):
        found = process(picture, return_tensors="np")["pixel_values"]
        if expected is None:  # the reference makes pictures of no height or width, and fails
            assert min(found.shape) > 0 and np.isfinite(found).all()
            alone.append(what)
        elif recipe.digest(found) != expected:
            wrong.append(what)
    assert not wrong
    assert len(alone) <= 80, alone


@pytest.mark.parametrize("number", range(len(recipe.VARIANTS)))
def test_fields(number):
    name, fields = recipe.VARIANTS[number]
    for shape, expected in zip([(47, 63), (150, 200)], GOLDEN["variants"][number], strict=True):
        found = processor(name, fields)(Image.fromarray(recipe.plain(*shape)), return_tensors="np")
        assert digests(found) == expected, (name, fields)


@pytest.mark.parametrize("name", GOLDEN["annotations"])
def test_annotations(name, tmp_path):
    given = [Image.fromarray(recipe.plain(*shape)) for shape in PAIR]
    rows = [recipe.annotation(*shape, i) for i, shape in enumerate(PAIR)]
    for i, shape in enumerate(PAIR):
        Image.fromarray(recipe.panoptic_picture(*shape)).save(tmp_path / f"{i}.png")
    changes = [{}, {"do_convert_annotations": False}, {"do_pad": True, "pad_size": {"height": 70, "width": 80}}]
    calls = [(more, {"annotations": rows, "return_segmentation_masks": m}) for m in (False, True) for more in changes]
    panoptic = [recipe.panoptic(f"{i}.png", i) for i in range(2)]
    calls.append(({"format": "coco_panoptic"}, {"annotations": panoptic, "masks_path": tmp_path}))
    for (more, call), (whole, labels) in zip(calls, GOLDEN["annotations"][name], strict=name != "RTDetr"):
        batch = processor(name, {**recipe.CLASSES[name], **more})(given, **call, return_tensors="np")
        assert digests({key: value for key, value in batch.items() if key != "labels"}) == whole, more
        found = [digests(row) for row in batch["labels"]]
        if name == "RTDetr" and call.get("return_segmentation_masks"):  # the reference makes none of RT-DETR
            found = [{key: value for key, value in row.items() if key != "masks"} for row in found]
        assert found == labels, (more, call)


@pytest.mark.parametrize("name", GOLDEN["maps"])
def test_maps(name):
    given = [Image.fromarray(recipe.plain(*shape)) for shape in PAIR]
    rows = [recipe.classes(*shape) for shape in PAIR]
    calls = [({}, {}), ({"do_reduce_labels": True}, {})]
    if name == "Sam":
        calls = [({"mask_size": {"longest_edge": 16}, "mask_pad_size": 16}, {})]
    if "Mask" in name:
        calls = [({"ignore_index": 255}, {}), ({"ignore_index": 255, "do_reduce_labels": True}, {})]
        calls.append(({"ignore_index": 0}, {"instance_id_to_semantic_id": {i: 2 * i for i in range(6)}}))
    for (more, call), expected in zip(calls, GOLDEN["maps"][name], strict=True):
        fields = {**recipe.CLASSES[name], **more}
        fields |= {"keep_aspect_ratio": False} if name == "DPT" else {}
        fields |= {"resample": 0} if name in ("Beit", "DPT") else {}  # the reference's filter of maps too
        batch = processor(name, fields)(given, rows, **call, return_tensors="np")
        lists = {key: [recipe.digest(one) for one in batch[key]] for key in sorted(batch)}
        assert (lists if "Mask" in name else digests(batch)) == expected, more


@pytest.mark.parametrize("name", GOLDEN["saved"])
def test_what_is_saved(name):
    assert json.loads(processor(name, {}).to_json_string()) == GOLDEN["saved"][name]
    again = getattr(qkv, f"{name}ImageProcessor").from_dict(GOLDEN["saved"][name])
    assert json.loads(again.to_json_string()) == GOLDEN["saved"][name]
