"""token-classification gives what the reference's pipeline gave (tools/golden_ner.py recorded it with 4.57.6).

What is put right before comparing, in all cases alike: an entity's word is the source text, where the reference decodes
tokens ("it ' s"), and characters are without the spaces around them. tests/unit/test_ner.py shows where else we differ.
"""

import json
from pathlib import Path

import pytest

from qkv import pipeline
from qkv.pipelines.tagging import trim
from tiny_ner import make_ner

RECORDED = json.loads((Path(__file__).parent / "pipelines" / "token_classification.json").read_text("utf8"))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {}

    def model(kind, labels):
        key = (kind, *labels)
        if key not in made:
            made[key] = make_ner(tmp_path_factory.mktemp("ner") / "model", kind, labels)
        return str(made[key])

    return model


def corrected(theirs, text):
    found = []
    for entity in theirs:
        start, end = trim(text, entity["start"], entity["end"])
        word = text[start:end] if "entity_group" in entity else entity["word"]
        found.append(entity | {"word": word, "start": start, "end": end})
    return found


def same(ours, theirs):
    """Scores within 1e-5, all else equal, keys in the same order."""
    assert [list(entity) for entity in ours] == [list(entity) for entity in theirs], (ours, theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert type(a["score"]) is float and abs(a["score"] - b["score"]) <= 1e-5, (a, b)
        assert a | {"score": 0} == b | {"score": 0}, (a, b)


@pytest.mark.parametrize("case", range(len(RECORDED)))
def test_token_classification(case, models):
    kind, labels, options, given, call, theirs = RECORDED[case]
    ours = pipeline("ner", model=models(kind, labels), **options)(given, **call)
    if isinstance(given, str):
        return same(ours, corrected(theirs, given))
    if call.get("is_split_into_words"):
        texts = given if isinstance(given[0], list) else [given]
        given = [call.get("delimiter", " ").join(words) for words in texts]
    assert len(ours) == len(theirs) == len(given)
    for text, found, expected in zip(given, ours, theirs, strict=True):
        same(found, corrected(expected, text))
    return None


def test_the_goldens_have_something_to_compare():
    entities = [entity for case in RECORDED for result in case[5] if isinstance(result, list) for entity in result]
    assert len(entities) > 1000
    assert {entity.get("entity_group") for entity in entities} >= {"PER", "LOC", "A-B", "C", None}
