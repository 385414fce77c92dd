"""qkv run for tasks that say something about a text: the forms of their inputs, results and errors."""

import json
import re

import pytest
from PIL import Image

from commands import failed, on_terminal, qkv
from qkv.pipelines.factory import TASKS
from tiny import configure, make
from tiny_pages import make_pages
from tiny_sentence import make_cross_encoder
from tiny_tables import make_tables

TEXTS = ["the film was terrible. not very good at all", "it was great"]
NLI = {"entailment": 0, "neutral": 1, "contradiction": 2}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, head in (("qa", "ForQuestionAnswering"), ("mlm", "ForMaskedLM"), ("ner", "ForTokenClassification")):
        make(folder / name, head=head)
    configure(make(folder / "nli"), label2id=NLI, id2label={str(i): name for name, i in NLI.items()})
    return folder


def lines(result):
    assert result.exit_code == 0, result.stderr
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_entities_are_slices_of_the_text(models):
    found = lines(qkv("run", "ner", "-m", models / "ner", *TEXTS))
    assert {row[-1] for row in found} == set(TEXTS)
    for word, _, _, start, end, text in found:
        assert text[int(start) : int(end)] == word
    tokens = lines(qkv("run", "ner", "-m", models / "ner", "--aggregation", "none", TEXTS[0]))
    assert len(tokens) > len([row for row in found if row[-1] == TEXTS[0]])


def test_a_question_to_each_text_and_questions_to_a_text(models, tmp_path):
    found = lines(qkv("run", "question-answering", "-m", models / "qa", "--question", "is it good?", *TEXTS))
    assert [row[-1] for row in found] == TEXTS and all(row[0] in row[-1] for row in found)
    questions = lines(qkv("run", "question-answering", "-m", models / "qa", "--context", TEXTS[0], "why?", "is it?"))
    assert [row[-1] for row in questions] == ["why?", "is it?"]
    assert all(TEXTS[0][int(row[2]) : int(row[3])] == row[0] for row in questions)
    (tmp_path / "both.tsv").write_text(f"question\tcontext\nwhy?\t{TEXTS[0]}\nwhat?\t{TEXTS[1]}\n")
    both = lines(qkv("run", "question-answering", "-m", models / "qa", "-f", tmp_path / "both.tsv"))
    assert [row[-1] for row in both] == ["why?", "what?"] and both[0] == questions[0]
    named = qkv("run", "question-answering", "-m", models / "qa", "--question", "why?", "--context", TEXTS[0])
    assert lines(named)[0][:4] == questions[0][:4]
    two = qkv("run", "question-answering", "-m", models / "qa", "--question", "a", TEXTS[0], "--top-k", 2, "--json")
    assert len(json.loads(two.stdout)[0]["result"]) == 2


def test_words_for_one_mask_and_for_two(models):
    one = lines(qkv("run", "fill-mask", "-m", models / "mlm", "the film is [MASK] !", "--top-k", 3))
    assert len(one) == 3 and all(row[0] in row[2] for row in one)
    assert len(lines(qkv("run", "fill-mask", "-m", models / "mlm", "a [MASK] [MASK]", "b [MASK]", "--top-k", 2))) == 6
    chosen = lines(qkv("run", "fill-mask", "-m", models / "mlm", "it is [MASK]", "--targets", "good,bad"))
    assert {row[0] for row in chosen} == {"good", "bad"}


def test_labels_of_ones_own(models):
    one = lines(qkv("run", "zero-shot-classification", "-m", models / "nli", "--labels", "good,bad", *TEXTS))
    assert [row[2] for row in one] == [TEXTS[0]] * 2 + [TEXTS[1]] * 2
    assert sum(float(row[1]) for row in one[:2]) == pytest.approx(1, abs=1e-5)
    many = lines(
        qkv("run", "zero-shot-classification", "-m", models / "nli", "--labels", "good,bad", "--multi-label", TEXTS[0])
    )
    assert {row[0] for row in many} == {"good", "bad"} and many != one[:2]


def test_how_near_and_in_which_order(models, tmp_path):
    near = lines(qkv("run", "sentence-similarity", "-m", models / "mlm", "--source", TEXTS[1], *TEXTS))
    assert [row[-1] for row in near] == TEXTS and float(near[0][0]) < float(near[1][0]) == pytest.approx(1, abs=1e-4)
    ranked = lines(qkv("run", "text-ranking", "-m", make_cross_encoder(tmp_path), "--query", "good", *TEXTS))
    assert [row[-1] for row in ranked] == TEXTS and ranked[0][0] != ranked[1][0]


