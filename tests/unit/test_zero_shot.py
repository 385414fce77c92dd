import copy
import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkv import pipeline
from qkv.pipelines import factory
from qkv.pipelines.candidates import hypothesis
from tiny_questions import make_questions

TEXT, LABELS = "i love this product", ["film", "product", "no good"]
NAMES = {"id2label": {"0": "entailment", "1": "neutral", "2": "contradiction"}}
NAMES["label2id"] = {name: int(i) for i, name in NAMES["id2label"].items()}


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    folder = make_questions(tmp_path_factory.mktemp("nli") / "m", "wordpiece", "ForSequenceClassification", **NAMES)
    return pipeline("zero-shot-classification", model=str(folder))


def same(found, expected):
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    scores = zip(found["scores"], expected["scores"], strict=True)
    return found | {"scores": 0} == expected | {"scores": 0} and all(abs(a - b) < 1e-5 for a, b in scores)


def test_forms_of_a_call(pipe):
    one = pipe(TEXT, candidate_labels=LABELS)
    assert list(one) == ["sequence", "labels", "scores"] and one["sequence"] == TEXT
    assert sorted(one["labels"]) == sorted(LABELS) and abs(sum(one["scores"]) - 1) < 1e-6
    assert one["scores"] == sorted(one["scores"], reverse=True)
    assert pipe(TEXT, LABELS) == pipe(TEXT, "film, product , no good,") == pipe(TEXT, tuple(LABELS)) == one
    texts = [TEXT, "no", TEXT * 2]
    many = [pipe(text, LABELS) for text in texts]
    for size in (None, 1, 4):
        assert same(pipe(texts, LABELS, batch_size=size), many)
    assert same(list(pipe((text for text in texts), LABELS)), many)
    narrow = copy.copy(pipe)
    narrow.window = lambda options: 2
    assert same(narrow(texts, LABELS), many)
    assert [pipe.window(pipe.choose(candidate_labels=["a"] * n)) for n in (1, 8, 50_000)] == [16384, 2048, 1]
    assert pipe([TEXT], LABELS) == [one] and pipe([], LABELS) == []
    ready = pipeline(pipe.task, model=pipe.model, tokenizer=pipe.tokenizer, candidate_labels=LABELS, multi_label=True)
    assert ready(TEXT) == pipe(TEXT, LABELS, multi_label=True) == pipe(TEXT, LABELS, multi_class=True)
    assert ready(TEXT, ["a", "b"], multi_label=False) == pipe(TEXT, ["a", "b"])
    single = pipe(TEXT, "film")
    assert 0 < single["scores"][0] < 1 and single == pipe(TEXT, ["film"], multi_label=True)


def test_equal_rows_are_computed_once(pipe):
    rows = []
    counting = copy.copy(pipe)
    counting.compute = lambda inputs, chosen, options: rows.extend(chosen) or pipe.compute(inputs, chosen, options)
    texts = ["no", "I love", "no", "i love"]  # two of which this model reads as one
    found = counting(texts, ["good", "bad", "good"])
    assert len(rows) == 4
    assert [result["sequence"] for result in found] == texts
    assert same(found, [pipe(text, ["good", "bad", "good"]) for text in texts])
    assert found[0] is not found[2] and found[0]["labels"] is not found[2]["labels"]


def test_labels_with_braces(pipe):
    labels = ["{}", "{0.__class__}", "a}b{", "{{good}}"]
    assert sorted(pipe(TEXT, labels)["labels"]) == sorted(labels)
    assert sorted(pipe(TEXT, ["{}"], hypothesis_template="this is {}")["labels"]) == ["{}"]


@given(st.text(st.sampled_from("ab{}0!:. "), max_size=12), st.text(st.sampled_from("ab ."), max_size=8))
def test_a_label_is_never_a_template(label, text):
    assert hypothesis(label, f"{text}{{}}{text}") == text + label + text
    assert hypothesis(label, f"{{{{{text}}}}} {{0}}") == f"{{{text}}} {label}"


