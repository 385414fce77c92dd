"""What each token of a vocabulary adds to a text: bytes, or characters where a vocabulary has no bytes.

A token can end in the middle of a character, and decoders treat the first token of a text otherwise than the rest, so
single tokens cannot just be decoded.
"""

import re
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

BEGINNING = "abcdef"  # a text that a token is put after, to be decoded as in the middle of one
BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_found: WeakKeyDictionary[Any, tuple[int, dict[int, bytes] | dict[int, str]]] = WeakKeyDictionary()


@lru_cache(maxsize=1)
def byte_of_character() -> dict[str, int]:
    """The characters that byte-level vocabularies write for bytes (GPT-2): printable ones for themselves, the others
    in order from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


def token_texts(tokenizer: Any) -> dict[int, bytes] | dict[int, str]:
    """Token id to what it adds to a text, in UTF-8 if the vocabulary knows bytes; remembered for a tokenizer."""
    size = len(tokenizer)
    known = _found.get(tokenizer)
    if known is None or known[0] != size:
        known = size, _texts(tokenizer)
        _found[tokenizer] = known
    return known[1]


def _texts(tokenizer: Any) -> dict[int, bytes] | dict[int, str]:
    kind = _decoder_kind(tokenizer)
    beginning = tokenizer.convert_ids_to_tokens(tokenizer(BEGINNING, add_special_tokens=False)["input_ids"])
    plain = len(tokenizer.convert_tokens_to_string(beginning))

    def decoded(token: str) -> str:
        text = tokenizer.convert_tokens_to_string([*beginning, token])
        at = text.find(BEGINNING)
        return text[plain if at < 0 else at + len(BEGINNING) :]

    vocabulary = tokenizer.get_vocab()
    if kind is None:
        return {index: decoded(token) for token, index in vocabulary.items()}
    found = {}
    for token, index in vocabulary.items():
        written = _bytes(token, kind)
        found[index] = decoded(token).encode() if written is None else written
    return found


def _decoder_kind(tokenizer: Any) -> str | None:
    """ "ByteFallback" or "ByteLevel" if a part of the decoder is that, else None."""
    decoder = tokenizer.backend_tokenizer.decoder
    state = "" if decoder is None else decoder.__getstate__().decode()
    return next((kind for kind in ("ByteFallback", "ByteLevel") if f'"type":"{kind}"' in state), None)


def _bytes(token: str, kind: str) -> bytes | None:
    """The bytes that a token's name spells; None if it is to be decoded."""
    if kind == "ByteFallback":
        byte = BYTE.fullmatch(token)
        return bytes([int(byte[1], 16)]) if byte else None
    table = byte_of_character()
    return bytes(table[c] for c in token) if all(c in table for c in token) else None
