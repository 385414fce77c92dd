"""What sets the families' tokenizers apart: special tokens, inputs, and how one is built from vocabulary files.

There is one implementation, so every class is also its `...Fast` one; table.py is how a repository finds its class.
A repository with a tokenizer.json needs no more than the class's defaults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken, Tokenizer, normalizers, processors

from . import build
from .base import PreTrainedTokenizer

NO_TYPES = ["input_ids", "attention_mask"]
BERT = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
ROBERTA = {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>"}
ROBERTA |= {"pad_token": "<pad>"}


def mask(token: str) -> AddedToken:
    """A mask takes the place of a word and of the space before it."""
    return AddedToken(token, lstrip=True, normalized=False, special=True)


def normalized(token: str) -> AddedToken:
    """A special token that is looked for in the text after its normalisation."""
    return AddedToken(token, normalized=True, special=True)


class BertTokenizer(PreTrainedTokenizer):
    """WordPiece over vocab.txt."""

    vocab_files_names = {"vocab_file": "vocab.txt"}
    cleans_up = True
    defaults = {**BERT, "do_lower_case": True, "tokenize_chinese_chars": True, "strip_accents": None}

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        tokens = str(options["cls_token"]), str(options["sep_token"])
        return build.wordpiece(cls.need(files, "vocab_file"), options, tokens)

    def adapt(self, rust: Tokenizer, options: Mapping[str, Any]) -> None:
        names = {"lowercase": "do_lower_case", "strip_accents": "strip_accents"}
        names["handle_chinese_chars"] = "tokenize_chinese_chars"
        if not isinstance(rust.normalizer, normalizers.BertNormalizer):
            return
        state = json.loads(rust.normalizer.__getstate__())
        wanted = {key: options[name] for key, name in names.items()}
        wanted |= {key: bool(wanted[key]) for key in ("lowercase", "handle_chinese_chars")}
        if any(state[key] != value for key, value in wanted.items()):
            rust.normalizer = normalizers.BertNormalizer(clean_text=state["clean_text"], **wanted)


class DistilBertTokenizer(BertTokenizer):
    """BERT's, without token types."""

    model_input_names = NO_TYPES


class ElectraTokenizer(BertTokenizer):
    """BERT's."""


class MPNetTokenizer(BertTokenizer):
    """BERT's WordPiece with RoBERTa's special tokens."""

    model_input_names = NO_TYPES
    defaults = {**BertTokenizer.defaults, **ROBERTA, "unk_token": "[UNK]", "mask_token": mask("<mask>")}

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        first, last = str(options["cls_token"]), str(options["sep_token"])
        return build.wordpiece(cls.need(files, "vocab_file"), options, (first, last, last))


class GPT2Tokenizer(PreTrainedTokenizer):
    """Byte-level BPE over vocab.json and merges.txt; no special tokens around texts, no pad token."""

    vocab_files_names = {"vocab_file": "vocab.json", "merges_file": "merges.txt"}
    model_input_names = NO_TYPES
    end = normalized("<|endoftext|>")
    defaults = {"unk_token": end, "bos_token": end, "eos_token": end, "add_prefix_space": False}
    words_need_prefix_space = True

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        rust = build.byte_level(cls.need(files, "vocab_file"), cls.need(files, "merges_file"), options)
        if options.get("add_bos_token"):
            bos = str(options["bos_token"])
            build.frame(rust, f"{bos}:0 $A:0", f"{bos}:0 $A:0 $B:1", {bos})
        return rust


class RobertaTokenizer(PreTrainedTokenizer):
    """GPT-2's BPE with <s> A </s></s> B </s>; offsets leave out the space before a word."""

    vocab_files_names = GPT2Tokenizer.vocab_files_names
    model_input_names = NO_TYPES
    defaults = {role: normalized(token) for role, token in ROBERTA.items()}
    defaults |= {"mask_token": mask("<mask>"), "add_prefix_space": False, "trim_offsets": True}
    words_need_prefix_space = True

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        rust = build.byte_level(cls.need(files, "vocab_file"), cls.need(files, "merges_file"), options)
        tokens = [str(options[role]) for role in ("sep_token", "cls_token")]
        build.frame(rust, "$A", "$A $B", set(tokens))
        sep, first = ((token, rust.token_to_id(token) or 0) for token in tokens)
        rust.post_processor = processors.RobertaProcessing(sep, first, True, bool(options["add_prefix_space"]))
        return rust

    def adapt(self, rust: Tokenizer, options: Mapping[str, Any]) -> None:
        if not isinstance(rust.post_processor, processors.RobertaProcessing):
            return
        state = json.loads(rust.post_processor.__getstate__())
        wanted = {key: bool(options[key]) for key in ("add_prefix_space", "trim_offsets")}
        if any(state[key] != value for key, value in wanted.items()):
            sep, first = tuple(state["sep"]), tuple(state["cls"])
            rust.post_processor = processors.RobertaProcessing(sep, first, **wanted)


class DebertaTokenizer(PreTrainedTokenizer):
    """GPT-2's BPE with BERT's special tokens."""

    vocab_files_names = GPT2Tokenizer.vocab_files_names
    model_input_names = ["input_ids", "attention_mask", "token_type_ids"]
    defaults = {**BERT, "bos_token": "[CLS]", "eos_token": "[SEP]", "add_prefix_space": False}
    defaults |= {"mask_token": AddedToken("[MASK]", lstrip=True, normalized=True, special=True)}
    words_need_prefix_space = True

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        rust = build.byte_level(cls.need(files, "vocab_file"), cls.need(files, "merges_file"), options)
        first, last = str(options["cls_token"]), str(options["sep_token"])
        build.frame(rust, f"{first}:0 $A:0 {last}:0", f"{first}:0 $A:0 {last}:0 $B:1 {last}:1", {first, last})
        return rust


class CLIPTokenizer(PreTrainedTokenizer):
    """Byte-level BPE over lower-cased text, whose words end in </w>; <|startoftext|> A <|endoftext|>."""

    vocab_files_names = GPT2Tokenizer.vocab_files_names
    model_input_names = NO_TYPES
    end_of_word = "</w>"
    defaults = dict.fromkeys(("unk_token", "eos_token", "pad_token"), normalized("<|endoftext|>"))
    defaults |= {"bos_token": normalized("<|startoftext|>")}

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        table, pairs = cls.need(files, "vocab_file"), cls.need(files, "merges_file")
        rust = build.words_by_byte(table, pairs, str(options["unk_token"]), cls.end_of_word)
        last, first = (str(options[role]) for role in ("eos_token", "bos_token"))
        build.frame(rust, f"{first} $A {last}", f"{first} $A {last} {last} $B {last}", {first, last})
        ends = ((token, rust.token_to_id(token) or 0) for token in (last, first))
        rust.post_processor = processors.RobertaProcessing(*ends, trim_offsets=False, add_prefix_space=False)
        return rust

    def spaced(self, text: str) -> str:
        return text.replace(self.end_of_word, " ").strip()
