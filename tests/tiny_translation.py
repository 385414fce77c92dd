"""A tiny T5 with a tokenizer of whole words, and sentences that it can learn to translate."""

import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from qkv import T5Config, T5ForConditionalGeneration

ENGLISH = ["the", "a", "red", "green", "house", "cat", "sees", "finds"]
GERMAN = ["das", "ein", "rote", "grüne", "haus", "katze", "sieht", "findet"]
WORDS = ["<pad>", "</s>", "<unk>", "translate:", *ENGLISH, *GERMAN]


def make_t5(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.0}
    T5ForConditionalGeneration(T5Config(vocab_size=len(WORDS), **(sizes | config))).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(WORDS[:3])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>",
        "model_max_length": 32, "model_input_names": ["input_ids", "attention_mask"],
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def sentences(count: int, seed: int = 0) -> list[dict[str, dict[str, str]]]:
    """{"translation": {"en": ..., "de": ...}} of an article, maybe an adjective, a noun and a verb, word by word."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        ids = [2 * slot + draw.randrange(2) for slot in range(4) if slot != 1 or draw.random() < 0.7]
        rows.append({"translation": {"en": " ".join(ENGLISH[i] for i in ids), "de": " ".join(GERMAN[i] for i in ids)}})
    return rows
