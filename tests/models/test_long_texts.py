"""Longformer where goldens do not reach: long texts, any window, memory, bad inputs, a pipeline."""

import json
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from largest import Largest
from parity.test_models import CASES, load
from qkv import (
    AutoConfig,
    AutoModel,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    LongformerModel,
    pipeline,
)
from qkv.models.longformer import LongformerAttention, Scope
from qkv.viz.maps import attention
from tiny_text import make_text

SIZES = {"vocab_size": 99, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SIZES |= {"max_position_embeddings": 5000, "attention_window": 16}


def made(auto=AutoModel, **fields):
    torch.manual_seed(0)
    model = auto.from_config(AutoConfig.for_model("longformer", **(SIZES | fields))).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("longformer")])
@pytest.mark.parametrize("block", [1, 4])
@torch.inference_mode()
def test_blocks_change_nothing(case, block, monkeypatch):
    """Short texts are computed in one block; in several they are what the reference computed, weights included."""
    model, inputs, expected = load(case)
    monkeypatch.setattr(LongformerAttention, "block", block)
    out = model(**inputs, output_attentions=True, output_hidden_states=True)
    for name, value in expected.items():
        kind, _, index = name.rpartition(".")
        if kind.endswith(("attentions", "hidden_states")):
            assert (out[kind][int(index)] - value).abs().max() <= 1e-5 * max(1, value.abs().max() / 10), name


def in_full(attention, x, tokens, is_global):
    """What the paper says, with all scores of all pairs."""
    place = torch.arange(x.shape[1])
    near = (place[:, None] - place).abs() <= attention.reach
    sees = (near | is_global[:, None]) & tokens[:, None]
    found = []
    for part, mask in ((attention, sees), (attention.far, tokens[:, None])):
        q, k, v = (attention.split(getattr(part, f"{name}_proj")(x)) for name in "qkv")
        scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~mask[:, None], -1e9)
        found.append(scores.softmax(-1) @ v)
    y = torch.where(is_global[:, None, :, None], found[1], found[0]) * tokens[:, None, :, None]
    return attention.o_proj(y.transpose(1, 2).flatten(2))


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 60), reach=st.integers(1, 12), block=st.integers(1, 16), padding=st.integers(0, 60),
    share=st.sampled_from([0.0, 0.05, 0.5, 1.0]), seed=st.integers(0, 999),
)  # fmt: skip
def test_attention_is_that_of_the_paper(length, reach, block, padding, share, seed):
    torch.manual_seed(seed)
    layer = LongformerAttention(8, 2, reach=reach, dropout=0.0)
    layer.block = block
    tokens = torch.ones(3, length, dtype=torch.bool)
    tokens[1, max(0, length - padding) :] = False
    tokens[2] = torch.rand(length) < 0.5
    is_global = (torch.rand(3, length) < share) & tokens
    x = torch.randn(3, length, 8, requires_grad=True)
    y = layer(x, Scope(tokens, is_global, length))
    expected = in_full(layer, x, tokens, is_global)
    assert (y - expected).abs().max() <= 1e-5
    weights = torch.randn_like(y)
    ours, theirs = (torch.autograd.grad((out * weights).sum(), x)[0] for out in (y, expected))
    assert (ours - theirs).abs().max() <= 1e-4


@pytest.mark.parametrize("given", [{}, {"output_attentions": True, "output_hidden_states": True}, {"labels": [1]}])
def test_no_tensor_is_the_text_squared(given):
    model = made(AutoModelForSequenceClassification)
    labels = {name: torch.tensor(value) for name, value in given.items() if name == "labels"}
    largest = {}
    for length in (2048, 4096):
        ids = torch.randint(3, 99, (1, length))
        with Largest(length) as seen:
            out = model(ids, **(given | labels))
            if labels:
                out.loss.backward()
        assert seen.squares == 0
        largest[length] = seen.numbers
    assert largest[4096] <= 2 * largest[2048]
    assert largest[4096] < 4096 * 4096 / 32


@torch.inference_mode()
def test_what_is_far_is_seen_only_through_global_tokens():
    model = made()
    ids = torch.randint(3, 99, (1, 1000))
    other = ids.clone()
    other[0, 900] = 5 + (ids[0, 900] == 5)
    states, changed = model(ids)[0], model(other)[0]
    moved = (states - changed)[0].abs().amax(-1) > 1e-6
    assert moved[900] and set(moved.nonzero().flatten().tolist()) <= set(range(900 - 16, 900 + 17))  # 8 a layer
    mask = torch.zeros_like(ids)
    mask[0, 0] = 1
    moved = (model(ids, global_attention_mask=mask)[0] - model(other, global_attention_mask=mask)[0])[0].abs().amax(-1)
    assert (moved > 1e-6).all()


