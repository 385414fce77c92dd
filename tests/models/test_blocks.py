"""BigBird on long texts: which blocks see which, memory, bad inputs. Numbers are in the goldens (big_bird-blocks)."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from largest import Largest
from parity.test_models import GOLDENS
from qkv import AutoConfig, AutoModel, AutoModelForQuestionAnswering, BigBirdModel
from qkv.models.big_bird import BlockAttention, random_blocks

DRAWN = json.loads((GOLDENS.parent / "big_bird_blocks.json").read_text())
SIZES = {"vocab_size": 99, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}


def config_of(**fields):
    return AutoConfig.for_model("big_bird", **(SIZES | {"hidden_dropout_prob": 0.0} | fields))


@pytest.mark.parametrize("row", DRAWN, ids=lambda row: str(row["case"]))
def test_random_blocks_are_the_references(row):
    seed, heads, tokens, size, longest, number = row["case"]
    assert random_blocks(seed, heads, tokens // size, size, longest, number).tolist() == row["blocks"]


def test_too_few_blocks_to_draw_from():
    with pytest.raises(ValueError, match="num_random_blocks=3"):
        random_blocks(0, 1, 16, 256, 4096, 3)


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(6, 14), size=st.integers(1, 4), random=st.integers(0, 3), cut=st.integers(0, 3),
    training=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_attention_is_that_of_the_paper(count, size, random, cut, training, seed):
    """Against all scores of all pairs, each key as often as its block is seen."""
    torch.manual_seed(seed)
    count = max(count, 6 + 2 * random)
    length = count * size - min(cut, size - 1)
    attention = BlockAttention(config_of(block_size=size, num_random_blocks=random), seed).train(training)
    tokens = torch.rand(3, length) < torch.tensor([[1.1], [0.6], [-0.1]])
    times = torch.zeros(2, count, count)  # of each head: how often a block of queries sees a block of keys
    for i in range(count):
        times[:, i, sorted({0, i - 1, i, i + 1, count - 1} & set(range(count)))] = 1
    for head, plan in enumerate(attention.drawn(count, 2).expand(2, -1, -1).tolist()):
        for i, blocks in enumerate(plan, start=1):
            for block in blocks:
                times[head, i, block] += 1
    times[:, [0, -1]] = 1
    each = times.repeat_interleave(size, 1).repeat_interleave(size, 2)[:, :length, :length] * tokens[:, None, None]
    x = torch.randn(3, length, 8)
    q, k, v = (attention.split(getattr(attention, f"{name}_proj")(x)) for name in "qkv")
    weights = each * (q @ k.mT / 2).exp()
    y = weights / weights.sum(-1, keepdim=True).clamp(min=1e-30) @ v * tokens[:, None, :, None]
    expected = attention.o_proj(y.transpose(1, 2).flatten(2))
    assert (attention(x, None, tokens) - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("training", [False, True])
def test_no_tensor_is_the_text_squared(training):
    torch.manual_seed(0)
    model = AutoModel.from_config(config_of(num_hidden_layers=1, block_size=16)).train(training)
    largest = {}
    for length in (2000, 4000):
        with Largest(length) as seen:
            out = model(torch.randint(3, 99, (1, length)))[0]
            if training:
                out.sum().backward()
        assert seen.squares == 0
        largest[length] = seen.numbers
    assert largest[4000] <= 2.1 * largest[2000] and largest[4000] < 4000 * 4000 / 32


@torch.inference_mode()
def test_short_texts_are_read_in_full_and_long_ones_still_in_blocks():
    """The reference goes on in full once it has read a short text; here a text's result is its own."""
    torch.manual_seed(0)
    model = BigBirdModel(config_of(block_size=2, num_random_blocks=1)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ids, few = torch.randint(3, 99, (1, 40)), torch.randint(3, 99, (1, 14))
    blocks = model(ids)[0]
    short = model(few)[0]
    assert torch.equal(model(ids)[0], blocks)
    model.set_attention_type("original_full")
    assert torch.equal(model(few)[0], short)
    assert (model(ids)[0] - blocks).abs().max() > 1e-3
    with pytest.raises(ValueError, match="block_sparse, original_full"):
        model.set_attention_type("sparse")
    model.set_attention_type("block_sparse")
    with pytest.raises(ValueError, match=r"attention_mask \(1, 40, 40\)"):
        model(ids, attention_mask=torch.ones(1, 40, 40))
    weights = model(ids, output_attentions=True).attentions[0]
    assert weights.shape == (1, 2, 40, 40) and (weights[0, 0, 20] > 0).sum() == 5 * 2


@torch.inference_mode()
def test_the_question_is_no_answer():
    model = AutoModelForQuestionAnswering.from_config(config_of()).eval()
    ids = torch.tensor([[65, 7, 8, 66, 9, 10, 66], [65, 7, 66, 8, 9, 10, 66]])
    scores = model(ids).start_logits
    assert ((scores < -1e5) == torch.tensor([[0, 1, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0, 0]]).bool()).all()
    types = torch.tensor([[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1]])
    assert torch.equal(model(ids, token_type_ids=types).start_logits, scores)
    assert not torch.equal(model(ids, token_type_ids=1 - types).start_logits, scores)
