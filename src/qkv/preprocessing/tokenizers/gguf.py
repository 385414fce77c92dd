"""Rust tokenizers from the vocabulary in a GGUF file's metadata: byte-level BPE, or SentencePiece's BPE.

A file names the rule by which text is cut before BPE (tokenizer.ggml.pre) and keeps no more of the original tokenizer
than its vocabulary; `RULES` says what the names mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from qkv.errors import nearest, short

from . import build
from . import sentencepiece as spm
from .rustfile import guarded

GEMMA = ("gemma", "gemma2", "gemma3")
# tokens of Phi-3 that leave the spaces after them alone; its other special tokens take them in
PHI3_PLAIN = ("<unk>", "<s>", "<|endoftext|>")


@dataclass(frozen=True)
class Rule:
    """How text is cut before BPE.

    Args:
        pattern: what a piece is; None for GPT-2's own rule.
        digits: whether each digit is a piece of its own, before all else.
        nfc: whether text is composed (Unicode's NFC) first.
        whole: whether a piece that is in the vocabulary is taken without merging.
        bos: whether texts start with the bos token where the file does not say.
    """

    pattern: str | None = None
    digits: bool = False
    nfc: bool = False
    whole: bool = False
    bos: bool = False


_ENDINGS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS = rf"{_ENDINGS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_REST_WITH_SLASH = _REST.replace(r"[\r\n]*", r"[\r\n/]*", 1)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = [rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}{a}{_LOWER}{b}" for a, b in ("*+", "+*")]

GPT2 = Rule()
DIGITS = Rule(digits=True)
CL100K = Rule(rf"{_WORDS}|\p{{N}}{{1,3}}|{_REST}")
LLAMA3 = Rule(CL100K.pattern, whole=True, bos=True)
QWEN2 = Rule(rf"{_WORDS}|\p{{N}}|{_REST}", nfc=True)
TEKKEN = Rule("|".join([*_CASED, r"\p{N}", _REST_WITH_SLASH]), whole=True, bos=True)
GPT4O = Rule("|".join([*(f"{word}{_ENDINGS}?" for word in _CASED), r"\p{N}{1,3}", _REST_WITH_SLASH]))
RULES = {
    **dict.fromkeys(("default", "gpt-2", "mpt", "jais", "phi-2", "roberta-bpe", "granite-docling"), GPT2),
    "olmo": Rule(nfc=True),
    **dict.fromkeys(("smollm", "starcoder", "refact", "codeshell", "minerva-7b"), DIGITS),
    "command-r": Rule(digits=True, nfc=True),
    **dict.fromkeys(("dbrx", "smaug-bpe"), CL100K),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral"), LLAMA3),
    **dict.fromkeys(("qwen2", "stablelm2", "megrez"), QWEN2),
    "deepseek-r1-qwen": Rule(QWEN2.pattern, bos=True),
    "tekken": TEKKEN,
    **dict.fromkeys(("gpt-4o", "llama4"), GPT4O),
}


def from_metadata(metadata: Mapping[str, Any], options: Mapping[str, Any], name: str) -> Tokenizer:
    """The tokenizer of a GGUF file.

    Args:
        metadata: of the file, by key.
        options: bos_token, eos_token, add_bos_token, add_eos_token.
        name: of the file, for messages.

    Raises: ValueError for a kind of vocabulary or a rule of cutting that is not known, and for a broken vocabulary.
    """
    kind = metadata.get("tokenizer.ggml.model")
    if kind not in KINDS:
        raise ValueError(
            f"{short(name, 120)} holds a vocabulary of kind {short(kind)}, which qkv does not read; expected "
            f"{' or '.join(map(repr, KINDS))}. {_ORIGINAL}"
        )
    rust, bos = KINDS[kind](metadata, _pieces(metadata, name), name)
    asked = options.get("add_bos_token"), options.get("add_eos_token")
    first = options.get("bos_token") if (bos if asked[0] is None else asked[0]) else None
    last = options.get("eos_token") if asked[1] else None
    if first or last:
        build.bracket(rust, first and str(first), last and str(last))
    return rust


_ORIGINAL = "Load the tokenizer of the original model instead: AutoTokenizer.from_pretrained('org/name')."


def _pieces(metadata: Mapping[str, Any], name: str) -> list[spm.Piece]:
    """The vocabulary in the order of ids, without the entries that only fill up a round number."""
    tokens = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError(f"{short(name, 120)} holds no vocabulary. {_ORIGINAL}")
    scores = metadata.get("tokenizer.ggml.scores", [0.0] * len(tokens))
    kinds = metadata.get("tokenizer.ggml.token_type", [spm.NORMAL] * len(tokens))
    for key, values in (("scores", scores), ("token_type", kinds)):
        if not isinstance(values, list) or len(values) != len(tokens) or not all(map(_is_number, values)):
            raise ValueError(f"{short(name, 120)} has {key} that do not match its {len(tokens)} tokens. {_ORIGINAL}")
    count = len(tokens)
    while count and kinds[count - 1] == spm.UNUSED and tokens[count - 1] == f"[PAD{count - 1}]":
        count -= 1
    marked = (spm.CONTROL, spm.USER_DEFINED)  # converters give these scores of their own; originally they have none
    rows = zip(tokens[:count], scores, kinds, strict=False)
    return [spm.Piece(token, 0.0 if kind in marked else score, kind) for token, score, kind in rows]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _byte_level(metadata: Mapping[str, Any], pieces: list[spm.Piece], name: str) -> tuple[Tokenizer, bool]:
    cut = metadata.get("tokenizer.ggml.pre", "default")
    if not isinstance(cut, str) or cut not in RULES:
        raise ValueError(
            f"{short(name, 120)} cuts text by the rule {short(cut)}, which qkv does not know; the nearest are "
            f"{nearest(str(cut), RULES)}. {_ORIGINAL}"
        )
    merges = metadata.get("tokenizer.ggml.merges")
    if not isinstance(merges, list) or not all(isinstance(one, str) and " " in one[1:] for one in merges):
        raise ValueError(f"{short(name, 120)} has no merges, or broken ones, for its vocabulary. {_ORIGINAL}")
    rule = RULES[cut]
    ids = {piece.text: index for index, piece in reversed(list(enumerate(pieces)))}
    pairs = [(one[: (at := one.index(" ", 1))], one[at + 1 :]) for one in merges]
    rust = guarded(lambda: Tokenizer(models.BPE(ids, pairs, ignore_merges=rule.whole)), name)
    steps: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if rule.digits else []
    if rule.pattern is not None:
        steps.append(pre_tokenizers.Split(Regex(rule.pattern), behavior="isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=rule.pattern is None))
    rust.pre_tokenizer = pre_tokenizers.Sequence(steps) if len(steps) > 1 else steps[0]
    if rule.nfc or metadata.get("general.architecture") == "gptneox":
        rust.normalizer = normalizers.NFC()
    rust.decoder = decoders.ByteLevel()
    rust.post_processor = processors.ByteLevel(trim_offsets=False)
    build.mark(rust, pieces)
    return rust, rule.bos


def _sentencepiece(metadata: Mapping[str, Any], pieces: list[spm.Piece], name: str) -> tuple[Tokenizer, bool]:
    architecture = metadata.get("general.architecture")
    if architecture in GEMMA:  # a file writes its runs of spaces as spaces, the original as ▁
        pieces = [
            spm.Piece(one.text.replace(" ", build.SPACE), one.score, one.kind) if one.kind == spm.USER_DEFINED else one
            for one in pieces
        ]
    unknown = metadata.get("tokenizer.ggml.unknown_token_id", 0)
    if type(unknown) is not int or not 0 <= unknown < len(pieces):
        raise ValueError(f"{short(name, 120)} misstates unknown_token_id: {short(unknown)} is no id. {_ORIGINAL}")
    model = spm.Model(pieces, spm.BPE, unk_id=unknown, unk_piece=pieces[unknown].text)
    rust = build.from_pieces(model, name, byte_fallback=True)
    prefix = metadata.get("tokenizer.ggml.add_space_prefix", architecture not in GEMMA) is not False
    spaces = normalizers.Replace(" ", build.SPACE)
    if architecture in GEMMA:
        rust.normalizer = spaces
        rust.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    else:
        rust.normalizer = normalizers.Sequence([*[normalizers.Prepend(build.SPACE)] * prefix, spaces])
    steps: list[Any] = [decoders.Replace(build.SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    rust.decoder = decoders.Sequence([*steps, *[decoders.Strip(" ", 1)] * prefix])
    if architecture == "phi3":
        marked = [piece for piece in pieces if piece.kind in build.MARKED and piece.text not in PHI3_PLAIN]
        flags = {"rstrip": True, "normalized": False}
        rust.add_tokens([AddedToken(one.text, special=one.kind == spm.CONTROL, **flags) for one in marked])
    return rust, True


KINDS = {"gpt2": _byte_level, "llama": _sentencepiece}