@pytest.mark.parametrize(
    "template", ["", "this is it", "{{}}", "{", "it is {}}", "{label}", "{1}", "{0.__class__}", "{:>99999999}", "{!r}"]
)
def test_templates_without_a_place(pipe, template):
    with pytest.raises(ValueError, match=r"must have \{\} where the label goes, such as 'This") as error:
        pipe(TEXT, LABELS, hypothesis_template=template)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("inputs", "call", "error", "message"),
    [
        ((TEXT,), {}, TypeError, "needs labels, got None"),
        ((TEXT, []), {}, ValueError, "has no label"),
        ((TEXT, ""), {}, ValueError, "has no label"),
        ((TEXT, " , "), {}, ValueError, "has no label"),
        ((TEXT, ["a", ""]), {}, ValueError, "an empty label"),
        ((TEXT, ["a", None]), {}, TypeError, "holds None"),
        ((TEXT, [1, 2]), {}, TypeError, r"holds 1 \(int\)"),
        ((TEXT, 5), {}, TypeError, "got 5"),
        ((TEXT, LABELS, LABELS), {}, TypeError, "labels once"),
        ((TEXT, LABELS), {"candidate_labels": LABELS}, TypeError, "labels once"),
        ((TEXT, LABELS), {"hypothesis_template": 3}, TypeError, "must be a string"),
        (("", LABELS), {}, ValueError, "text 0 of 1 is empty"),
        (([TEXT, ""], LABELS), {}, ValueError, "text 1 of 2 is empty"),
        ((None, LABELS), {}, TypeError, "takes a string"),
        (([TEXT, None], LABELS), {}, TypeError, "takes a string, got NoneType"),
        (([[TEXT]], LABELS), {}, TypeError, "takes a string, got list"),
        (({"text": TEXT}, LABELS), {}, TypeError, "takes a string"),
        ((TEXT, LABELS), {"multilabel": True}, TypeError, "'multi_label'"),
        ((TEXT, ["good " * 60]), {"truncation": True}, ValueError, "max_length=40"),
    ],
)
def test_wrong_calls(pipe, inputs, call, error, message):
    with pytest.raises(error, match=message) as raised:
        pipe(*inputs, **call)
    assert len(str(raised.value)) < 400


def test_a_long_text_is_cut_and_told(pipe):
    long = "good " * 400
    with pytest.warns(UserWarning, match=r"2 of 3 texts had more than the 40 tokens .*truncation=True") as told:
        found = pipe([long, "no", long], LABELS)
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(pipe([long, "no", long], LABELS, truncation=True), found)
        assert same(pipe("no", LABELS), found[1])
    for how in ("error", False):
        with pytest.raises(ValueError, match="1 of 2 texts have more than the 40 tokens"):
            pipe(["no", long], LABELS, truncation=how)
    row = pipe.preprocess([long], pipe.choose(candidate_labels=["film"], truncation=True))[0][0]
    assert pipe.tokenizer.decode(row["input_ids"]).endswith("good [SEP] this [UNK] is film. [SEP]")


def test_which_label_is_entailment(tmp_path):
    folder = make_questions(tmp_path / "m", "wordpiece", "ForSequenceClassification")
    with pytest.warns(UserWarning, match=r"begins with 'entail': \['LABEL_0'.*set model.config.label2id"):
        guessed = pipeline("zero-shot-classification", model=str(folder))
    assert guessed.entailment_id == -1
    config = json.loads((folder / "config.json").read_text())
    for i in range(3):
        names = {f"x{j}": j for j in range(3) if j != i} | {"ENTAILS": i}
        (folder / "config.json").write_text(json.dumps(config | {"label2id": names}))
        assert pipeline("zero-shot-classification", model=str(folder)).entailment_id == i
    last = pipeline("zero-shot-classification", model=str(folder))
    assert same(last(TEXT, LABELS), guessed(TEXT, LABELS))


def test_a_model_with_one_label(tiny):
    one = pipeline("text-classification", model=str(tiny))
    one.model.config.num_labels = 1
    with pytest.raises(ValueError, match="has 1 label; .* entailment and contradiction"):
        pipeline("zero-shot-classification", model=one.model, tokenizer=one.tokenizer)


def test_the_default_of_a_family_that_is_not_here(monkeypatch, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "not-yet"}')
    monkeypatch.setattr(factory, "default_repo", lambda task, where: factory.Repo("facebook/bart-large-mnli", tmp_path))
    with pytest.raises(ValueError, match="no family for model_type 'not-yet'.*model='MoritzLaurer/DeBERTa") as error:
        pipeline("zero-shot-classification")
    assert len(str(error.value)) < 400
    with pytest.raises(ValueError, match="no family") as error:
        pipeline("zero-shot-classification", model=str(tmp_path))
    assert "MoritzLaurer" not in str(error.value)
