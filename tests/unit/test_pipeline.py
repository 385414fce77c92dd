import json
import logging
import threading
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qkv import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from qkv.pipelines import factory
from qkv.pipelines.batching import batches
from qkv.pipelines.pt_utils import KeyDataset, KeyPairDataset
from tiny import make
from tiny_text import make_text

TEXTS = ["i love this " * (1 + i % 9) + "abcdefgh"[i % 8] for i in range(60)]


@pytest.fixture(scope="module")
def pipe(tiny_source):
    return pipeline("text-classification", model=str(tiny_source))


def same(found, expected):
    return len(found) == len(expected) and all(
        a["label"] == b["label"] and abs(a["score"] - b["score"]) <= 1e-5 for a, b in zip(found, expected, strict=True)
    )


@given(st.lists(st.integers(0, 600), max_size=80), st.integers(1, 2000), st.none() | st.integers(1, 9))
def test_batches_hold_every_row_once_within_the_budget(lengths, tokens, rows):
    alike = batches(lengths, tokens=tokens, rows=rows, padded=False)
    assert sorted(row for batch in alike for row in batch) == list(range(len(lengths)))
    assert all(len({lengths[row] for row in batch}) == 1 for batch in alike)
    found = batches(lengths, tokens=tokens, rows=rows)
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    for batch in found:
        assert rows is None or len(batch) <= rows
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens


def test_a_list_gives_what_single_texts_give_in_order(pipe):
    expected = [pipe(text)[0] for text in TEXTS]
    assert same(pipe(TEXTS), expected)
    assert same(pipe(tuple(TEXTS), batch_size=3), expected)
    assert same(list(pipe(text for text in TEXTS)), expected)
    assert same(list(pipe((text for text in TEXTS), batch_size=8)), expected)


def test_a_tokenizer_without_a_pad_token(pipe, tiny):
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.pad_token = None
    bare = pipeline("text-classification", model=pipe.model, tokenizer=tokenizer)
    assert same(bare(TEXTS), pipe(TEXTS))


def test_datasets(pipe):
    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return len(TEXTS)

        def __getitem__(self, i):
            return {"text": TEXTS[i], "other": "no"}

    assert same(list(pipe(KeyDataset(Rows(), "text"))), pipe(TEXTS))
    pairs = [{"text": text, "text_pair": "no"} for text in TEXTS]
    assert same(list(pipe(KeyPairDataset(Rows(), "text", "other"))), pipe(pairs))
    assert list(KeyDataset(Rows(), "text")) == TEXTS


def test_a_generator_is_read_no_further_than_asked(pipe):
    taken = []
    results = pipe(taken.append(text) or text for text in TEXTS)
    assert taken == []
    next(results)
    assert len(taken) == 1


def test_threads_share_a_pipeline(pipe):
    expected = [
        pipe(TEXTS, top_k=None),
        pipe(TEXTS, function_to_apply="none"),
        pipe(TEXTS, truncation=True, max_length=5),
    ]
    calls = [{"top_k": None}, {"function_to_apply": "none"}, {"truncation": True, "max_length": 5}]
    wrong = []

    def work(i):
        for _ in range(3):
            if pipe(TEXTS, **calls[i % 3]) != expected[i % 3]:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == []


def test_long_text_is_cut_and_told(pipe):
    long = "good " * 100
    with pytest.warns(UserWarning, match=r"2 of 3 texts .* 40 tokens .*truncation=True"):
        found = pipe([long, "no", long])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(found, pipe([long, "no", long], truncation=True))
        assert same(pipe([long], truncation=True), pipe(["good " * 38], truncation="error"))
    for option in (False, "error"):
        with pytest.raises(ValueError, match=r"1 of 2 texts .* with 102.*truncation=True"):
            pipe(["no", long], truncation=option)


def test_a_warning_is_at_the_line_of_the_call(pipe):
    with pytest.warns(UserWarning, match="were cut") as told:
        pipe("good " * 100)
        list(pipe("good " * 100 for _ in range(1)))
    assert [warning.filename for warning in told] == [__file__] * 2


@pytest.mark.parametrize("truncation", [None, True, "only_first"])
def test_a_length_that_special_tokens_do_not_fit_into(pipe, truncation):
    with pytest.raises(ValueError, match="max_length=1 has no room for 2 special tokens"):
        pipe("good film", max_length=1, truncation=truncation)
    assert len(pipe("good film", max_length=2, truncation=True)) == 1


def test_ways_to_truncate(pipe):
    for wrong, near in (("nope", "error"), (5, "error"), ("only_frst", "only_first")):
        with pytest.raises(ValueError, match=f"truncation={wrong!r} is unknown; .*'{near}'"):
            pipe("a", truncation=wrong)
    with pytest.raises(ValueError, match="1 of 1 texts"):
        pipe("good " * 100, truncation="do_not_truncate")


def test_an_empty_text_where_the_tokenizer_adds_no_token(tmp_path):
    pipe = pipeline("text-classification", model=make_text(tmp_path, "gpt2/ForSequenceClassification"))
    assert pipe.tokenizer("")["input_ids"] == []
    assert same(pipe(["abc", "", "de"]), [pipe(text)[0] for text in ("abc", "", "de")])


def test_a_megabyte_of_text(pipe):
    with pytest.warns(UserWarning, match="1 of 1"):
        assert len(pipe("love " * 200_000)) == 1
    assert len(pipe("x" * 1_000_000, truncation=True)) == 1


