"""Calling image processors: what they take, fields of every age, backends, batches, and what they say of bad input."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import pictures as recipe
import qkv
from qkv import AutoImageProcessor, BatchFeature, CLIPImageProcessor, DetrImageProcessor, ViTImageProcessor, load_image
from qkv.preprocessing.images import polygons, steps

PHOTO = recipe.plain(47, 63)
SMALL = {"height": 20, "width": 30}


def pixels(process, picture, **changes):
    return process(picture, return_tensors="np", **changes)["pixel_values"]


@pytest.mark.parametrize("name", recipe.CLASSES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (47, 63), (150, 200)])
def test_torch_is_within_a_grey_level(name, shape):
    fields = {**recipe.CLASSES[name], "do_rescale": False, "do_normalize": False}
    process = getattr(qkv, f"{name}ImageProcessor")(**fields)
    picture = Image.fromarray(recipe.plain(*shape))
    slow, fast = (pixels(process, picture, backend=one).astype(int) for one in ("pil", "torch"))
    assert slow.shape == fast.shape and abs(slow - fast).max() <= 1
    assert np.array_equal(pixels(process, picture, use_fast=True), fast)


def test_every_way_to_give_a_picture_gives_the_same():
    process = ViTImageProcessor(size=SMALL)
    expected = pixels(process, Image.fromarray(PHOTO))
    first = torch.tensor(PHOTO).permute(2, 0, 1)
    for given in (
        PHOTO,
        torch.tensor(PHOTO),
        first,
        [PHOTO],
        (PHOTO,),
        [[PHOTO]],
        PHOTO[None],
        first[None],
        PHOTO.astype(int),
    ):
        assert np.array_equal(pixels(process, given), expected)
    assert np.array_equal(process(images=PHOTO, return_tensors="np").pixel_values, expected)
    assert np.array_equal(process.preprocess(PHOTO, return_tensors="np").pixel_values, expected)
    stream = io.BytesIO()
    Image.fromarray(PHOTO).save(stream, "PNG")
    stream.seek(0)
    assert np.array_equal(pixels(process, stream), expected)
    assert process(PHOTO).pixel_values[0].shape == (3, 20, 30) and isinstance(process(PHOTO).pixel_values, list)
    four = np.stack([PHOTO] * 4)
    assert pixels(process, four).shape == pixels(process, list(four)).shape == (4, 3, 20, 30)
    last = pixels(process, PHOTO, data_format="channels_last")
    assert np.array_equal(last.transpose(0, 3, 1, 2), expected)


def test_floats_are_rescaled_already():
    process = ViTImageProcessor(size=SMALL)
    floats = (PHOTO / 255).astype(np.float32)
    expected = pixels(process, PHOTO)
    for given in (floats, torch.tensor(floats).permute(2, 0, 1), torch.tensor(floats, dtype=torch.float64)):
        assert abs(pixels(process, given) - expected).max() < 1e-6
        assert abs(pixels(process, given, do_rescale=False) - expected).max() < 1e-6
    whole = ViTImageProcessor(do_resize=False, do_normalize=False)
    assert np.array_equal(pixels(whole, floats)[0], floats.transpose(2, 0, 1))  # not by way of bytes
    assert pixels(whole, torch.tensor(floats).bfloat16()).dtype == np.float32


def test_where_the_channels_are():
    ambiguous = recipe.plain(3, 4).transpose(1, 0, 2)[:, :3]  # (4,3,3)
    process = ViTImageProcessor(do_resize=False, do_normalize=False, do_rescale=False)
    assert np.array_equal(pixels(process, ambiguous)[0], ambiguous.transpose(2, 0, 1))
    first = np.ascontiguousarray(recipe.plain(3, 3).transpose(2, 0, 1))
    found = pixels(process, first, input_data_format="channels_first")[0]
    assert np.array_equal(found, first)
    with pytest.raises(ValueError, match="channels_first"):
        process(first, input_data_format="HWC")


def test_one_mean_makes_greys():
    process = ViTImageProcessor(size=8, image_mean=[0.3], image_std=[0.5])
    grey = recipe.in_mode("L", 8, 8)
    assert np.allclose(pixels(process, grey)[0, 0], (np.asarray(grey) / 255 - 0.3) / 0.5, atol=1e-6)
    assert pixels(process, np.asarray(grey) / 255).shape == pixels(process, PHOTO).shape == (1, 1, 8, 8)


def test_only_what_the_crop_keeps_is_resized(monkeypatch):
    process = CLIPImageProcessor(size=40, crop_size=50)
    shapes = [(1, 300), (300, 1), (47, 63), (47, 47), (150, 20), (150, 30), (30, 150)]
    whole = [
        pixels(process, Image.fromarray(recipe.plain(*shape)), do_rescale=False, do_normalize=False) for shape in shapes
    ]
    monkeypatch.setattr("qkv.preprocessing.image_processor.LARGE", 0)
    for shape, expected in zip(shapes, whole, strict=True):
        found = pixels(process, Image.fromarray(recipe.plain(*shape)), do_rescale=False, do_normalize=False)
        assert np.array_equal(found, expected)
    with pytest.raises(ValueError, match="would be resized to 224 x 1120000.*size="):
        CLIPImageProcessor(do_center_crop=False)(np.zeros((1, 5000, 3), np.uint8))


def test_a_crop_larger_than_the_picture_lies_on_zeros():
    x = np.arange(1, 16, dtype=np.uint8).reshape(3, 5, 1)
    made = steps.cropped(x, {"height": 6, "width": 3})
    assert made[:2].max() == 0 and made[5].max() == 0 and np.array_equal(made[2:5], x[:, 1:4])


OLD = {"feature_extractor_type": "ViTFeatureExtractor", "size": 20, "resample": "BICUBIC", "do_resize": True}
PADLESS = {"pad_and_return_pixel_mask": False}


AGES = [  # a config, the class it names, and what its fields then are
    (OLD, "ViT", {"size": {"height": 20, "width": 20}, "resample": 3}),
    (
        {"feature_extractor_type": "CLIPFeatureExtractor", "size": 30, "crop_size": 20},
        "CLIP",
        {"size": {"shortest_edge": 30}, "crop_size": {"height": 20, "width": 20}},
    ),
    ({"image_processor_type": "ViTImageProcessorFast", "size": [20, 30]}, "ViT", {"size": SMALL}),
    (
        {"image_processor_type": "CLIPImageProcessorPil", "crop_size": None},
        "CLIP",
        {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}},
    ),
    (
        {"feature_extractor_type": "DetrFeatureExtractor", "size": 300, "max_size": 400, **PADLESS},
        "Detr",
        {"size": {"shortest_edge": 300, "longest_edge": 400}, "do_pad": False},
    ),
    (
        {"feature_extractor_type": "DetrFeatureExtractor", "size": 300},
        "Detr",
        {"size": {"shortest_edge": 300, "longest_edge": 1333}, "do_convert_annotations": True},
    ),
    (
        {"feature_extractor_type": "SegformerFeatureExtractor", "reduce_labels": True},
        "Segformer",
        {"do_reduce_labels": True},
    ),
    ({"image_processor_type": "OwlViTImageProcessor", "rescale": True}, "OwlViT", {"do_rescale": True}),
    (
        {"image_processor_type": "SamImageProcessor", "size": 64, "pad_size": 64},
        "Sam",
        {"size": {"longest_edge": 64}, "pad_size": {"height": 64, "width": 64}},
    ),
    (
        {"image_processor_type": "ViTImageProcessor", "size": {"max_height": 30, "max_width": 40}},
        "ViT",
        {"size": {"max_height": 30, "max_width": 40}},
    ),
    (
        {"image_processor_type": "ViTImageProcessor", "image_mean": None, "use_fast": True},
        "ViT",
        {"image_mean": [0.5] * 3},
    ),
]


@pytest.mark.parametrize(("config", "name", "fields"), AGES)
def test_configs_of_every_age(config, name, fields, tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    process = AutoImageProcessor.from_pretrained(tmp_path)
    assert type(process).__name__ == f"{name}ImageProcessor"
    assert {key: getattr(process, key) for key in fields} == fields
    process.save_pretrained(tmp_path / "again")
    again = AutoImageProcessor.from_pretrained(tmp_path / "again")
    assert again.to_dict() == process.to_dict()
    assert "use_fast" not in again.to_dict() and "max_size" not in again.to_dict()


def test_a_config_that_names_none_goes_by_the_model(tmp_path):
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": {"size": 20}}))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "dinov2"}))
    process = AutoImageProcessor.from_pretrained(tmp_path, use_fast=False)
    assert type(process) is qkv.BitImageProcessor and process.size == {"shortest_edge": 20}
    assert qkv.ViTFeatureExtractor is qkv.ViTImageProcessorFast is ViTImageProcessor


def test_pushed(tmp_path, monkeypatch):
    pushed = []
    monkeypatch.setattr(
        "qkv.hub.push_folder", lambda folder, name, **how: pushed.append((name, how, set(os.listdir(folder))))
    )
    ViTImageProcessor().push_to_hub("me/vit", private=True)
    ViTImageProcessor().save_pretrained(tmp_path / "vit", push_to_hub=True, repo_id="me/b")
    files = {"preprocessor_config.json"}
    assert pushed == [("me/vit", {"private": True}, files), ("me/b", {}, files)]


def test_pictures_of_several_sizes():
    process = DetrImageProcessor(size={"shortest_edge": 20, "longest_edge": 30})
    made = process([PHOTO, recipe.plain(60, 33)], return_tensors="pt")
    assert made.pixel_values.shape == (2, 3, 30, 27) or made.pixel_values.shape[0] == 2
    assert made.pixel_mask.shape == made.pixel_values[:, 0].shape
    assert (made.pixel_values * (1 - made.pixel_mask)[:, None]).abs().max() == 0
    without = process([PHOTO, recipe.plain(60, 33)], do_pad=False)
    assert "pixel_mask" not in without and len({x.shape for x in without.pixel_values}) == 2
    with pytest.raises(ValueError, match="differ in size.*do_pad=True"):
        process([PHOTO, recipe.plain(60, 33)], do_pad=False, return_tensors="pt")


def test_batches_go_to_devices():
    labels = [{"image_id": 1, "annotations": [{"bbox": [1, 1, 5, 5], "category_id": 3, "area": 25}]}]
    made = DetrImageProcessor(size=20)(PHOTO, labels, return_tensors="pt").to("meta", torch.float16)
    assert isinstance(made, BatchFeature) and made.pixel_values.dtype == torch.float16
    assert made.pixel_mask.dtype == torch.int64 and made.pixel_mask.device.type == "meta"
    assert made["labels"][0]["boxes"].device.type == "meta" and made["labels"][0]["class_labels"].dtype == torch.int64
    assert made.to(torch.bfloat16).pixel_values.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("call", "say"),
    [
        (lambda: ViTImageProcessor(size={"shortest": 3}), "size=.*is no size.*shortest_edge"),
        (lambda: ViTImageProcessor(size=0), "size=.*is no size"),
        (lambda: ViTImageProcessor(resample="cubic"), "resample='cubic' is no filter.*bicubic"),
        (lambda: ViTImageProcessor(backend="cuda"), "'pil' or 'torch'"),
        (lambda: ViTImageProcessor(do_center_crop=True), "do_center_crop=True needs crop_size="),
        (lambda: ViTImageProcessor()(PHOTO, return_tensors="tf"), "return_tensors='tf' is not known"),
        (lambda: DetrImageProcessor()(PHOTO, [{"image_id": 1}]), "annotation 0 has no 'annotations'"),
        (lambda: DetrImageProcessor()(PHOTO, [{}, {}]), "1 pictures and 2 annotations"),
        (lambda: DetrImageProcessor()(PHOTO, [3]), "annotation 0 has no 'image_id'"),
        (lambda: DetrImageProcessor(format="coco_panoptic")(PHOTO, recipe.panoptic("a.png")), "masks_path="),
        (lambda: DetrImageProcessor(format="yolo")(PHOTO, [{}]), "format='yolo'.*coco_detection"),
        (lambda: DetrImageProcessor(pad_size=8)(PHOTO), "cannot be padded to 8 x 8"),
        (
            lambda: qkv.SegformerImageProcessor()(PHOTO, PHOTO),
            r"segmentation map of shape \(47, 3\)|47 segmentation maps",
        ),
        (lambda: qkv.SegformerImageProcessor()([PHOTO], [PHOTO[..., 0]] * 2), "1 pictures and 2 segmentation maps"),
        (lambda: qkv.SegformerImageProcessor()(PHOTO, PHOTO[..., 0].astype(int) - 9), "the numbers of classes"),
        (lambda: qkv.MaskFormerImageProcessor(do_reduce_labels=True)(PHOTO, PHOTO[..., 0]), "needs ignore_index="),
    ],
)
def test_bad_input(call, say):
    with pytest.raises(ValueError, match=say) as error:
        call()
    assert len(str(error.value)) < 400


def test_deep_greys_are_said(recwarn):
    found = load_image(recipe.in_mode("I;16", 7, 5))
    assert np.asarray(found).max() == 255
    assert any("become white" in str(one.message) for one in recwarn)
    assert load_image(Image.fromarray(np.full((3, 4), 200, np.uint16))).getpixel((0, 0)) == (200, 200, 200)


@pytest.mark.filterwarnings("ignore:.*become white")
@pytest.mark.parametrize("mode", ["La", "RGBa", *recipe.MODES])
def test_modes(mode):
    picture = Image.new(mode, (5, 4)) if mode in ("La", "RGBa") else recipe.in_mode(mode, 4, 5)
    assert load_image(picture).mode == "RGB" and load_image(picture, mode="L").mode == "L"


def test_polygons():
    square = polygons.mask_of([[1, 1, 5, 1, 5, 4, 1, 4]], 6, 8)
    assert square[1:4, 1:5].all() and square.sum() == 12
    assert np.array_equal(polygons.mask_of({"counts": [2, 3, 1]}, 2, 3), [[0, 1, 1], [0, 1, 0]])
    for wrong in ([[1, 2, 3]], {"counts": [1]}, "polygon"):
        with pytest.raises(ValueError, match="neither a list of polygons"):
            polygons.mask_of(wrong, 2, 3)


BOMBS = """
import io, resource, struct, zlib
from PIL import Image
from qkv import load_image
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def png(*extra):
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(2501)) for _ in range(20_000)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0))
    return b"\\x89PNG\\r\\n\\x1a\\n" + head + b"".join(extra) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
