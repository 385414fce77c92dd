"""The published names of a model as attributes: reading, hooks, replacing, weights of parts."""

import copy
import functools

import pytest
import torch
from torch import nn

from families import IDS, SIZES, tiny_config
from qkv import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    T5ForConditionalGeneration,
)
from qkv.models import TEXT as FAMILIES


@pytest.fixture(params=FAMILIES)
def model(request):
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(tiny_config(request.param)).eval()


def test_published_paths():
    model = BertForSequenceClassification(BertConfig(**SIZES))
    inner = model.backbone
    assert model.bert is inner and model.base_model is inner and inner.base_model is inner
    assert model.bert.encoder.layer[1].attention.self.query is inner.layers[1].attn.q_proj
    assert model.bert.embeddings.word_embeddings is inner.embed.token is model.get_input_embeddings()
    assert model.bert.pooler.dense is inner.pooler.dense
    assert len(model.bert.encoder.layer) == 2 and len(list(model.bert.encoder.layer[:1])) == 1
    for layer in model.bert.encoder.layer[:1]:
        for parameter in layer.parameters():
            parameter.requires_grad = False
    model.bert.embeddings.requires_grad_(False)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert all(name.startswith(("bert.encoder.layer.0.", "bert.embeddings.")) for name in frozen) and len(frozen) == 21
    assert [n for n, _ in model.bert.encoder.layer[0].output.named_parameters()][0] == "dense.weight"
    with pytest.raises(AttributeError, match="encoder.layers"):
        model.bert.encoder.layers  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'classifer'"):
        model.classifer  # noqa: B018


def test_published_paths_where_a_name_is_ours_too(tmp_path):
    """Llama publishes "layers" and T5 "encoder", as we call them; what is below has other names here."""
    model = AutoModelForCausalLM.from_config(tiny_config("llama"))
    layer, inner = model.model.layers[1], model.backbone.layers[1]
    assert layer is inner and layer.self_attn is inner.attn and layer.self_attn.q_proj is inner.attn.q_proj
    assert layer.input_layernorm is inner.attn_norm and layer.post_attention_layernorm is inner.mlp_norm
    assert model.model.embed_tokens is model.get_input_embeddings() and model.lm_head is model.head.out
    assert layer.mlp.gate_proj is inner.mlp.gate_proj
    assert (
        "self_attn.q_proj.weight" in dict(layer.named_parameters()) and "input_layernorm.weight" in layer.state_dict()
    )
    with pytest.raises(AttributeError, match="no attribute 'attention'"):
        layer.attention  # noqa: B018
    t5 = T5ForConditionalGeneration(tiny_config("t5"))
    block = t5.encoder.block[1]
    assert block is t5.backbone.encoder.layers[1] and block.layer[0].SelfAttention.q is block.attn.q_proj
    assert block.layer[1].DenseReluDense.wo is block.mlp.down_proj and len(t5.decoder.block) == 2
    assert t5.decoder.block[1].layer[1].EncDecAttention.k is t5.backbone.decoder.layers[1].cross_attn.k_proj
    deberta = AutoModel.from_config(tiny_config("deberta-v2", conv_kernel_size=3))
    assert (
        deberta.encoder.conv.LayerNorm is deberta.layers[0].conv_norm and deberta.encoder.layer[0] is deberta.layers[0]
    )
    bias = t5.encoder.block[0].layer[0].SelfAttention.relative_attention_bias
    assert bias is t5.backbone.encoder.bias and t5.encoder.final_layer_norm is t5.backbone.encoder.norm


def test_hooks_on_published_paths_run():
    """A published path that is one of our modules gives that, so that a hook on it is called."""
    paths = {
        "bert": ("bert.embeddings", "bert.encoder.layer.1", "bert.encoder.layer.0.attention.self.query"),
        "gpt2": ("transformer.h.1", "transformer.h.0.attn", "transformer.h.0.mlp", "transformer.ln_f"),
        "llama": ("model.layers.0", "model.layers.1.self_attn", "model.layers.0.input_layernorm", "model.norm"),
        "t5": ("transformer.encoder.block.1", "transformer.decoder.block.1.layer.0.SelfAttention.q"),
        "phi3": ("model.layers.0.self_attn", "model.layers.1.mlp", "model.layers.1.mlp.down_proj"),
    }
    for family, names in paths.items():
        model = AutoModelForSequenceClassification.from_config(tiny_config(family)).eval()
        called = {name: 0 for name in names}
        for name in names:
            hook = functools.partial(lambda counts, name, *_: counts.update({name: counts[name] + 1}), called, name)
            model.get_submodule(name).register_forward_hook(hook)
        model(IDS)
        assert called == dict.fromkeys(names, 1), family


@torch.inference_mode()
def test_parts_are_replaced_under_published_names():
    model = AutoModelForCausalLM.from_config(tiny_config("llama")).eval()
    layer = model.model.layers[0]
    layer.self_attn = copy.deepcopy(model.model.layers[1].self_attn)
    layer.self_attn.q_proj = nn.Sequential(nn.Linear(16, 4), nn.Linear(4, 16))
    layer.input_layernorm = nn.Identity()
    assert isinstance(model.backbone.layers[0].attn.q_proj, nn.Sequential)
    assert "model.layers.0.self_attn.q_proj.1.weight" in model.state_dict()
    assert "model.layers.0.input_layernorm.weight" not in dict(model.named_parameters())
    assert torch.isfinite(model(IDS).logits).all()
    model.model.layers = nn.ModuleList(model.model.layers[:1])  # as layers are dropped
    assert len(model.model.layers) == 1 and torch.isfinite(model(IDS, use_cache=False).logits).all()
    bert = BertModel(tiny_config("bert")).eval()
    bert.encoder.layer = nn.ModuleList([bert.encoder.layer[1]])
    assert len(bert.encoder.layer) == 1 and bert(IDS, output_hidden_states=True).hidden_states[2:] == ()


@torch.inference_mode()
def test_functional_call_with_published_names(model):
    other = AutoModelForSequenceClassification.from_config(model.config).eval()
    weights = dict(other.named_parameters())
    assert torch.equal(torch.func.functional_call(model, weights, (IDS,))[0], other(IDS)[0])
    assert not torch.equal(model(IDS)[0], other(IDS)[0])


def test_a_part_takes_and_gives_its_weights_by_published_names(model):
    """Each module that has names of its own: what its state says is what the model's says below its path."""
    whole = model.state_dict()
    for path, part in model.named_modules():
        if path and getattr(part, "keys", None) is not None and path != "backbone":
            state = part.state_dict()
            assert all(
                any(key.endswith(name) and torch.equal(whole[key], state[name]) for key in whole) for name in state
            )
            assert not any(part.load_state_dict({name: tensor.clone() for name, tensor in state.items()}))
            assert all(torch.equal(tensor, part.state_dict()[name]) for name, tensor in state.items())
