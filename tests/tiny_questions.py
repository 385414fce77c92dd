"""Tiny random models for questions, masks and hypotheses over three kinds of tokenizer, with scores that lie apart."""

import json
from pathlib import Path

from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tiny import GOLDENS, WORDS
from tiny_text import LETTERS, make_text

HEADS = {"qa_outputs": 20, "classifier": 3, "classifier.out_proj": 3}  # whose weights are made so many times larger
SPACED = ("i", "love", "this", "the", "film", "was", "not", "good", "bad")
PIECES = ["▁", "s", "ing", ".", ",", "?", "!", "'", *(f"▁{word}" for word in SPACED)]


def make_questions(folder: Path, kind: str, head: str, **config: object) -> Path:
    """A model of 38 or 40 positions and 99 words in `folder`.

    Args:
        kind: "wordpiece" (BERT), "bytes" (RoBERTa) or "pieces" (RoBERTa with a Unigram vocabulary).
        head: such as "ForQuestionAnswering".
        config: fields of config.json that are different.
    """
    family = "bert" if kind == "wordpiece" else "roberta"
    {"wordpiece": _wordpiece, "bytes": _bytes, "pieces": _pieces}[kind](folder)
    source = GOLDENS / family / head
    state = load_file(source / "model.safetensors")
    for name in state:
        state[name] = state[name] * HEADS.get(name.rpartition(".")[0], 1)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(json.loads((source / "config.json").read_text()) | config))
    return folder


def _wordpiece(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    words = WORDS.split()
    words += [f"[unused{i}]" for i in range(99 - len(words))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    settings = {"do_lower_case": True, "tokenizer_class": "BertTokenizer", "model_max_length": 40}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _bytes(folder: Path) -> None:
    make_text(folder)
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    vocabulary["<mask>"] = vocabulary.pop("<|endoftext|>")
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    settings = {"tokenizer_class": "RobertaTokenizer", "model_max_length": 38}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _pieces(folder: Path) -> None:
    """Pieces that begin with the space before them, as DeBERTa's and XLM-RoBERTa's."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["<s>", "<pad>", "</s>", "<unk>", *PIECES]
    words += [letter for letter in dict.fromkeys(LETTERS) if letter not in words][: 98 - len(words)] + ["<mask>"]
    tokenizer = Tokenizer(models.Unigram([(word, -float(9 - len(word) % 6)) for word in words], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens([*words[:4], "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>",
        "unk_token": "<unk>", "mask_token": "<mask>", "model_max_length": 38,
        "model_input_names": ["input_ids", "attention_mask"],
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
