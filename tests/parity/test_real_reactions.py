"""A real ALBERT, trained on chemical reactions (`make real`): it fills in what is hidden, as in the reference."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent / "real"
sys.path.insert(0, str(HERE))

from reaction_cases import ALBERT, NAMES, REACTIONS, masked, rust_tokenizer  # noqa: E402

from qkv import AutoModelForMaskedLM, PreTrainedTokenizerFast  # noqa: E402

pytestmark = pytest.mark.real
EXPECTED = json.loads((HERE / "reactions.json").read_text())  # by tools/golden_reactions.py


@pytest.fixture(scope="module")
def folder():
    if "QKV_REAL_MODELS" not in os.environ:
        pytest.skip("QKV_REAL_MODELS names no folder of real models; `make real` makes one")
    return Path(os.environ["QKV_REAL_MODELS"]) / ALBERT


@torch.inference_mode()
def fill(folder, text, **options):
    """The ids of a text (T,), and the scores of what each but the ends could be, if it alone were hidden (T-2,V)."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=rust_tokenizer(folder / "vocab.txt"), **NAMES)
    model = AutoModelForMaskedLM.from_pretrained(folder, **options)
    ids = tokenizer(text, return_tensors="pt")["input_ids"][0]
    return ids, model(masked(ids, tokenizer.mask_token_id)).logits.diagonal(1).T


@pytest.mark.parametrize("number", range(len(REACTIONS)))
def test_each_token_is_hidden_in_turn(folder, number):
    ids, logits = fill(folder, REACTIONS[number])
    expected = EXPECTED[number]
    assert ids.tolist() == expected["ids"]
    assert logits.argmax(1).tolist() == expected["filled"]
    assert (logits.max(1).values - torch.tensor(expected["scores"])).abs().max() <= 5e-5
    assert (logits.argmax(1) == ids[1:-1]).sum() == expected["right"] == (53, 80)[number]  # of 54, and of 80


def test_the_same_in_eight_bits(folder):
    for text, right in zip(REACTIONS, (53, 80), strict=True):
        ids, logits = fill(folder, text, quantize="int8")
        assert (logits.argmax(1) == ids[1:-1]).sum() >= right - 2