def test_a_mask_with_twos_says_what_is_global():
    """As the first versions of the model took it."""
    model, ids = made(), torch.randint(3, 99, (1, 50))
    twos, ones = torch.ones_like(ids), torch.zeros_like(ids)
    twos[0, 7], ones[0, 7] = 2, 1
    assert torch.equal(model(ids, attention_mask=twos)[0], model(ids, global_attention_mask=ones)[0])
    assert not torch.equal(model(ids, attention_mask=twos)[0], model(ids)[0])


@pytest.mark.parametrize("window", [0, 3, -2, [16], [16, 15], ["16", 16]])
def test_windows_that_cannot_be(window):
    with pytest.raises(ValueError, match="attention_window") as error:
        LongformerModel(AutoConfig.for_model("longformer", **(SIZES | {"attention_window": window})))
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("auto", [AutoModelForQuestionAnswering, AutoModelForMultipleChoice])
def test_a_question_that_is_not_found(auto):
    model, choice = made(auto), auto is AutoModelForMultipleChoice
    ids = torch.tensor([[0, 5, 2, 2, 6, 2], [0, 5, 2, 7, 6, 2]])
    ids = ids[:, None] if choice else ids
    with pytest.raises(
        ValueError, match=r"row 1 .* has 2 separators \(sep_token_id 2\).*global_attention_mask"
    ) as error:
        model(ids)
    assert len(str(error.value)) < 400
    more = ids.clone()
    more[0, ..., 1] = (
        2  # as many separators as two rows should have, but not in each: the reference takes them for right
    )
    with pytest.raises(ValueError, match="row 0 .* has 4"):
        model(more)
    assert torch.isfinite(model(ids, global_attention_mask=torch.zeros_like(ids))[0]).all()
    vectors = model.get_input_embeddings()(ids)
    with pytest.warns(UserWarning, match="global_attention_mask"):
        warned = model(inputs_embeds=vectors)[0]
    assert torch.equal(warned, model(inputs_embeds=vectors, global_attention_mask=torch.zeros_like(ids))[0])


def test_masks_of_other_shapes():
    model, ids = made(), torch.randint(3, 99, (2, 7))
    for name, shape in (("global_attention_mask", (2, 6)), ("attention_mask", (2, 7, 7))):
        with pytest.raises(ValueError, match=rf"{name} \(2, .*\(2, 7\)"):
            model(ids, **{name: torch.ones(shape)})


@pytest.fixture
def long_model(tmp_path):
    """A classifier of texts of 4,096 tokens with RoBERTa's kind of tokenizer, which no file names."""
    folder = make_text(tmp_path / "long", "longformer/ForSequenceClassification")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings = {"model_max_length": 4096, "pad_token": settings["pad_token"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    made(AutoModelForSequenceClassification, max_position_embeddings=4098, num_labels=3).save_pretrained(folder)
    return folder


def test_attention_is_drawn_by_pairs_of_tokens(long_model):
    model, tokenizer = made(attention_window=[4, 8]), AutoTokenizer.from_pretrained(long_model)
    weights = attention(model, tokenizer, "the cat sat").weights
    length = weights.shape[-1]
    assert weights.shape == (2, 2, length, length) and torch.allclose(weights.sum(-1), torch.ones(()), atol=1e-5)
    far = (torch.arange(length)[:, None] - torch.arange(length)).abs()
    assert length > 7 and all(not layer[:, far > reach].any() for layer, reach in zip(weights, (2, 4), strict=True))
    assert (weights[0][:, far <= 2] > 0).all()


def test_pipeline_reads_long_texts_whole(long_model):
    assert type(AutoTokenizer.from_pretrained(long_model)).__name__ == "RobertaTokenizer"
    classifier = pipeline("text-classification", str(long_model), top_k=None)
    text = "the cat sat on the mat. " * 150
    assert len(classifier.tokenizer(text)["input_ids"]) > 1500
    texts = [text, text + "?", "short", text[:900], text[:2000] + "who, me? (5)\n" * 100]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is cut
        together, alone = classifier(texts, batch_size=5), [classifier(one, top_k=None) for one in texts]
    padded = classifier.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():  # long texts are batches of their own in a pipeline, but not here
        probabilities = classifier.model(**padded).logits.softmax(-1)
    scores = [{row["label"]: row["score"] for row in rows} for rows in together]
    for rows, found, row_of_batch in zip(alone, scores, probabilities, strict=True):
        assert all(abs(found[row["label"]] - row["score"]) <= 1e-6 for row in rows)
        assert all(abs(found[f"LABEL_{i}"] - float(score)) <= 1e-5 for i, score in enumerate(row_of_batch))
    assert max(abs(scores[0][label] - scores[4][label]) for label in scores[0]) > 1e-4  # its end is read
    with pytest.warns(UserWarning, match="4096 tokens"):
        classifier(text * 5)
