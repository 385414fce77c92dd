"""Pictures: attention weights are distributions, saliency adds up, bad input is named."""

from io import StringIO

import pytest
import torch

from qkv import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer
from qkv.pipelines.factory import ASSETS
from qkv.viz import attention, saliency
from tiny import GOLDENS, make
from tiny_text import make_text

TEXT = "The food was not good, but the people were lovely."


@pytest.fixture(scope="module")
def sentiment():
    folder = ASSETS / "sentiment"
    return AutoModelForSequenceClassification.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    folder = make_text(tmp_path_factory.mktemp("gpt2"), "gpt2/LMHeadModel")
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def test_attention_of_all_layers_and_of_one_head(sentiment, tmp_path):
    model, tokenizer = sentiment
    whole = attention(model, tokenizer, TEXT)
    assert whole.weights.shape == (6, 12, 14, 14) and whole.tokens[1:4] == ["the", "food", "was"]
    assert torch.allclose(whole.weights.sum(-1), torch.ones(6, 12, 14), atol=1e-5)
    one = attention(model, tokenizer, TEXT, layer=-1, head=9)
    assert (one.layer, one.head) == (5, 9) and torch.equal(one.weights, whole.weights)
    for picture, size in ((whole, 6 * 12), (one, 2), (attention(model, tokenizer, TEXT, layer=2), 12)):
        assert len(picture.figure().axes) == size
        picture.save(tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"
    assert one._repr_png_()[:4] == b"\x89PNG"


def test_lines_are_as_strong_as_the_attention(sentiment):
    one = attention(*sentiment, "so good", layer=0, head=1)
    lines = one.lines().axes[0].lines
    strong = [float(w) for w in one.weights[0, 1].flatten() if w > 0.02]
    assert [line.get_alpha() for line in lines] == pytest.approx(strong)


def test_attention_of_a_decoder_looks_back_only(writer):
    found = attention(*writer, "the end of it.")
    assert not found.weights.triu(1).any()


@pytest.mark.parametrize("text", [TEXT, "no", "It was all right I guess, nothing that I would tell anybody about."])
def test_saliency_adds_up(sentiment, text):
    """To what separates the score of the text from that of padding (completeness, section 3 of the paper)."""
    model, tokenizer = sentiment
    found = saliency(model, tokenizer, text, target="positive", steps=100)
    inputs = tokenizer(text, return_tensors="pt")
    blank = dict(inputs)
    blank["input_ids"] = inputs["input_ids"].clone()
    blank["input_ids"][:, 1:-1] = tokenizer.pad_token_id
    with torch.no_grad():
        full, none = (model(**given).logits[0, 1] for given in (inputs, blank))
    assert sum(found.scores) == pytest.approx(float(full - none), abs=0.02)
    assert found.label == "POSITIVE" and found.scores[0] == found.scores[-1] == 0  # special tokens do not change


def test_saliency_of_the_next_token(writer):
    found = saliency(*writer, "the end of", steps=5)
    assert len(found.tokens) == len(found.scores) and 0 < found.probability < 1
    assert saliency(*writer, "the end of", target=7, steps=2).label == writer[1].decode([7])


def test_saliency_shows_itself(sentiment, tmp_path):
    from rich.console import Console

    found = saliency(*sentiment, "good <b>", steps=2)
    assert "&lt;" in found._repr_html_() and "<b>b" not in found._repr_html_()
    console = Console(record=True, width=80, force_terminal=True, color_system="truecolor", file=StringIO())
    console.print(found)
    assert "good" in console.export_text()
    found.save(tmp_path / "saliency.svg")
    assert b"<svg" in (tmp_path / "saliency.svg").read_bytes()


@pytest.mark.parametrize(
    ("call", "error", "say"),
    [
        (lambda m, t: attention(m, t, "word " * 300), ValueError, "1 to 128"),
        (lambda m, t: attention(m, t, ["a", "b"]), TypeError, "one text"),
        (lambda m, t: attention(m, t, "a", layer=6), ValueError, "0 to 5"),
        (lambda m, t: attention(m, t, "a", head=-13), ValueError, "0 to 11"),
        (lambda m, t: attention(m, t, "a", layer=1).lines(), ValueError, "give layer= and head="),
        (lambda m, t: saliency(m, t, "a", target="positiv"), ValueError, "POSITIVE"),
        (lambda m, t: saliency(m, t, "a", target=2), ValueError, "0 to 1"),
        (lambda m, t: saliency(m, t, "a", steps=0), ValueError, "at least 1"),
    ],
)
def test_bad_input_is_named(sentiment, call, error, say):
    with pytest.raises(error, match=say):
        call(*sentiment)


def test_saliency_needs_a_head_on_the_text(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(make(tmp_path))
    for model in (
        AutoModelForMaskedLM.from_pretrained(GOLDENS / "bert" / "ForMaskedLM"),
        AutoModel.from_pretrained(GOLDENS / "bert" / "Model"),
    ):
        with pytest.raises(ValueError, match="sequence classifier"):
            saliency(model, tokenizer, "a")
