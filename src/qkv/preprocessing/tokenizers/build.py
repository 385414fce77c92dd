"""Rust tokenizers from vocabulary files: WordPiece (vocab.txt), byte-level BPE (vocab.json, merges.txt), SentencePiece.

One function per kind, and the parts families combine. What a family adds of its own is in families.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from qkv.errors import short

from . import sentencepiece as spm
from .rustfile import guarded, read_text

SPACE = "▁"  # what SentencePiece writes for a space
MARKED = (spm.CONTROL, spm.USER_DEFINED)
Vocab = list[tuple[str, float]]


def read_vocab(source: Any) -> dict[str, int]:
    """Token to id from a vocab.txt (a token a line), a vocab.json, or a mapping as it is."""
    if isinstance(source, Mapping):
        return dict(source)
    path = Path(source)
    text = read_text(path)
    if path.suffix != ".json":
        lines = text.split("\n")
        return {token.rstrip("\r"): index for index, token in enumerate(lines if lines[-1] else lines[:-1])}
    try:
        vocab = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{short(str(path), 200)} is not JSON: {short(str(error), 100)}. Download it again.") from None
    good = isinstance(vocab, dict) and all(type(index) is int and 0 <= index < 2**32 for index in vocab.values())
    if not good:
        raise ValueError(f"{short(str(path), 200)} is not a vocabulary: expected a JSON object of token: id.")
    return vocab


def read_merges(source: Any) -> list[tuple[str, str]]:
    """Pairs of tokens from a merges.txt, or a list as it is."""
    if not isinstance(source, (str, os.PathLike)):
        return [tuple(pair.split(" ")) if isinstance(pair, str) else tuple(pair) for pair in source]  # type: ignore[misc]
    pairs = []
    for number, line in enumerate(read_text(Path(source)).split("\n"), start=1):
        if not line.strip() or line.startswith("#version"):
            continue
        halves = line.rstrip("\r").split(" ")
        if len(halves) != 2:
            raise ValueError(f"{short(str(source), 200)}, line {number}: {short(line)} is not a pair of tokens.")
        pairs.append((halves[0], halves[1]))
    return pairs


def wordpiece(source: Any, options: Mapping[str, Any], template: Sequence[str]) -> Tokenizer:
    """WordPiece as BERT has it. template: the first special token, then those between a pair; the last also ends."""
    vocab = read_vocab(source)
    unknown = str(options.get("unk_token") or "[UNK]")
    rust = guarded(lambda: Tokenizer(models.WordPiece(vocab, unk_token=unknown)), _name(source))
    rust.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=bool(options.get("tokenize_chinese_chars", True)),
        strip_accents=options.get("strip_accents"),
        lowercase=bool(options.get("do_lower_case", True)),
    )
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rust.decoder = decoders.WordPiece(prefix="##")
    first, last = template[0], template[1]
    between = template[1:]
    joined = " ".join(f"{token}:0" for token in between)
    frame(rust, f"{first}:0 $A:0 {last}:0", f"{first}:0 $A:0 {joined} $B:1 {last}:1", {first, last})
    return rust


def byte_level(vocab: Any, merges: Any, options: Mapping[str, Any]) -> Tokenizer:
    """Byte-level BPE as GPT-2 has it, without special tokens."""
    table, pairs = read_vocab(vocab), read_merges(merges)
    model = guarded(
        lambda: models.BPE(table, pairs, continuing_subword_prefix="", end_of_word_suffix="", fuse_unk=False),
        _name(merges),
    )
    rust = Tokenizer(model)
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=bool(options.get("add_prefix_space", False)))
    rust.decoder = decoders.ByteLevel()
    rust.post_processor = processors.ByteLevel(trim_offsets=False)
    return rust


WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def words_by_byte(vocab: Any, merges: Any, unknown: str, end: str) -> Tokenizer:
    """Byte-level BPE as CLIP has it: of words in lower case, each of which ends in `end`; without special tokens."""
    table, pairs = read_vocab(vocab), read_merges(merges)
    given = {"continuing_subword_prefix": "", "end_of_word_suffix": end, "fuse_unk": False, "unk_token": unknown}
    rust = Tokenizer(guarded(lambda: models.BPE(table, pairs, **given), _name(merges)))
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    rust.normalizer = normalizers.Sequence([normalizers.NFC(), spaces, normalizers.Lowercase()])
    split = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
    rust.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    rust.decoder = decoders.ByteLevel()
    return rust


def frame(rust: Tokenizer, single: str, pair: str, tokens: set[str]) -> None:
    """Put special tokens around texts. A token the vocabulary lacks gets an id at its end first."""
    missing = [token for token in sorted(tokens) if rust.token_to_id(token) is None]
    rust.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in missing])
    ids = [(token, rust.token_to_id(token)) for token in sorted(tokens)]
    rust.post_processor = guarded(
        lambda: processors.TemplateProcessing(single=single, pair=pair, special_tokens=ids), f"The frame {single!r}"
    )


def bracket(rust: Tokenizer, first: str | None, last: str | None) -> None:
    """Put one token before and one after each text, of a pair too; None for no token."""
    parts = [[f"{first}:{i}"] * bool(first) + [f"${'AB'[i]}:{i}"] + [f"{last}:{i}"] * bool(last) for i in (0, 1)]
    frame(rust, " ".join(parts[0]), " ".join(parts[0] + parts[1]), {token for token in (first, last) if token})


def sentencepiece(
    source: Any,
    arrange: Callable[[spm.Model], tuple[Vocab, int]] | None = None,
    byte_fallback: bool = False,
) -> tuple[Tokenizer, spm.Model]:
    """A SentencePiece model as Unigram or BPE with its control and user-defined pieces; no normaliser yet.

    arrange: the vocabulary in the order of the checkpoint's ids, and the id of the unknown token, where it differs.
    """
    model = spm.read(Path(source))
    return from_pieces(model, source, arrange, byte_fallback), model


def from_pieces(
    model: spm.Model,
    source: Any,
    arrange: Callable[[spm.Model], tuple[Vocab, int]] | None = None,
    byte_fallback: bool = False,
) -> Tokenizer:
    """The same from a model that is read; source: its name, for messages."""
    vocab, unknown = arrange(model) if arrange else (scores(model), model.unk_id)
    if model.algorithm == spm.UNIGRAM:
        rust = guarded(lambda: Tokenizer(models.Unigram(vocab, unknown, byte_fallback)), source)
    else:
        ids = {token: index for index, (token, _) in enumerate(vocab)}
        merges = spm.merges([spm.Piece(token, score) for token, score in dict(vocab).items()], ids)
        rust = guarded(
            lambda: Tokenizer(
                models.BPE(ids, merges, unk_token=model.unk_piece, fuse_unk=True, byte_fallback=byte_fallback)
            ),
            source,
        )
    mark(rust, model.pieces)
    return rust


def mark(rust: Tokenizer, pieces: Sequence[spm.Piece]) -> None:
    """Control pieces become special tokens, user-defined ones tokens that are looked for in the text as it is."""
    marked = [piece for piece in pieces if piece.kind in MARKED and piece.text]
    rust.add_tokens([AddedToken(one.text, normalized=False, special=one.kind == spm.CONTROL) for one in marked])


def scores(model: spm.Model) -> Vocab:
    """The pieces as (text, score)."""
    return [(piece.text, piece.score) for piece in model.pieces]


def charsmap(model: spm.Model) -> list[Any]:
    """The model's own character normalisation, as a list of zero or one normaliser."""
    if not model.charsmap:
        return []
    return [guarded(lambda: normalizers.Precompiled(model.charsmap), "The character map of the SentencePiece model")]


def metaspace(rust: Tokenizer, scheme: str = "always", before: Sequence[Any] = ()) -> None:
    """Words begin with ▁. scheme: "always" prepends one to the text, "first" only at its start, "never"."""
    splitter = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme=scheme)
    rust.pre_tokenizer = pre_tokenizers.Sequence([*before, splitter]) if before else splitter
    rust.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme=scheme)


def spaces_trimmed(model: spm.Model) -> Any:
    """The normalisation most SentencePiece families share: the model's own, no spaces at the end, runs become one ▁."""
    runs = normalizers.Replace(Regex(" {2,}"), SPACE)
    return normalizers.Sequence([*charsmap(model), normalizers.Strip(left=False, right=True), runs])


def _name(source: Any) -> str:
    return str(source) if isinstance(source, (str, os.PathLike)) else "The given vocabulary"
