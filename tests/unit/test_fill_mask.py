import copy
import warnings

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qkv import AutoModelForMaskedLM, pipeline
from tiny import GOLDENS
from tiny_questions import make_questions

TEXT = "i love this [MASK]."
TEXTS = [TEXT, "[MASK] film", "the film was [MASK] and not [MASK]", "good [MASK] " * 5, "[MASK]"]


@pytest.fixture(scope="module")
def pipes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masks")
    kinds = ("wordpiece", "bytes")
    return {
        kind: pipeline("fill-mask", model=str(make_questions(folder / kind, kind, "ForMaskedLM"))) for kind in kinds
    }


@pytest.fixture(scope="module")
def fill(pipes):
    return pipes["wordpiece"]


def same(found, expected):
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return abs(found["score"] - expected["score"]) < 1e-5 and found | {"score": 0} == expected | {"score": 0}


def test_shapes(fill):
    one = fill(TEXT)
    assert len(one) == 5 and list(one[0]) == ["score", "token", "token_str", "sequence"]
    assert one[0]["sequence"] == f"i love this {one[0]['token_str']}."
    assert fill([TEXT]) == one  # as it always was
    two = fill("the film was [MASK] and not [MASK]", top_k=2)
    assert [len(words) for words in two] == [2, 2]
    assert two[1][0]["sequence"] == f"[CLS] the film was [MASK] and not {two[1][0]['token_str']} [SEP]"
    expected = [fill(text) for text in TEXTS]
    for size in (None, 1, 2, 5):
        assert same(fill(TEXTS, batch_size=size), expected)
    assert same(list(fill(text for text in TEXTS)), expected)
    assert fill([]) == []
    assert len(fill(TEXT, top_k=10_000)) == 99


def test_only_masks_are_scored(fill):
    """The head gets one state for each mask of a batch, and what is kept of the scores is as long as the answer."""
    sizes, kept = [], []
    pipe = copy.copy(fill)
    pipe.read = lambda output, row, options: kept.append(output) or fill.read(output, row, options)
    handle = fill.model.head.register_forward_hook(lambda head, inputs, scores: sizes.append(tuple(scores.shape)))
    assert same(pipe(TEXTS, top_k=3), [fill(text, top_k=3) for text in TEXTS])
    handle.remove()
    assert sizes[0] == (1, 10, 99)
    assert {x.shape[-1] for output in kept for x in output.values()} == {3}


@pytest.mark.parametrize("folder", sorted(GOLDENS.glob("*/ForMaskedLM")), ids=lambda folder: folder.parent.name)
def test_every_family_scores_only_what_a_mask_picks(folder):
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    torch.manual_seed(0)
    ids, picked = torch.randint(5, 98, (3, 7)), torch.rand(3, 7) < 0.4
    with torch.no_grad():
        every, some = model(ids).logits, model(ids, logits_to_keep=picked).logits
    assert some.shape == (1, int(picked.sum()), every.shape[-1])
    assert (some[0] - every[picked]).abs().max() < 1e-5


def test_scores_are_of_the_whole_model(fill):
    inputs = fill.tokenizer(TEXT, return_tensors="pt")
    with torch.no_grad():
        chance = fill.model(**inputs).logits[0, 4].softmax(-1)
    for word in fill(TEXT, top_k=99):
        assert abs(chance[word["token"]] - word["score"]) < 1e-6


def test_targets(fill):
    found = fill(TEXT, targets=["good", "film", "good", 5], top_k=9)
    assert {word["token_str"] for word in found} == {"good", "film", "a"}
    everything = {word["token"]: word["score"] for word in fill(TEXT, top_k=99)}
    assert all(abs(everything[word["token"]] - word["score"]) < 1e-6 for word in found)
    assert fill(TEXT, targets="good") == fill(TEXT, targets=("good",)) == fill(TEXT, targets=37)
    pipe = pipeline("fill-mask", model=fill.model, tokenizer=fill.tokenizer, targets=["bad"])
    assert [word["token_str"] for word in pipe(TEXT)] == ["bad"]
    with pytest.warns(UserWarning, match=r"2 of 3 targets .*'filmed' \('film'\), 'zorro' .*end this") as told:
        assert len(fill(TEXT, targets=["filmed", "good", "zorro"])) == 3
    assert told[0].filename == __file__
    with pytest.raises(ValueError, match="no word of this model"), pytest.warns(UserWarning, match=r"'' \(left out\)"):
        fill(TEXT, targets=[""])
    with pytest.raises(TypeError, match=r"targets=\[True\] must be a word"):
        fill(TEXT, targets=[True])


def test_a_length_without_room_for_a_mask(fill):
    with pytest.raises(ValueError, match="max_length=2 has no room for a mask beside 2 special tokens"):
        fill(TEXT, max_length=2)


