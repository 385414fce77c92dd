"""Tiny random token classifiers over each kind of tokenizer, whose labels go back and forth between tokens."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tiny import WORDS

HERE = Path(__file__).parent / "parity"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
LOWER = "abcdefghijklmnopqrstuvwxyz"
BYTES = [*LOWER, *"0123456789.,!?-'Ã©æĹ¥äº¬ðŁĺĢĠĊč"]  # as that alphabet writes é, 日, 京 and an emoji
PIECES = [
    "▁the", "▁film", "▁was", "▁in", "▁new", "▁york", "▁jean", "-", ".", ",", "s", "ing", "ed", "pa", "ris", "▁love",
    "▁good", "▁", "b", "o", "k", "an", "na",
]  # fmt: skip
BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def wordpiece() -> Tokenizer:
    words = [*WORDS.split(), *(f"[unused{i}]" for i in range(99 - len(WORDS.split())))]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def bytes_of(**level: bool) -> Tokenizer:
    """Byte-level BPE: each letter also with a space before it, as in a real vocabulary."""
    words = [*SPECIAL, *BYTES]
    merges = [("Ġ", letter) for letter in LOWER] + [("i", "n"), ("a", "n"), ("e", "r"), ("Ġi", "n"), ("er", "s")]
    words += ["".join(pair) for pair in merges]
    assert len(words) <= 99
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, **level)
    return tokenizer


def unigram(*before: object) -> Tokenizer:
    letters = [letter for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP0123456789!?'é" if letter not in PIECES]
    pieces = [(piece, -float(2 + len(piece) % 3)) for piece in PIECES]
    vocabulary = [*((word, 0.0) for word in SPECIAL), *pieces, *((letter, -9.0) for letter in letters)]
    tokenizer = Tokenizer(models.Unigram(vocabulary[:99], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*before, pre_tokenizers.Metaspace()])
    return tokenizer


def kinds() -> dict[str, tuple[str, Tokenizer, list[str]]]:
    """Family, tokenizer, and its special tokens: begin, end, padding, unknown."""
    plain = ["<s>", "</s>", "<pad>", "<unk>"]
    return {
        "wordpiece": ("bert", wordpiece(), ["[CLS]", "[SEP]", "[PAD]", "[UNK]"]),
        "bytes": ("roberta", bytes_of(trim_offsets=True), plain),
        "bytes-with-spaces": ("roberta", bytes_of(trim_offsets=False), plain),
        "unigram": ("xlm-roberta", unigram(pre_tokenizers.WhitespaceSplit()), plain),
        "unigram-with-spaces": ("xlm-roberta", unigram(), plain),
    }


def make_ner(folder: Path, kind: str = "wordpiece", labels: list[str] = BIO, *, seed: int = 0) -> Path:
    """A token classifier of 38 or 40 positions and 99 words in `folder`, whose last layer is drawn with `seed`."""
    family, tokenizer, (begin, end, pad, unknown) = kinds()[kind]
    folder.mkdir(parents=True, exist_ok=True)
    source = HERE / "goldens" / family / "ForTokenClassification"
    state = load_file(source / "model.safetensors")
    draw = np.random.RandomState(seed)
    for name in state:  # most of a hidden state comes from its own token
        if name.endswith("bias"):
            state[name] *= 0
        elif name.endswith("output.dense.weight"):
            state[name] *= 0.3
        elif name.endswith("LayerNorm.weight"):
            state[name][:] = 1
        elif name.endswith("word_embeddings.weight"):
            state[name] = 2 * draw.randn(99, 32).astype(np.float32)
    state["classifier.weight"] = draw.randn(len(labels), 32).astype(np.float32) / 2
    state["classifier.bias"] = np.zeros(len(labels), np.float32)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    config["id2label"] = {str(i): label for i, label in enumerate(labels)}
    config["label2id"] = {label: i for i, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps(config))
    ids = [(word, tokenizer.token_to_id(word)) for word in (begin, end)]
    template = {"single": f"{begin} $A {end}", "pair": f"{begin} $A {end} $B {end}", "special_tokens": ids}
    post = [processors.TemplateProcessing(**template)]
    if kind == "bytes":
        post.insert(0, processors.ByteLevel(trim_offsets=True))
    tokenizer.post_processor = processors.Sequence(post)
    tokenizer.add_special_tokens([begin, end, pad, unknown])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "cls_token": begin, "sep_token": end, "pad_token": pad,
        "unk_token": unknown, "model_max_length": 40 if family == "bert" else 38,
        "model_input_names": ["input_ids", "attention_mask"],
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder
