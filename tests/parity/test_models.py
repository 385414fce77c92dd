"""Every family against what the reference library computed (tools/golden.py recorded it).

Outputs within 1e-5 in float32 (1e-6 of the largest number where that is more), padded and fully masked rows included;
the folder that a model saves has the same keys, the same tensors bit for bit and the same config.json as the one the
reference wrote.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from qkv.models import TEXT as FAMILIES
from tiny import class_of

GOLDENS = Path(__file__).parent / "goldens"
CASES = sorted(f"{p.parent.name}/{p.name}" for p in GOLDENS.glob("*/*"))

COUNTED = {
    "camembert",
    "layoutlmv3",
    "lilt",
    "longformer",
    "mpnet",
    "roberta",
    "xlm-roberta",
}  # families whose positions skip padding ids


def load(case):
    """The model of a golden folder, its inputs and its expected outputs."""
    expected = load_file(GOLDENS / case / "expected.safetensors")
    return class_of(GOLDENS / case).from_pretrained(GOLDENS / case), taken(expected, "input."), expected


def taken(expected, start):
    """The tensors whose names begin so, taken out of `expected`."""
    return {name.removeprefix(start): expected.pop(name) for name in list(expected) if name.startswith(start)}


@pytest.fixture(params=CASES)
def golden(request):
    return load(request.param)


def test_every_family_has_a_golden():
    covered = {json.loads((GOLDENS / case / "config.json").read_text())["model_type"] for case in CASES}
    assert covered == set(FAMILIES)


@torch.inference_mode()
def test_outputs(golden):
    model, inputs, expected = golden
    targets = taken(expected, "target.")
    loss, _ = (expected.pop(name, None) for name in ("loss", "training"))
    out = model(**inputs, output_hidden_states=True)
    seen = model(**inputs, output_attentions=True)
    assert expected
    for name, value in expected.items():
        kind, _, index = name.rpartition(".") if name[-1].isdecimal() else (name, "", "")
        source = seen if "attentions" in kind else out
        ours = source[kind][int(index)] if index else source[kind]
        assert ours.shape == value.shape, name
        assert (ours - value).abs().max() <= 1e-5 * max(1, value.abs().max() / 10), name
    for name in out:
        if name.endswith("hidden_states") and isinstance(out[name], tuple):
            assert len(out[name]) == sum(key.startswith(f"{name}.") for key in expected)
    if loss is not None:
        assert abs(model(**inputs, **targets).loss - loss) <= 1e-5


@pytest.mark.parametrize("case", [case for case in CASES if not case.endswith("/Model")])
def test_training(case):
    """The losses of four optimiser steps, without dropout."""
    model, inputs, expected = load(case)
    config = model.config
    for name in config._fields:
        if "drop" in name:
            setattr(config, name, 0.0)
    model = type(model).from_pretrained(GOLDENS / case, config=config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    rows, padding = [0, 1, 3], inputs["attention_mask"] == 0
    targets = taken(expected, "target.").items()
    targets = {name: t.masked_fill(padding, -100) if t.shape == padding.shape else t for name, t in targets}
    batch = {name: tensor[rows] for name, tensor in (inputs | targets).items()}
    for step in expected["training"]:
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        assert abs(loss - step) <= 1e-4


@torch.inference_mode()
def test_padding_changes_nothing(golden):
    """A row alone, without its padding, gives what it gives in the batch."""
    model, inputs, _ = golden
    full = model(**inputs)
    name = next(iter(full))
    if model.config.is_encoder_decoder and "decoder_input_ids" not in inputs:
        pytest.skip("the decoder reads the padded text itself")
    if "big_bird-blocks" in model.config.name_or_path:
        pytest.skip("what a token sees depends on how long its row is with padding")
    tokens = inputs["input_ids"].dim() - 1  # the dimension they are in
    whole = ("decoder_input_ids", "pixel_values")
    row = {k: v[1:2] if k in whole else v[1:2].narrow(tokens, 0, 5) for k, v in inputs.items()}
    if inputs["input_ids"].dim() == 3:
        row = {k: v[:, :1] for k, v in row.items()}  # of two choices, the padded one
    alone = model(**row)[name]
    if "pixel_values" in inputs and alone.shape[1] > 5:  # patches follow the text
        alone, full[name] = (torch.cat((x[:, :5], x[:, -5:]), dim=1) for x in (alone, full[name]))
    padded = full[name][1:2, : alone.shape[1]]
    assert torch.allclose(alone, padded, rtol=5e-6, atol=1e-5)  # of a table, the question is at -10000


@pytest.mark.parametrize("case", CASES)
def test_round_trip(case, tmp_path):
    model, inputs, _ = load(case)
    model.save_pretrained(tmp_path)
    ours, theirs = load_file(tmp_path / "model.safetensors"), load_file(GOLDENS / case / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert json.loads((tmp_path / "config.json").read_text()) == json.loads(
        (GOLDENS / case / "config.json").read_text()
    )
    again = type(model).from_pretrained(tmp_path)
    with torch.inference_mode():
        assert torch.equal(model(**inputs)[0], again(**inputs)[0])


def test_every_published_key_is_used_or_ignored(golden):
    model, _, _ = golden
    path = Path(model.config.name_or_path) / "model.safetensors"
    names = {name for name, _ in torch.nn.Module.named_parameters(model)}
    for key, tensor in load_file(path).items():
        assert set(model.keys.to_ours(key, tensor)) <= names, key


def test_gradients_reach_every_weight(golden):
    model, inputs, expected = golden
    out = model.train()(**inputs, **taken(expected, "target."))  # some weights only choose, and learn from the loss
    sum(out[name].square().sum() for name in out if isinstance(out[name], torch.Tensor)).backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    assert {name for name in without if not name.startswith(unread_by(model))} == set()


def unread_by(model):
    """Weights that the reference's files have although nothing depends on them, or whose gradient it leaves out."""
    return {
        "big_bird": ("bert.pooler.",),  # in all heads but one
        "layoutlm": ("layoutlm.pooler.",),
        "layoutlmv3": tuple(f"{prefix}encoder.rel_pos" for prefix in ("", "layoutlmv3.")),
        "lilt": tuple(
            f"{prefix}encoder.layer.{model.config.num_hidden_layers - 1}.{part}"
            for prefix in ("", "lilt.")
            for part in ("layout_", "attention.layout_", "attention.self.layout_value")
        ),
    }.get(model.config.model_type, ("no name begins so",))