def test_a_target_with_its_space_is_one_token(pipes):
    """ " p" is no key of the vocabulary, but it is one token."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pipes["bytes"]("i love this<mask>.", targets=[" p", "a"])[0]["token_str"] in (" p", "a")


@pytest.mark.parametrize("call", [{}, {"truncation": True}, {"tokenizer_kwargs": {"truncation": True}}])
@pytest.mark.parametrize("text", ["[MASK] " + "good " * 400, "good " * 200 + "[MASK] [MASK]" + " film" * 200,
                                  "no " * 400 + "[MASK]"])  # fmt: skip
def test_a_long_text_is_cut_around_its_masks(fill, call, text):
    if call:
        found = fill(text, **call)
    else:
        with pytest.warns(UserWarning, match=r"1 of 1 texts had more than the 40 tokens .*truncation=True") as told:
            found = fill(text)
        assert told[0].filename == __file__
    assert len(found) == (2 if "[MASK] [MASK]" in text else 5)
    with pytest.raises(ValueError, match="1 of 1 texts have more than the 40 tokens"):
        fill(text, truncation="error")


def test_the_usual_cut_stays_where_it_keeps_the_masks(fill):
    text = "i love [MASK] film " + "good " * 100
    cut = fill("i love [MASK] film " + "good " * 34)
    assert same(fill(text, truncation=True), cut)
    short = fill(text, tokenizer_kwargs={"max_length": 8})
    assert same(short, fill("i love [MASK] film good good"))
    assert same(short, fill(text, truncation=True, max_length=8))


def test_masks_too_far_apart(fill):
    with pytest.raises(ValueError, match="first and its last mask 101 tokens apart, and 40 can be read") as error:
        fill("[MASK] " + "good " * 100 + "[MASK]", truncation=True)
    assert len(str(error.value)) < 400


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 90), st.integers(0, 90), st.integers(0, 30), st.sampled_from(["right", "left"]))
def test_cut_rows_hold_every_mask_and_their_neighbours(fill, before, after, between, side):
    pipe = copy.copy(fill)
    pipe.tokenizer = copy.copy(fill.tokenizer)
    pipe.tokenizer.truncation_side = side
    words = ["a"] * before + ["[MASK]"] + ["b"] * between + ["[MASK]"] + ["c"] * after
    ((row,),) = pipe.preprocess([" ".join(words)], pipe.choose(truncation=True))
    kept = pipe.tokenizer.convert_ids_to_tokens(row["input_ids"])
    assert len(kept) == min(40, len(words) + 2) and kept[0] == "[CLS]" and kept[-1] == "[SEP]"
    assert kept.count("[MASK]") == 2
    assert " ".join(kept[1:-1]) in " ".join(words)
    assert {len(column) for column in row.values()} == {len(kept)}


@pytest.mark.parametrize("wrong", [None, 3, 2.5, b"bytes", [TEXT, None], {"text": TEXT}, object(), [[TEXT]]], ids=repr)
def test_wrong_inputs(fill, wrong):
    with pytest.raises(TypeError, match=r"fill-mask takes a string with \[MASK\]") as error:
        fill(wrong)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("text", ["", "a film", "a <mask> film", "no " * 400])
def test_no_mask(fill, text):
    with pytest.raises(ValueError, match=r"text 1 of 2 has no mask token: .* 'The capital of France is \[MASK\].'"):
        fill([TEXT, text], truncation=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"top_k": 0}, ValueError, "at least 1"),
        ({"top_k": "all"}, ValueError, "whole number"),
        ({"targets": []}, ValueError, "give at least one"),
        ({"targets": 99}, ValueError, "token id 99; this model's are 0 to 98"),
        ({"targets": -1}, ValueError, "token id -1"),
        ({"targets": [None]}, TypeError, "a word or a token id"),
        ({"targets": {"good": 1}}, TypeError, "a word or a token id"),
        ({"tokenizer_kwargs": True}, TypeError, "must be a dict"),
        ({"tokenizer_kwargs": {"trunc": True}}, TypeError, "trunc"),
        ({"topk": 3}, TypeError, "the nearest are 'top_k'"),
    ],
)
def test_wrong_calls(fill, call, error, message):
    with pytest.raises(error, match=message) as raised:
        fill(TEXT, **call)
    assert len(str(raised.value)) < 400


def test_a_tokenizer_without_a_mask(fill):
    tokenizer = copy.deepcopy(fill.tokenizer)
    tokenizer.mask_token = None
    with pytest.raises(ValueError, match="without a mask token"):
        pipeline("fill-mask", model=fill.model, tokenizer=tokenizer)
