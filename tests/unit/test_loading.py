"""What from_pretrained refuses, allows and says."""

import json
import logging
import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from qkv import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
    BertModel,
    GPT2Model,
)


def change(folder, edit):
    state = load_file(folder / "model.safetensors")
    edit(state)
    save_file(state, folder / "model.safetensors")


def refused(kind, match, folder, cls=AutoModelForSequenceClassification, **kwargs):
    with pytest.raises(kind, match=match) as error:
        cls.from_pretrained(folder, **kwargs)
    assert len(str(error.value)) < 400


def test_each_weight_equals_the_file(tiny):
    model, info = AutoModelForSequenceClassification.from_pretrained(tiny, output_loading_info=True)
    assert info == {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": [], "error_msgs": []}
    file = load_file(tiny / "model.safetensors")
    assert model.state_dict().keys() == file.keys()
    assert all(torch.equal(tensor, file[name]) for name, tensor in model.state_dict().items())
    assert not model.training and {name for name, _ in model.named_parameters()} == file.keys()


def test_a_missing_head_is_drawn_and_named_once(tiny, caplog):
    change(tiny, lambda state: [state.pop("classifier.weight"), state.pop("classifier.bias")])
    with caplog.at_level(logging.WARNING, "qkv"):
        model, info = AutoModelForSequenceClassification.from_pretrained(tiny, num_labels=7, output_loading_info=True)
    assert [record.levelname for record in caplog.records] == ["WARNING"] and "classifier" in caplog.text
    assert info["missing_keys"] == ["classifier.weight", "classifier.bias"]
    assert model.classifier.weight.shape == (7, 32) and model.config.num_labels == 7
    assert 0 < model.classifier.weight.std() < 0.05 and not model.classifier.bias.any()
    file = load_file(tiny / "model.safetensors")
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in file.items())
    refused(ValueError, "not trained for this task", tiny, complete=True)


def test_an_initialiser_of_the_users_touches_only_what_was_missing(tiny):
    class Mine(BertForSequenceClassification):
        def _init_weights(self, module):
            for parameter in module.parameters(recurse=False):
                nn.init.constant_(parameter, 42.0)

    change(tiny, lambda state: state.pop("classifier.bias"))
    model = Mine.from_pretrained(tiny)
    file = load_file(tiny / "model.safetensors")
    assert (model.classifier.bias == 42).all()
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in file.items())


def test_a_missing_body_weight_is_an_error(tiny):
    change(tiny, lambda state: state.pop("bert.encoder.layer.1.output.dense.weight"))
    refused(ValueError, "encoder.layer.1.output.dense.weight", tiny)


def test_a_checkpoint_of_another_kind(tiny):
    save_file({"some.weight": torch.ones(2)}, tiny / "model.safetensors")
    refused(ValueError, "lacks .*some.weight", tiny)


def test_weights_without_a_place_are_an_error(tiny):
    change(tiny, lambda s: s.update({"bert.encoder.layer.0.attention.self.distance_embedding.weight": torch.ones(3)}))
    refused(ValueError, "distance_embedding.*strict=False", tiny)
    model, info = AutoModel.from_pretrained(tiny, strict=False, output_loading_info=True)
    assert "bert.encoder.layer.0.attention.self.distance_embedding.weight" in info["unexpected_keys"]
    assert "classifier.weight" in info["unexpected_keys"]


