"""What TAPAS's tokenizer and pipeline give, against the reference's (tools/golden_tables.py recorded it)."""

import json
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "tables"
sys.path.insert(0, str(DATA))

from table_cases import BLOCK, KINDS, cases, digest, folder, result  # noqa: E402

from qkv import AutoTokenizer  # noqa: E402
from qkv.preprocessing.tokenizers import TapasTokenizer  # noqa: E402

GOLDEN = json.loads((DATA / "tokenizer.json").read_text())


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def tokenizer(kind, tmp_path_factory):
    return AutoTokenizer.from_pretrained(folder(tmp_path_factory.mktemp("tapas"), kind))


def digests(tokenizer, kind):
    found = [result(tokenizer, *case) for case in cases(kind)]
    return [digest(found[start : start + BLOCK]) for start in range(0, len(found), BLOCK)]


def test_ids_types_and_labels_are_those_of_the_reference(tokenizer, kind):
    assert type(tokenizer) is TapasTokenizer
    assert digests(tokenizer, kind) == GOLDEN[kind]


def test_saved_and_loaded_it_is_the_same(tokenizer, kind, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    some = cases(kind)[::10]
    assert [result(again, *case) for case in some] == [result(tokenizer, *case) for case in some]
