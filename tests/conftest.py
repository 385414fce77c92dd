"""Folders that tests share: a tiny random classifier that the reference library wrote, with a tokenizer."""

import shutil
from pathlib import Path

import pytest

GOLDENS = Path(__file__).parent / "parity" / "goldens"
WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e f g h i j k l m n o p q r s t u v w x y z i love this product is great "
)
WORDS += "terrible good bad not at all the film was it and very much more no yes ! . , ? ' ##s ##ing ##ed ##ly"


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory):
    """BertForSequenceClassification with three labels and a WordPiece vocabulary of 99 words; not to be written to."""
    folder = tmp_path_factory.mktemp("tiny")
    for name in ("config.json", "model.safetensors"):
        shutil.copy(GOLDENS / "bert" / "ForSequenceClassification" / name, folder / name)
    words = list(dict.fromkeys(WORDS.split()))
    words += [f"[unused{i}]" for i in range(99 - len(words))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}')
    return folder


@pytest.fixture
def tiny(tiny_source, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(tiny_source, tmp_path / "tiny"))
