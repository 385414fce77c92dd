"""What TAPAS's tokenizer and pipeline give, against the reference's (tools/golden_tables.py recorded it)."""

import json
import sys
from pathlib import Path

import pytest
import torch

DATA = Path(__file__).parent / "tables"
sys.path.insert(0, str(DATA))

from table_cases import BLOCK, KINDS, cases, digest, folder, result  # noqa: E402
from table_losses import LOSSES, batch  # noqa: E402

from qkv import AutoTokenizer, TapasForQuestionAnswering, pipeline  # noqa: E402
from qkv.preprocessing.tokenizers import TapasTokenizer  # noqa: E402
from tiny_tables import make_tables  # noqa: E402

GOLDEN, ANSWERED, LOST = (
    json.loads((DATA / f"{name}.json").read_text()) for name in ("tokenizer", "pipeline", "losses")
)


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


@pytest.mark.parametrize("case", range(len(ANSWERED)))
def test_answers_are_those_of_the_reference(case, tmp_path):
    config, given, call, expected = ANSWERED[case]
    pipe = pipeline("table-question-answering", model=str(make_tables(tmp_path, **config)))
    found = pipe(given, **call)
    assert json.loads(json.dumps(found)) == expected


@pytest.mark.parametrize("case", range(len(LOST)))
def test_losses_are_those_of_the_reference(case, tmp_path):
    config, loss, logits, gradient = LOST[case]
    assert config == LOSSES[case]
    model = TapasForQuestionAnswering.from_pretrained(make_tables(tmp_path, **config))
    out = model(**batch())
    assert abs(float(out.loss.detach()) - loss) <= 2e-5 * max(1, loss / 10)
    kept = out.logits.double().masked_fill(out.logits < -1000, 0)
    assert abs(float(kept.sum().detach()) - logits) <= 1e-4
    out.loss.backward()
    found = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    assert abs(float(found) - gradient) <= 1e-4 * max(1, gradient)
