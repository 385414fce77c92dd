"""feature-extraction with pooling, sentence-similarity and text-ranking: formulas, padding, and bad input."""

import json
import threading
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file, save_file

from qkv import AutoModel, AutoModelForMaskedLM, AutoTokenizer, FeatureExtractionPipeline, pipeline
from qkv.pipelines.pooling import MODES, find_modes, pool
from tiny import make
from tiny_sentence import PROMPTS, WIDTH, make_cross_encoder, make_sentence
from tiny_text import make_text

TEXTS = ["i love this " * (1 + i % 5) + "abcdefgh"[i % 8] for i in range(40)]
MEAN = ("Pooling", {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True})
LONG = "good " * 100

FORMULAS = {  # of the vectors (N,D) of a text's tokens that count, the first of which is number `start`
    "cls": lambda x, start: x[0],
    "max": lambda x, start: x.max(0),
    "mean": lambda x, start: x.sum(0) / len(x),
    "mean_sqrt_len": lambda x, start: x.sum(0) / len(x) ** 0.5,
    "weighted_mean": lambda x, start: np.average(x, axis=0, weights=np.arange(start, start + len(x))),
    "last": lambda x, start: x[-1],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_sentence(
        tmp_path_factory.mktemp("sentence"), MEAN, ("Normalize", {}), texts={"max_seq_length": 12},
        settings={"prompts": PROMPTS},
    )  # fmt: skip


@pytest.fixture(scope="module")
def pipe(folder):
    return pipeline("feature-extraction", model=str(folder))


@pytest.fixture(scope="module")
def similar(folder):
    return pipeline("sentence-similarity", model=str(folder))


@pytest.fixture(scope="module")
def ranker(tmp_path_factory):
    return pipeline("text-ranking", model=str(make_cross_encoder(tmp_path_factory.mktemp("ranker"))))


def raises(kind, *parts):
    return pytest.raises(kind, match=".*".join(map(str, parts)))


# ----------------------------------------------------------------------------------------------------------- pooling


@settings(deadline=None)
@given(st.data(), st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(0, 7), st.sampled_from("lr"))
def test_pooling_is_the_formula_on_the_tokens_alone(data, lengths, skip, side):
    rows = [data.draw(arrays(np.float32, (n, 3), elements=st.floats(-9, 9, width=32))) for n in lengths]
    x, mask = np.full((len(rows), max(lengths) + 1, 3), 99, np.float32), np.zeros((len(rows), max(lengths) + 1), int)
    for i, row in enumerate(rows):
        part = slice(len(mask[i]) - len(row), None) if side == "l" else slice(len(row))
        x[i, part], mask[i, part] = row, 1
    for mode, formula in FORMULAS.items():
        found = pool(torch.from_numpy(x), torch.from_numpy(mask), (mode,), skip).numpy()
        for row, vector in zip(rows, found, strict=True):
            if len(row) > skip:
                assert np.allclose(vector, formula(row[skip:].astype(np.float64), skip + 1), atol=1e-5), mode
            elif mode != "cls":
                assert (vector == 0).all(), mode
    joined = pool(torch.from_numpy(x), torch.from_numpy(mask), tuple(FORMULAS)).numpy()
    assert joined.shape == (len(rows), 3 * len(MODES))


def test_names_of_modes():
    assert find_modes("lasttoken") == ("last",)
    assert find_modes(["mean", "weightedmean", "mean_sqrt_len_tokens"]) == ("mean", "weighted_mean", "mean_sqrt_len")
    assert set(FORMULAS) == set(MODES)
    for wrong in ("men", "", [], [3], 3, ["mean", "x"], {"mean": 1}):
        with raises(ValueError, "pooling="):
            find_modes(wrong)


# -------------------------------------------------------------------------------------------------- feature-extraction


@pytest.mark.parametrize("mode", FORMULAS)
def test_pooled_vectors_are_the_formula_on_the_vectors_of_tokens(pipe, mode):
    tokens = pipe(TEXTS, return_tensors="np")
    found = pipe(TEXTS, pooling=mode, return_tensors="np")
    assert found.shape == (len(TEXTS), WIDTH) and found.dtype == np.float32
    for states, vector in zip(tokens, found, strict=True):
        assert np.allclose(vector, FORMULAS[mode](states[0].astype(np.float64), 1), atol=1e-5)
    joined = pipe(TEXTS[0], pooling=[mode, "mean"], return_tensors="np")
    assert np.allclose(joined, [*found[0], *pipe(TEXTS[0], pooling="mean")], atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"pooling": "auto"}, {"pooling": ["last", "max"], "normalize": True}])