@torch.inference_mode()
def test_vectors_in_place_of_ids(golden):
    model, inputs, _ = golden
    expected = model(**inputs)[0]
    given = dict(inputs)
    if model.config.model_type in COUNTED:
        pad = model.config.pad_token_id
        ids = inputs["input_ids"]
        given["position_ids"] = model.base_model.positions(ids, ids.flatten(0, -2)).view(ids.shape)
        assert given["position_ids"].min() == pad
    if type(model).__name__ in (
        "LongformerForQuestionAnswering",
        "LongformerForMultipleChoice",
    ):  # they look for a text
        ids = inputs["input_ids"]
        found = model.complete({"input_ids": ids.flatten(0, -2)}, {})["global_attention_mask"]
        given["global_attention_mask"] = found.view(ids.shape)
    if type(model).__name__ == "BigBirdForQuestionAnswering":
        pytest.skip("the head reads the token ids")
    ids = given.pop("input_ids")
    if model.config.is_encoder_decoder and "decoder_input_ids" not in given:
        pytest.skip("the head reads the token ids")
    if type(model).__name__ == "GPT2ForSequenceClassification":
        given["attention_mask"] = inputs["attention_mask"]
    given["inputs_embeds"] = model.get_input_embeddings()(ids)
    assert torch.equal(model(**given)[0], expected)


@torch.inference_mode()
def test_tensors_are_made_on_the_models_device(golden):
    """A default device that is not the model's changes nothing."""
    model, inputs, _ = golden
    expected = model(**inputs)[0]
    with torch.device("meta"):
        assert torch.equal(model(**inputs)[0], expected)


