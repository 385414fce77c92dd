"""Every family with weights of few bits: near to what it was, the same after saving, and plain again if asked."""

import json

import pytest
import torch

from parity.test_models import CASES, GOLDENS, load
from qkv import auto
from qkv.backends.quantize import bits_of, quantize
from qkv.backends.quantized import Quantized, QuantizedEmbedding, QuantizedLinear

BITS = {"int8": 8, "int4": 4}


def answer(model, inputs):
    """What a case is about: logits, or hidden states."""
    with torch.inference_mode():
        out = model(**inputs)
    return out[0]


def likeness(found, expected):
    """Cosine of all numbers together."""
    return float(torch.cosine_similarity(found.flatten().double(), expected.flatten().double(), dim=0))


WITH_HEADS = [case for case in CASES if not case.endswith("/Model")]
SOME = [
    "bert/ForMaskedLM", "deberta-v2/ForSequenceClassification", "gemma/ForCausalLM", "gpt2/LMHeadModel",
    "llama/ForCausalLM", "phi3/ForCausalLM", "qwen2/Model", "t5/ForConditionalGeneration",
]  # fmt: skip


@pytest.mark.parametrize(("case", "how"), [(case, "int8") for case in WITH_HEADS] + [(case, "int4") for case in SOME])
def test_near_to_the_plain_model_and_bit_equal_after_saving(case, how, tmp_path):
    model, inputs, _ = load(case)
    plain = answer(model, inputs)
    same = type(model).from_pretrained(GOLDENS / case, quantize=how)
    quantize(model, how)
    found = answer(model, inputs)
    assert likeness(found, plain) > (0.99 if how == "int8" else 0.8)
    assert torch.equal(answer(same, inputs), found)  # quantised while it was read
    state = model.state_dict()
    assert same.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in same.state_dict().items())

    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["quantization_config"] == {"quant_method": "qkv", "bits": BITS[how]}
    assert {path.name for path in tmp_path.glob("model*")} == {f"model.{how}.safetensors"}
    back, info = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert all(torch.equal(tensor, state[name]) for name, tensor in back.state_dict().items())
    assert torch.equal(answer(back, inputs), found)


@pytest.mark.parametrize("case", SOME)
def test_dequantized(case, tmp_path):
    """A plain model again, whose weights are those that the codes stand for, and that saves as one."""
    model, inputs, _ = load(case)
    names = model.state_dict().keys()
    config = json.loads((GOLDENS / case / "config.json").read_text())
    quantize(model, "int8").save_pretrained(tmp_path / "few")
    plain = type(model).from_pretrained(tmp_path / "few", dequantize=True)
    assert bits_of(plain) is None and all(p.requires_grad for p in plain.parameters())
    assert plain.state_dict().keys() == names
    for path, module in model.named_modules():
        if isinstance(module, Quantized):
            assert torch.equal(module.dequantized(), plain.get_submodule(path).weight)
    assert likeness(answer(plain, inputs), answer(model, inputs)) > 0.999
    plain.save_pretrained(tmp_path / "plain")
    saved = json.loads((tmp_path / "plain" / "config.json").read_text())
    assert saved.keys() == config.keys() and "quantization_config" not in saved


@pytest.mark.parametrize("case", SOME)
def test_what_is_quantised(case):
    """Projections, the table of tokens and a head over the vocabulary, and nothing else."""
    model, _, _ = load(case)
    linear = {path for path, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    quantize(model, "int4")
    few = {path: m.bits for path, m in model.named_modules() if isinstance(m, Quantized)}
    tables = {path for path, m in model.named_modules() if isinstance(m, QuantizedEmbedding)}
    assert {path.removeprefix("backbone.") for path in tables} == {"embed.token"}
    heads = {path for path in few if path == "head.out"}
    assert bool(heads) == (not case.endswith(("Model", "ForSequenceClassification")) or case.endswith("LMHeadModel"))
    assert all(bits == (8 if path in tables | heads else 4) for path, bits in few.items())
    left = linear - few.keys()
    assert all(path.rpartition(".")[2] in LEFT for path in left), left
    assert len(few) > 10


LEFT = ("out", "dense", "proj", "out_proj", "pos_k_proj", "pos_q_proj", "summary")


def test_published_paths_lead_to_quantised_layers():
    model = quantize(
        auto.AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert/ForSequenceClassification")
    )
    query = model.bert.encoder.layer[1].attention.self.query
    assert isinstance(query, QuantizedLinear) and query is model.backbone.layers[1].attn.q_proj
    assert query.weight.shape == (query.out_features, query.in_features)
    assert len(model.bert.encoder.layer) == 2
    assert "bert.encoder.layer.0.attention.self.query.bias" in dict(model.named_parameters())
    assert "bert.encoder.layer.0.attention.self.query.weight.scale" in model.state_dict()
