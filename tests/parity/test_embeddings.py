"""Vectors of texts are those of the reference library and of sentence-transformers (tools/golden_embed.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from qkv import pipeline
from tiny_sentence import make_cross_encoder, make_sentence
from tiny_text import make_text

HERE = Path(__file__).parent / "pipelines"
FEATURES = json.loads((HERE / "feature_extraction.json").read_text())
RECORDED = json.loads((HERE / "sentence_transformers.json").read_text())
TEXT = "I love this product!"
LIST = [TEXT, "the film was terrible and not very good", "", "no", "zzz, qqq; yes yes"]
LONG = "good " * 100
DOCUMENTS = ["the film was great and good", "no", "", "bad product, bad film, " * 20, "not at all"]


def close(ours, theirs):
    """The same nested lists, numbers within 1e-5."""
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(close, ours, theirs))
    return abs(ours - theirs) <= 1e-5


@pytest.mark.parametrize("case", range(len(FEATURES)))
def test_feature_extraction(case, tmp_path):
    name, given, call, expected = FEATURES[case]
    model = make_text(tmp_path, "gpt2/Model") if name == "gpt2" else make_sentence(tmp_path, body=name)
    found = pipeline("feature-extraction", model=str(model))(given, **call)
    assert close(found, expected), FEATURES[case][:3]


@pytest.mark.parametrize("case", range(len(RECORDED["folders"])))
def test_folders_of_sentence_transformers(case, tmp_path):
    steps, how, call, expected = RECORDED["folders"][case]
    folder = make_sentence(tmp_path, *map(tuple, steps), **how)
    options = {"normalize" if name == "normalize_embeddings" else name: value for name, value in call.items()}
    pipe = pipeline("feature-extraction", model=str(folder), pooling="auto", truncation=True)
    found = pipe([*LIST, LONG], return_tensors="np", **options)
    if call.get("normalize_embeddings"):
        assert np.allclose(np.linalg.norm(found, axis=1), 1)
    assert close(found.tolist(), expected), RECORDED["folders"][case][:3]
    pipe.save_pretrained(tmp_path / "saved")
    again = pipeline("feature-extraction", model=str(tmp_path / "saved"), pooling="auto", truncation=True)
    assert (again([*LIST, LONG], return_tensors="np", **options) == found).all()


@pytest.mark.parametrize("name, expected", RECORDED["similar"])
def test_similarities(name, expected, tmp_path):
    folder = make_sentence(tmp_path, settings={"similarity_fn_name": name})
    assert close(pipeline("sentence-similarity", model=str(folder))(TEXT, LIST), expected)


@pytest.mark.parametrize("case", range(len(RECORDED["ranked"])))
def test_ranking(case, tmp_path):
    fields, expected = RECORDED["ranked"][case]
    pipe = pipeline("text-ranking", model=str(make_cross_encoder(tmp_path, **fields)), truncation=True)
    found = pipe(query=TEXT, documents=DOCUMENTS)
    assert [entry["index"] for entry in found] == [index for index, _ in expected]
    assert close([entry["score"] for entry in found], [score for _, score in expected])
    assert all(entry["text"] == DOCUMENTS[entry["index"]] for entry in found)
