"""Pipelines return what the reference library's did (tools/golden_pipelines.py recorded it)."""

import json
from pathlib import Path

import pytest

from qkv import pipeline
from tiny import configure

RECORDED = json.loads((Path(__file__).parent / "pipelines" / "text_classification.json").read_text())


def close(ours, theirs):
    """The same lists, dictionaries and labels; numbers within 1e-5."""
    if isinstance(theirs, float):
        return isinstance(ours, float) and abs(ours - theirs) <= 1e-5
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(close, ours, theirs))
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(close(ours[key], theirs[key]) for key in theirs)
    return ours == theirs


@pytest.mark.parametrize("case", range(len(RECORDED)))
def test_text_classification(case, tiny):
    config, options, given, call, expected = RECORDED[case]
    pipe = pipeline("text-classification", model=str(configure(tiny, **config)), **options)
    found = pipe(given, **call)
    assert close(found, expected), (RECORDED[case][:4], found, expected)
