"""The strings tokenizers are compared on: the same 20,000 on every machine and Python, so that only digests of results
are kept. Thirty-two languages, emoji, invisible and control characters, both normal forms, code, addresses, whitespace,
very long words, special tokens written out, and any code point at all."""

import random
import unicodedata

from tokenizer_words import SENTENCES, WORDS

COUNT = 20_000
EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇧🇷", "🇯🇵🇫🇷", "👍🏽", "1️⃣", "❤️", "🧑🏿‍🚀", "☕", "🫠", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "♂️", "🙂‍↔️", "⚠"]
INVISIBLE = [
    "\u200b",
    "\u200c",
    "\u200d",
    "\ufeff",
    "\u2060",
    "\u00ad",
    "\u200e",
    "\u202e",
    "\u2066",
    "\u034f",
    "\ufe0f",
]
SPACES = [
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\u00a0",
    "\u3000",
    "\u2009",
    "\u2028",
    "\u2029",
    "\u205f",
    "    ",
    "\x0b",
    "\x0c",
    "\x85",
]
CONTROLS = [chr(i) for i in [*range(32), *range(127, 160)]] + ["\ufffd", "\ufffe", "\U0010ffff", "\ue000", "\ufdd0"]
PUNCTUATION = list(".,;:!?\"'()[]{}<>-–—…«»„“”‘’。、!?·/\\|@#$%^&*_+=~`¡¿§°") + [
    "...",
    "--",
    "''",
    "``",
    " - ",
    "?!",
    "::",
]
LITERALS = [
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[PAD]",
    "[UNK]",
    "<s>",
    "</s>",
    "<pad>",
    "<unk>",
    "<mask>",
    "<extra_id_0>",
    "<extra_id_42>",
]
LITERALS += [
    "<|endoftext|>",
    "<|im_start|>",
    "[MAS",
    "MASK]",
    "<s",
    "/s>",
    "<0x0A>",
    "##ing",
    "▁",
    "▁the",
    "Ġthe",
    "<s>NOTUSED",
    "[cls]",
    "<MASK>",
]
CODE = [
    "def f(x):\n\treturn x ** 2  # square\n",
    "for (int i = 0; i < n; ++i) { a[i] += b[i]; }",
    "SELECT name FROM t WHERE id=42;",
]
CODE += [
    '<div class="row">&nbsp;&amp;</div>',
    '{"key": [1, 2.5e-3, null], "π": true}',
    "x = y if z else ~w  \n    pass",
    "$ ls -la | grep '^d'",
]
ADDRESSES = [
    "https://example.org/a/b?q=1&r=%20#top",
    "mail.me+tag@example.co.uk",
    "192.168.0.1:8080",
    "C:\\Users\\x\\file.txt",
    "www.пример.рф",
    "@user #tag",
]
NUMBERS = [
    "3.14159",
    "1,000,000",
    "9,",
    "2026-11-22",
    "½ ⅓ ²³",
    "٣٤٥",
    "५६७",
    "①②",
    "Ⅷ",
    "1e-10",
    "50%",
    "$9.99",
    "+49 30 123",
    "12:34:56",
    "0x1F",
]
LIGATURES = [
    "ffi",
    "ﬁ",
    "ß",
    "ſt",
    "Ĳ",
    "㎏",
    "ﷺ",
    "Ａｂｃ１２３",
    "ｶﾞ",
    "ﾊﾟ",
    "Å",
    "Ω",
    "ǆ",
    "ŉ",
    "∑x²",
    "①",
    "℡",
    "İi",
    "ΑΣ",
    "ẞ",
    "한글",
    "각",
]
FORMS = ["NFC", "NFD", "NFKC", "NFKD"]


class Choice:
    """Random choices that are equal on every Python: only `random()` is promised to stay as it is."""

    def __init__(self, seed: int):
        self._random = random.Random(seed).random

    def below(self, limit: int) -> int:
        return int(self._random() * limit)

    def of(self, items):
        return items[self.below(len(items))]

    def some(self, items, most: int) -> list:
        return [self.of(items) for _ in range(1 + self.below(most))]


def sentence(pick: Choice) -> str:
    text = " ".join(pick.some(pick.of(WORDS), 14)) + pick.of(PUNCTUATION)
    return pick.of([text, text.capitalize(), text.upper(), text.title()])


def written(pick: Choice) -> str:
    return unicodedata.normalize(pick.of(FORMS), pick.of(SENTENCES))


def mixed(pick: Choice) -> str:
    parts = [pick.of(pick.of([*WORDS, EMOJI, PUNCTUATION, NUMBERS, LIGATURES])) for _ in range(1 + pick.below(20))]
    return pick.of(["", " ", " ", "\n"]).join(parts)


def invisible(pick: Choice) -> str:
    return "".join(char + (pick.of(INVISIBLE) if pick.below(6) == 0 else "") for char in sentence(pick))


def controls(pick: Choice) -> str:
    return "".join(pick.some([*pick.of(WORDS), *CONTROLS, " "], 20))


def emoji(pick: Choice) -> str:
    return pick.of(["", " "]).join(pick.some([*EMOJI, *pick.of(WORDS)], 10))


def whitespace(pick: Choice) -> str:
    return "".join(pick.of(SPACES) if pick.below(2) else pick.of(pick.of(WORDS)) for _ in range(1 + pick.below(16)))


def technical(pick: Choice) -> str:
    return pick.of(["", " ", "\n"]).join(pick.some([*CODE, *ADDRESSES, *NUMBERS, pick.of(SENTENCES)], 4))


def literals(pick: Choice) -> str:
    return pick.of(["", " "]).join(pick.some([*LITERALS, *pick.of(WORDS)], 12))


def anything(pick: Choice) -> str:
    """Any code points but surrogates, most of them low."""
    limit = pick.of([0x80, 0x250, 0x3000, 0x10000, 0x20000, 0x110000])
    return "".join(chr(c) for c in (pick.below(limit) for _ in range(1 + pick.below(40))) if not 0xD800 <= c < 0xE000)


def very_long(pick: Choice) -> str:
    word = pick.of(pick.of(WORDS))
    return pick.of(["", sentence(pick) + " "]) + (word * 10_000)[: 8_000 + pick.below(4_000)]


KINDS = (
    sentence,
    written,
    mixed,
    invisible,
    controls,
    emoji,
    whitespace,
    technical,
    literals,
    anything,
    sentence,
    mixed,
)


def strings(count: int = COUNT, seed: int = 2026) -> list[str]:
    """`count` strings: the empty one, single characters, then all kinds in turn, one in 500 about 10 kB long."""
    pick = Choice(seed)
    made = ["", " ", "a", "é", "e\u0301", "\n", "\u200b", "中", "😀", "▁", "[MASK]", "\x00"]
    while len(made) < count:
        kind = very_long if len(made) % 500 == 499 else KINDS[len(made) % len(KINDS)]
        made.append(kind(pick))
    return made