@pytest.mark.parametrize(
    "wrong", [None, 3, 2.5, b"bytes", ["ok", None], [["a", "b"]], {"txt": "a"}, {"text": 3},
              {"text": "a", "text_pair": 3}, {"text": "a", "more": "b"}, object(), [[["a", "b", "c"]]], torch.ones(2)],
)  # fmt: skip
def test_wrong_inputs(pipe, wrong):
    with pytest.raises(TypeError, match="text-classification takes a string") as error:
        list(pipe(wrong))
    assert len(str(error.value)) < 400


def test_edges(pipe):
    assert pipe([]) == []
    assert len(pipe("")) == 1 and len(pipe(["", ""])) == 2
    with pytest.raises(TypeError, match="top_k"):
        pipe("a", topk=2)
    with pytest.raises(ValueError, match="softmax"):
        pipe("a", function_to_apply="softmx")
    for wrong in ({"top_k": 0}, {"top_k": -1}, {"batch_size": 0}, {"max_length": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            pipe("a", **wrong)
    assert "text-classification" in repr(pipe)


def test_task_names(tiny):
    assert pipeline("sentiment-analysis", model=tiny).task == "text-classification"
    assert pipeline(model=str(tiny)).task == "text-classification"
    with pytest.raises(KeyError, match="sentiment-analysis"):
        pipeline("sentiment-anlysis")
    missing = sorted(factory.FIELD - {*factory.TASKS, *factory.ALIASES})
    for name in [*missing, *(["translation_en_to_fr"] if "translation" in missing else [])]:
        with pytest.raises(KeyError, match="does not do .* yet"):
            pipeline(name)
    with pytest.raises(ValueError, match="name a task"):
        pipeline()
    (tiny / "config.json").write_text(
        json.dumps(json.loads((tiny / "config.json").read_text()) | {"architectures": ["X"]})
    )
    with pytest.raises(ValueError, match="name one"):
        pipeline(model=str(tiny))


def test_loaded_parts(tiny, tmp_path):
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(tiny), AutoTokenizer.from_pretrained(tiny)
    pipe = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", framework="pt")
    assert pipe.model is model and pipe.device == torch.device("cpu")
    assert pipeline("text-classification", model=model, tokenizer=str(tiny))("no") == pipe("no")
    with pytest.raises(ValueError, match="tokenizer"):
        pipeline("text-classification", model=model)
    with pytest.raises(ValueError, match="BertModel has no head .* AutoModelForSequenceClassification"):
        pipeline("text-classification", model=model.bert, tokenizer=tokenizer)
    pipe.save_pretrained(tmp_path / "saved")
    assert pipeline("text-classification", model=tmp_path / "saved", torch_dtype="float32", device=-1)("no") == pipe(
        "no"
    )


def test_a_model_without_a_trained_head_is_refused(tiny):
    from safetensors.torch import load_file, save_file

    state = load_file(tiny / "model.safetensors")
    state.pop("classifier.weight")
    save_file(state, tiny / "model.safetensors")
    with pytest.raises(ValueError, match="not trained for this task"):
        pipeline("text-classification", model=str(tiny))


def test_a_head_with_the_same_weights_for_another_task_is_refused(tmp_path):
    tokens, texts = make(tmp_path / "tokens", "modernbert", "ForTokenClassification"), make(tmp_path / "texts")
    with pytest.raises(
        ValueError, match=r"ModernBertForTokenClassification.*pipeline\('token-classification'\)"
    ) as error:
        pipeline("text-classification", model=tokens)
    with pytest.raises(ValueError, match=r"BertForTokenClassification.*pipeline\('token-classification'\)"):
        pipeline("zero-shot-classification", model=make(tmp_path / "other", head="ForTokenClassification"))
    with pytest.raises(ValueError, match=r"BertForSequenceClassification.*pipeline\('text-classification'\)"):
        pipeline("ner", model=texts)
    assert len(str(error.value)) < 400


def test_the_default_without_a_network(monkeypatch, caplog):
    monkeypatch.setattr(factory, "is_cached", lambda name: False)
    monkeypatch.setattr(factory, "reachable", lambda: False)
    with caplog.at_level(logging.WARNING, "qkv"):
        pipe = pipeline("sentiment-analysis")
    assert len(caplog.records) == 1 and "comes with qkv" in caplog.text
    assert pipe("I love this product!")[0]["label"] == "POSITIVE"
    assert pipe("This is terrible.")[0]["label"] == "NEGATIVE"


def test_the_default_where_something_else_answers(monkeypatch, caplog):
    """A network whose answers are not the Hub's."""

    class Portal(factory.Repo):
        def require(self, name):
            raise OSError("an HTML page")

    real = factory.open_repo
    usual = factory.TASKS["text-classification"].default
    monkeypatch.setattr(factory, "reachable", lambda: True)
    monkeypatch.setattr(factory, "open_repo", lambda name: Portal(name, name) if name == usual else real(name))
    with caplog.at_level(logging.WARNING, "qkv"):
        assert factory.default_repo("text-classification", {}).name.endswith("sentiment")
    assert len(caplog.records) == 1


def test_the_usual_default_when_it_is_there(monkeypatch, tiny_source):
    real = factory.open_repo
    monkeypatch.setattr(factory, "is_cached", lambda name: True)
    monkeypatch.setattr(factory, "open_repo", lambda name, **where: real(tiny_source))
    assert factory.default_repo("text-classification", {}).name == str(tiny_source)
    assert factory.default_repo("text-classification", {"revision": "main"}).name == str(tiny_source)
