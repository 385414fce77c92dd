"""LayoutLMv3Processor, and tokenizers of pages where they are given something wrong."""

import numpy as np
import pytest
import torch

from pages import BOXES, FEW, LABELS, QUESTION, TOKENIZERS, VOCAB, WORDS
from qkv import (
    AutoProcessor,
    AutoTokenizer,
    BertTokenizer,
    LayoutLMv3ImageProcessor,
    LayoutLMv3Processor,
    LayoutLMv3Tokenizer,
    LayoutXLMTokenizer,
)
from tiny_pages import make_pages

PICTURE = np.zeros((9, 12, 3), np.uint8)


def tokenizer(name="LayoutLMv3Tokenizer", cls=LayoutLMv3Tokenizer):
    return cls(**{role: VOCAB / file for role, file in TOKENIZERS[name].items()})


def ocr(picture):
    return list(zip(WORDS[:FEW], BOXES[:FEW], strict=True))


def test_words_of_the_caller():
    processor = LayoutLMv3Processor(LayoutLMv3ImageProcessor(apply_ocr=False), tokenizer())
    found = processor(PICTURE, WORDS, boxes=BOXES, word_labels=LABELS, return_tensors="pt")
    expected = tokenizer()(WORDS, boxes=BOXES, word_labels=LABELS, return_tensors="pt")
    assert found["pixel_values"].shape == (1, 3, 224, 224) and found.keys() == {*expected.keys(), "pixel_values"}
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    batch = processor(
        [PICTURE] * 2, [WORDS, WORDS[:FEW]], boxes=[BOXES, BOXES[:FEW]], padding=True, return_tensors="pt"
    )
    assert batch["pixel_values"].shape[0] == batch["bbox"].shape[0] == 2
    long = processor(
        [PICTURE, PICTURE + 200], [WORDS, WORDS[:FEW]], boxes=[BOXES, BOXES[:FEW]], max_length=20, padding="max_length",
        truncation=True, return_overflowing_tokens=True, return_tensors="pt",
    )  # fmt: skip
    source = long["overflow_to_sample_mapping"]
    assert len(source) == len(long["pixel_values"]) > 2
    assert torch.equal(long["pixel_values"].mean((1, 2, 3)) > 0, source == 1)


def test_words_of_the_picture():
    processor = LayoutLMv3Processor(LayoutLMv3ImageProcessor(ocr=ocr), tokenizer())
    alone = processor(PICTURE)
    assert alone["input_ids"] == tokenizer()([WORDS[:FEW]], boxes=[BOXES[:FEW]])["input_ids"]
    asked = processor(PICTURE, QUESTION, return_tensors="pt")
    expected = tokenizer()([QUESTION], [WORDS[:FEW]], boxes=[BOXES[:FEW]], return_tensors="pt")
    assert all(torch.equal(asked[key], value) for key, value in expected.items())
    for beside in ({"boxes": [BOXES]}, {"word_labels": [LABELS]}):
        with pytest.raises(ValueError, match="apply_ocr=False"):
            processor(PICTURE, **beside)


def test_a_folder_of_both_parts(tmp_path):
    make_pages(tmp_path, "layoutlmv3")
    LayoutLMv3Processor(
        LayoutLMv3ImageProcessor(apply_ocr=False), AutoTokenizer.from_pretrained(tmp_path)
    ).save_pretrained(tmp_path)
    found = AutoProcessor.from_pretrained(tmp_path, ocr=ocr, apply_ocr=True)
    assert type(found) is LayoutLMv3Processor and found.image_processor.apply_ocr
    assert type(found.tokenizer) is LayoutLMv3Tokenizer and found(PICTURE)["pixel_values"][0].shape == (3, 224, 224)
    assert (
        found.decode(found(PICTURE)["input_ids"][0], skip_special_tokens=True).strip().startswith("nvoice no. 2024-117")
    )
    lilt = AutoProcessor.from_pretrained(make_pages(tmp_path / "lilt", "lilt"))  # its pages have no pictures
    assert type(lilt) is LayoutLMv3Tokenizer
    with pytest.raises(ValueError, match="takes a LayoutLMv3ImageProcessor and a"):
        LayoutLMv3Processor(LayoutLMv3ImageProcessor(), BertTokenizer(VOCAB / "vocab.txt"))


@pytest.mark.parametrize(
    ("args", "say"),
    [
        ((WORDS,), "need boxes"),
        ((WORDS, None, BOXES[:3]), "13 words and 3 boxes"),
        ((WORDS[:1], None, [[0, 0, 1001, 5]]), r"boxes\[0\], the box of 'Invoice', is \[0, 0, 1001, 5\]"),
        ((WORDS[:1], None, [[0, 0, 5.5, 5]]), "whole thousandths"),
        ((WORDS[:1], None, [[0, 0, 5]]), r"1000 \* x / width"),
        (([WORDS[:1]], None, [[[0, -1, 5, 5]]]), r"boxes\[0\]\[0\], the box of 'Invoice'"),
        (([WORDS, WORDS], None, [BOXES]), "2 pages"),
        ((QUESTION, None, BOXES), "list of str"),
        (([QUESTION], WORDS, BOXES), "as many pages"),
        (([QUESTION], [WORDS, WORDS], [BOXES, BOXES]), "as many pages"),
        ((WORDS, None, BOXES, LABELS[:2]), "2 labels for 13 words"),
    ],
)
def test_what_is_no_page(args, say):
    for read in (tokenizer(), tokenizer("LayoutXLMTokenizer", LayoutXLMTokenizer)):
        with pytest.raises(ValueError, match=say) as error:
            read(*args)
        assert len(str(error.value)) < 400


def test_texts_without_a_page():
    read = tokenizer()
    assert "bbox" not in read(QUESTION) and read.encode(QUESTION) == read(QUESTION)["input_ids"]
    assert read(WORDS, is_split_into_words=True)["input_ids"] == read(WORDS, boxes=BOXES)["input_ids"]
    assert "".join(read.tokenize("the total")) == "ĠtheĠtotal"
    assert read.build_inputs_with_special_tokens([7], [8]) == [0, 7, 2, 2, 8, 2]


def test_rows_are_padded_with_their_boxes_and_labels():
    read = tokenizer()
    rows = [read(WORDS[:n], boxes=BOXES[:n], word_labels=LABELS[:n]) for n in (2, 5)]
    both = read.pad(rows, return_tensors="pt")
    padding = both["attention_mask"] == 0
    assert padding.any() and not both["bbox"][padding].any() and (both["labels"][padding] == -100).all()


def test_boxes_of_special_tokens_come_from_the_files(tmp_path):
    read = LayoutLMv3Tokenizer(
        **{role: VOCAB / file for role, file in TOKENIZERS["LayoutLMv3Tokenizer"].items()}, sep_token_box=[1, 2, 3, 4]
    )
    read.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert type(again) is LayoutLMv3Tokenizer and again(["a"], boxes=[[5, 5, 5, 5]])["bbox"][-1] == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="pad_token_box is \\[1, 2\\]"):
        AutoTokenizer.from_pretrained(tmp_path, pad_token_box=[1, 2])