def test_neighbours_and_padding_change_nothing(pipe, options):
    alone = [pipe(text, truncation=True, return_tensors="np", **options) for text in TEXTS]
    for batch_size in (None, 1, 7):
        found = pipe(TEXTS, truncation=True, return_tensors="np", batch_size=batch_size, **options)
        assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(found, alone, strict=True))
    lazily = list(pipe((text for text in TEXTS), truncation=True, return_tensors="np", **options))
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(lazily, alone, strict=True))


def test_a_decoder_that_pads_on_either_side(tmp_path):
    model = AutoModel.from_pretrained(make_text(tmp_path, "llama/Model"))
    found = []
    for side in ("left", "right"):
        tokenizer = AutoTokenizer.from_pretrained(tmp_path, padding_side=side)
        pipe = pipeline("feature-extraction", model=model, tokenizer=tokenizer, return_tensors="np", truncation=True)
        alone = [pipe(text) for text in TEXTS]
        assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(pipe(TEXTS), alone, strict=True))
        assert np.allclose([x[0, -1] for x in alone], pipe(TEXTS, pooling="last"), atol=1e-4)
        found.append(pipe([*TEXTS, ""], pooling="weighted_mean"))
        assert np.isfinite(found[-1]).all()  # this tokenizer adds no token to an empty text
    assert np.allclose(*found, atol=1e-4)
    model.config.architectures = ["LlamaForCausalLM"]
    assert np.allclose(pipe(TEXTS, pooling="auto"), pipe(TEXTS, pooling="last"))


def test_an_encoder_decoder_gives_what_its_encoder_reads(tmp_path):
    make_text(tmp_path, "t5/Model", max_position_embeddings=40)
    pipe = pipeline("feature-extraction", model=str(tmp_path))
    inputs = pipe.tokenizer(TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        expected = pipe.model.read(**inputs).last_hidden_state
    assert torch.allclose(pipe(TEXTS[0], return_tensors=True), expected, atol=1e-5)


def test_what_is_returned(pipe):
    assert isinstance(pipe("a", return_tensors=True), torch.Tensor)
    assert pipe("a", return_tensors="pt", pooling="mean").shape == (WIDTH,)
    assert pipe(["a"], return_tensors="pt", pooling="mean").shape == (1, WIDTH)
    assert [len(x) for x in pipe(["a", "b"], pooling="mean")] == [WIDTH, WIDTH]
    assert pipe([], pooling="mean") == [] == pipe([])
    assert pipe([], pooling=["mean", "cls"], return_tensors="np").shape == (0, 2 * WIDTH)
    assert np.allclose(np.linalg.norm(pipe(TEXTS, pooling="mean", normalize=True), axis=1), 1)


def test_auto_is_what_the_folder_says_and_nothing_else_is(pipe):
    mean, auto = pipe("a", pooling="mean"), pipe("a", pooling="auto")
    assert np.allclose(auto, np.array(mean) / np.linalg.norm(mean), atol=1e-6)
    assert np.allclose(pipe("a", pooling="auto", normalize=False), mean, atol=1e-6)
    cut = pipe("a", pooling="auto", truncate_dim=5)
    assert np.allclose(cut, np.array(mean[:5]) / np.linalg.norm(mean[:5]), atol=1e-6)
    assert np.allclose(pipe("a", pooling="mean", truncate_dim=5), mean[:5], atol=1e-6)
    with pytest.warns(UserWarning, match="12 tokens"):
        pipe(LONG, pooling="auto")
    with pytest.warns(UserWarning, match="40 tokens"):
        pipe(LONG, pooling="mean")


def test_a_folder_without_modules(tiny_source):
    pipe = pipeline("feature-extraction", model=str(tiny_source))
    assert pipe("i love", pooling="auto") == pipe("i love", pooling="mean")


def test_prompts(pipe):
    assert pipe("a", pooling="mean", prompt="is it: ") == pipe("is it: a", pooling="mean")
    assert pipe("a", prompt_name="query") == pipe("is it: a")
    with raises(ValueError, "prompt_name='qery'", "'query'"):
        pipe("a", prompt_name="qery")
    with raises(ValueError, "not both"):
        pipe("a", prompt="", prompt_name="query")
    with raises(TypeError, "prompt=3"):
        pipe("a", prompt=3)


def test_a_long_text_is_cut_and_told(pipe):
    with pytest.warns(UserWarning, match=r"1 of 2 texts .* 12 tokens .*truncation=True"):
        found = pipe([LONG, "a"], pooling="auto", return_tensors="np")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.allclose(found, pipe([LONG, "a"], pooling="auto", truncation=True), atol=1e-6)
    with raises(ValueError, "1 of 2 texts", "truncation=True"):
        pipe([LONG, "a"], pooling="auto", truncation="error")


@pytest.mark.parametrize("wrong", [None, 3, b"a", ["a", None], [None], ["a", 3], [["a"]], {"text": "a"}, object()])
def test_wrong_inputs(pipe, wrong):
    with raises(TypeError, "feature-extraction takes a string") as error:
        list(pipe(wrong, pooling="mean"))
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "options, part",
    [
        ({"pooling": "men"}, "'mean'"), ({"pooling": 3}, "pooling=3"), ({"pooling": []}, "pooling="),
        ({"normalize": True}, "pooling='auto'"), ({"truncate_dim": 4}, "pooling='auto'"),
        ({"pooling": "mean", "truncate_dim": 0}, "at least 1"), ({"pooling": "mean", "truncate_dim": 33}, "the 32"),
        ({"return_tensors": "tf"}, "'np'"), ({"tokenize_kwargs": {"return_tensors": "pt"}}, "return_tensors"),
        ({"truncation": True, "tokenize_kwargs": {"truncation": True}}, "given twice"),
    ],
)  # fmt: skip
def test_wrong_options(pipe, options, part):
    with raises(ValueError, part) as error:
        pipe("a", **options)
    assert len(str(error.value)) < 400


