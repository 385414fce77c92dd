"""Ids, offsets, word ids and everything a call returns are those of transformers 4.57.6, on 20,000 strings.

The goldens are digests that tools/golden_tokenizers.py records; a failure names blocks of 250 strings, and the tool's
`narrow` prints the reference's results for one. Cases with real vocabularies are skipped, visibly, without them.
"""

import json
import os
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "tokenizers"
sys.path.insert(0, str(DATA))

import tokenizer_digests as digests  # noqa: E402
from tokenizer_cases import CASES  # noqa: E402
from tokenizer_strings import COUNT, strings  # noqa: E402

from qkv.preprocessing.tokenizers import CLASSES, load_tokenizer  # noqa: E402

NAMES = [
    pytest.param(name, name, marks=pytest.mark.real if case.real else (), id=name)
    for name, case in CASES.items()
    if not case.slow
]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return strings()


@pytest.fixture
def golden(request):
    return json.loads((DATA / "golden" / f"{request.param}.json").read_text())


def load(name: str, parent: Path):
    case = CASES[name]
    try:
        folder = case.folder(parent)
    except FileNotFoundError as reason:
        if "QKV_REAL_MODELS" in os.environ:  # then they are meant to be there
            raise
        pytest.skip(str(reason))
    return CLASSES[case.cls].from_pretrained(folder)


def differing(found: list, recorded: list) -> list[int]:
    return [place for place, pair in enumerate(zip(found, recorded, strict=True)) if pair[0] != pair[1]]


def test_the_strings_are_the_recorded_ones(texts):
    assert len(texts) == COUNT == 20_000
    assert digests.of_texts(texts) == "f4e08e0291b1"


@pytest.mark.parametrize("name, golden", NAMES, indirect=["golden"])
def test_a_tokenizer_is_the_reference(name, golden, texts, tmp_path):
    tokenizer = load(name, tmp_path)
    found = digests.of_strings(tokenizer, texts[:: CASES[name].step])
    assert differing(found, golden["strings"]) == []
    facts = json.loads(json.dumps(digests.of_facts(tokenizer)))
    assert facts == golden["facts"]
    assert differing(digests.of_calls(tokenizer), golden["calls"]) == []


@pytest.mark.parametrize("name, golden", [(n, n) for n, case in CASES.items() if case.slow], indirect=["golden"])
def test_the_ids_of_what_the_reference_has_in_python(name, golden, texts, tmp_path):
    tokenizer = load(name, tmp_path)
    assert differing(digests.of_ids(tokenizer, texts[:: CASES[name].step]), golden["ids"]) == []
    assert digests.of_padded(tokenizer) == golden["padded"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.real])
def test_saved_and_loaded_it_is_still_the_reference(name, texts, tmp_path):
    from qkv.hub import open_repo

    tokenizer = load(name, tmp_path)
    tokenizer.save_pretrained(tmp_path / "saved")
    again = load_tokenizer(open_repo(tmp_path / "saved"))
    assert type(again) is type(tokenizer)
    some = texts[::50]
    assert digests.of_strings(again, some) == digests.of_strings(tokenizer, some)
    kept, before = digests.of_facts(again), digests.of_facts(tokenizer)
    assert kept == before
