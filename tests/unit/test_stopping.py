"""Stopping criteria: when rows end, and bad arguments."""

import math
import sys
import time
from pathlib import Path

import pytest
import torch

from qkv.generation import stopping
from qkv.generation.config import GenerationConfig
from qkv.preprocessing.tokenizers import CLASSES

sys.path.insert(0, str(Path(__file__).parents[1] / "parity" / "tokenizers"))

from tokenizer_cases import CASES  # noqa: E402

IDS = torch.tensor([[5, 6, 7], [1, 3, 2], [9, 8, 3]])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return CLASSES["GPT2Tokenizer"].from_pretrained(CASES["gpt2"].folder(tmp_path_factory.mktemp("gpt2")))


def build(tokenizer=None, extra=(), **options):
    config = GenerationConfig(**options)
    given = dict(max_length=9, prompt_length=2, eos_token_ids=[3, 7], device="cpu", extra=extra, tokenizer=tokenizer)
    return stopping.build_stopping(config, **given)


@pytest.mark.parametrize(
    "criterion,expected",
    [
        (stopping.MaxLengthCriteria(3), [True, True, True]),
        (stopping.MaxLengthCriteria(4), [False, False, False]),
        (stopping.EosTokenCriteria(3), [False, False, True]),
        (stopping.EosTokenCriteria([3, 7]), [True, False, True]),
        (stopping.EosTokenCriteria(torch.tensor([2])), [False, True, False]),
        (stopping.MaxTimeCriteria(9.0, time.time() - 10), [True, True, True]),
        (stopping.MaxTimeCriteria(1e6), [False, False, False]),
    ],
)
def test_rows_end(criterion, expected):
    found = criterion(IDS, None)
    assert found.dtype == torch.bool and found.tolist() == expected
    torch.set_default_device("meta")
    try:
        assert criterion(IDS, None).tolist() == expected
    finally:
        torch.set_default_device(None)


def test_several_new_tokens_may_hold_the_end():
    assert stopping.EosTokenCriteria(3)(IDS, None, new_token_length=2).tolist() == [False, True, True]


def test_confidence_is_that_of_the_last_token():
    scores = torch.tensor([[0.0, 9.0], [9.0, 0.0], [0.0, 0.0]])
    ids = torch.tensor([[0, 1], [0, 1], [0, 1]])
    criterion = stopping.ConfidenceCriteria(0.4)
    assert criterion(ids, (scores.flip(1), scores)).tolist() == [False, True, False]
    with pytest.raises(ValueError, match="output_scores=True"):
        criterion(ids, None)


def test_a_list_ends_a_row_when_one_of_them_does():
    criteria = stopping.StoppingCriteriaList([stopping.EosTokenCriteria(3), lambda ids, scores: ids[:, 0] == 5])
    assert criteria(IDS, None).tolist() == [True, False, True]
    assert stopping.StoppingCriteriaList()(IDS, None).tolist() == [False, False, False]
    assert criteria.max_length is None
    criteria.append(stopping.MaxLengthCriteria(12))
    assert criteria.max_length == 12


def ends(criterion, tokenizer, text):
    """After which tokens of a text it stops."""
    ids = tokenizer(text)["input_ids"]
    stopped = [n for n in range(1, len(ids) + 1) if criterion(torch.tensor([ids[:n]]), None)]
    return [tokenizer.decode(ids[:n]) for n in stopped]


def test_a_stop_string_may_lie_across_tokens(tokenizer):
    criterion = stopping.StopStringCriteria(tokenizer, ["rld!", "日"])
    found = ends(criterion, tokenizer, "Hello world! Not: world. 日本")
    assert len(found) == 2
    assert "rld!" in found[0] and not found[0].endswith("N") and "日" in found[1]


def test_a_stop_string_before_the_last_token_does_not_stop_again(tokenizer):
    criterion = stopping.StopStringCriteria(tokenizer, "stop")
    together = torch.tensor([tokenizer("they stop now")["input_ids"]])
    assert not criterion(together, None)
    assert len(ends(criterion, tokenizer, "they stop now")) == 1


def test_ids_without_a_token_stop_nothing(tokenizer):
    criterion = stopping.StopStringCriteria(tokenizer, "a")
    assert criterion(torch.tensor([[len(tokenizer) + 5], [tokenizer("a")["input_ids"][0]]]), None).tolist() == [
        False,
        True,
    ]
    assert criterion(torch.zeros(2, 0, dtype=torch.long), None).tolist() == [False, False]


@pytest.mark.parametrize("strings", ["", [], ["a", ""], [1], 5, None, [["a"]]])
def test_stop_strings_are_strings(tokenizer, strings):
    with pytest.raises(ValueError, match="stop_strings=.* must be a non-empty string or a list"):
        stopping.StopStringCriteria(tokenizer, strings)


def test_a_stop_string_that_cannot_be_written_is_refused(tmp_path):
    case = CASES["bert"]
    bert = CLASSES[case.cls].from_pretrained(case.folder(tmp_path))
    with pytest.raises(ValueError, match="text that the tokenizer can write"):
        stopping.StopStringCriteria(bert, "\u2603")


@pytest.mark.parametrize(
    "make,message",
    [
        (lambda: stopping.MaxLengthCriteria(0), "max_length=0 must be an integer of at least 1"),
        (lambda: stopping.MaxLengthCriteria(None), "max_length=None"),
        (lambda: stopping.MaxTimeCriteria(-1), "max_time=-1 must be seconds"),
        (lambda: stopping.MaxTimeCriteria(math.nan), "max_time=nan"),
        (lambda: stopping.EosTokenCriteria("</s>"), "eos_token_id='</s>'"),
        (lambda: stopping.EosTokenCriteria(torch.tensor([1.0])), "eos_token_id"),
        (lambda: stopping.ConfidenceCriteria(1.5), r"assistant_confidence_threshold=1\.5"),
        (lambda: build(stop_strings="a"), r"generate\(\.\.\., tokenizer=tokenizer\)"),
    ],
)
def test_a_wrong_value_says_what_would_be_right(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_prompt_must_leave_room():
    with pytest.raises(ValueError, match="9 tokens and max_length=9.*max_new_tokens"):
        stopping.build_stopping(GenerationConfig(), max_length=9, prompt_length=9, eos_token_ids=[], device="cpu")


def test_criteria_come_in_order_and_the_caller_s_replace_theirs(tokenizer):
    mine = stopping.MaxTimeCriteria(1.0)
    found = build(
        tokenizer, [mine], max_time=5.0, stop_strings="a", is_assistant=True, assistant_confidence_threshold=0.3
    )
    assert [type(one).__name__ for one in found] == [
        "MaxLengthCriteria", "MaxTimeCriteria", "StopStringCriteria", "EosTokenCriteria", "ConfidenceCriteria",
    ]  # fmt: skip
    assert found[1] is mine and found.max_length == 9
    assert [type(one).__name__ for one in build()] == ["MaxLengthCriteria", "EosTokenCriteria"]


def test_the_base_class_asks_for_a_call():
    with pytest.raises(NotImplementedError, match="StoppingCriteria needs a __call__"):
        stopping.StoppingCriteria()(IDS, None)
