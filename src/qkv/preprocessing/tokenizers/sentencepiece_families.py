"""The families whose vocabulary is a SentencePiece file: how their ids, normalisation and special tokens differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers

from qkv.errors import short

from . import build
from . import sentencepiece as spm
from .base import PreTrainedTokenizer
from .families import BERT, NO_TYPES, ROBERTA, mask, normalized

MAX_SPANS = 10_000
TURNS = ("<start_of_turn>", "<end_of_turn>")  # Gemma's, which its files have as pieces of the user


class XLMRobertaTokenizer(PreTrainedTokenizer):
    """SentencePiece with fairseq's ids: four special tokens in front, <mask> at the end."""

    vocab_files_names = {"vocab_file": "sentencepiece.bpe.model"}
    model_input_names = NO_TYPES
    defaults = {**ROBERTA, "mask_token": mask("<mask>")}

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        rust, model = build.sentencepiece(cls.need(files, "vocab_file"), cls.arrange)
        rust.normalizer = build.spaces_trimmed(model)
        build.metaspace(rust)
        build.frame(rust, "<s> $A </s>", "<s> $A </s> </s> $B </s>", {"<s>", "</s>"})
        return rust

    @staticmethod
    def arrange(model: spm.Model) -> tuple[build.Vocab, int]:
        """The checkpoint's ids: fairseq's special tokens, the pieces after SentencePiece's own three, the mask."""
        front = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
        return [*front, *build.scores(model)[3:], ("<mask>", 0.0)], 3


class CamembertTokenizer(XLMRobertaTokenizer):
    """XLM-R's scheme with French pieces and fairseq's unused entries."""

    unused = ("<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED")
    defaults = {**XLMRobertaTokenizer.defaults, "additional_special_tokens": list(unused)}

    @staticmethod
    def arrange(model: spm.Model) -> tuple[build.Vocab, int]:
        """The checkpoint's ids; SentencePiece's own <unk> is kept out of use by its score."""
        front = [(token, 0.0) for token in ("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>")]
        return [*front, ("<unk>NOTUSED", -100.0), *build.scores(model)[1:], ("<mask>", 0.0)], 3


class T5Tokenizer(PreTrainedTokenizer):
    """SentencePiece plus <extra_id_0> ... for masked spans; </s> after each text."""

    vocab_files_names = {"vocab_file": "spiece.model"}
    model_input_names = NO_TYPES
    defaults = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "extra_ids": 100}

    def _completed(self, options: dict[str, Any]) -> dict[str, Any]:
        options = super()._completed(options)
        extra = list(options.get("additional_special_tokens") or options.get("extra_special_tokens") or [])
        count = options["extra_ids"]
        if not isinstance(count, int) or not 0 <= count <= MAX_SPANS:
            raise ValueError(f"extra_ids={short(count)} is not a number of tokens: expected 0 to {MAX_SPANS}.")
        if not any("<extra_id_" in str(token) for token in extra):
            extra += [f"<extra_id_{index}>" for index in range(count)]
        return {**options, "additional_special_tokens": extra, "extra_special_tokens": None}

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        def arrange(model: spm.Model) -> tuple[build.Vocab, int]:
            spans = [(f"<extra_id_{index}>", 0.0) for index in reversed(range(options["extra_ids"]))]
            return [*build.scores(model), *spans], model.unk_id

        rust, model = build.sentencepiece(cls.need(files, "vocab_file"), arrange)
        rust.normalizer = build.spaces_trimmed(model)
        build.metaspace(rust)
        build.frame(rust, "$A </s>", "$A </s> $B </s>", {"</s>"})
        return rust


