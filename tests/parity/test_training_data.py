"""Batches and orders of rows are the reference library's (tools/golden_training_data.py recorded them)."""

import json
from pathlib import Path

import numpy
import pytest
import torch

import qkv
from qkv import AutoTokenizer
from qkv.training.data.order import Order
from tiny import make
from tiny_text import make_text

HERE = Path(__file__).parent / "training"
RECORDED = [case for version in "54" for case in json.loads((HERE / f"collators_{version}.json").read_text())]
ORDERS = json.loads((HERE / "orders.json").read_text())
MAKE = {"list": list, "pt": torch.tensor, "np": lambda values: numpy.array(values)[()]}
ALONE = ("DefaultDataCollator", "DataCollatorWithFlattening")  # without a tokenizer


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    return {"bert": make(folder / "bert"), "gpt2": make_text(folder / "gpt2")}


def made_of(row, kind):
    if not isinstance(row, dict):
        return MAKE[kind](row)
    keep = kind == "list"
    return {k: v if keep or v is None or isinstance(v, str | bool) else MAKE[kind](v) for k, v in row.items()}


def plain(value):
    if isinstance(value, torch.Tensor):
        return {"dtype": str(value.dtype), "values": value.tolist()}
    return value


@pytest.mark.parametrize("case", range(len(RECORDED)))
def test_collator(case, folders):
    source, side, name, options, rows, kind, batches = RECORDED[case]
    tokenizer = AutoTokenizer.from_pretrained(folders[source])
    tokenizer.padding_side = side
    collate = getattr(qkv, name)(**options) if name in ALONE else getattr(qkv, name)(tokenizer, **options)
    torch.manual_seed(0)
    for expected in batches:
        batch = collate([made_of(row, kind) for row in rows])
        assert {column: plain(value) for column, value in batch.items()} == expected


def test_shuffled_as_the_reference_shuffles():
    for count, seed, epoch, rows in ORDERS["shuffled"]:
        batches = Order(count, 4, seed=seed, shuffle=True).batches(epoch)
        assert [row for batch in batches for row in batch] == rows
        assert {len(batch) for batch in batches[:-1]} <= {4}


def test_grouped_as_the_reference_groups():
    for lengths, size, seed, rows in ORDERS["grouped"]:
        for epoch in (0, 1):  # a generator seeded alike
            order = Order(len(lengths), size, seed=seed - epoch, shuffle=True, lengths=lengths)
            assert [row for batch in order.batches(epoch) for row in batch] == rows


def test_parts_hold_whole_steps():
    """The reference groups for all batches of an optimiser step."""
    lengths, size, seed, rows = ORDERS["grouped"][-1]
    assert size == 8
    order = Order(len(lengths), 2, accumulation=4, seed=seed, shuffle=True, lengths=lengths)
    batches = order.batches(0)
    assert [row for batch in batches for row in batch] == rows
    assert {len(batch) for batch in batches} == {2}
