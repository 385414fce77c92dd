"""document-question-answering returns what the reference library's did (tools/golden_documents.py recorded it)."""

import json
from pathlib import Path

import pytest

from qkv import pipeline
from tiny_pages import KINDS, make_pages

RECORDED = json.loads((Path(__file__).parent / "pipelines" / "documents.json").read_text())


@pytest.fixture(scope="module")
def pipes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return {kind: pipeline("document-question-answering", model=str(make_pages(folder / kind, kind))) for kind in KINDS}


@pytest.mark.parametrize("case", range(len(RECORDED["calls"])))
def test_answers(case, pipes):
    kind, given, call, expected = RECORDED["calls"][case]
    inputs = RECORDED["inputs"]
    found = pipes[kind]([inputs[name] for name in given] if isinstance(given, list) else inputs[given], **call)
    for ours, theirs in zip(*((found, expected) if isinstance(given, list) else ([found], [expected])), strict=True):
        assert [answer["score"] for answer in ours] == pytest.approx([one["score"] for one in theirs], abs=1e-5)
        # spans of equal words have equal scores, and come in any order
        assert sorted(map(_span, ours)) == sorted(map(_span, theirs))


def _span(answer):
    return answer["start"], answer["end"], answer["answer"]