@torch.inference_mode()
def test_meta_device(golden):
    model, inputs, _ = golden
    shape = model(**inputs)[0].shape
    meta = {name: tensor.to("meta") for name, tensor in inputs.items()}
    assert model.to("meta")(**meta)[0].shape == shape


@torch.inference_mode()
def test_half_precision_is_close(golden):
    model, inputs, _ = golden
    expected = model(**inputs)[0]
    out = model.to(torch.bfloat16)(**inputs)[0]
    assert out.dtype == torch.bfloat16
    kept = inputs["attention_mask"].flatten(1).any(dim=1)  # a row of nothing but padding has no meaning to keep
    assert torch.isfinite(out[kept]).all()
    assert (out.float() - expected)[kept].abs().mean() <= 0.1 * expected.abs().mean() + 0.05


@pytest.mark.parametrize("case", CASES)
def test_pytorch_bin_gives_the_same_weights(case, tmp_path):
    """The same checkpoint as pytorch_model.bin, in both of torch's formats."""
    expected, _, _ = load(case)
    state = load_file(GOLDENS / case / "model.safetensors")
    (tmp_path / "config.json").write_text((GOLDENS / case / "config.json").read_text())
    for modern in (True, False):
        torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=modern)
        loaded = type(expected).from_pretrained(tmp_path)
        pairs = zip(expected.parameters(), loaded.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("peer", ["QKV_PEER5", "QKV_PEER4"])
def test_the_reference_reads_what_we_save(peer, tmp_path):
    """Set QKV_PEER5 / QKV_PEER4 to the python of an environment with transformers 5.23.0 / 4.57.6 (`make parity`)."""
    python = os.environ.get(peer)
    if python is None:
        pytest.skip("no environment with the reference library is named")
    # 4.57 does not know scale_decoder_outputs, which 5.x writes into untied T5s: it misreads 5.x's own folder too. And
    # its default attention leaves out GPT-2's scaling by layer and Gemma 2's softcap, which its eager one has.
    # It does not know 5.x's rope_parameters and ModernBERT's layer_types either, nor Olmo2ForSequenceClassification and
    # Nomic-BERT.
    unread = ("t5-v1_1/ForConditionalGeneration", "gpt2-scaled/", "gemma2/", "llama/", "phi3/", "olmo2/ForSequence")
    unread += ("nomic_bert", "modernbert-biased/")
    unread = unread if peer == "QKV_PEER4" else ()
    cases = [case for case in CASES if not case.startswith(unread)]
    for case in cases:
        model, inputs, _ = load(case)
        model.save_pretrained(tmp_path / case)
        with torch.inference_mode():
            torch.save({"inputs": inputs, "out": model(**inputs)[0]}, tmp_path / case / "ours.pt")
    code = (
        "import sys, torch, transformers, pathlib\n"
        "for case in sys.argv[2:]:\n"
        "    folder = pathlib.Path(sys.argv[1]) / case\n"
        "    name = __import__('json').loads((folder / 'config.json').read_text())['architectures'][0]\n"
        "    model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)\n"
        "    ours = torch.load(folder / 'ours.pt')\n"
        "    assert not info['missing_keys'] and not info['unexpected_keys'], (case, info)\n"
        "    with torch.inference_mode():\n"
        "        out = model.eval()(**ours['inputs'])[0]\n"
        "    mask = ours['inputs']['attention_mask'].bool()\n"
        "    kept = mask if out.shape[:2] == mask.shape else mask.any(-1)\n"  # versions differ in what padding gives
        "    assert (out - ours['out'])[kept].abs().max() <= 1e-5, case\n"
        "print('read', len(sys.argv) - 2)\n"
    )
    done = subprocess.run([python, "-c", code, str(tmp_path), *cases], capture_output=True, text=True)
    assert done.stdout.strip().endswith(f"read {len(cases)}"), done.stderr[-2000:]
