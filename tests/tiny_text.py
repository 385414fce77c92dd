"""Tiny random decoders that the reference library wrote, with a byte-level vocabulary of their 99 ids."""

import json
import shutil
from pathlib import Path

HERE = Path(__file__).parent / "parity"
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
END = "<|endoftext|>"  # id 98
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'\"()[]{}:;<>|/-_ABCDEFGHTUÃ©ł¥æĹĦäº¬ĠĊ"
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'][0] }}>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<a>{% endif %}"
)


def make_text(folder: Path, model: str = "gpt2/LMHeadModel", *, chat: bool = False, **config: object) -> Path:
    """A decoder with a byte-level tokenizer in `folder`.

    Args:
        chat: with a chat template.
        config: fields of config.json that are different.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = HERE / "goldens" / model
    shutil.copyfile(source / "model.safetensors", folder / "model.safetensors")
    fields = json.loads((source / "config.json").read_text()) | {"bos_token_id": 2} | config
    (folder / "config.json").write_text(json.dumps(fields))
    words, merges = [*SPECIAL, *dict.fromkeys(LETTERS)], []
    for line in (HERE / "tokenizers" / "vocab" / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]:
        parts = line.split(" ")
        if len(words) < 98 and set(parts) <= set(words):
            words.append("".join(parts))
            merges.append(line)
    assert len(words) == 98
    vocabulary = {word: i for i, word in enumerate([*words, END])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    settings = {
        "tokenizer_class": "GPT2Tokenizer", "bos_token": "</s>", "eos_token": END, "unk_token": END,
        "pad_token": "<pad>", "model_max_length": fields.get("n_positions") or fields["max_position_embeddings"],
    }  # fmt: skip
    if chat:
        settings["chat_template"] = TEMPLATE
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder
