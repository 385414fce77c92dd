"""The order of rows: each row once, the same each time."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qkv.training.data.order import Order, row_lengths

LENGTHS = st.lists(st.integers(1, 50), max_size=120)
EPOCHS, SEEDS = st.integers(0, 5), st.integers(0, 1000)


def padded(batch, lengths):
    return len(batch) * max(lengths[row] for row in batch)


@given(LENGTHS, st.integers(1, 9), EPOCHS, SEEDS, st.booleans(), st.booleans(), st.integers(1, 3))
def test_each_row_once(lengths, size, epoch, seed, shuffle, grouped, accumulation):
    def order(drop_last=False):
        given = lengths if grouped else None
        return Order(len(lengths), size, seed=seed, shuffle=shuffle, drop_last=drop_last, lengths=given,
                     accumulation=accumulation)  # fmt: skip

    batches = order().batches(epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(0 < len(batch) <= size for batch in batches)
    assert order().batches(epoch) == batches
    assert order(drop_last=True).batches(epoch) == [batch for batch in batches if len(batch) == size]


@given(LENGTHS.filter(bool), st.integers(1, 9), SEEDS)
def test_the_longest_row_comes_first(lengths, size, seed):
    for shuffle in (True, False):
        order = Order(len(lengths), size, seed=seed, shuffle=shuffle, lengths=lengths)
        assert lengths[order.batches(0)[0][0]] == max(lengths)


def test_without_shuffling():
    assert Order(5, 2, seed=0, shuffle=False).batches(7) == [[0, 1], [2, 3], [4]]
    grouped = Order(5, 2, seed=0, shuffle=False, lengths=[3, 9, 3, 1, 5])
    assert grouped.batches(7) == [[1, 4], [0, 2], [3]]


def test_an_epoch_is_another_order_and_a_seed_is_not_an_epoch_later():
    order = Order(100, 8, seed=0, shuffle=True)
    assert order.batches(0) != order.batches(1)
    assert Order(100, 8, seed=1, shuffle=True).batches(0) == order.batches(1)  # as the reference's sampler has it


def test_grouping_pads_little_and_parts_are_drawn():
    lengths = torch.randint(1, 128, (4000,), generator=torch.Generator().manual_seed(0)).tolist()
    plain = Order(4000, 8, seed=0, shuffle=True).batches(0)
    order = Order(4000, 8, seed=0, shuffle=True, lengths=lengths)
    waste = sum(padded(batch, lengths) for batch in order.batches(0)) / sum(lengths)
    assert waste < 1.1 < 1.5 < sum(padded(batch, lengths) for batch in plain) / sum(lengths)
    assert {frozenset(batch) for batch in order.batches(0)}.isdisjoint(map(frozenset, order.batches(1)))


def test_neither_the_global_generator_nor_the_default_device_matters():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    expected = Order(50, 4, seed=3, shuffle=True).batches(2)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.device("meta"):
        assert Order(50, 4, seed=3, shuffle=True).batches(2) == expected


def test_resuming_reads_the_rest_of_the_list():
    """A DataLoader over what is left gives what was left, and reads no row before it."""
    read = []

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 23

        def __getitem__(self, index):
            read.append(index)
            return index

    order = Order(23, 4, seed=1, shuffle=True)
    whole = [batch.tolist() for batch in torch.utils.data.DataLoader(Rows(), batch_sampler=order.batches(1))]
    for done in range(len(whole) + 1):
        read.clear()
        left = order.batches(1)[done:]
        assert [batch.tolist() for batch in torch.utils.data.DataLoader(Rows(), batch_sampler=left)] == whole[done:]
        assert read == [row for batch in left for row in batch]


def test_lengths_are_of_all_rows():
    with pytest.raises(ValueError, match="lengths has 2 numbers for 3 rows"):
        Order(3, 2, seed=0, shuffle=True, lengths=[1, 2])


class Table:
    """What `datasets.Dataset` has, for these tests."""

    def __init__(self, columns):
        self.columns, self.column_names = columns, list(columns)

    def __getitem__(self, name):
        return self.columns[name]


def test_row_lengths():
    ids = [[1, 2, 3], [4], []]
    rows = [{"input_ids": row, "length": 9} for row in ids]
    assert row_lengths(rows) == [9, 9, 9]
    assert row_lengths(rows, column="size") == [3, 1, 0]
    assert row_lengths(Table({"input_ids": ids})) == [3, 1, 0]
    assert row_lengths(Table({"input_ids": ids, "length": [7, 8, 9]})) == [7, 8, 9]
    assert row_lengths([]) == []
    for dataset in ([{"text": "a"}], Table({"text": ["a"]}), ["a"]):
        with pytest.raises(ValueError, match="length_column_name"):
            row_lengths(dataset)
