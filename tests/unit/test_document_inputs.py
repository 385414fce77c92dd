"""document-question-answering: what it takes in which forms, long pages, pictures, and everything that is no page."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qkv import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    DocumentQuestionAnsweringPipeline,
    LayoutLMv3ImageProcessor,
    pipeline,
)
from qkv.pipelines.document_question_answering import Answers
from tiny import make
from tiny_pages import KINDS, make_pages

TASK = "document-question-answering"
TEXT = "the film was good , not great . I love it ! it is 1 2 3"
WORDS = TEXT.split()
PAGE = [(word, (40 * i, 30, 40 * i + 30, 60)) for i, word in enumerate(WORDS)]
QUESTION = "is it good ?"
PICTURE = np.full((20, 30, 3), 200, np.uint8)


@pytest.fixture(scope="module")
def pipes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    pipes = {}
    for kind in KINDS:
        make_pages(folder / kind, kind)
        if kind == "layoutlmv3":
            LayoutLMv3ImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder / kind)
        pipes[kind] = pipeline(TASK, model=str(folder / kind))
    return pipes


@pytest.fixture
def ask(pipes):
    return pipes["layoutlm"]


def rounded(answers):
    """A batch of two is computed otherwise than one row, and its last digits are others."""
    return [answer | {"score": round(answer["score"], 6)} for answer in answers]


def test_forms(ask):
    expected = ask(question=QUESTION, word_boxes=PAGE)
    assert len(expected) == 1 and list(expected[0]) == ["score", "answer", "start", "end"]
    one = {"question": QUESTION, "word_boxes": PAGE}
    assert ask(one) == expected and ask([one]) == [expected]
    assert ask(None, QUESTION, PAGE) == expected
    for two in (ask([one, one]), ask(question=[QUESTION, QUESTION], word_boxes=PAGE)):
        assert [rounded(found) for found in two] == [rounded(expected)] * 2
    lazily = ask(one for _ in range(2))
    assert not isinstance(lazily, list) and list(lazily) == [expected] * 2
    arrays = [(word, np.array(box)) for word, box in PAGE]
    assert ask(question=QUESTION, word_boxes=arrays) == expected
    assert len(ask(one, top_k=3)) == 3 and len(pipeline(TASK, ask.model, tokenizer=ask.tokenizer, top_k=2)(one)) == 2


def test_the_task_of_a_model(pipes, tmp_path):
    for kind in KINDS:
        assert type(pipes[kind]) is DocumentQuestionAnsweringPipeline
        name = pipes[kind].model.config.name_or_path
        assert pipeline(model=name).task == TASK  # and not question-answering, whose head it has


def test_batches_change_nothing(pipes):
    pages = [PAGE, PAGE[:3], PAGE * 3, PAGE[5:9]]
    for ask in pipes.values():
        inputs = [{"question": QUESTION, "word_boxes": page} for page in pages]
        for ours, alone in zip(ask(inputs, top_k=3), [ask(one, top_k=3) for one in inputs], strict=True):
            assert [answer["answer"] for answer in ours] == [answer["answer"] for answer in alone]
            assert [answer["score"] for answer in ours] == pytest.approx(
                [answer["score"] for answer in alone], abs=1e-5
            )


@torch.no_grad()
def test_a_long_page_is_read_to_its_end(ask):
    """An answer that is made likely is found wherever it stands, ten times beyond what the model reads."""
    page = [*PAGE * 30, ("terrible", (1, 2, 3, 4))]
    seen = []
    word = ask.tokenizer.convert_tokens_to_ids("terrible")
    forward = type(ask.model).forward

    def planted(input_ids, **inputs):
        seen.append(input_ids.shape)
        out = forward(ask.model, input_ids, **inputs)
        for scores in (out.start_logits, out.end_logits):
            scores += 20.0 * (input_ids == word)
        return out

    ask.model.forward = planted
    try:
        for options in ({}, {"doc_stride": 0}, {"max_seq_len": 12, "doc_stride": 100}):
            (best,) = ask(question=QUESTION, word_boxes=page, **options)
            assert (
                best["answer"] == "terrible" and best["start"] == best["end"] == len(page) - 1 and best["score"] > 0.9
            )
    finally:
        del ask.model.forward
    assert max(length for _, length in seen) == 38


def test_long_questions(ask):
    long = " ".join(WORDS * 10)
    with pytest.warns(UserWarning, match="question of 170 tokens was cut to 19.*max_question_len="):
        cut = ask(question=long, word_boxes=PAGE)
    assert cut == ask(question=" ".join(WORDS * 2)[: len(" ".join(WORDS)) + len(" the film")], word_boxes=PAGE)
    short = ask(question=long, word_boxes=PAGE, max_question_len=2)
    assert short == ask(question="the film", word_boxes=PAGE)
    one = ask(question="-".join("a" * 99), word_boxes=PAGE, max_question_len=5)  # one word of many tokens
    assert one[0]["answer"]
    with pytest.raises(ValueError, match="room"):
        ask(question=long, word_boxes=PAGE, max_question_len=100)


def test_no_answer(ask):
    found = ask(question=QUESTION, word_boxes=PAGE, handle_impossible_answer=True, top_k=200)
    nothing = [answer for answer in found if not answer["answer"]]
    assert len(nothing) == 1 and nothing[0]["start"] == nothing[0]["end"] == 0 and 0 < nothing[0]["score"] < 1


def test_a_picture_and_its_words(pipes):
    seen = []

    def read(picture):
        seen.append((picture.size, picture.mode))
        return PAGE

    ask = pipes["layoutlm"]
    expected = ask(question=QUESTION, word_boxes=PAGE)
    assert ask(PICTURE, QUESTION, ocr=read) == expected and seen == [((30, 20), "RGB")]
    assert ask(PICTURE, QUESTION, PAGE) == expected and len(seen) == 1  # words that are given are not read again
    blank = ask(PICTURE, QUESTION, ocr=lambda picture: [])
    assert (
        blank == [] and ask(PICTURE, QUESTION, ocr=lambda picture: [], handle_impossible_answer=True)[0]["answer"] == ""
    )


def test_a_model_that_looks_at_the_picture(pipes):
    ask = pipes["layoutlmv3"]
    words_alone = ask(question=QUESTION, word_boxes=PAGE, top_k=5)
    one, other = (ask(picture, QUESTION, PAGE, top_k=5) for picture in (PICTURE, PICTURE // 9))
    scores = [[answer["score"] for answer in found] for found in (words_alone, one, other)]
    assert scores[0] != scores[1] != scores[2]
    pixels = ask.image_processor(PICTURE, apply_ocr=False, return_tensors="pt").pixel_values
    inputs = ask.tokenizer(QUESTION, WORDS[:2], boxes=[list(box) for _, box in PAGE[:2]], return_tensors="pt")
    with torch.inference_mode():
        out = ask.model(**inputs, pixel_values=pixels)
    page = torch.tensor([part == 1 for part in inputs.sequence_ids()] + [False] * 5)
    page[0] = True
    start, end = (x[0].masked_fill(~page, -torch.inf).softmax(0)[1:] for x in (out.start_logits, out.end_logits))
    best = (start[:, None] * end).triu().max()
    assert ask(PICTURE, QUESTION, PAGE[:2])[0]["score"] == pytest.approx(float(best), abs=1e-6)
    blind = DocumentQuestionAnsweringPipeline(ask.model, ask.tokenizer)
    with pytest.raises(ValueError, match="image_processor=AutoImageProcessor"):
        blind(PICTURE, QUESTION, PAGE)
    given_one = pipeline(TASK, ask.model, tokenizer=ask.tokenizer, image_processor=ask.image_processor)
    assert given_one(PICTURE, QUESTION, PAGE, top_k=5) == one


@pytest.mark.parametrize(
    ("page", "say"),
    [
        ({"question": QUESTION}, "no page: give word_boxes="),
        ({"question": QUESTION, "word_boxes": []}, "word_boxes is empty"),
        ({"question": "", "word_boxes": PAGE}, "question is empty"),
        ({"question": " \n", "word_boxes": PAGE}, "question is empty"),
        ({"word_boxes": PAGE}, "without a question"),
        ({"question": 3, "word_boxes": PAGE}, "without a question"),
        ({"question": QUESTION, "word_boxes": [*PAGE, ("a",)]}, r"word_boxes\[17\] is \('a',\)"),
        ({"question": QUESTION, "word_boxes": [*PAGE, ("a", (1, 2, 3))]}, r"word_boxes\[17\], the box of 'a', is"),
        ({"question": QUESTION, "word_boxes": [("a", (0, 0, 1001, 9))]}, r"0\.\.1000.*1000 \* x / width"),
        ({"question": QUESTION, "word_boxes": [("a", (0, -1, 10, 9))]}, r"0\.\.1000"),
        ({"question": QUESTION, "word_boxes": [("a", (0.5, 1, 10, 9))]}, "whole"),
        ({"question": QUESTION, "word_boxes": [(1, (0, 1, 10, 9))]}, "pair"),
        ({"question": QUESTION, "word_boxes": [("a", (10, 0, 1, 9))]}, r"10, 0, 1, 9"),
        ({"question": QUESTION, "image": b"nothing"}, "no picture that qkv reads"),
        ({"question": QUESTION, "image": "https://a@example.org/a.png"}, "without a user name"),
    ],
)
def test_what_is_no_page(ask, page, say):
    for inputs in (page, [page], [{"question": QUESTION, "word_boxes": PAGE}, page]):
        with pytest.raises(ValueError, match=say) as error:
            ask(inputs)
        assert len(str(error.value)) < 400


def test_what_is_no_input(ask, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no picture .*gone\.png"):
        ask(tmp_path / "gone.png", QUESTION)
    with pytest.raises(ImportError, match="ocr="):
        ask(PICTURE, QUESTION)
    with pytest.raises(TypeError, match="takes"):
        ask(7)
    with pytest.raises(ValueError, match="there is no question"):
        ask("a.png")
    with pytest.raises(TypeError, match="'top_q'.*'top_k'"):
        ask(question=QUESTION, word_boxes=PAGE, top_q=3)
    for wrong in ({"top_k": 0}, {"max_answer_len": 0}, {"max_seq_len": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ask(question=QUESTION, word_boxes=PAGE, **wrong)


def test_models_that_read_no_boxes(tmp_path, ask):
    bert = AutoModelForQuestionAnswering.from_pretrained(make(tmp_path))
    with pytest.raises(ValueError, match="reads no boxes.*AutoModelForDocumentQuestionAnswering"):
        pipeline(TASK, bert, tokenizer=AutoTokenizer.from_pretrained(tmp_path))
    with pytest.raises(ValueError, match="layoutlm, layoutlmv3, lilt"):
        pipeline(TASK, str(tmp_path))


def test_answers_are_shown_in_their_page(ask):
    found = ask(question=QUESTION, word_boxes=PAGE)
    assert found.text == TEXT and f">{found[0]['answer']}</mark>" in found._repr_html_()
    none = Answers([{"score": 0.5, "answer": "", "start": 0, "end": 0}], WORDS)
    assert "<mark" not in none._repr_html_()
    again = pickle.loads(pickle.dumps(found))
    assert again == found and type(again) is Answers and again._repr_html_() == found._repr_html_()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=40),
    kind=st.sampled_from(KINDS),
    longest=st.integers(1, 20),
)
def test_answers_are_words_of_the_page(pipes, words, kind, longest):
    page = [(word, (i, i, i + 1, i + 1)) for i, word in enumerate(words)]
    for answer in pipes[kind](question="what ?", word_boxes=page, top_k=4, max_answer_len=longest):
        assert 0 <= answer["start"] <= answer["end"] < len(words) and 0 <= answer["score"] <= 1
        assert answer["answer"] == " ".join(words[answer["start"] : answer["end"] + 1])