def test_a_terminal_shows_the_text_marked(models):
    shown, code = on_terminal("run", "ner", "-m", models / "ner", TEXTS[0], columns=100)
    assert code == 0 and "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "terrible" in plain and "LABEL_" in plain
    shown, code = on_terminal(
        "run", "question-answering", "-m", models / "qa", "--question", "why", TEXTS[0], columns=100
    )
    assert code == 0 and TEXTS[0] in re.sub(r"\x1b\[[0-9;]*m", "", shown)


@pytest.mark.parametrize(
    ("task", "given", "say"),
    [
        ("question-answering", ["a text"], "--context"),
        ("question-answering", ["--question", "a", "--context", "b", "c"], "leave out INPUT"),
        ("zero-shot-classification", ["a text"], "--labels"),
        ("sentence-similarity", ["a text"], "--source"),
        ("text-ranking", ["a text"], "--query"),
        ("document-question-answering", ["page.png"], "--question"),
        ("table-question-answering", ["how many?"], "--table"),
        ("feature-extraction", ["a text"], "qkv embed"),
        ("ner", ["--labels", "a", "a text"], "no --labels"),
    ],
)
def test_an_option_that_is_missing_is_named_before_a_model_is_loaded(task, given, say):
    assert task in TASKS or task == "ner"
    failed(qkv("run", task, "-m", "/nowhere", *given), 2, say)


def test_questions_about_a_table(tmp_path):
    (tmp_path / "table.csv").write_text("film,1\nyes,12\nno,3\n")
    about = (
        "run",
        "table-question-answering",
        "-m",
        make_tables(tmp_path / "model"),
        "--table",
        tmp_path / "table.csv",
    )
    one = lines(qkv(*about, "what 1"))
    assert len(one) == 1 and one[0][-1] == "what 1"
    both = json.loads(qkv(*about, "what 1", "what film", "--json").stdout)
    assert [row["input"] for row in both] == ["what 1", "what film"]
    assert both[0]["result"][0]["answer"] == one[0][0]
    (tmp_path / "table.csv").write_text("film,1\n" + "yes,12\n" * 30)
    cut = qkv(*about, "what 1")
    assert "--truncation" in cut.stderr and cut.exit_code == 0
    assert qkv(*about, "what 1", "--truncation").stderr == ""
    failed(qkv(*about, "what 1", "--no-truncation"), 1, "30 rows")


@pytest.mark.parametrize(
    ("text", "say"),
    [("a,b\n1\n", "line 2"), ("a,b\n", "1 lines"), ("", "0 lines")],
)
def test_a_table_that_is_none(text, say, tmp_path):
    (tmp_path / "table.csv").write_text(text)
    failed(qkv("run", "table-question-answering", "-m", "x", "--table", tmp_path / "table.csv", "how many?"), 1, say)


def test_questions_about_a_table_and_a_page(tmp_path):
    (tmp_path / "table.csv").write_text("month,sales\nMay,10\nJune,20\n")
    tables = ("run", "table-question-answering", "-m", make_tables(tmp_path / "t"), "--table", tmp_path / "table.csv")
    two = lines(qkv(*tables, "how many?", "what is it"))
    assert [row[-1] for row in two] == ["how many?", "what is it"] and lines(qkv(*tables, "how many?")) == two[:1]
    Image.new("RGB", (40, 30), "white").save(tmp_path / "page.png")
    (tmp_path / "words.json").write_text(json.dumps([["film", [10, 10, 60, 30]], ["good", [10, 40, 60, 60]]]))
    pages = ("run", "document-question-answering", "-m", make_pages(tmp_path / "p"), "--question", "is it good?")
    found = lines(qkv(*pages, "--boxes", tmp_path / "words.json", tmp_path / "page.png"))
    assert set(found[0][0].split()) <= {"film", "good"}
    failed(qkv(*pages, tmp_path / "no.png"), 1, "no.png")
    (tmp_path / "words.json").write_text("film")
    failed(qkv(*pages, "--boxes", tmp_path / "words.json", tmp_path / "page.png"), 1, "not JSON")
