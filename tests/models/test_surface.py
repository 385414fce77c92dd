"""What users do with a model beside calling it, for every family: names, freezing, resizing, outputs, bad inputs."""

import copy
import pickle
import threading

import pytest
import torch
from torch import nn

from families import FUSED, IDS, SIZES, tiny_config
from qkv import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
    BertModel,
    DistilBertForSequenceClassification,
    GPT2LMHeadModel,
    T5ForConditionalGeneration,
    auto,
)
from qkv.models import TEXT as FAMILIES


@pytest.fixture(params=FAMILIES)
def model(request):
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(tiny_config(request.param)).eval()


def test_fresh_models_begin_with_biases_of_zero(model):
    """What weights are drawn from tests/parity/test_fresh.py compares."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            assert module.weight.any()
            assert module.bias is None or not module.bias.any()
        if isinstance(module, nn.LayerNorm):
            assert (module.weight == 1).all() and (module.bias is None or not module.bias.any())


def test_names_are_the_published_ones(model):
    names = [name for name, _ in model.named_parameters()]
    assert set(names) >= {name for name in model.state_dict() if not any(part in name for part in FUSED)}
    ours = ("backbone", "head.out" if model.config.model_type == "modernbert" else "head")  # which publishes a "head"
    assert not any(name.startswith(ours) for name in names)
    assert all(p is q for (_, p), q in zip(model.named_parameters(), nn.Module.parameters(model), strict=True))


def test_freezing_the_body(model):
    for parameter in model.base_model.parameters():
        parameter.requires_grad = False
    trainable = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trainable and all(("classif" in name) or name.startswith(("score", "pooler", "head.")) for name in trainable)
    assert 0 < model.num_parameters(only_trainable=True) < model.num_parameters()
    assert model.num_parameters(exclude_embeddings=True) < model.num_parameters() - 50 * 16 + 1


@torch.inference_mode()
def test_state_dict_goes_into_another_model(model):
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    other = AutoModelForSequenceClassification.from_config(model.config).eval()
    out = model(IDS)[0]
    assert not torch.equal(other(IDS)[0], out)
    assert not any(other.load_state_dict(state))
    assert torch.equal(other(IDS)[0], out)
    with pytest.raises(RuntimeError, match="Missing"):
        other.load_state_dict({name: state[name] for name in list(state)[1:]})


@torch.inference_mode()
def test_copies(model):
    out = model(IDS)[0]
    assert torch.equal(copy.deepcopy(model)(IDS)[0], out)
    assert torch.equal(pickle.loads(pickle.dumps(model))(IDS)[0], out)


@torch.inference_mode()
def test_resizing_the_vocabulary(model):
    out = model(IDS)[0]
    old = model.get_input_embeddings().weight.clone()
    assert model.resize_token_embeddings(60).num_embeddings == model.config.vocab_size == 60
    new = model.get_input_embeddings().weight
    assert torch.equal(new[:50], old) and torch.allclose(new[50:], old.mean(0).expand(10, -1))
    assert torch.equal(model(IDS)[0], out)
    model(IDS + 50 - IDS.min())
    assert model.resize_token_embeddings(pad_to_multiple_of=64).num_embeddings == 64


@torch.inference_mode()
def test_outputs_by_name_key_index_and_tuple(model):
    out = model(IDS, labels=torch.tensor([0, 2]), output_hidden_states=True, output_attentions=True)
    assert out.loss is out["loss"] is out[0] and out.logits is out[1]
    loss, logits = out[:2]
    assert (loss, logits) == (out.loss, out.logits)
    assert len(out.to_tuple()) == len(out) == len(list(out)) and "pooler" not in out
    plain = model(IDS, return_dict=False)
    assert isinstance(plain, tuple) and torch.allclose(plain[0], out.logits, atol=1e-6)
    with pytest.raises(KeyError, match="logits"):
        out["scores"]
    kind = "encoder_" if model.config.is_encoder_decoder else ""
    assert len(out[f"{kind}hidden_states"]) == 3 and len(out[f"{kind}attentions"]) == 2
    sums = out[f"{kind}attentions"][0].sum(-1)
    if "global_attentions" in out:  # the first token is global: its weights are there
        sums[..., :1] += out.global_attentions[0].sum(-2)
    assert torch.allclose(sums, torch.ones(()), atol=1e-5)
    model.config.output_hidden_states = True
    assert f"{kind}hidden_states" in model(IDS)


@pytest.mark.parametrize(
    ("inputs", "say"),
    [({}, "input_ids"), ({"input_ids": IDS, "inputs_embeds": torch.ones(2, 4, 16)}, "not both"),
     ({"input_ids": IDS[0]}, r"input_ids\[None\]"), ({"input_ids": IDS.float()}, "integers"),
     ({"input_ids": IDS + 100}, "resize_token_embeddings"), ({"input_ids": -IDS}, "outside"),
     ({"input_ids": IDS, "attention_mask": torch.ones(2, 3)}, "attention_mask"),
     ({"input_ids": torch.ones(1, 5000, dtype=torch.long)}, "truncation=True"),
     ({"input_ids": IDS, "labels": torch.tensor([0, 9])}, "num_labels=10")],
)  # fmt: skip
def test_bad_inputs(model, inputs, say):
    if "truncation" in say and model.base_model.max_tokens is None:
        pytest.skip("this family reads texts of any length")
    if say == "not both" and model.config.is_encoder_decoder:
        inputs = {**inputs, "decoder_input_ids": IDS}
    with pytest.raises(ValueError, match=say) as error:
        model(**inputs)
    assert len(str(error.value)) < 400


@torch.inference_mode()
def test_threads_observe_their_own_pass(model):
    """Hidden states asked for by one thread are not those of another."""
    texts = [torch.randint(2, 50, (1, 3 + i % 5)) for i in range(40)]
    kind = "encoder_hidden_states" if model.config.is_encoder_decoder else "hidden_states"
    serial = [model(ids, output_hidden_states=True)[kind] for ids in texts]
    found = [None] * len(texts)

    def work(start):
        with torch.inference_mode():
            for i in range(start, len(texts), 8):
                found[i] = model(texts[i], output_hidden_states=bool(i % 2)).get(kind)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for i, states in enumerate(found):
        assert (states is None) == (i % 2 == 0)
        if states is not None:
            assert len(states) == len(serial[i])
            assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(states, serial[i], strict=True))


def test_replacing_the_classifier(tmp_path):
    model = DistilBertForSequenceClassification(tiny_config("distilbert"))
    model.classifier = nn.Linear(16, 7)
    assert model.head.out is model.classifier and model(IDS).logits.shape == (2, 7)
    model.classifier = nn.Sequential(nn.Linear(16, 4), nn.Linear(4, 7))
    assert model(IDS).logits.shape == (2, 7)
    assert {"classifier.0.weight", "classifier.1.bias"} <= model.state_dict().keys()


def test_problem_types():
    config = tiny_config("bert")
    model = AutoModelForSequenceClassification.from_config(config).eval()
    assert model(IDS, labels=torch.tensor([1, 2])).loss.ndim == 0
    many = model(IDS, labels=torch.ones(2, 3))
    assert torch.allclose(many.loss, nn.functional.binary_cross_entropy_with_logits(many.logits, torch.ones(2, 3)))
    one = AutoModelForSequenceClassification.from_config(tiny_config("bert").__class__(**SIZES, num_labels=1)).eval()
    out = one(IDS, labels=torch.tensor([0.5, 2.0]))
    assert torch.allclose(out.loss, ((out.logits[:, 0] - torch.tensor([0.5, 2.0])) ** 2).mean())


def test_tied_weights_stay_one():
    for model in (GPT2LMHeadModel(tiny_config("gpt2")), AutoModelForMaskedLM.from_config(tiny_config("bert"))):
        embeddings = model.get_input_embeddings()
        assert model.head.out.weight is embeddings.weight
        model.resize_token_embeddings(70)
        assert model.head.out.weight is model.get_input_embeddings().weight and model(IDS).logits.shape == (2, 4, 70)
        model.set_input_embeddings(nn.Embedding(30, 16))
        assert model.head.out.weight.shape == (30, 16)
        model.train()
        assert copy.deepcopy(model).head.out.weight.shape == (30, 16)


def test_classes():
    assert BertForSequenceClassification.__module__ == "qkv.models.bert"
    assert BertForSequenceClassification.__doc__.startswith("Bert with a score for each label")
    assert isinstance(AutoModel.from_config(tiny_config("bert")), BertModel)
    assert isinstance(AutoModelForCausalLM.from_config(tiny_config("gpt2")), GPT2LMHeadModel)
    assert isinstance(AutoModelForSeq2SeqLM.from_config(tiny_config("t5")), T5ForConditionalGeneration)
    with pytest.raises(ValueError, match="no such head in qkv; it has GPT2ForSequenceClassification, GPT2LMHeadModel"):
        AutoModelForMaskedLM.from_config(tiny_config("gpt2"))
    with pytest.raises(ValueError, match="no family"):
        auto.family("nope")
    with pytest.raises(TypeError, match="BertConfig"):
        BertModel(tiny_config("gpt2"))


def test_a_plain_module_can_hold_a_model(tmp_path):
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = BertModel(tiny_config("bert"))
            self.out = nn.Linear(16, 2)

    wrapper, other = Wrapper(), Wrapper()
    other.load_state_dict(wrapper.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(wrapper.parameters(), other.parameters(), strict=True))
