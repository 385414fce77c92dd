"""A real ALBERT and real BERTs that were trained on chemical reactions: what they fill in and tell is the reference's.

The ALBERT is among the packages of `make real`; the BERTs are of `make real-all`.
"""

import json
import os
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent / "real"
sys.path.insert(0, str(HERE))

from reaction_cases import ALBERT, BERT, CLASSIFIER, NAMES, PAIRS, REACTIONS, masked, rust_tokenizer  # noqa: E402

from qkv import (  # noqa: E402
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertForPreTraining,
    PreTrainedTokenizerFast,
)

pytestmark = pytest.mark.real
EXPECTED = json.loads((HERE / "reactions.json").read_text())  # by tools/golden_reactions.py


@pytest.fixture(scope="module")
def folder():
    if "QKV_REAL_MODELS" not in os.environ:
        pytest.skip("QKV_REAL_MODELS names no folder of real models; `make real` makes one")
    return Path(os.environ["QKV_REAL_MODELS"])


@pytest.fixture(scope="module")
def large(folder):
    if not (folder / BERT).is_dir():
        pytest.skip("rxnfp is not in QKV_REAL_MODELS; `make real-all` fetches it")
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder):
    return PreTrainedTokenizerFast(tokenizer_object=rust_tokenizer(folder / ALBERT / "vocab.txt"), **NAMES)


@torch.inference_mode()
def fill(model, tokenizer, number):
    """The result for a text with each of its tokens but the ends hidden in turn, the scores of what these could be
    (T-2,V), and how many are right."""
    ids = tokenizer(REACTIONS[number], return_tensors="pt")["input_ids"][0]
    assert ids.tolist() == EXPECTED["ids"][number]
    out = model(masked(ids, tokenizer.mask_token_id))
    logits = out[0].diagonal(1).T
    return out, logits, int((logits.argmax(1) == ids[1:-1]).sum())


@pytest.mark.parametrize(("number", "right"), [(0, 53), (1, 80)])  # of 54, and of 80
def test_albert_fills_what_is_hidden(folder, tokenizer, number, right):
    expected = EXPECTED["AlbertForMaskedLM"][number]
    model = AutoModelForMaskedLM.from_pretrained(folder / ALBERT)
    _, logits, found = fill(model, tokenizer, number)
    assert logits.argmax(1).tolist() == expected["filled"] and found == right
    assert (logits.max(1).values - torch.tensor(expected["scores"])).abs().max() <= 5e-5
    few = AutoModelForMaskedLM.from_pretrained(folder / ALBERT, quantize="int8")
    assert fill(few, tokenizer, number)[2] >= right - 2


@pytest.mark.parametrize(("number", "right"), [(0, 44), (1, 79)])
def test_bert_for_pretraining(large, tokenizer, number, right):
    expected = EXPECTED["BertForPreTraining"][number]
    model = BertForPreTraining.from_pretrained(large / BERT)  # whose config.json names no model_type
    out, logits, found = fill(model, tokenizer, number)
    assert logits.argmax(1).tolist() == expected["filled"] and found == right
    assert (logits.max(1).values - torch.tensor(expected["scores"])).abs().max() <= 5e-5
    assert (out.seq_relationship_logits - torch.tensor(expected["order"])).abs().max() <= 5e-5


@pytest.mark.parametrize("kind", PAIRS)
@torch.inference_mode()
def test_classes_of_reactions(large, tokenizer, kind):
    model = AutoModelForSequenceClassification.from_pretrained(large / CLASSIFIER)
    assert model.config.num_labels == 50
    label, *texts = PAIRS[kind]
    logits = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
    assert logits.argmax(1).tolist() == [label, label] and logits.softmax(1).max(1).values.min() > 0.9999
    assert (logits.max(1).values - torch.tensor(EXPECTED["pairs"][kind])).abs().max() <= 5e-5