def saved(picture, form, **how):
    stream = io.BytesIO()
    picture.save(stream, form, **how)
    return stream.getvalue()
load_image(saved(Image.new("RGB", (9, 9)), "PNG"))
gif = saved(Image.new("P", (4, 4)), "GIF")
start = gif.index(b",", 13)
frames = gif[:start] + gif[start:-1] * 100_000 + b";"
deep = png(chunk(b"zTXt", b"a\\0\\0" + zlib.compress(bytes(300_000_000), 9)))
bombs = {"png": png(), "text": deep, "gif": frames}
bombs["tiff"] = saved(Image.new("1", (20_000, 20_000)), "TIFF", compression="group4")
del deep
with open("/proc/self/clear_refs", "w") as mark:
    mark.write("5")  # what making them took is not counted
def peak():
    return next(int(line.split()[1]) / 1000 for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
for name, bomb in bombs.items():
    try:
        load_image(bomb)
        print(name, "was read")
    except ValueError as error:
        assert len(str(error)) < 400
print("frames", load_image(gif[:start] + gif[start:-1] * 100 + b";").size)  # the first alone is decoded
print("grown", peak() - before < 100)
"""


def test_bombs_are_refused_in_bounded_memory():
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", BOMBS], capture_output=True, text=True, timeout=120)
    assert run.stdout.split("\n")[:2] == ["frames (4, 4)", "grown True"], run.stdout + run.stderr
