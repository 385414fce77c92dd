"""Tokenizers: text to ids and back, over the Rust `tokenizers` library.

    tokenizer = load_tokenizer(open_repo("bert-base-uncased"))
    tokenizer(["great film", "a long and dull one"], padding=True, return_tensors="pt")

Read base.py first (the class), then encoding.py (why a call never changes the tokenizer), families.py (what differs).
"""

import os

from .base import PreTrainedTokenizer
from .batch import BatchEncoding, CharSpan, TokenSpan
from .families import (
    BertTokenizer,
    DistilBertTokenizer,
    ElectraTokenizer,
    GPT2Tokenizer,
    MPNetTokenizer,
    RobertaTokenizer,
)
from .loading import load_tokenizer
from .sentencepiece_families import (
    AlbertTokenizer,
    CamembertTokenizer,
    DebertaV2Tokenizer,
    LlamaTokenizer,
    T5Tokenizer,
    XLMRobertaTokenizer,
)
from .table import CLASSES, tokenizer_class

PreTrainedTokenizerFast = PreTrainedTokenizer

__all__ = [
    "CLASSES",
    "AlbertTokenizer",
    "BatchEncoding",
    "BertTokenizer",
    "CamembertTokenizer",
    "CharSpan",
    "DebertaV2Tokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
    "GPT2Tokenizer",
    "LlamaTokenizer",
    "MPNetTokenizer",
    "PreTrainedTokenizer",
    "PreTrainedTokenizerFast",
    "RobertaTokenizer",
    "T5Tokenizer",
    "TokenSpan",
    "XLMRobertaTokenizer",
    "load_tokenizer",
    "tokenizer_class",
]


def _serial_after_fork() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


# The Rust thread pool does not survive a fork. Left unset, the library warns in every forked worker; set, it would wait
# for threads that are gone. So: parallel here, serial in whatever is forked.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_serial_after_fork)
