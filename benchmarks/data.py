"""The texts and prompts of the benchmarks: drawn with a fixed seed, the same for all peers. Standard library only."""

import functools
import json
import random
from pathlib import Path

TOKENIZER = Path(__file__).parent.parent / "src" / "qkv" / "assets" / "sentiment" / "tokenizer.json"
SETS = {"short": (5, 200, 45), "long": (5, 512, 150)}  # tokens of the shortest and the longest text, and the mean


@functools.cache
def words() -> list[str]:
    """Words that are one token each."""
    vocabulary = json.loads(TOKENIZER.read_text("utf8"))["model"]["vocab"]
    return [word for word in vocabulary if word.isascii() and word.isalpha() and len(word) > 2]


def lengths(count: int, kind: str = "short", seed: int = 0) -> list[int]:
    """Token counts, special tokens included: log-normal, so most are below the mean; both ends are there."""
    low, high, mean = SETS[kind]
    draw = random.Random(seed)
    sizes = [draw.lognormvariate(0, 0.85) for _ in range(count)]
    scale = 1.0
    for _ in range(50):  # clipping moves the mean: scale until it is met
        found = [min(high, max(low, round(size * scale))) for size in sizes]
        scale *= mean * count / sum(found)
    found = [min(high, max(low, round(size * scale))) for size in sizes]
    if count > 2:
        found[found.index(min(found))], found[found.index(max(found))] = low, high
    return found


def texts(count: int, kind: str = "short", seed: int = 0) -> list[str]:
    """Texts of these many tokens, [CLS] and [SEP] counted."""
    draw = random.Random(seed + 1)
    return [" ".join(draw.choices(words(), k=size - 2)) for size in lengths(count, kind, seed)]


def ids(texts: list[str], folder: Path) -> list[list[int]]:
    """Token ids of texts by the tokenizer in `folder` (needs the tokenizers package)."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def prompts(rows: int, tokens: int, seed: int = 0) -> list[list[int]]:
    """Rows of ids that every vocabulary here has."""
    draw = random.Random(seed)
    return [[draw.randrange(5, 1000) for _ in range(tokens)] for _ in range(rows)]