def test_shapes(tiny):
    refused(ValueError, r"classifier.bias': \(3,\).*\(5,\).*ignore_mismatched_sizes", tiny, num_labels=5)
    model, info = AutoModelForSequenceClassification.from_pretrained(
        tiny, num_labels=5, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert model.classifier.weight.shape == (5, 32) and torch.isfinite(model.classifier.weight).all()
    assert ("classifier.weight", (3, 32), (5, 32)) in info["mismatched_keys"]
    refused(ValueError, "another shape", tiny, hidden_size=64)


def test_impossible_networks(tiny):
    for field, value in (
        ("hidden_size", -4),
        ("num_attention_heads", 0),
        ("vocab_size", 2**62),
        ("hidden_act", "zelu"),
    ):
        config = json.loads((tiny / "config.json").read_text()) | {field: value}
        (tiny / "config.json").write_text(json.dumps(config))
        refused(ValueError, "impossible|activation|shape", tiny)
        (tiny / "config.json").write_text(
            json.dumps(config | {field: {"hidden_size": 32, "vocab_size": 99}.get(field, 4)})
        )


def test_unknown_arguments(tiny):
    refused(TypeError, "nearest.*'num_labels'", tiny, num_lables=3)
    refused(ValueError, "dtype", tiny, dtype="float33")
    for device in ("gpu", "cuda:99", 99, [1], {"a": "cpu", "b": "meta"}):
        refused(ValueError, "no such device.*'cpu'", tiny, device_map=device)
    refused(ValueError, "never runs code", tiny, trust_remote_code=True)
    AutoModel.from_pretrained(tiny, trust_remote_code=False, low_cpu_mem_usage=True, attn_implementation="eager")


def test_the_wrong_class(tiny):
    refused(ValueError, "bert", tiny, cls=GPT2Model)
    with pytest.raises(OSError, match="from_pretrained"):
        AutoModel()


@pytest.mark.parametrize("name", ["torch_dtype", "dtype"])
def test_dtypes(tiny, name):
    half = BertModel.from_pretrained(tiny, **{name: torch.float16})
    assert half.dtype == torch.float16
    half.save_pretrained(tiny)
    assert json.loads((tiny / "config.json").read_text())["dtype"] == "float16"
    assert BertModel.from_pretrained(tiny).dtype == torch.float32  # on a CPU
    assert BertModel.from_pretrained(tiny, **{name: "auto"}).dtype == torch.float16
    assert BertModel.from_pretrained(tiny, **{name: "bfloat16"}).dtype == torch.bfloat16


@pytest.mark.parametrize("place", ["auto", "cpu", {"": "cpu"}, torch.device("cpu"), None])
def test_device_map(tiny, place):
    assert BertModel.from_pretrained(tiny, device_map=place).device.type in ("cpu", "cuda", "mps", "xpu")


def test_sharded_and_bin(tiny, tmp_path):
    model = AutoModelForSequenceClassification.from_pretrained(tiny)
    model.save_pretrained(tmp_path / "shards", max_shard_size=20_000, safe_serialization=False)
    assert len(os.listdir(tmp_path / "shards")) > 3
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "shards")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_tied_weights_that_differ_stay_apart(tmp_path):
    from qkv import BertConfig, BertForMaskedLM

    config = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    model = BertForMaskedLM(config)
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    model.save_pretrained(tmp_path)
    file = load_file(tmp_path / "model.safetensors")
    assert "cls.predictions.decoder.weight" not in file
    save_file(file | {"cls.predictions.decoder.weight": torch.ones(20, 8)}, tmp_path / "model.safetensors")
    apart = AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert (apart.head.out.weight == 1).all() and not (apart.get_input_embeddings().weight == 1).all()
    apart.save_pretrained(tmp_path / "again")
    assert "cls.predictions.decoder.weight" in load_file(tmp_path / "again" / "model.safetensors")


def test_loading_memory(tmp_path):
    """Loading maps the file: the process grows by no copy of it beside the weights themselves."""
    import subprocess
    import sys

    from qkv import BertConfig

    BertModel(
        BertConfig(vocab_size=100_000, hidden_size=256, num_hidden_layers=1, num_attention_heads=8)
    ).save_pretrained(tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size
    code = (
        "import resource, sys; from qkv import BertModel, BertConfig; import qkv.hub\n"
        "BertModel(BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "model = BertModel.from_pretrained(sys.argv[1])\n"
        "sum(float(p.sum()) for p in model.parameters())\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 1.1 * size + 30e6


def test_names_of_tensorflow(tiny):
    """Old checkpoints call a norm's weight and bias gamma and beta."""
    expected = AutoModel.from_pretrained(tiny).state_dict()
    state = load_file(tiny / "model.safetensors")
    old = {
        k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
        for k, v in state.items()
    }
    assert old.keys() != state.keys()
    (tiny / "model.safetensors").unlink()
    torch.save(old, tiny / "pytorch_model.bin")
    assert all(
        torch.equal(tensor, expected[name]) for name, tensor in AutoModel.from_pretrained(tiny).state_dict().items()
    )


def test_a_bert_that_is_a_decoder_is_refused(tiny):
    config = json.loads((tiny / "config.json").read_text()) | {"is_decoder": True}
    (tiny / "config.json").write_text(json.dumps(config))
    refused(ValueError, "is_decoder", tiny)


def test_sharded_bin(tiny):
    """pytorch_model.bin.index.json and its parts, as old large checkpoints have them."""
    expected = AutoModel.from_pretrained(tiny).state_dict()
    state = load_file(tiny / "model.safetensors")
    (tiny / "model.safetensors").unlink()
    names = sorted(state)
    parts = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for part, keys in parts.items():
        torch.save({key: state[key] for key in keys}, tiny / part)
    index = {"metadata": {}, "weight_map": {key: part for part, keys in parts.items() for key in keys}}
    (tiny / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    found = AutoModel.from_pretrained(tiny).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())
    (tiny / "pytorch_model-00002-of-00002.bin").unlink()
    refused(OSError, "pytorch_model-00002-of-00002.bin", tiny)


def test_huge_names_are_not_printed_whole(tiny):
    change(tiny, lambda state: state.update({"bert.encoder." + "x" * 5000: torch.ones(1)}))
    refused(ValueError, "no place for", tiny)
    config = json.loads((tiny / "config.json").read_text()) | {"hidden_act": "x" * 5000}
    (tiny / "config.json").write_text(json.dumps(config))
    refused(ValueError, "activation", tiny)
