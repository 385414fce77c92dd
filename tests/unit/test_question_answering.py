import copy
import warnings
from types import SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qkv import pipeline
from qkv.pipelines.pt_utils import KeyDataset
from qkv.pipelines.windows import windows
from tiny_questions import make_questions

ASK, TEXT = "was it good?", "i love this product. The film was terrible."
KINDS = ("wordpiece", "bytes", "pieces")


@pytest.fixture(scope="module")
def pipes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("questions")
    return {
        kind: pipeline("question-answering", model=str(make_questions(folder / kind, kind, "ForQuestionAnswering")))
        for kind in KINDS
    }


@pytest.fixture(scope="module")
def qa(pipes):
    return pipes["wordpiece"]


def same(found, expected):
    """The same answers, with scores that differ by rounding: they were computed beside others."""
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return abs(found["score"] - expected["score"]) < 1e-5 and found | {"score": 0} == expected | {"score": 0}


def finding(qa, token, score=12.0):
    """A copy whose model answers with one token wherever it is, and has no opinion elsewhere."""
    found = copy.copy(qa)
    index = qa.tokenizer.convert_tokens_to_ids(token)
    found.compute = lambda inputs, rows, options: dict.fromkeys(qa.needs, (inputs["input_ids"] == index) * score)
    return found


def test_forms_of_a_call(qa):
    """Keywords, two strings, a dictionary, an object, and lists, generators and datasets of them."""
    one = qa(question=ASK, context=TEXT)
    assert list(one) == ["score", "start", "end", "answer"] and one["answer"] == TEXT[one["start"] : one["end"]]
    example = SimpleNamespace(question_text=ASK, context_text=TEXT)
    row = {"question": ASK, "context": TEXT, "id": "5733", "answers": {"text": ["love"]}}  # as data sets have them
    for given_ in (row, [row], example, [example]):
        assert qa(given_) == one
    assert qa(ASK, TEXT) == qa(question=[ASK], context=TEXT) == qa(question=ASK, context=[TEXT]) == one
    assert qa(data=row) == qa(X=[row]) == one
    two = [one, qa(question="no?", context=TEXT)]
    for context in (TEXT, (TEXT, TEXT)):
        assert same(qa(question=[ASK, "no?"], context=context), two)
    assert same(qa(question=ASK, context=[TEXT, "film"]), [one, qa(ASK, "film")])
    rows = [row, {"question": "no?", "context": TEXT}]
    assert same(qa(rows), two) and same(qa(*rows), two) and same(qa([example, rows[1]]), two)
    taken = []
    lazy = qa(taken.append(1) or each for each in rows)
    assert taken == [] and next(lazy) == one and len(taken) == 1 and list(lazy) == two[1:]
    assert same(list(qa(KeyDataset([{"qa": each} for each in rows], "qa"))), two)
    assert qa([]) == []


def test_how_many_answers(qa):
    assert isinstance(qa(question=ASK, context=TEXT, top_k=1), dict)
    three = qa(question=ASK, context=TEXT, top_k=3)
    assert qa(question=ASK, context=TEXT, topk=3) == three and len(three) == 3
    assert [a["score"] for a in three] == sorted((a["score"] for a in three), reverse=True)
    assert len({a["answer"].lower() for a in three}) == 3
    assert qa(question="?", context="film", top_k=5)["answer"] == "film"  # there is no other


def test_an_answer_shows_itself_in_its_context(qa):
    answer = finding(qa, "film")(question=ASK, context="<b> the film")
    assert answer["answer"] == "film"
    assert "&lt;b&gt; the <mark" in answer._repr_html_() and ">film</mark>" in answer._repr_html_()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(KINDS),
    st.text(st.sampled_from("abcsinglovethfm .,'!?é日\n\t 😀ß"), min_size=1, max_size=150),
    st.booleans(),
    st.integers(1, 6),
    st.integers(1, 20),
)
def test_answers_are_slices_of_the_context(pipes, kind, context, words, top_k, longest):
    call = {"align_to_words": words, "top_k": top_k, "max_answer_len": longest, "truncation": True}
    found = pipes[kind](question="is it?", context=context, **call)
    answers = [found] if isinstance(found, dict) else found
    assert 1 <= len(answers) <= top_k
    for answer in answers:
        assert answer["answer"] == context[answer["start"] : answer["end"]]
        assert answer["answer"] or (answer["score"], len(answers)) == (0.0, 1)
        assert not words or answer["answer"] == answer["answer"].strip()


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_at_the_end_of_a_long_context_is_found(pipes, kind):
    context = "the film was not good. " * 40 + "love"
    token = {"wordpiece": "love", "bytes": "v", "pieces": "▁love"}[kind]
    found = finding(pipes[kind], token)(question=ASK, context=context)
    assert (found["answer"], found["start"], found["end"]) == ("love", len(context) - 4, len(context))


