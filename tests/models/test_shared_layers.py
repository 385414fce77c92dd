"""ALBERT's layers, which are groups of blocks that share weights: each is held once, and run several times."""

import copy

import pytest
import torch
from torch import nn

import qkv.backends.cpu.stack as stack
from families import IDS
from qkv import AlbertConfig, AlbertForMaskedLM, AlbertModel
from qkv.backends.cpu.library import library, status
from qkv.backends.quantize import quantize
from qkv.backends.quantized import QuantizedLinear
from qkv.layers import Layers

SIZES = dict(vocab_size=50, embedding_size=8, hidden_size=16, num_attention_heads=2, intermediate_size=32)
ORDERS = {  # layers, groups, blocks of a layer: in which order the blocks of all groups run
    (3, 1, 1): [0, 0, 0],
    (4, 2, 1): [0, 0, 1, 1],
    (5, 2, 2): [0, 1, 0, 1, 0, 1, 2, 3, 2, 3],
    (3, 3, 1): [0, 1, 2],
    (2, 1, 3): [0, 1, 2, 0, 1, 2],
}


def small(layers, groups, blocks, cls=AlbertModel):
    torch.manual_seed(0)
    counts = {"num_hidden_layers": layers, "num_hidden_groups": groups, "inner_group_num": blocks}
    return cls(AlbertConfig(**SIZES, **counts, initializer_range=0.3, max_position_embeddings=20)).eval()


@pytest.mark.parametrize("counts", ORDERS)
@torch.inference_mode()
def test_order(counts):
    model = small(*counts)
    held = [block for group in model.layers for block in group]
    assert [held.index(block) for block in model.layers.blocks] == ORDERS[counts]
    x = model.embed_proj(model.embed(model.get_input_embeddings()(IDS), torch.arange(4)[None]))
    for i in ORDERS[counts]:
        x = held[i](x, None)
    assert (model(IDS).last_hidden_state - x).abs().max() <= 1e-5
    assert len(model(IDS, output_hidden_states=True).hidden_states) == len(ORDERS[counts]) + 1


@pytest.mark.skipif(library() is None, reason=f"no native library: {status()}")
@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("counts", ORDERS)
@torch.inference_mode()
def test_one_native_call_for_all(counts, few, monkeypatch):
    model, taken = small(*counts), []
    model = quantize(model) if few else model

    def run(*args):
        taken.append(stack.run(*args))
        return taken[-1]

    monkeypatch.setattr(Layers, "engine", staticmethod(run))
    ours = model(IDS).last_hidden_state
    assert len(taken) == 1 and taken[0] is not None
    monkeypatch.setattr(Layers, "engine", None)
    expected = model(IDS).last_hidden_state
    assert torch.cosine_similarity(ours.flatten(), expected.flatten(), dim=0) > 0.99
    assert few or (ours - expected).abs().max() <= 1e-5  # with few bits, torch rounds activations otherwise


@pytest.mark.parametrize("counts", ORDERS)
def test_weights_are_held_once(counts):
    _, groups, blocks = counts
    model = small(*counts, cls=AlbertForMaskedLM)
    names = [name for name, _ in model.named_parameters()]
    assert len(names) == len(set(names))
    assert sum(name.endswith("attention.query.weight") for name in names) == groups * blocks
    assert sum(name.endswith("attention.query.weight") for name in model.state_dict()) == groups * blocks
    loss = model(IDS, labels=IDS).loss
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    few = [module for module in quantize(model).modules() if isinstance(module, QuantizedLinear)]
    assert len(few) == 6 * groups * blocks + 1  # and the head


@torch.inference_mode()
def test_published_paths():
    model = small(5, 2, 2, cls=AlbertForMaskedLM)
    groups = model.albert.encoder.albert_layer_groups
    assert len(groups) == 2 and len(groups[1].albert_layers) == 2
    block = model.backbone.layers[1][0]
    assert groups[1].albert_layers[0] is block
    assert groups[1].albert_layers[0].attention.query is block.attn.q_proj and groups[1].albert_layers[0].ffn_output
    assert model.get_submodule("albert.encoder.albert_layer_groups.1.albert_layers.0.ffn") is block.mlp.up_proj
    calls = []
    block.register_forward_hook(lambda *_: calls.append(1))
    expected = model(IDS).logits
    assert len(calls) == 2  # two of five layers are of the second group
    model.albert.encoder.albert_layer_groups[1] = copy.deepcopy(groups[0])
    assert not torch.equal(model(IDS).logits, expected)
    model.albert.encoder.albert_layer_groups = nn.ModuleList([groups[0]])  # as layers are dropped
    assert len(model(IDS, output_hidden_states=True).hidden_states) == 1 + 2


def test_pooler_under_its_published_name():
    model = small(2, 1, 1)
    assert model.pooler.weight.shape == (16, 16) and "pooler.weight" in model.state_dict()
    assert torch.allclose(model(IDS).pooler_output, model.pooler(model(IDS).last_hidden_state), atol=1e-6)
    assert "pooler_output" not in AlbertModel(model.config, add_pooling_layer=False)(IDS)


@pytest.mark.parametrize("counts", [(2, 3, 1), (2, 0, 1), (0, 1, 1), (10**9, 1, 1), (10**9, 10**9, 1), (2, 1, 10**9)])
def test_counts_that_make_no_network_are_refused_at_once(counts):
    with pytest.raises(ValueError, match="impossible network.*num_hidden_(groups|layers)") as error:
        small(*counts)
    assert len(str(error.value)) < 400
