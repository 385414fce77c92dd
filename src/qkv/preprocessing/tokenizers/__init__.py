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
    CLIPTokenizer,
    DebertaTokenizer,
    DistilBertTokenizer,
    ElectraTokenizer,
    GPT2Tokenizer,
    MPNetTokenizer,
    RobertaTokenizer,
)
from .layout import LayoutLMv2Tokenizer, LayoutLMv3Tokenizer, LayoutXLMTokenizer
from .loading import load_tokenizer
from .sentencepiece_families import (
    AlbertTokenizer,
    BigBirdTokenizer,
    CamembertTokenizer,
    DebertaV2Tokenizer,
    GemmaTokenizer,
    LlamaTokenizer,
    SiglipTokenizer,
    T5Tokenizer,
    XLMRobertaTokenizer,
)
from .table import CLASSES, tokenizer_class
from .tapas import TapasTokenizer

# one implementation, two names
AlbertTokenizerFast = AlbertTokenizer
BertTokenizerFast = BertTokenizer
BigBirdTokenizerFast = BigBirdTokenizer
CLIPTokenizerFast = CLIPTokenizer
CamembertTokenizerFast = CamembertTokenizer
DebertaTokenizerFast = DebertaTokenizer
DebertaV2TokenizerFast = DebertaV2Tokenizer
DistilBertTokenizerFast = DistilBertTokenizer
ElectraTokenizerFast = ElectraTokenizer
GemmaTokenizerFast = GemmaTokenizer
GPT2TokenizerFast = GPT2Tokenizer
LayoutLMTokenizer = LayoutLMTokenizerFast = BertTokenizer
LayoutLMv2TokenizerFast = LayoutLMv2Tokenizer
LayoutLMv3TokenizerFast = LayoutLMv3Tokenizer
LayoutXLMTokenizerFast = LayoutXLMTokenizer
LlamaTokenizerFast = LlamaTokenizer
LongformerTokenizer = LongformerTokenizerFast = RobertaTokenizer
MPNetTokenizerFast = MPNetTokenizer
PreTrainedTokenizerFast = PreTrainedTokenizer
RobertaTokenizerFast = RobertaTokenizer
T5TokenizerFast = T5Tokenizer
XLMRobertaTokenizerFast = XLMRobertaTokenizer

__all__ = [
    "CLASSES",
    "CLIPTokenizer",
    "CLIPTokenizerFast",
    "AlbertTokenizer",
    "AlbertTokenizerFast",
    "BatchEncoding",
    "BertTokenizer",
    "BertTokenizerFast",
    "BigBirdTokenizer",
    "BigBirdTokenizerFast",
    "CamembertTokenizer",
    "CamembertTokenizerFast",
    "CharSpan",
    "DebertaTokenizer",
    "DebertaTokenizerFast",
    "DebertaV2Tokenizer",
    "DebertaV2TokenizerFast",
    "DistilBertTokenizer",
    "DistilBertTokenizerFast",
    "ElectraTokenizer",
    "ElectraTokenizerFast",
    "GPT2Tokenizer",
    "GPT2TokenizerFast",
    "GemmaTokenizer",
    "GemmaTokenizerFast",
    "LayoutLMTokenizer",
    "LayoutLMTokenizerFast",
    "LayoutLMv2Tokenizer",
    "LayoutLMv2TokenizerFast",
    "LayoutLMv3Tokenizer",
    "LayoutLMv3TokenizerFast",
    "LayoutXLMTokenizer",
    "LayoutXLMTokenizerFast",
    "LlamaTokenizer",
    "LlamaTokenizerFast",
    "LongformerTokenizer",
    "LongformerTokenizerFast",
    "MPNetTokenizer",
    "MPNetTokenizerFast",
    "PreTrainedTokenizer",
    "PreTrainedTokenizerFast",
    "RobertaTokenizer",
    "RobertaTokenizerFast",
    "SiglipTokenizer",
    "T5Tokenizer",
    "T5TokenizerFast",
    "TapasTokenizer",
    "TokenSpan",
    "XLMRobertaTokenizer",
    "XLMRobertaTokenizerFast",
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