def test_a_question_is_no_answer(qa):
    """Whatever a model says of its tokens, or of special ones."""
    found = finding(qa, "love")(question="love love?", context="the film", top_k=4)
    assert {answer["answer"] for answer in found} == {"the", "film", "the film"}
    assert finding(qa, "[SEP]")(question=ASK, context="film")["answer"] == "film"
    assert finding(qa, "[CLS]")(question="[CLS]", context="film")["answer"] == "film"


def test_no_answer(qa):
    sure = finding(qa, "[CLS]")(question=ASK, context=TEXT, handle_impossible_answer=True)
    assert sure["answer"] == "" and sure["start"] == sure["end"] == 0 and sure["score"] > 0.9
    assert finding(qa, "[CLS]")(question=ASK, context=TEXT)["answer"] != ""
    for blank in (" ", "\n\t  "):
        assert qa(question=ASK, context=blank) == {"score": 0.0, "start": 0, "end": 0, "answer": ""}
        assert qa(question=ASK, context=blank, handle_impossible_answer=True)["score"] > 0.9


def test_a_long_question_is_cut_and_told(qa):
    long = "good " * 60 + "?"
    with pytest.warns(
        UserWarning, match=r"1 of 2 questions have more than 18 tokens, and were cut.*truncation=True"
    ) as told:
        cut, other = qa(question=[long, ASK], context=[TEXT * 3, TEXT])
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(qa(question=long, context=TEXT * 3, truncation=True), cut)
        assert same(qa(question="good " * 18, context=TEXT * 3), cut)  # the same question, not too long
        assert same(qa(question=ASK, context=TEXT), other)
        assert qa(question="good ?", context=TEXT, max_question_len=2) == qa(question="good ?", context=TEXT)
    for how in ("error", False):
        with pytest.raises(ValueError, match=r"1 of 1 questions have more than 18 tokens, first 'good .* with 61"):
            qa(question=long, context=TEXT, truncation=how)
    with pytest.warns(UserWarning, match="more than 2 tokens"):
        assert qa(question=ASK, context=TEXT, max_question_len=2) == qa(question="was it", context=TEXT)


@pytest.mark.parametrize("kind", KINDS)
def test_a_megabyte_of_question_or_context(pipes, kind):
    assert pipes[kind](question="x" * 1_000_000, context="film", truncation=True)["answer"] == "film"
    assert pipes[kind](question="film " * 20_000, context="film", truncation=True)["answer"] == "film"


WRONG = [None, 3, 2.5, b"bytes", "only a question", ["a", "b"], {"question": ASK}, {"context": TEXT}, [None], object()]
WRONG += [{"question": ASK, "context": None}, {"question": 3, "context": TEXT}, [{"question": ASK, "context": [TEXT]}]]
WRONG += [[{"question": ASK, "context": TEXT}, None], SimpleNamespace(question_text=ASK, context_text=None)]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_wrong_inputs(qa, wrong):
    with pytest.raises(TypeError, match="question-answering takes .*context") as error:
        qa(wrong)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("inputs", "call", "message"),
    [
        ((), {}, "no question: call qa"),
        ((), {"question": ASK}, "no context: call qa"),
        ((), {"context": TEXT}, "no question: call qa"),
        (({"question": ASK, "context": TEXT},), {"context": TEXT}, "an input and"),
        ((), {"question": [ASK, ASK, ASK], "context": [TEXT, TEXT]}, "3 questions and 2 contexts"),
        ((), {"question": [ASK, ""], "context": TEXT}, "the question is empty"),
        ((), {"question": ASK, "context": ""}, "the context is empty"),
        ((), {"question": ASK, "context": TEXT, "top_k": 0}, "at least 1"),
        ((), {"question": ASK, "context": TEXT, "top_k": "two"}, "top_k='two' must be a whole number"),
        ((), {"question": ASK, "context": TEXT, "max_answer_len": -3}, "at least 1"),
        ((), {"question": ASK, "context": TEXT, "doc_stride": 30, "max_seq_len": 20}, "0 to max_seq_len=20"),
        ((), {"question": ASK, "context": TEXT, "doc_stride": -1}, "0 to max_seq_len"),
        ((), {"question": ASK, "context": TEXT, "max_seq_len": 4}, "pass at least 5"),
    ],
)
def test_wrong_calls(qa, inputs, call, message):
    with pytest.raises(ValueError, match=message) as error:
        qa(*inputs, **call)
    assert len(str(error.value)) < 400


