"""The object-detection pipeline says what the reference library's did (tools/golden_objects.py recorded it)."""

import json
from pathlib import Path

import pytest

import qkv
from plain_pictures import pictures

HERE = Path(__file__).parent
RECORDED = json.loads((HERE / "objects.json").read_text())


def same(ours, theirs):
    """Scores within 1e-5; labels, boxes, their order and that of keys alike."""
    return len(ours) == len(theirs) and all(
        list(a) == list(b) and abs(a["score"] - b["score"]) <= 1e-5 and (a["label"], a["box"]) == (b["label"], b["box"])
        for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("case", range(len(RECORDED)))
@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_object_detection(case, batch_size):
    folder, kind, fields, call, expected = RECORDED[case]
    model = qkv.AutoModelForObjectDetection.from_pretrained(HERE / "vision" / folder / "ForObjectDetection")
    processor = getattr(qkv, f"{kind}ImageProcessor")(**fields)
    pipe = qkv.pipeline("object-detection", model=model, image_processor=processor, batch_size=batch_size)
    found = pipe(pictures(), **call)
    assert all(map(same, found, expected))
    assert same(pipe(pictures()[1], **call), expected[1])
