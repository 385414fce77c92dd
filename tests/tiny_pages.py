"""Tiny random models that answer questions about pages, which the reference library wrote, with tokenizers."""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from tiny import WORDS
from tiny_text import make_text

GOLDENS = Path(__file__).parent / "parity" / "goldens"
KINDS = ("layoutlm", "layoutlm-bytes", "lilt", "layoutlmv3")


def make_pages(folder: Path, kind: str = "layoutlm", head: str = "ForQuestionAnswering", **settings: object) -> Path:
    """A model that reads at most 38 tokens, in `folder`; `settings` of its tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "layoutlm":
        words = WORDS.split()
        words += [f"[unused{i}]" for i in range(99 - len(words))]
        (folder / "vocab.txt").write_text("\n".join(words) + "\n")
        fields = {"do_lower_case": True, "tokenizer_class": "LayoutLMTokenizer"}
    else:
        make_text(folder)
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        vocabulary["<mask>"] = vocabulary.pop("<|endoftext|>")
        (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
        name = "RobertaTokenizer" if kind == "layoutlm-bytes" else "LayoutLMv3Tokenizer"
        fields = {"tokenizer_class": name, "add_prefix_space": True}
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 38} | fields | settings))
    source = GOLDENS / kind.removesuffix("-bytes") / head
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_2d_position_embeddings": 1024}))
    state = load_file(source / "model.safetensors")
    for name, table in state.items():
        if name.endswith(tuple(f".{side}_position_embeddings.weight" for side in "xyhw")):
            state[name] = table.repeat(1024 // len(table), 1)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    return folder