def test_models_of_all_kinds(tmp_path, tiny_source, caplog):
    tokenizer = AutoTokenizer.from_pretrained(tiny_source)
    masked = AutoModelForMaskedLM.from_config(AutoModel.from_pretrained(tiny_source).config)
    pipe = pipeline("feature-extraction", model=masked, tokenizer=tokenizer)
    assert isinstance(pipe, FeatureExtractionPipeline) and np.shape(pipe("a")) == (1, 3, WIDTH)  # no scores of words
    folder = make_sentence(tmp_path)
    weights = {k: v for k, v in load_file(folder / "model.safetensors").items() if "pooler" not in k}
    save_file(weights, folder / "model.safetensors")
    expected = pipeline("feature-extraction", model=str(make_sentence(tmp_path / "whole")))("a")
    assert pipeline("feature-extraction", model=str(folder))("a") == expected  # the pooler is not asked for
    assert caplog.records == []


def test_quantised(folder, pipe):
    few = pipeline("feature-extraction", model=str(folder), quantize="int8", pooling="auto", return_tensors="np")
    exact = pipe(TEXTS, pooling="auto", return_tensors="np", truncation=True)
    assert ((few(TEXTS, truncation=True) * exact).sum(1) > 0.99).all()


def test_threads_share_a_pipeline(pipe):
    calls = [{"pooling": "auto"}, {"pooling": "last"}, {"pooling": "mean", "prompt": "yes "}]
    expected, wrong = [pipe(TEXTS, truncation=True, **call) for call in calls], []

    def work(i):
        for _ in range(3):
            if pipe(TEXTS, truncation=True, **calls[i % 3]) != expected[i % 3]:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(9)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == []


# ------------------------------------------------------------------------------------ folders of sentence-transformers


def change(folder, change):
    modules = json.loads((folder / "modules.json").read_text())
    change(modules)
    (folder / "modules.json").write_text(json.dumps(modules))


@pytest.mark.parametrize("path", ["../x", "/etc", "1_Pooling/../../x", "..", "a\\b", "1_Pooling/..", "nul"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path, path):
    folder = make_sentence(tmp_path / "model")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    change(folder, lambda modules: modules[1].update(path=path))
    with raises(ValueError, "not a name inside a repository"):
        pipeline("feature-extraction", model=str(folder))


def test_a_module_that_is_a_link_out_of_the_folder_is_refused(tmp_path):
    folder = make_sentence(tmp_path / "model")
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (folder / "1_Pooling" / "config.json").unlink()
    (folder / "1_Pooling" / "config.json").symlink_to(secret)
    with raises(OSError, "link that leaves"):
        pipeline("feature-extraction", model=str(folder))


@pytest.mark.parametrize(
    "kind", ["sentence_transformers.models.BoW", "custom.Pooling", "os.system", "Pooling", None, 3]
)
def test_an_unknown_module_is_refused_and_its_code_is_never_run(tmp_path, kind, monkeypatch):
    folder = make_sentence(tmp_path)
    (folder / "custom.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(str(folder))
    change(folder, lambda modules: modules[1].update(type=kind))
    with raises(ValueError, "Transformer, Dropout, Pooling, Dense, LayerNorm, Normalize", "never runs code") as error:
        pipeline("feature-extraction", model=str(folder))
    assert len(str(error.value)) < 400


DAMAGED = {
    "an object": ("modules.json", "{}", "list"),
    "no JSON": ("modules.json", "[", "not JSON"),
    "nothing": ("modules.json", "[]", "begins with nothing"),
    "no objects": ("modules.json", "[1]", "None"),
    "settings": ("config_sentence_transformers.json", "[]", "object"),
    "a folder": (
        "modules.json",
        '[{"type": "sentence_transformers.models.Transformer", "path": ""}, '
        '{"type": "sentence_transformers.models.Pooling", "path": "~"}]',
        "no file '~/config.json'",
    ),
    "pooling": ("1_Pooling/config.json", '{"pooling_mode": "men"}', "'mean'"),
    "activation": ("2_Dense/config.json", '{"activation_function": "os.system"}', "config.json"),
    "sizes": ("2_Dense/config.json", '{"in_features": 31, "out_features": 12}', "config.json"),
    "weights": ("2_Dense/model.safetensors", "", "safetensors"),
    "task": ("sentence_bert_config.json", '{"transformer_task": "fill-mask"}', "text-ranking"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_folders(tmp_path, name):
    folder = make_sentence(tmp_path, MEAN, ("Dense", {"in_features": WIDTH, "out_features": 12}))
    file, content, part = DAMAGED[name]
    (folder / file).write_text(content)
    with raises((OSError, ValueError), part) as error:
        pipeline("feature-extraction", model=str(folder))
    assert len(str(error.value)) < 400


def test_modules_in_an_order_that_makes_no_sense(tmp_path):
    dense = ("Dense", {"in_features": 12, "out_features": 12, "activation_function": "evil.Tanh"})
    for i, steps in enumerate(([("Normalize", {}), MEAN], [MEAN, MEAN], [("Normalize", {})])):
        with raises(ValueError, "expected a Transformer, a Pooling"):
            pipeline("feature-extraction", model=str(make_sentence(tmp_path / str(i), *steps)))
    with raises(ValueError, "evil.Tanh", "Sigmoid"):
        pipeline("feature-extraction", model=str(make_sentence(tmp_path / "evil", MEAN, dense)))
    dense[1].pop("activation_function")
    pipe = pipeline("feature-extraction", model=str(make_sentence(tmp_path / "narrow", MEAN, dense)))
    with raises(ValueError, "12 numbers, and gets 32"):
        pipe("a", pooling="auto")
    assert len(pipe("a", pooling="mean")) == WIDTH


# ------------------------------------------------------------------------------------------------- sentence-similarity


def test_similarity_is_the_cosine(similar, pipe):
    vectors = pipe(TEXTS, pooling="auto", return_tensors="np", truncation=True)
    found = similar(TEXTS[0], TEXTS, truncation=True)
    assert np.allclose(found, vectors @ vectors[0], atol=1e-5) and found[0] == pytest.approx(1)
    asked = {"source_sentence": TEXTS[0], "sentences": TEXTS}
    for same in (similar(asked, truncation=True), similar(**asked, truncation=True)):
        assert np.allclose(same, found, atol=1e-5)
    assert np.allclose(similar([asked, asked], truncation=True), [found, found], atol=1e-5)
    distance = similar(TEXTS[0], TEXTS, similarity="euclidean", truncation=True)
    assert np.allclose(distance, -np.linalg.norm(vectors - vectors[0], axis=1), atol=1e-3)


def test_a_text_is_read_once(similar, monkeypatch):
    seen = []
    read = type(similar).read
    monkeypatch.setattr(
        type(similar), "read", lambda self, output, row, options: seen.append(1) or read(self, output, row, options)
    )
    assert similar([{"source_sentence": "a", "sentences": ["a", "b", "a"]}] * 5)[0][0] == pytest.approx(1)
    assert len(seen) == 2


def test_similarity_of_nothing(similar):
    assert similar([]) == [] and similar("a", []) == []
    assert len(similar("", ["", "a"])) == 2
    for wrong in (
        None, "a", 3, {"source_sentence": "a"}, {"source_sentence": "a", "sentences": "b"}, [None], [["a", "b"]],
        {"source_sentence": 3, "sentences": []}, {"source_sentence": "a", "sentences": ["b", None]},
        {"source_sentence": "a", "sentences": [], "more": 1},
    ):  # fmt: skip
        with raises(TypeError, "sentence-similarity takes .*source_sentence") as error:
            similar(wrong)
        assert len(str(error.value)) < 400
    with raises(ValueError, "similarity='cosin'", "'cosine'"):
        similar("a", ["b"], similarity="cosin")
    with raises(ValueError, "whole texts"):
        similar("a", ["b"], pooling="none")


# --------------------------------------------------------------------------------------------------------- text-ranking


def test_ranking_is_the_order_of_scores(ranker):
    found = ranker(query="i love", documents=TEXTS, truncation=True)
    scores = [entry["score"] for entry in found]
    assert scores == sorted(scores, reverse=True) and {entry["index"] for entry in found} == set(range(len(TEXTS)))
    assert all(list(entry) == ["index", "score", "text"] and TEXTS[entry["index"]] == entry["text"] for entry in found)
    assert ranker({"query": "i love", "texts": TEXTS}, top_k=3, truncation=True) == found[:3]
    both = ranker([{"query": "i love", "documents": TEXTS}, {"query": "no", "documents": []}], truncation=True)
    assert both[1] == [] and [entry["index"] for entry in both[0]] == [entry["index"] for entry in found]
    raw = ranker(query="i love", documents=TEXTS, function_to_apply="none", truncation=True)
    assert np.allclose(scores, 1 / (1 + np.exp([-entry["score"] for entry in raw])), atol=1e-6)
    assert [entry["index"] for entry in ranker("a", ["b"] * 3)] == [0, 1, 2]  # equal scores


def test_a_long_document_is_cut_and_told(ranker):
    with pytest.warns(UserWarning, match=r"1 of 2 texts .* 40 tokens .*truncation=True"):
        found = ranker(query="i love it", documents=[LONG, "no"])
    assert found == ranker(query="i love it", documents=[LONG, "no"], truncation=True)
    assert len(ranker(query=LONG, documents=[LONG, "no", ""], truncation=True)) == 3  # nothing is left for a document
    with raises(ValueError, "truncation=True"):
        ranker(query=LONG, documents=["no"], truncation="error")


@pytest.mark.parametrize(
    "wrong", [None, "a", 3, {"query": "a"}, {"query": "a", "documents": "b"}, {"query": 3, "documents": []}, ["a"],
              {"query": "a", "documents": ["b", None]}, {"query": "a", "documents": [], "top": 1}],
)  # fmt: skip
def test_wrong_questions(ranker, wrong):
    with raises(TypeError, "text-ranking takes .*documents") as error:
        ranker(wrong)
    assert len(str(error.value)) < 400


def test_models_that_do_not_rank(tmp_path, tiny_source):
    assert pipeline("text-ranking", model=str(make_cross_encoder(tmp_path / "a")))(query="a", documents=[]) == []
    with raises(ValueError, "3 labels"):
        pipeline("text-ranking", model=str(tiny_source))
    evil = make_cross_encoder(tmp_path / "b", sentence_transformers={"activation_fn": "os.system"})
    with raises(ValueError, "os.system", "function_to_apply='sigmoid'"):
        pipeline("text-ranking", model=str(evil))(query="a", documents=["b"])
    assert len(pipeline("text-ranking", model=str(evil), function_to_apply="none")(query="a", documents=["b"])) == 1
    with raises(ValueError, "Transformer alone"):
        pipeline("text-ranking", model=str(make_sentence(tmp_path / "c")))
    with raises(ValueError, "function_to_apply='sigmod'", "'sigmoid'"):
        pipeline("text-ranking", model=str(make_cross_encoder(tmp_path / "d")))(
            query="a", documents=[], function_to_apply="sigmod"
        )
    with raises(ValueError, "not trained for this task"):
        body = make(tmp_path / "e")
        weights = {k: v for k, v in load_file(body / "model.safetensors").items() if not k.startswith("classifier")}
        save_file(weights, body / "model.safetensors")
        pipeline("text-ranking", model=str(body))
