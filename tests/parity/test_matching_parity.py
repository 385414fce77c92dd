"""Processors and pipelines of pictures and words give what the reference library's did (tools/golden_matching.py)."""

import json
from pathlib import Path

import pytest
import torch

import qkv
from tiny_matching import LABELS, PARTS, TEXTS, parts
from tiny_pictures import pictures

HERE = Path(__file__).parent
RECORDED = json.loads((HERE / "matching.json").read_text())


def same(ours, theirs):
    """Scores within 1e-5; labels, boxes, their order and that of keys alike."""
    return len(ours) == len(theirs) and all(
        list(a) == list(b) and abs(a["score"] - b["score"]) <= 1e-5 and {**a, "score": 0} == {**b, "score": 0}
        for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("case", range(len(RECORDED["pipelines"])))
@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_pipelines(case, batch_size, tmp_path):
    task, name, kind, call, expected = RECORDED["pipelines"][case]
    image_processor, tokenizer = parts(qkv, name, tmp_path)
    pipe = qkv.pipeline(
        task, model=str(HERE / "vision" / name / kind), tokenizer=tokenizer,
        image_processor=image_processor, batch_size=batch_size,
    )  # fmt: skip
    call = {"candidate_labels": LABELS, **call}
    assert all(map(same, pipe(pictures(), **call), expected))
    assert same(pipe(pictures()[1], **call), expected[1])
    each = [{"image": one, "candidate_labels": call["candidate_labels"]} for one in pictures()]
    call.pop("candidate_labels")
    assert all(map(same, pipe(each, **call), expected))


@pytest.mark.parametrize(("name", "sums", "ids"), RECORDED["processors"])
def test_processors(name, sums, ids, tmp_path):
    processor = getattr(qkv, f"{PARTS[name][0]}Processor")(*parts(qkv, name, tmp_path))
    made = processor(text=TEXTS, images=pictures()[:1], padding=True, return_tensors="np")
    assert made["input_ids"].tolist() == ids and {*made} == {*sums}
    for key, (shape, total) in sums.items():
        assert list(made[key].shape) == shape and abs(float(made[key].astype("float64").sum()) - total) < 1e-2, key


@torch.inference_mode()
def test_objects_that_are_asked_for(tmp_path):
    """Two texts a picture, of which one fills up; and pictures of objects: post-processed."""
    expected, logits, boxes = RECORDED["guided"]
    model = qkv.OwlViTForObjectDetection.from_pretrained(HERE / "vision" / "owlvit" / "ForObjectDetection")
    processor = qkv.OwlViTProcessor(*parts(qkv, "owlvit", tmp_path))
    sizes = [(one.height, one.width) for one in pictures()[:2]]
    given = processor(text=[["a cat", "dog"], ["car"]], images=pictures()[:2])
    given["input_ids"][3, 0] = 0
    asked = processor.post_process_grounded_object_detection(
        model(**given), 0.6, sizes, [["a cat", "dog"], ["car", ""]]
    )
    out = model.image_guided_detection(**processor(images=pictures()[:2], query_images=pictures()[2:]))
    assert torch.allclose(out.logits, torch.tensor(logits), atol=1e-5)
    assert torch.allclose(out.query_pred_boxes, torch.tensor(boxes), atol=1e-5)
    found = processor.post_process_image_guided_detection(out, 0.6, 0.3, torch.tensor(sizes))
    for one, other in zip([*asked, *found], expected, strict=True):
        assert one.keys() == other.keys() and one.get("text_labels") == other.get("text_labels")
        assert torch.allclose(one["scores"], torch.tensor(other["scores"]), atol=1e-5) and len(one["scores"])
        assert torch.allclose(one["boxes"], torch.tensor(other["boxes"]), atol=1e-3)
