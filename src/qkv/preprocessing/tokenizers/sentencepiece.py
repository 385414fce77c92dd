"""SentencePiece model files without the sentencepiece library: a protobuf wire reader for the few fields that matter.

The format is https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto. Unknown fields are
skipped, and every length is checked against the file, so a broken file is a ValueError and nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from qkv.errors import short

MAX_BYTES = 64 * 2**20
UNIGRAM, BPE = 1, 2
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
LONGEST_SPLIT = 512  # longer pieces are never the product of merges


@dataclass(frozen=True)
class Piece:
    """One entry of the vocabulary; its id is its place."""

    text: str
    score: float = 0.0
    kind: int = NORMAL


@dataclass
class Model:
    """What a SentencePiece file says."""

    pieces: list[Piece] = field(default_factory=list)
    algorithm: int = UNIGRAM
    byte_fallback: bool = False
    unk_id: int = 0
    unk_piece: str = "<unk>"
    charsmap: bytes = b""
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True


def read(path: Path) -> Model:
    """The model in a file. OSError when it cannot be read, ValueError when it is no SentencePiece model."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{short(str(path), 200)} has {size} bytes; the limit is {MAX_BYTES}.")
    try:
        model = parse(path.read_bytes())
    except (ValueError, IndexError, struct.error):
        model = Model()
    if not model.pieces or not 0 <= model.unk_id < len(model.pieces):
        raise ValueError(f"{short(str(path), 200)} is not a SentencePiece model, or is cut off. Download it again.")
    if model.algorithm not in (UNIGRAM, BPE):
        raise ValueError(f"{short(str(path), 200)} is a SentencePiece model of words or characters: not supported.")
    return model


def parse(data: bytes) -> Model:
    """The model in the bytes of a file. ValueError when the bytes are no protobuf message."""
    model = Model()
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            model.pieces.append(_piece(value))
        elif number == 2 and isinstance(value, bytes):
            _trainer(value, model)
        elif number == 3 and isinstance(value, bytes):
            _normalizer(value, model)
    return model


def merges(pieces: list[Piece], ids: dict[str, int]) -> list[tuple[str, str]]:
    """The merges of a BPE model, which the file keeps only as scores: each split of a piece into two known pieces,
    best piece first, longer left halves first."""
    found: list[tuple[float, int, int, str, str]] = []
    for piece in pieces:
        text = piece.text
        if len(text) > LONGEST_SPLIT:
            continue
        splits = [(text[:i], text[i:]) for i in range(1, len(text)) if text[:i] in ids and text[i:] in ids]
        splits.sort(key=lambda halves: (ids[halves[0]], ids[halves[1]]))
        found += [(-piece.score, -len(left), -len(right), left, right) for left, right in splits]
    found.sort(key=lambda merge: merge[:3])
    return [(left, right) for *_, left, right in found]


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) pairs of a message; a varint as int, everything else as bytes."""
    position, end = 0, len(data)
    while position < end:
        key, position = _varint(data, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire == 2:
            length, position = _varint(data, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError("unknown wire type")
        if position + length > end:
            raise ValueError("cut off")
        yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("number too long")


def _piece(data: bytes) -> Piece:
    text, score, kind = "", 0.0, NORMAL
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            text = value.decode("utf-8")
        elif number == 2 and isinstance(value, bytes):
            score = struct.unpack("<f", value)[0]
        elif number == 3 and isinstance(value, int):
            kind = value
    return Piece(text, score, kind)


def _trainer(data: bytes, model: Model) -> None:
    for number, value in _fields(data):
        if number == 3 and isinstance(value, int):
            model.algorithm = value
        elif number == 35:
            model.byte_fallback = bool(value)
        elif number == 40 and isinstance(value, int):
            model.unk_id = value
        elif number == 45 and isinstance(value, bytes):
            model.unk_piece = value.decode("utf-8")


def _normalizer(data: bytes, model: Model) -> None:
    for number, value in _fields(data):
        if number == 2 and isinstance(value, bytes):
            model.charsmap = value
        elif number == 3:
            model.add_dummy_prefix = bool(value)
        elif number == 4:
            model.remove_extra_whitespaces = bool(value)
