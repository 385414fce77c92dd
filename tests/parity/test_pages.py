"""Tokenizers and the image processor of pages give what the reference's did (tools/golden_pages.py recorded it)."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import qkv
from pages import CALLS, OWN, PICTURES, QUESTION, SIZE, TOKENIZERS, VOCAB, pixels

RECORDED = json.loads((Path(__file__).parent / "pages.json").read_text())
PLACES = [(name, own, i) for name in TOKENIZERS for own in range(len(OWN)) for i in range(len(CALLS))]


@pytest.mark.parametrize(("name", "own", "i"), PLACES)
def test_tokens_boxes_and_labels(name, own, i):
    files = {role: VOCAB / file for role, file in TOKENIZERS[name].items()}
    given, call = CALLS[i]
    expected = RECORDED["tokenizers"][name][own * len(CALLS) + i]
    found = getattr(qkv, name)(**files, **OWN[own])(**given, **call)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        ours = json.loads(json.dumps(found[key]))
        if key == "labels" and not own and name == "LayoutLMv3Tokenizer":
            many = isinstance(value[0], list)
            rows = [once(row, found.word_ids(i)) for i, row in enumerate(value if many else [value])]
            value = rows if many else rows[0]
        assert ours == value, key


def once(labels, words):
    """One label for a word: 4.57.6 gives one to each token of a word's first letter where that has several, 5.x one."""
    return [-100 if i and words[i] == words[i - 1] else label for i, label in enumerate(labels)]


def test_question_tokens_are_never_labelled():
    """The reference gives a question the labels of the page's first words, by their indices."""
    files = {role: VOCAB / file for role, file in TOKENIZERS["LayoutLMv3Tokenizer"].items()}
    tokenizer = qkv.LayoutLMv3Tokenizer(**files, only_label_first_subword=False)
    found = tokenizer(QUESTION, ["the", "total"], boxes=[[1, 2, 3, 4]] * 2, word_labels=[5, 6])
    parts = found.sequence_ids()
    assert {label for label, part in zip(found["labels"], parts, strict=True) if part == 0} == {-100}
    assert {label for label, part in zip(found["labels"], parts, strict=True) if part == 1} == {5, 6}


@pytest.mark.parametrize("i", range(len(PICTURES)))
def test_pixels(i):
    (height, width), fields = PICTURES[i]
    process = qkv.LayoutLMv3ImageProcessor(apply_ocr=False, size=SIZE, **fields)
    array = pixels(height, width)
    found = process(Image.fromarray(array), return_tensors="np")["pixel_values"]
    expected = np.array(RECORDED["pictures"][i])
    assert found.shape == (1, *expected.shape) and np.abs(found[0] - expected).max() <= 1e-6 * max(
        1, np.abs(expected).max()
    )
    for other in (array, array.transpose(2, 0, 1)):
        assert np.array_equal(process([other, other], return_tensors="np")["pixel_values"], np.concatenate([found] * 2))
