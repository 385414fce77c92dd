"""Checkpoints of one network in another layout than the goldens', and tokenizers as these families publish them."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

from families import tiny_config
from qkv import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    NomicBertConfig,
    pipeline,
)

GOLDENS = Path(__file__).parents[1] / "parity" / "goldens"
NOMIC = {
    "model_type": "nomic_bert", "n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 64, "n_positions": 40,
    "activation_function": "swiglu", "layer_norm_epsilon": 1e-12, "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0,
    "prenorm": False, "resid_pdrop": 0.0, "vocab_size": 99, "type_vocab_size": 2,
}  # fmt: skip


def copied(folder, case, rename=(), **config):
    """A golden with other names of weights, (pattern, name) one after the other, and other fields in config.json."""
    weights = load_file(GOLDENS / case / "model.safetensors")
    for pattern, name in rename:
        weights = {re.sub(pattern, name, key): tensor for key, tensor in weights.items()}
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    fields = json.loads((GOLDENS / case / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**fields, **config}))
    return folder


def gives_what_was_recorded(model, case):
    expected = load_file(GOLDENS / case / "expected.safetensors")
    with torch.inference_mode():
        found = model(**{name[6:]: tensor for name, tensor in expected.items() if name.startswith("input.")})
    return (found[0] - expected[next(iter(found))]).abs().max() <= 1e-5


def test_nomic_bert_of_the_first_config_files(tmp_path):
    folder = copied(tmp_path / "first", "nomic_bert/Model")
    (folder / "config.json").write_text(json.dumps(NOMIC))
    model = AutoModel.from_pretrained(folder)
    assert gives_what_was_recorded(model, "nomic_bert/Model")
    model.save_pretrained(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert saved["hidden_size"] == 32 and saved["rope_theta"] == 1000 and "n_embd" not in saved
    assert gives_what_was_recorded(AutoModel.from_pretrained(tmp_path / "saved"), "nomic_bert/Model")
    for name, value in {"prenorm": True, "rotary_emb_fraction": 0.5, "activation_function": "gelu"}.items():
        with pytest.raises(ValueError, match=f"{name}={value!r}"):
            NomicBertConfig.from_dict({**NOMIC, name: value})


def test_nomic_bert_by_the_names_of_the_reference_s_modules(tmp_path):
    case = "nomic_bert/Model"
    names = [(r"^emb_ln", "embeddings.LayerNorm"), (r"^encoder\.", ""), (r"norm1", "post_attention_layernorm")]
    names += [(r"norm2", "post_mlp_layernorm"), (r"attn\.out_proj", "self_attn.o_proj"), (r"fc11", "up_proj")]
    names += [(r"fc12", "gate_proj"), (r"fc2", "down_proj")]
    folder = copied(tmp_path, case, names)
    weights = load_file(folder / "model.safetensors")
    for i in range(2):
        parts = weights.pop(f"layers.{i}.attn.Wqkv.weight").chunk(3)
        weights |= {f"layers.{i}.self_attn.{x}_proj.weight": part for x, part in zip("qkv", parts, strict=True)}
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")
    model = AutoModel.from_pretrained(folder)
    assert gives_what_was_recorded(model, case)
    assert model.state_dict().keys() == load_file(GOLDENS / case / "model.safetensors").keys()


def test_deberta_s_newer_head_of_words(tmp_path):
    """The first checkpoints, and configs with "legacy": false, name it otherwise."""
    case = "deberta/ForMaskedLM"
    names = [(r"^cls\.predictions\.(transform\.)?", "lm_predictions.lm_head.")]
    model = AutoModelForMaskedLM.from_pretrained(copied(tmp_path / "newer", case, names, legacy=False))
    assert gives_what_was_recorded(model, case)
    model.save_pretrained(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["legacy"] is True
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() == load_file(GOLDENS / case / "model.safetensors").keys()


@torch.inference_mode()
def test_modernbert_s_summary_of_a_text():
    """The mean counts no padding, and is finite where there is nothing else; a choice begins after padding."""
    torch.manual_seed(0)
    ids = torch.randint(2, 50, (3, 7))
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [0] * 7])
    model = AutoModelForSequenceClassification.from_config(tiny_config("modernbert", classifier_pooling="mean")).eval()
    logits = model(ids, attention_mask=mask).logits
    assert torch.isfinite(logits).all() and torch.allclose(logits[0], model(ids[:1]).logits[0], atol=1e-5)
    assert torch.allclose(logits[1], model(ids[1:2, :4]).logits[0], atol=1e-5)
    choice = AutoModelForMultipleChoice.from_config(tiny_config("modernbert")).eval()
    text = torch.randint(2, 50, (1, 2, 4))
    padded, left = torch.nn.functional.pad(text, (3, 0), value=1), torch.tensor([0] * 3 + [1] * 4)
    found = choice(padded, attention_mask=left.expand(1, 2, 7)).logits
    assert torch.allclose(found, choice(text).logits, atol=1e-5)
    with pytest.raises(ValueError, match="'cls' or 'mean', got 'max'"):
        AutoModelForSequenceClassification.from_config(tiny_config("modernbert", classifier_pooling="max"))


def bpe(folder, **settings):
    """tokenizer.json of letters in BERT's frame, with the special tokens at 90 to 94, as ModernBERT has them."""
    roles = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    roles["mask_token"] = "[MASK]"
    letters = dict.fromkeys("Ġabcdefghijklmnopqrstuvwxyz.,?!")
    rust = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rust.add_special_tokens([AddedToken(f"[unused{i}]", special=True) for i in range(90 - len(letters))])
    rust.add_special_tokens([AddedToken(t, lstrip=t == "[MASK]", normalized=False) for t in roles.values()])
    frame = {"single": "[CLS]:0 $A:0 [SEP]:0", "pair": "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"}
    rust.post_processor = processors.TemplateProcessing(
        **frame, special_tokens=[(token, rust.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    )
    rust.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({**roles, "model_max_length": 40, **settings}))


def test_modernbert_s_tokenizer(tmp_path):
    folder = copied(tmp_path, "modernbert/ForMaskedLM", pad_token_id=93)
    bpe(folder, tokenizer_class="PreTrainedTokenizerFast", model_input_names=["input_ids", "attention_mask"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert (tokenizer.mask_token, tokenizer.sep_token, tokenizer.cls_token) == ("[MASK]", "[SEP]", "[CLS]")
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (93, 94)
    found = tokenizer("a [MASK]", "b")
    assert found == {"input_ids": [91, 1, 94, 92, 2, 92], "attention_mask": [1] * 6}
    fill = pipeline("fill-mask", folder)
    assert len(fill("the [MASK] of it.")) == 5 and fill("a [MASK].", targets=["b"])[0]["token_str"] == "b"


def test_deberta_s_tokenizer_from_either_kind_of_files(tmp_path):
    folder = copied(tmp_path / "files", "deberta/Model")
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(GOLDENS.parent / "tokenizers" / "vocab" / name, folder / name)
    raw = AutoTokenizer.from_pretrained(folder)
    assert type(raw).__name__ == "DebertaTokenizer"
    raw.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_text((folder / "config.json").read_text())
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    for text in ("a naïve [MASK] of it", " two  words"):
        found = raw(text, "and more", return_offsets_mapping=True)
        assert found == again(text, "and more", return_offsets_mapping=True)
        assert set(found.token_type_ids) == {0, 1} and found.input_ids.count(raw.sep_token_id) == 2
    assert (tmp_path / "saved" / "tokenizer.json").exists() and type(again) is type(raw)


def test_nomic_bert_s_tokenizer(tmp_path):
    folder = copied(tmp_path, "nomic_bert/Model")
    shutil.copyfile(GOLDENS.parent / "tokenizers" / "vocab" / "vocab.txt", folder / "vocab.txt")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert type(tokenizer).__name__ == "BertTokenizer" and "token_type_ids" in tokenizer("a b")
