"""The texts, prompts and pictures of the benchmarks: drawn with a fixed seed, the same for all peers. Standard library
only, but for `make_pictures`."""

import functools
import json
import random
from pathlib import Path

TOKENIZER = Path(__file__).parent.parent / "src" / "qkv" / "assets" / "sentiment" / "tokenizer.json"
SETS = {  # tokens of the shortest and the longest text, and the mean
    "short": (5, 200, 45), "long": (5, 512, 150), "training": (5, 128, 37),
}  # fmt: skip


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


def classed(count: int, kind: str = "training", seed: int = 0) -> tuple[list[str], list[int]]:
    """Texts of two classes, and the class of each: few words are frequent (Zipf's law), and 50 are of one class."""
    draw = random.Random(seed + 2)
    all_words = draw.sample(words(), k=len(words()))
    marks, common = (all_words[:50], all_words[50:100]), all_words[100:]
    weights = [1 / rank for rank in range(1, len(common) + 1)]
    found, classes = [], [place % 2 for place in range(count)]
    for size, each in zip(lengths(count, kind, seed), classes, strict=True):
        own = draw.choices(marks[each], k=(size - 2 + 4) // 5)
        text = own + draw.choices(common, weights, k=size - 2 - len(own))
        found.append(" ".join(draw.sample(text, k=len(text))))
    return found, classes


def ids(texts: list[str], folder: Path) -> list[list[int]]:
    """Token ids of texts by the tokenizer in `folder` (needs the tokenizers package)."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def prompts(rows: int, tokens: int, seed: int = 0) -> list[list[int]]:
    """Rows of ids that every vocabulary here has."""
    draw = random.Random(seed)
    return [[draw.randrange(5, 1000) for _ in range(tokens)] for _ in range(rows)]


PICTURES = 64


def pictures(cache: Path) -> list[Path]:
    """Where `make_pictures` writes."""
    return [cache / "pictures" / f"{i:02}.jpg" for i in range(PICTURES)]


def make_pictures(cache: Path) -> None:
    """JPEGs of 640 x 480, as large as photographs of that size are (about 100 kB): noise of several scales."""
    import numpy
    from PIL import Image

    for seed, path in enumerate(pictures(cache)):
        draw, made = numpy.random.default_rng(seed), numpy.zeros((480, 640, 3))
        for cells, share in ((2, 0.4), (10, 0.3), (40, 0.2), (120, 0.1)):
            noise = Image.fromarray(draw.integers(0, 256, (cells * 3, cells * 4, 3), dtype=numpy.uint8))
            made += share * numpy.asarray(noise.resize((640, 480), Image.Resampling.BICUBIC))
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(made.astype(numpy.uint8)).save(path, quality=90)
