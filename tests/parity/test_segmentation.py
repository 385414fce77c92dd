"""Segments against the reference library's (tools/golden_segmentation.py recorded them): what image processors make of
scores, and what the pipeline says of a photograph. Maps are equal but for places on an edge, one in a thousand."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import qkv

HERE = Path(__file__).parent
SEGMENTS = HERE / "segments"
FINISHED = json.loads((SEGMENTS / "finished.json").read_text())
SAID = json.loads((SEGMENTS / "pipeline.json").read_text())
MAPS = np.load(SEGMENTS / "maps.npz")
SIZES = [(20, 31), (9, 12)]


def outputs(name):
    given = load_file(SEGMENTS / "scores.safetensors")
    if name == "Segformer":
        return SimpleNamespace(logits=given["logits"])
    if name == "Detr":
        return SimpleNamespace(logits=given["classes"], pred_masks=given["masks"])
    return SimpleNamespace(class_queries_logits=given["classes"], masks_queries_logits=given["masks"])


def same_map(ours, theirs):
    assert ours.shape == theirs.shape
    assert (ours != theirs).mean() <= 1e-3


def same_info(ours, theirs):
    assert [{**one, "score": 0} for one in ours] == [{**one, "score": 0} for one in theirs]
    assert [one["score"] for one in ours] == pytest.approx([one["score"] for one in theirs], abs=2e-6)


@pytest.mark.parametrize("number", range(len(FINISHED)))
def test_what_scores_become(number):
    case = FINISHED[number]
    processor = getattr(qkv, f"{case['name']}ImageProcessor")()
    finish = getattr(processor, f"post_process_{case['kind']}_segmentation")
    found = finish(outputs(case["name"]), target_sizes=SIZES if case["sized"] else None, **case["options"])
    assert len(found) == 2
    for i, one in enumerate(found):
        one = {"segmentation": one} if case["kind"] == "semantic" else one
        if "runs" in case:
            assert one["segmentation"] == case["runs"][i]
        else:
            same_map(one["segmentation"].numpy(), MAPS[f"finished.{number}.{i}"])
        if case["kind"] != "semantic":
            same_info(one["segments_info"], case["info"][i])


@pytest.mark.parametrize("number", range(len(SAID)))
def test_what_the_pipeline_says(number):
    case = SAID[number]
    model = qkv.AutoModelForImageSegmentation.from_pretrained(HERE / "vision" / case["folder"])
    processor = getattr(qkv, f"{case['name']}ImageProcessor")(**case["fields"])
    pipe = qkv.pipeline("image-segmentation", model=model, image_processor=processor)
    path = str(SEGMENTS / "picture.png")
    found = pipe(path, **case["options"])
    assert [one["label"] for one in found] == [one["label"] for one in case["parts"]]
    for ours, theirs in zip(found, case["parts"], strict=True):
        assert ours["score"] == (theirs["score"] and pytest.approx(theirs["score"], abs=1e-5))
        assert ours["mask"].mode == "L" and ours["mask"].size == (120, 90)
    whole = np.zeros_like(MAPS[f"pipeline.{number}"])
    for i, one in enumerate(found):
        whole[np.asarray(one["mask"]) == 255] = i + 1
    same_map(whole, MAPS[f"pipeline.{number}"])
    again = pipe([path, path], **case["options"], batch_size=2)
    assert [[one["label"] for one in result] for result in again] == [[one["label"] for one in found]] * 2
    assert found.draw().size[1] >= 90


def test_few_labels_at_a_time_are_all_of_them(monkeypatch):
    """Scores are enlarged a few at a time where they are many; nothing changes but the memory."""
    from qkv.preprocessing.images import masks

    processor, panoptic = qkv.MaskFormerImageProcessor(), dict(threshold=0.2, target_sizes=SIZES)
    wanted = [
        qkv.SegformerImageProcessor().post_process_semantic_segmentation(outputs("Segformer"), SIZES),
        [x["segmentation"] for x in processor.post_process_panoptic_segmentation(outputs("MaskFormer"), **panoptic)],
    ]
    monkeypatch.setattr(masks, "MEMORY", 2 * 20 * 31)
    found = [
        qkv.SegformerImageProcessor().post_process_semantic_segmentation(outputs("Segformer"), SIZES),
        [x["segmentation"] for x in processor.post_process_panoptic_segmentation(outputs("MaskFormer"), **panoptic)],
    ]
    assert all(torch.equal(a, b) for ours, theirs in zip(found, wanted, strict=True) for a, b in zip(ours, theirs, strict=True))  # fmt: skip # noqa: E501


def test_a_fused_label_takes_no_other_segments_number():
    """After a fused segment was met again, the next one has a number of its own."""
    masks = torch.full((1, 4, 2, 8), -9.0)
    for q, columns in enumerate(((0, 1), (2, 3), (4, 5), (6, 7))):
        masks[0, q, :, columns] = 9.0
    classes = torch.full((1, 4, 4), -9.0)
    for q, label in enumerate((0, 1, 0, 2)):
        classes[0, q, label] = 9.0
    given = SimpleNamespace(class_queries_logits=classes, masks_queries_logits=masks)
    found = qkv.MaskFormerImageProcessor().post_process_panoptic_segmentation(given, label_ids_to_fuse={0})[0]
    assert [one["id"] for one in found["segments_info"]] == [1, 2, 1, 3]
    assert found["segmentation"][0].tolist() == [1, 1, 2, 2, 1, 1, 3, 3]


def test_scores_beside_the_map():
    given = outputs("Segformer")
    found = qkv.SegformerImageProcessor().post_process_semantic_segmentation(given, SIZES, True)
    assert found[0].segmentation_scores.shape == (5, 20, 31)
    assert torch.equal(found[0]["segmentation"], found[0].segmentation_scores.argmax(0))


@pytest.fixture(scope="module")
def pipe():
    folder = HERE / "vision" / "segformer" / "ForSemanticSegmentation"
    processor = qkv.SegformerImageProcessor(size={"height": 32, "width": 32})
    model = qkv.SegformerForSemanticSegmentation.from_pretrained(folder)
    return qkv.pipeline("image-segmentation", model=model, image_processor=processor)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"subtask": "panoptic"}, "it does semantic"),
        ({"subtask": "semantics"}, "nearest"),
        ({"threshold": 90}, "from 0 to 1"),
        ({"mask_threshold": "0.5"}, "from 0 to 1"),
    ],
)
def test_bad_options(pipe, options, said):
    with pytest.raises(ValueError, match=said):
        pipe(SEGMENTS / "picture.png", **options)
    with pytest.raises(TypeError, match="threshold"):
        pipe(SEGMENTS / "picture.png", treshold=0.5)


def test_bad_sizes_and_labels(pipe):
    processor = qkv.SegformerImageProcessor()
    with pytest.raises(ValueError, match="each of the 2 pictures"):
        processor.post_process_semantic_segmentation(outputs("Segformer"), [(4, 4)])
    with pytest.raises(ValueError, match="exclude each other"):
        qkv.MaskFormerImageProcessor().post_process_instance_segmentation(
            outputs("MaskFormer"), return_coco_annotation=True, return_binary_maps=True
        )
    pixels = torch.zeros(1, 3, 32, 32)
    for labels, said in (
        (torch.full((1, 32, 32), 7), "num_labels=8"),
        (torch.full((1, 32, 32), -1), "hold -1"),
        (torch.zeros(32, 32, dtype=torch.long), "segmentation_maps"),
        (torch.zeros(1, 32, 32), "integers"),
    ):
        with pytest.raises(ValueError, match=said):
            pipe.model(pixels, labels=labels)
    with pytest.raises(ValueError, match="at least 9 and 9"):
        pipe.model(torch.zeros(1, 3, 4, 4))


# ------------------------------------------------------------------------------------------- classes and masks


MASKFORMER = HERE / "vision" / "maskformer" / "ForInstanceSegmentation"


def test_the_body_of_a_model_of_masks():
    """Its outputs are those that the model with a head shows."""
    expected = load_file(MASKFORMER / "expected.safetensors")
    model = qkv.MaskFormerModel.from_pretrained(MASKFORMER)
    with torch.inference_mode():
        out = model(expected["input.pixel_values"], output_hidden_states=True)
    names = {name for name in expected if "hidden_state" in name}
    assert len(names) > 10 and {name.partition(".")[0] for name in names} == {n for n in out if "hidden_state" in n}
    for name in names:
        kind, _, index = name.partition(".")
        ours = out[kind][int(index)] if index else out[kind]
        assert torch.allclose(ours, expected[name], atol=2e-5, rtol=1e-4), name


def test_constants_in_older_files_are_no_weights(tmp_path):
    """Files hold what follows from the config, and a norm that no map goes through: neither is missed nor warned of."""
    model = qkv.MaskFormerForInstanceSegmentation.from_pretrained(MASKFORMER)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    backbone = "model.pixel_level_module.encoder.model"
    weights[f"{backbone}.encoder.layers.0.blocks.0.attention.self.relative_position_index"] = torch.zeros(4, 4).long()
    weights |= {f"{backbone}.layernorm.{name}": torch.zeros(32) for name in ("weight", "bias")}
    save_file(weights | {"criterion.empty_weight": torch.ones(4)}, tmp_path / "model.safetensors")
    again, info = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    pixels = torch.randn(1, 3, 32, 64)
    assert torch.equal(again(pixels).masks_queries_logits, model(pixels).masks_queries_logits)


@pytest.mark.parametrize("name", ["swin", "maskformer-swin"])
def test_names_of_its_backbone(name):
    """Published configs call the backbone a Swin; those that the reference saves today, a backbone of its own."""
    config = qkv.AutoConfig.from_pretrained(MASKFORMER)
    config.backbone_config = {**config.backbone_config, "model_type": name, "out_features": ["stage4"]}
    model = qkv.MaskFormerForInstanceSegmentation.from_pretrained(MASKFORMER, config=config)
    assert model.backbone.backbone.channels == [4, 8, 16, 32]


def test_fresh_weights_are_drawn():
    config = qkv.MaskFormerConfig(
        backbone_config=qkv.ResNetConfig(hidden_sizes=[8, 8, 8, 8], depths=[1] * 4, out_features=["stage3", "stage4"]),
        decoder_config={"d_model": 16, "decoder_layers": 1, "decoder_attention_heads": 2},
        fpn_feature_size=32,
    )
    model = qkv.MaskFormerForInstanceSegmentation(config)
    assert config.backbone_config["model_type"] == "resnet" and config.hidden_size == 16
    stem = model.get_parameter("backbone.pixels.stem.conv.weight")  # Xavier: of 8 * 9 and 32 * 9 numbers
    assert stem.abs().max() <= (6 / (8 * 9 + 32 * 9)) ** 0.5 and stem.std() > 0.05
    assert model(torch.zeros(1, 3, 64, 64)).class_queries_logits.shape == (1, 100, 3)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"class_labels": None}, "class_labels is missing"),
        ({"class_labels": [torch.tensor([0])]}, "each of 2 pictures"),
        ({"class_labels": [torch.tensor([0]), torch.tensor([0, 1])]}, r"mask_labels\[1\] must be"),
        ({"class_labels": [torch.tensor([3]), torch.tensor([0])]}, "num_labels=4"),
        ({"class_labels": 7}, "a list with an element for each picture"),
    ],
)
def test_bad_targets(changes, said):
    model = qkv.MaskFormerForInstanceSegmentation.from_pretrained(MASKFORMER)
    given = {"mask_labels": [torch.ones(1, 32, 64)] * 2, "class_labels": [torch.tensor([0])] * 2}
    assert model(torch.zeros(2, 3, 32, 64), **given).loss > 0
    with pytest.raises(ValueError, match=said):
        model(torch.zeros(2, 3, 32, 64), **given | changes)


MASK2FORMER = HERE / "vision" / "mask2former" / "ForUniversalSegmentation"


def mask2former(**changes):
    backbone = qkv.ResNetConfig(hidden_sizes=[8, 8, 8, 8], depths=[1] * 4, out_features=["stage2", "stage3", "stage4"])
    sizes = dict(feature_size=32, hidden_size=16, mask_feature_size=8, dim_feedforward=16, encoder_feedforward_dim=16)
    layers = dict(encoder_layers=1, num_hidden_layers=3, num_attention_heads=2, num_queries=4, train_num_points=20)
    given = {"backbone_config": backbone, **sizes, **layers, "feature_strides": [8, 16, 32], "common_stride": 8}
    return qkv.Mask2FormerForUniversalSegmentation(qkv.Mask2FormerConfig(**given | changes))


def test_fresh_weights_of_deformable_attention():
    """Each head looks in a direction of its own, a step farther with each point, whatever it sees."""
    attn = mask2former().backbone.pixels.layers[0].attn
    assert not attn.offsets.weight.any() and not attn.weights.weight.any()
    ways = attn.offsets.bias.view(2, 3, 4, 2)
    steps = torch.arange(1.0, 5)[:, None]
    assert torch.allclose(ways[0], (steps * torch.tensor([1.0, 0.0])).expand(3, 4, 2))
    assert torch.allclose(ways[1], (steps * torch.tensor([-1.0, 0.0])).expand(3, 4, 2), atol=1e-6)


def test_a_backbone_of_too_few_maps():
    few = qkv.ResNetConfig(hidden_sizes=[8, 8], depths=[1, 1], out_features=["stage1", "stage2"])
    with pytest.raises(ValueError, match="looks at 3 maps"):
        mask2former(backbone_config=few)


@pytest.mark.parametrize("folder", [MASKFORMER, MASK2FORMER])
def test_pictures_without_a_mask(folder):
    """The loss is that of the classes, all of them "nothing"."""
    model = qkv.AutoModelForImageSegmentation.from_pretrained(folder)
    given = {"mask_labels": [torch.zeros(0, 32, 64)] * 2, "class_labels": [torch.zeros(0).long()] * 2}
    out = model(torch.randn(2, 3, 32, 64), **given)
    out.loss.backward()
    assert out.loss.isfinite() and model.head.out.weight.grad.abs().sum() > 0


def test_masks_of_steps_are_shown_if_asked():
    model = qkv.Mask2FormerForUniversalSegmentation.from_pretrained(MASK2FORMER).eval()
    pixels = torch.randn(1, 3, 32, 64)
    assert model(pixels).auxiliary_logits is None
    out = model(pixels, output_auxiliary_logits=True)
    assert len(out.auxiliary_logits) == model.config.num_hidden_layers - 1
    assert out.auxiliary_logits[0]["masks_queries_logits"].shape == out.masks_queries_logits.shape


def test_files_of_a_swin_with_its_last_norm(tmp_path):
    """5.x saves a norm that no map goes through, under a name of its own."""
    model = qkv.Mask2FormerForUniversalSegmentation.from_pretrained(MASK2FORMER)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights |= {f"model.pixel_level_module.encoder.swin.layernorm.{x}": torch.zeros(32) for x in ("weight", "bias")}
    save_file(weights | {"criterion.empty_weight": torch.ones(4)}, tmp_path / "model.safetensors")
    _, info = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())


def test_a_width_that_does_not_divide():
    with pytest.raises(ValueError, match="multiple of 32"):
        qkv.MaskFormerModel(qkv.MaskFormerConfig(fpn_feature_size=40))
