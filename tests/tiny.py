"""A tiny random classifier that the reference library wrote, with a WordPiece vocabulary."""

import json
import shutil
from pathlib import Path

GOLDENS = Path(__file__).parent / "parity" / "goldens"
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e f g h j k l m n o p q r s t u v w x y z i love this product is great "
WORDS += "terrible good bad not at all the film was it and very much more no yes ! . , ? ' ##s ##ing ##ed ##ly"


def make(folder: Path, family: str = "bert", head: str = "ForSequenceClassification") -> Path:
    """A family's model with a head, three labels, 40 positions and 99 words, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(GOLDENS / family / head / name, folder / name)
    words = WORDS.split()
    words += [f"[unused{i}]" for i in range(99 - len(words))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}')
    return folder


def class_of(folder: Path) -> type:
    """The class of a golden folder, whose name says which head it has."""
    from qkv import auto

    config = auto.AutoConfig.from_pretrained(folder)
    body = auto.body_class(config.model_type)
    return body if folder.name == "Model" else getattr(auto.family(config.model_type), body.class_name(folder.name))


def configure(folder: Path, **fields: object) -> Path:
    """Change fields of its config.json."""
    config = json.loads((folder / "config.json").read_text()) | fields
    (folder / "config.json").write_text(json.dumps(config))
    return folder
