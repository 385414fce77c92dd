"""Record adapters that PEFT writes, and what the adapted models compute; or read adapters that qkv wrote.

    python tools/golden_lora.py                         # in an environment with peft==0.21.2, transformers==5.23.0
    python tools/golden_lora.py read MODEL CLASS ADAPTER INPUTS   # prints the logits of a model with an adapter as JSON

tests/parity/adapters/<case>/ holds adapter_config.json, adapter_model.safetensors and expected.safetensors (ids, mask,
logits with the adapter, and merged). The models are those of tests/parity/goldens; adapters are drawn wide enough that
an error in any of their weights shows.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
import transformers as ref
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

PARITY = Path(__file__).parent.parent / "tests" / "parity"
CASES = {  # case -> golden, class, configuration
    "bert": (
        "bert/ForSequenceClassification", "AutoModelForSequenceClassification", dict(task_type="SEQ_CLS", r=4)
    ),
    "bert-all": (
        "bert/ForSequenceClassification", "AutoModelForSequenceClassification",
        dict(task_type="SEQ_CLS", r=3, lora_alpha=7, target_modules="all-linear", use_rslora=True),
    ),
    "gpt2": ("gpt2/LMHeadModel", "AutoModelForCausalLM", dict(task_type="CAUSAL_LM", r=4, lora_alpha=16)),
    "gpt2-dora": (
        "gpt2/ForSequenceClassification", "AutoModelForSequenceClassification",
        dict(task_type="SEQ_CLS", r=2, use_dora=True, target_modules=r".*\.(c_attn|c_proj)"),
    ),
    "llama": (
        "llama/ForCausalLM", "AutoModelForCausalLM",
        dict(
            task_type="CAUSAL_LM", r=4, use_dora=True, target_modules=["q_proj", "v_proj", "o_proj", "down_proj"],
            rank_pattern={"v_proj": 2, r"layers\.1\.mlp\.down_proj": 6}, alpha_pattern={"o_proj": 24},
        ),
    ),
    "llama-layers": (
        "llama/ForCausalLM", "AutoModelForCausalLM",
        dict(
            task_type="CAUSAL_LM", r=2, target_modules=["k_proj", "up_proj"], layers_to_transform=[1],
            exclude_modules=["mlp.up_proj"], modules_to_save=["lm_head", "norm"],
        ),
    ),
    "phi3": (
        "phi3/ForCausalLM", "AutoModelForCausalLM",
        dict(task_type="CAUSAL_LM", r=4, target_modules=["qkv_proj", "gate_up_proj", "down_proj"], use_dora=True),
    ),
    "gpt_neox": ("gpt_neox/ForCausalLM", "AutoModelForCausalLM", dict(task_type="CAUSAL_LM", r=4)),
    "t5": (
        "t5/ForConditionalGeneration", "AutoModelForSeq2SeqLM", dict(task_type="SEQ_2_SEQ_LM", r=4)
    ),
}  # fmt: skip


def logits(model, ids, mask):
    extra = {"decoder_input_ids": ids[:, :4]} if model.config.is_encoder_decoder else {}
    with torch.inference_mode():
        return model.eval()(input_ids=ids, attention_mask=mask, **extra).logits.contiguous()


def record(case):
    golden, cls, fields = CASES[case]
    torch.manual_seed(sum(map(ord, case)))
    base = getattr(ref, cls).from_pretrained(PARITY / "goldens" / golden, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(**fields))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_magnitude" in name:
                parameter.mul_(1 + 0.3 * torch.randn_like(parameter))
            elif "lora_" in name or "modules_to_save" in name:
                parameter.normal_(std=0.3)
    ids = torch.randint(5, 90, (3, 9))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    ids[1, 5:] = model.config.pad_token_id
    folder = PARITY / "adapters" / case
    shutil.rmtree(folder, ignore_errors=True)
    found = {"ids": ids, "mask": mask, "logits": logits(model, ids, mask)}
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = golden
    for name in ("target_modules", "exclude_modules"):  # sets, written in any order
        config[name] = sorted(config[name]) if isinstance(config[name], list) else config[name]
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    found["merged"] = logits(model.merge_and_unload(), ids, mask)
    found["base"] = logits(getattr(ref, cls).from_pretrained(PARITY / "goldens" / golden), ids, mask)
    save_file(found, folder / "expected.safetensors")
    print(
        case,
        (found["logits"] - found["base"]).abs().max().item(),
        (folder / "adapter_model.safetensors").stat().st_size,
    )


def read(model, cls, adapter, inputs):
    base = getattr(ref, cls).from_pretrained(model, dtype=torch.float32)
    found = load_file(inputs)
    print(json.dumps(logits(PeftModel.from_pretrained(base, adapter), found["ids"], found["mask"]).tolist()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        read(*sys.argv[2:])
    else:
        for case in sys.argv[1:] or CASES:
            record(case)
