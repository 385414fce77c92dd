"""Real token classifiers (tests/real_taggers.py): personal data and corrections are found, wherever they are in a text,
and tokens are labelled as by ONNX Runtime, which tools/golden_taggers.py recorded."""

import json
import os
from pathlib import Path

import pytest
import torch

from qkv import AutoModelForTokenClassification, AutoTokenizer, pipeline
from real_taggers import quire, rampart

pytestmark = pytest.mark.real
RECORDED = json.loads((Path(__file__).parent / "real" / "taggers.json").read_text())
MAKERS = {"rampart": rampart, "quire": quire}
FILLER = "The committee met again in the afternoon and went through the agenda without much being decided. "


@pytest.fixture(scope="module")
def folders():
    if "QKV_REAL_MODELS" not in os.environ:
        pytest.skip("QKV_REAL_MODELS names no folder of real models; `make real` makes one")
    return {name: str(make(Path(os.environ["QKV_REAL_MODELS"]))) for name, make in MAKERS.items()}


@torch.inference_mode()
@pytest.mark.parametrize("name", MAKERS)
def test_every_token_is_labelled_as_by_onnx_runtime(name, folders):
    model = AutoModelForTokenClassification.from_pretrained(folders[name])
    tokenizer = AutoTokenizer.from_pretrained(folders[name])
    for text, labels, *scores in RECORDED[name]:
        logits = model(**tokenizer(text, return_tensors="pt")).logits[0]
        assert logits.argmax(-1).tolist()[1:-1] == labels[1:-1], text
        if scores:  # the other file rounds what goes into its products to 8 bits
            assert (logits.amax(-1) - torch.tensor(scores[0])).abs().max() <= 1e-4


@pytest.fixture(scope="module")
def personal(folders):
    return pipeline("ner", model=folders["rampart"], aggregation_strategy="first")


def said(found):
    return [(entity["entity_group"], entity["word"]) for entity in found]


def test_personal_data(personal):
    text, _, _ = RECORDED["rampart"][0]
    found = said(personal(text))
    assert found[:7] == [
        ("GIVEN_NAME", "Maria"), ("SURNAME", "Gonzalez"), ("BUILDING_NUMBER", "742"),
        ("STREET_NAME", "Evergreen Terrace"), ("CITY", "Springfield"), ("STATE", "IL"), ("ZIP_CODE", "62704"),
    ]  # fmt: skip
    assert found[7] == ("PHONE", "(415) 555-2671")
    assert {label for label, _ in found[8:]} == {"EMAIL"} and "".join(
        w for _, w in found[8:]
    ) == "maria.gonzalez@example.com"
    text, _, _ = RECORDED["rampart"][1]
    assert said(personal(text)) == [
        ("GIVEN_NAME", "Jonathan"), ("SURNAME", "Whitfield"), ("PHONE", "020 7946 0958"), ("BUILDING_NUMBER", "221B"),
        ("STREET_NAME", "Baker Street"), ("CITY", "London"),
    ]  # fmt: skip
    assert personal(RECORDED["rampart"][2][0]) == []


def test_personal_data_after_what_the_model_reads_at_once(personal):
    """Its tokenizer knows no limit; the 512 positions are one. The reference fails on such a text."""
    (hidden, _, _), (last, _, _) = RECORDED["rampart"][:2]
    text = FILLER * 31 + hidden + " " + FILLER * 120 + last
    before = len(personal.tokenizer(FILLER * 31, verbose=False)["input_ids"])
    assert personal.limit == 512 < before < 600
    assert len(personal.tokenizer(text, verbose=False)["input_ids"]) > 5 * 512
    found = personal(text)
    assert said(found)[:8] == said(personal(hidden))[:8]
    assert said(found)[-6:] == said(personal(last))
    assert all(text[entity["start"] : entity["end"]] == entity["word"] for entity in found)


@pytest.mark.parametrize(
    "text, word, tag",
    [
        ("They has a big house.", "has", "$REPLACE_have"),
        ("He has went home.", "went", "$REPLACE_gone"),
        ("The children lost there books.", "there", "$REPLACE_their"),
        ("Its a lovely day.", "Its", "$REPLACE_It's"),
        ("She is taller then him.", "then", "$REPLACE_than"),
    ],
)
def test_corrections(text, word, tag, folders):
    tagger = pipeline(
        "token-classification", model=folders["quire"], aggregation_strategy="first", ignore_labels=["$KEEP"]
    )
    assert said(tagger(text)) == [(tag, word)]
    assert [entity["entity"] for entity in tagger(text, aggregation_strategy="none")] == [tag]