class SiglipTokenizer(PreTrainedTokenizer):
    """SentencePiece over lower-cased text without punctuation; </s> after each text, and as padding."""

    vocab_files_names = {"vocab_file": "spiece.model"}
    model_input_names = NO_TYPES
    defaults = {
        role: AddedToken(token, lstrip=True, rstrip=True, normalized=False, special=True)
        for role, token in (("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "</s>"))
    }
    defaults |= {"model_max_length": 64, "do_lower_case": True}

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        source = cls.need(files, "vocab_file")
        model = spm.read(Path(source))
        model.pieces = [replace(one, kind=spm.NORMAL) if one.kind == spm.CONTROL else one for one in model.pieces]
        rust = build.from_pieces(model, source)  # where </s> and <unk> alone are found in a text
        marks = normalizers.Replace(Regex(r"[!-/:-@\[-`{-~]"), "")
        spaces = [normalizers.Replace(Regex(r"[\s▁\x1c-\x1f]+"), " "), normalizers.Strip()]
        lower = [normalizers.Lowercase()] if options["do_lower_case"] else []
        composed = [normalizers.NFC(), *build.charsmap(model), normalizers.Strip(left=False)] if model.charsmap else []
        rust.normalizer = normalizers.Sequence([*lower, marks, *spaces, *composed, _one_space()])
        build.metaspace(rust)
        build.frame(rust, "$A </s>", "$A </s> $B </s>", {"</s>"})
        return rust


class AlbertTokenizer(PreTrainedTokenizer):
    """SentencePiece over lower-cased text without accents; pieces like "9," are avoided."""

    vocab_files_names = {"vocab_file": "spiece.model"}
    defaults = {**BERT, "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "<unk>", "pad_token": "<pad>"}
    defaults |= {"mask_token": mask("[MASK]"), "do_lower_case": True, "remove_space": True, "keep_accents": False}

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        rust, model = build.sentencepiece(cls.need(files, "vocab_file"), cls.arrange)
        steps: list[Any] = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
        if not options["keep_accents"]:
            steps += [normalizers.NFKD(), normalizers.StripAccents()]
        if options["do_lower_case"]:
            steps.append(normalizers.Lowercase())
        rust.normalizer = normalizers.Sequence([*steps, *build.charsmap(model), _one_space()])
        build.metaspace(rust)
        build.frame(rust, "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", {"[CLS]", "[SEP]"})
        return rust

    @staticmethod
    def arrange(model: spm.Model) -> tuple[build.Vocab, int]:
        """Pieces of a digit and a comma are scored out of use."""
        return [
            (text, score - 100 if len(text) > 1 and text[-1] == "," and text[-2].isdigit() else score)
            for text, score in build.scores(model)
        ], model.unk_id


class DebertaV2Tokenizer(PreTrainedTokenizer):
    """SentencePiece with BERT's special tokens."""

    vocab_files_names = {"vocab_file": "spm.model"}
    defaults = {**BERT, "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": normalized("[UNK]")}
    defaults |= {"do_lower_case": False, "split_by_punct": False}

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        rust, model = build.sentencepiece(cls.need(files, "vocab_file"))
        lower = [normalizers.Lowercase()] if options["do_lower_case"] else []
        rust.normalizer = normalizers.Sequence([*lower, normalizers.Strip(), *build.charsmap(model), _one_space()])
        punctuation = [pre_tokenizers.Punctuation(behavior="isolated")] if options["split_by_punct"] else []
        build.metaspace(rust, before=punctuation)
        build.frame(rust, "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", {"[CLS]", "[SEP]"})
        return rust


class BigBirdTokenizer(PreTrainedTokenizer):
    """SentencePiece with T5's special tokens and, around texts, BERT's."""

    vocab_files_names = {"vocab_file": "spiece.model"}
    model_input_names = NO_TYPES
    defaults = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "pad": "<pad>", "sep": "[SEP]", "cls": "[CLS]"}
    defaults = {f"{role}_token": normalized(token) for role, token in defaults.items()}
    defaults |= {"mask_token": AddedToken("[MASK]", lstrip=True, normalized=True, special=True)}

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        rust, model = build.sentencepiece(cls.need(files, "vocab_file"))
        rust.normalizer = build.spaces_trimmed(model)
        build.metaspace(rust)
        return rust

    def adapt(self, rust: Tokenizer, options: Mapping[str, Any]) -> None:
        if rust.post_processor is None:  # here, since tokens that the file lacks get their ids in the order of roles
            first, last = str(self.cls_token), str(self.sep_token)
            build.frame(rust, f"{first}:0 $A:0 {last}:0", f"{first}:0 $A:0 {last}:0 $B:1 {last}:1", {first, last})


class LlamaTokenizer(PreTrainedTokenizer):
    """SentencePiece BPE that spells unknown characters in bytes; <s> before each text. Pads on the left."""

    vocab_files_names = {"vocab_file": "tokenizer.model"}
    model_input_names = NO_TYPES
    padding_side = "left"
    defaults = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True}
    defaults |= {"add_eos_token": False, "legacy": True}

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        rust, _ = build.sentencepiece(cls.need(files, "vocab_file"), byte_fallback=True)
        prefix = options.get("add_prefix_space") is not False
        if options["legacy"]:
            spaces = normalizers.Replace(" ", build.SPACE)
            start = [normalizers.Prepend(build.SPACE)] if prefix else []
            rust.normalizer = normalizers.Sequence([*start, spaces])
        else:
            scheme = "first" if prefix else "never"
            rust.pre_tokenizer = pre_tokenizers.Metaspace(build.SPACE, prepend_scheme=scheme, split=False)
        steps: list[Any] = [decoders.Replace(build.SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
        rust.decoder = decoders.Sequence(steps + ([decoders.Strip(" ", 1)] if prefix else []))
        return rust

    def adapt(self, rust: Tokenizer, options: Mapping[str, Any]) -> None:
        if options["add_bos_token"] is None and options["add_eos_token"] is None:
            return
        first = self.bos_token if options["add_bos_token"] else None
        last = self.eos_token if options["add_eos_token"] else None
        build.bracket(rust, first, last)


class GemmaTokenizer(LlamaTokenizer):
    """SentencePiece BPE that keeps each space, as ▁, and adds none; <bos> before each text. Pads on the left."""

    defaults = {"unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    defaults |= {"add_bos_token": True, "add_eos_token": False}

    @classmethod
    def build(cls, files: Mapping[str, Any], options: Mapping[str, Any]) -> Tokenizer:
        source = cls.need(files, "vocab_file")
        model = spm.read(Path(source))
        model.pieces = [
            replace(one, kind=spm.CONTROL) if one.kind == spm.USER_DEFINED and one.text in TURNS else one
            for one in model.pieces
        ]
        front = [str(options[role]) for role in ("pad_token", "eos_token", "bos_token")]
        rust = build.from_pieces(model, source, lambda model: (cls.ordered(model, front), 3), byte_fallback=True)
        rust.normalizer = normalizers.Replace(" ", build.SPACE)
        rust.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        rust.decoder = decoders.Sequence([decoders.Replace(build.SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
        return rust

    @staticmethod
    def ordered(model: spm.Model, front: list[str]) -> build.Vocab:
        """The pieces, the first three under their own names. Files without a tab lend it the id of its byte."""
        vocab = [*((token, 0.0) for token in front), *build.scores(model)[3:]]
        if any(token == "\t" for token, _ in vocab):
            return vocab
        return [("\t", 0.0) if token == "<0x09>" else (token, score) for token, score in vocab]


def _one_space() -> Any:
    return normalizers.Replace(Regex(" {2,}"), " ")
