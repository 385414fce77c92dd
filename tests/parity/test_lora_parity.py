"""Adapters that PEFT wrote (tools/golden_lora.py): the same logits here, and the same files again."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import qkv
from qkv.training.adapters.lora import LoraConfig, PeftModel, get_peft_model, load_adapter

PARITY = Path(__file__).parent
CASES = sorted(path.name for path in (PARITY / "adapters").iterdir())
TOOL = PARITY.parent.parent / "tools" / "golden_lora.py"
MEANING = (  # what of adapter_config.json says which numbers there are
    "peft_type", "task_type", "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_dora", "use_rslora",
    "modules_to_save", "fan_in_fan_out", "target_modules", "exclude_modules", "layers_to_transform",
)  # fmt: skip


def config_of(case):
    return json.loads((PARITY / "adapters" / case / "adapter_config.json").read_text())


def base_of(case):
    golden = config_of(case)["base_model_name_or_path"]
    cls = json.loads((PARITY / "goldens" / golden / "config.json").read_text())["architectures"][0]
    return getattr(qkv, cls).from_pretrained(PARITY / "goldens" / golden)


def logits(model, expected):
    extra = {"decoder_input_ids": expected["ids"][:, :4]} if model.config.is_encoder_decoder else {}
    with torch.inference_mode():
        return model(expected["ids"], expected["mask"], **extra).logits


def close(found, expected, mask, tolerance):
    rows = mask.bool() if found.dim() == 3 and found.shape[1] == mask.shape[1] else ...
    torch.testing.assert_close(found[rows], expected[rows], atol=tolerance, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_adapters_of_peft(case, tmp_path):
    folder, model = PARITY / "adapters" / case, base_of(case)
    expected = load_file(folder / "expected.safetensors")
    mask = expected["mask"]
    close(logits(model, expected), expected["base"], mask, 1e-4)
    model = PeftModel.from_pretrained(model, folder)
    adapted = logits(model, expected)
    close(adapted, expected["logits"], mask, 1e-4)
    with model.disable_adapter():
        close(logits(model, expected), expected["base"], mask, 1e-4)

    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    written, original = (load_file(path / "adapter_model.safetensors") for path in (tmp_path, folder))
    assert written.keys() == original.keys()
    assert all(torch.equal(written[key], original[key]) for key in original)
    saved = json.loads((tmp_path / "adapter_config.json").read_text())
    assert {key: saved[key] for key in MEANING} == {key: config_of(case)[key] for key in MEANING}

    merged = model.merge_and_unload()
    assert type(merged) is type(base_of(case))
    close(logits(merged, expected), adapted, mask, 2e-5)  # of scores up to 5 and adapters as large as the weights
    close(logits(merged, expected), expected["merged"], mask, 1e-4)


FRESH = {  # a base's case and what of it is adapted; PEFT has no name for some of these, so that they are joined
    "parts": ("gpt2", {"target_modules": ["q_proj", "v_proj", "mlp.up_proj"], "rank_pattern": {"v_proj": 2}}),
    "parts-dora": (
        "phi3",
        {"target_modules": ["k_proj", "up_proj", "down_proj"], "use_dora": True, "use_rslora": True},
    ),
    "interleaved": ("gpt_neox", {"target_modules": ["q_proj", "o_proj"], "alpha_pattern": {"q_proj": 3}}),
    "canonical": ("bert", {"target_modules": ["q_proj", "down_proj"], "task_type": "SEQ_CLS"}),
    "all": ("bert", {"target_modules": "all-linear", "task_type": "SEQ_CLS", "use_dora": True}),
    "defaults": ("t5", {"task_type": "SEQ_2_SEQ_LM"}),
    "expression": ("llama", {"target_modules": r".*\.1\..*(q_proj|gate_proj)", "modules_to_save": ["norm"]}),
}


def fresh(name):
    """A model with an adapter whose weights are all of consequence."""
    case, fields = FRESH[name]
    torch.manual_seed(sum(map(ord, name)))
    model = get_peft_model(base_of(case), LoraConfig(r=4, lora_alpha=6, **fields)).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.mul_(1 + 0.3 * torch.rand_like(parameter)) if "magnitude" in key else parameter.normal_(
                    std=0.3
                )
    return case, model


@pytest.mark.parametrize("name", FRESH)
def test_adapters_made_here(name, tmp_path):
    """Read again they compute the same; with QKV_PEFT, the Python of an environment that has it, in PEFT too."""
    case, model = fresh(name)
    expected = load_file(PARITY / "adapters" / case / "expected.safetensors")
    found, mask = logits(model, expected), expected["mask"]
    assert (found - expected["base"]).abs().max() > 0.1
    model.save_pretrained(tmp_path / "adapter")
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size < 60_000
    again = load_adapter(base_of(case), tmp_path / "adapter")
    close(logits(again, expected), found, mask, 2e-5)
    again.save_pretrained(tmp_path / "again")
    files = [(tmp_path / one / "adapter_config.json").read_text() for one in ("adapter", "again")]
    assert files[0] == files[1]
    python = os.environ.get("QKV_PEFT")
    if python is not None:
        save_file(expected, tmp_path / "inputs.safetensors")
        golden = config_of(case)["base_model_name_or_path"]
        kind = "AutoModelForSequenceClassification" if "Classification" in golden else "AutoModelForCausalLM"
        kind = "AutoModelForSeq2SeqLM" if case == "t5" else kind
        parts = [PARITY / "goldens" / golden, kind, tmp_path / "adapter", tmp_path / "inputs.safetensors"]
        done = subprocess.run([python, TOOL, "read", *parts], capture_output=True, text=True, check=True)
        close(torch.tensor(json.loads(done.stdout.splitlines()[-1])), found, mask, 1e-4)
