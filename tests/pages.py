"""Pages and pictures that the tests of tokenizers and processors of pages share with the script that records them."""

from pathlib import Path

import numpy as np

VOCAB = Path(__file__).parent / "parity" / "tokenizers" / "vocab"
TOKENIZERS = {  # class: its files
    "LayoutLMv2Tokenizer": {"vocab_file": "vocab.txt"},
    "LayoutLMv3Tokenizer": {"vocab_file": "vocab.json", "merges_file": "merges.txt"},
    "LayoutXLMTokenizer": {"vocab_file": "unigram.model"},
}
WORDS = ["Invoice", "no.", "2024-117", "Zwölf", "déjà", "100,000", "x", "of", "the", "unbelievable", "total:", "€", "☃"]
BOXES = [[40 * i, 3 * i, 40 * i + 30, 3 * i + 20] for i in range(len(WORDS))]
LABELS = list(range(10, 10 + len(WORDS)))
FEW, QUESTION = 4, "What is the total?"
ONE = {"text": WORDS, "boxes": BOXES}
TWO = {"text": [WORDS, WORDS[:FEW]], "boxes": [BOXES, BOXES[:FEW]]}
ASKED = {"text": QUESTION, "text_pair": WORDS, "boxes": BOXES}
ASKED_TWICE = {"text": [QUESTION, "no?"], "text_pair": TWO["text"], "boxes": TWO["boxes"]}
WINDOWS = {"max_length": 36, "stride": 5, "return_overflowing_tokens": True}
CALLS = [
    *((given, {}) for given in (ONE, TWO, ASKED, ASKED_TWICE)),
    (ONE, {"word_labels": LABELS}),
    (TWO, {"word_labels": [LABELS, LABELS[:FEW]], "padding": True}),
    (ONE, {"word_labels": LABELS, "return_offsets_mapping": True, "padding": "max_length", "max_length": 70}),
    (ONE, {"word_labels": LABELS, "truncation": True, "max_length": 12}),
    (ONE, {"truncation": True, **WINDOWS}),
    (ONE, {"truncation": True, "word_labels": LABELS, **WINDOWS}),
    (ASKED, {"truncation": "only_second", **WINDOWS}),
    (ASKED_TWICE, {"truncation": "only_second", "padding": "max_length", **WINDOWS}),
    (ASKED, {"return_token_type_ids": True, "return_special_tokens_mask": True, "return_length": True}),
    (TWO, {"padding": True, "padding_side": "left", "return_attention_mask": False}),
    (ONE, {"add_special_tokens": False}),
]
OWN = [{}, {"only_label_first_subword": False, "sep_token_box": [9, 9, 9, 9], "pad_token_label": -1}]  # constructors

SIZE = {"height": 12, "width": 16}
PICTURES = [  # (height, width), fields of LayoutLMv3ImageProcessor
    ((40, 30), {}),
    ((7, 9), {}),
    ((16, 12), {"resample": 3}),
    ((33, 50), {"resample": 0}),
    ((25, 25), {"resample": 1, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}),
    ((12, 16), {"do_resize": False}),
    ((12, 30), {"do_normalize": False}),
    ((12, 30), {"do_rescale": False}),
    ((20, 20), {"do_rescale": False, "do_normalize": False}),
    ((20, 20), {"rescale_factor": 1 / 127.5, "image_mean": [1.0, 1.0, 1.0], "image_std": [1.0, 1.0, 1.0]}),
]


def pixels(height: int, width: int) -> np.ndarray:
    """A picture with edges, slopes and noise: (H,W,3) bytes."""
    y, x, c = np.mgrid[:height, :width, :3]
    return ((x * 7 + y * 13 * (c + 1) + (x * y * 31 + c * 17) % 97 + 120 * (x > width // 2)) % 256).astype(np.uint8)
