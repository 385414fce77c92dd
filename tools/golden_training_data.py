"""Record the batches that the reference library's collators make, and the orders of its samplers, into
tests/parity/training/.

python tools/golden_training_data.py      # with transformers==5.23.0, and with 4.57.6 for a class that 5.x lacks

What both have gives equal batches, but for labels that are numpy's integers, which 4.57 makes floats of.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy
import torch
import transformers
from transformers.trainer_pt_utils import get_length_grouped_indices

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from tiny import make  # noqa: E402
from tiny_text import make_text  # noqa: E402

TEXTS = ["I love this product!", "no", "the film was terrible and not very good, it bored qqq", "a b c d"]
MAKE = {"list": list, "pt": torch.tensor, "np": lambda values: numpy.array(values)[()]}  # [()]: a number stays one


def tokens(tokenizer, **options):
    """A mapping of lists for each text, as long as the text."""
    rows = [dict(tokenizer(text, **options)) for text in TEXTS]
    return [{name: list(values) for name, values in row.items()} for row in rows]


def labelled(rows, name, values):
    return [{**row, name: value} for row, value in zip(rows, values, strict=True)]


def collators(tokenizer):
    """(class, options, rows, what rows are made of, how many times it is called)"""
    rows = tokens(tokenizer)
    each = [[index % 5 for index, _ in enumerate(row["input_ids"])] for row in rows]
    texts = [row["input_ids"][::-1] + [7] * index for index, row in enumerate(rows)]
    plain = [{"x": [1.0, 2.5], "n": index, "text": "left out", "none": None} for index in range(3)]
    for made in ("list", "pt", "np"):
        pairs = [("label", [2, 0, 1]), ("label", [0.5, 1.0, 2.0]), ("label_ids", [[1, 0], [0, 1], [1, 1]])]
        for name, values in pairs:
            yield "DefaultDataCollator", {}, labelled(plain, name, values), made, 1
        yield "DataCollatorWithPadding", {}, labelled(rows, "label", [2, 0, 1, 1]), made, 1
        yield "DataCollatorForTokenClassification", {}, labelled(rows, "labels", each), made, 1
        yield "DataCollatorForSeq2Seq", {}, labelled(rows, "labels", texts), made, 1
    yield "DefaultDataCollator", {}, labelled(plain, "label", [True, False, True]), "list", 1
    yield "DefaultDataCollator", {}, labelled(plain, "label_ids", [[0.5], [1.0], [2.0]]), "list", 1
    yield "DefaultDataCollator", {}, plain, "list", 1
    for options in ({"pad_to_multiple_of": 8}, {"padding": "max_length", "max_length": 64}, {"padding": "longest"}):
        yield "DataCollatorWithPadding", options, labelled(rows, "label_ids", each[:1] * 4), "list", 1
        yield "DataCollatorForTokenClassification", options, labelled(rows, "labels", each), "list", 1
        yield "DataCollatorForSeq2Seq", options, labelled(rows, "labels", texts), "list", 1
    yield "DataCollatorWithPadding", {"padding": False}, rows[:1] * 2, "list", 1
    yield "DataCollatorForTokenClassification", {"label_pad_token_id": -1}, labelled(rows, "labels", each), "list", 1
    yield "DataCollatorForTokenClassification", {}, rows, "list", 1
    yield "DataCollatorForSeq2Seq", {"label_pad_token_id": 0}, labelled(rows, "label", texts), "list", 1
    yield "DataCollatorForSeq2Seq", {"padding": False}, labelled(rows[:1] * 2, "labels", texts[:1] * 2), "list", 1
    yield "DataCollatorForSeq2Seq", {}, rows, "list", 1
    yield "DataCollatorForSeq2Seq", {}, labelled(rows, "labels", [None] * 4), "list", 1
    choices = [{name: [rows[i][name], rows[(i + 1) % 4][name]] for name in rows[0]} for i in range(3)]
    for options in ({}, {"pad_to_multiple_of": 4}):
        yield "DataCollatorForMultipleChoice", options, labelled(choices, "label", [0, 1, 1]), "list", 1
        yield "DataCollatorForMultipleChoice", options, labelled(choices, "labels", [0, 1, 1]), "list", 1
    yield "DataCollatorWithFlattening", {}, rows, "list", 1
    yield "DataCollatorWithFlattening", {"separator_id": -1, "return_position_ids": False}, rows, "list", 1
    kinds = {"return_flash_attn_kwargs": True, "return_seq_idx": True}
    yield "DataCollatorWithFlattening", kinds, labelled(rows, "labels", each), "list", 1
    yield from language(tokenizer, rows)


def language(tokenizer, rows):
    ids = [row["input_ids"] for row in rows]
    name = "DataCollatorForLanguageModeling"
    for given in (rows, ids):
        yield name, {"mlm": False}, given, "list", 1
        yield name, {"mlm": False, "pad_to_multiple_of": 8}, given, "list", 1
    yield name, {"mlm": False}, ids[:1] * 3, "pt", 1
    if tokenizer.mask_token is None:
        return
    special = tokens(tokenizer, return_special_tokens_mask=True)
    often = {"seed": 3, "mlm_probability": 0.6}
    for given in (rows, ids, special):
        yield name, {"seed": 7}, given, "list", 3
        yield name, often, given, "list", 2
    yield name, {"mlm_probability": 0.5}, rows, "list", 2  # by torch.manual_seed(0)
    for replace, random in ((1.0, 0.0), (0.0, 1.0), (0.5, 0.4), (0.3, 0.0), (0.0, 0.0)):
        shares = {"mask_replace_prob": replace, "random_replace_prob": random}
        yield name, often | shares, rows, "list", 2
    words = tokens(tokenizer, return_special_tokens_mask=True, return_offsets_mapping=True, padding="max_length",
                   max_length=24)  # fmt: skip
    whole = often | {"whole_word_mask": True, "mask_replace_prob": 1.0, "random_replace_prob": 0.0}
    yield name, whole, words, "list", 3
    unmarked = [{k: v for k, v in row.items() if k != "special_tokens_mask"} for row in words]
    yield name, whole, unmarked, "list", 2
    if hasattr(transformers, "DataCollatorForWholeWordMask"):
        name = "DataCollatorForWholeWordMask"
        for given in (rows, ids, labelled(rows, "chinese_ref", [[2, 3]] * 4)):
            yield name, {"seed": 5}, given, "list", 3
            yield name, often | {"mask_replace_prob": 0.5, "random_replace_prob": 0.3}, given, "list", 3
            yield name, often | {"pad_to_multiple_of": 8}, given, "list", 2


def made_of(row, kind):
    """A row with its numbers as lists, tensors or arrays."""
    if not isinstance(row, dict):
        return MAKE[kind](row)
    keep = kind == "list"
    return {k: v if keep or v is None or isinstance(v, str | bool) else MAKE[kind](v) for k, v in row.items()}


def plain(value):
    if hasattr(value, "dtype"):
        return {"dtype": str(value.dtype), "values": value.tolist()}
    return value


def record(folder):
    sources = {"bert": make(folder / "bert"), "gpt2": make_text(folder / "gpt2")}
    recorded = []
    for source, path in sources.items():
        for side in ("right", "left"):
            tokenizer = transformers.AutoTokenizer.from_pretrained(path)
            tokenizer.padding_side = side
            for name, options, rows, kind, calls in collators(tokenizer):
                cls = getattr(transformers, name)
                takes = name not in ("DefaultDataCollator", "DataCollatorWithFlattening")
                collate = cls(tokenizer, **options) if takes else cls(**options)
                torch.manual_seed(0)
                batches = []
                for _ in range(calls):
                    batch = collate([made_of(row, kind) for row in rows])
                    batches.append({column: plain(value) for column, value in batch.items()})
                recorded.append([source, side, name, options, rows, kind, batches])
    return recorded


def orders():
    from accelerate.data_loader import SeedableRandomSampler

    found = {"shuffled": [], "grouped": []}
    for count, seed, epoch in ((1, 0, 0), (10, 42, 0), (10, 42, 3), (333, 7, 1)):
        sampler = SeedableRandomSampler(range(count), data_seed=seed)
        sampler.set_epoch(epoch)
        found["shuffled"].append([count, seed, epoch, list(sampler)])
    for count, batch, seed in ((1, 4, 0), (9, 4, 1), (64, 4, 2), (500, 3, 42), (1000, 2, 5), (1000, 8, 5)):
        lengths = torch.randint(1, 60, (count,), generator=torch.Generator().manual_seed(count)).tolist()
        rows = get_length_grouped_indices(lengths, batch, generator=torch.Generator().manual_seed(seed))
        found["grouped"].append([lengths, batch, seed, rows])
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    target = TESTS / "parity" / "training"
    target.mkdir(exist_ok=True)
    version = transformers.__version__[0]
    with tempfile.TemporaryDirectory() as folder:
        recorded = record(Path(folder))
    if version == "4":
        recorded = [case for case in recorded if case[2] == "DataCollatorForWholeWordMask"]
    (target / f"collators_{version}.json").write_text(json.dumps(recorded) + "\n")
    if version == "5":
        (target / "orders.json").write_text(json.dumps(orders()) + "\n")
    print(len(recorded), "batches")