def test_options_of_the_pipeline_and_of_a_call(qa):
    pipe = pipeline("question-answering", model=qa.model, tokenizer=qa.tokenizer, top_k=2, max_answer_len=1)
    assert len(pipe(question=ASK, context=TEXT)) == 2
    assert pipe(question=ASK, context=TEXT, top_k=1, max_answer_len=None) == qa(question=ASK, context=TEXT)
    with pytest.raises(TypeError, match="no option 'top_n'; the nearest are 'top_k'"):
        qa(question=ASK, context=TEXT, top_n=3)


def test_a_tokenizer_that_is_padded_on_the_left(qa):
    """Its models read the context first."""
    tokenizer = copy.copy(qa.tokenizer)
    tokenizer.padding_side = "left"
    pipe = pipeline("question-answering", model=qa.model, tokenizer=tokenizer)
    contexts = [TEXT, "film", TEXT * 4]
    together = finding(pipe, "film")(question=[ASK] * 3, context=contexts)
    assert [answer["answer"] for answer in together] == ["film"] * 3
    assert same(together, [finding(pipe, "film")(question=ASK, context=context) for context in contexts])


@given(st.integers(6, 40), st.integers(0, 60), st.lists(st.integers(0, 12), min_size=1, max_size=4), st.integers(1, 90))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_cover_every_token(qa, limit, stride, questions, count):
    """Beside texts of several lengths that are not split, in at most `limit` tokens, with no gap."""
    asked = ["no " * number for number in questions]
    longest = max(questions) + 3
    context = " ".join("abcdefgh"[i % 8] for i in range(count))
    if longest >= limit:
        with pytest.raises(ValueError, match=f"{limit} tokens leave no room for a text beside {longest} others"):
            windows(qa.tokenizer, asked, [context] * len(asked), limit=limit, stride=stride, cut="only_second")
        return
    found = windows(qa.tokenizer, asked, [context] * len(asked), limit=limit, stride=stride, cut="only_second")
    assert len(found) == len(asked)
    for number, rows in zip(questions, found, strict=True):
        room = limit - number - 3
        shared = stride if stride < room else room // 2
        end = 0
        for row in rows:
            places = [
                start // 2 for (start, _), part in zip(row["offset_mapping"], row["sequence_ids"], strict=True) if part
            ]
            assert len(row["input_ids"]) <= limit and places == list(range(places[0], places[-1] + 1))
            assert places[0] == max(0, end - shared)
            end = places[-1] + 1
        assert end == count


def test_half_precision_and_other_sizes_of_a_batch(qa):
    contexts = [TEXT * (1 + i % 4) for i in range(9)]
    expected = [qa(question=ASK, context=context) for context in contexts]
    for size in (None, 1, 2, 9):
        assert same(qa(question=ASK, context=contexts, batch_size=size), expected)
    narrow = copy.copy(qa)
    narrow.window = lambda options: 2
    assert same(narrow(question=ASK, context=contexts), expected)
    half = pipeline("question-answering", model=copy.deepcopy(qa.model).to(torch.bfloat16), tokenizer=qa.tokenizer)
    assert abs(half(question=ASK, context=TEXT)["score"]) <= 1
