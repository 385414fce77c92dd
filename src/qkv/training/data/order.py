"""Which rows make a batch. Known before any row is read, so a run is resumed by skipping items of a list."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ...errors import short

MEGABATCHES, LONGEST = 4, 50  # rows are sorted within a quarter of the data set, or 50 batches if that is less


class Order:
    """The batches of each epoch, a pure function of these arguments and the epoch. Resuming after k batches reads
    `order.batches(epoch)[k:]`; the list serves as `batch_sampler` of a `torch.utils.data.DataLoader`.

    Args:
        count: N, the number of rows.
        batch_size: rows of a batch.
        seed: an epoch is drawn by a generator seeded with `seed + epoch`, as the reference's Trainer does.
        shuffle: whether rows are drawn; if not, they are in their order, or longest first with `lengths`.
        drop_last: without the last batch if it is not full.
        lengths: tokens of each row, N numbers: rows of like length together, so that little is padded. Rows are drawn,
            cut into parts of 50 batches (fewer if there would be less than 4 parts), and each part is sorted, longest
            first. The first row of all is the longest one, so that what does not fit in memory fails at once.
        accumulation: batches of one optimiser step, which the parts are a multiple of.

    Raises: ValueError for lengths that are not N.
    """

    def __init__(
        self, count: int, batch_size: int, *, seed: int, shuffle: bool, drop_last: bool = False,
        lengths: Sequence[int] | None = None, accumulation: int = 1,
    ):  # fmt: skip
        if lengths is not None and len(lengths) != count:
            raise ValueError(f"lengths has {len(lengths)} numbers for {count} rows: give one for each.")
        self.count, self.batch_size, self.seed, self.shuffle = count, batch_size, seed, shuffle
        self.drop_last, self.lengths, self.accumulation = drop_last, lengths, accumulation

    def batches(self, epoch: int) -> list[list[int]]:
        """Rows of each batch; each row is in one of them, but for those that `drop_last` leaves out."""
        rows, size = list(range(self.count)), self.batch_size
        if self.shuffle:
            generator = torch.Generator("cpu").manual_seed(self.seed + epoch)
            rows = torch.randperm(self.count, generator=generator, device="cpu").tolist()
        if self.lengths is not None and rows:
            rows = self._grouped(rows, self.lengths)
        end = len(rows) // size * size if self.drop_last else len(rows)
        return [rows[start : start + size] for start in range(0, end, size)]

    def _grouped(self, rows: list[int], lengths: Sequence[int]) -> list[int]:
        step, size = self.batch_size * self.accumulation, self.count
        if self.shuffle:
            size = step * max(1, min(self.count // (step * MEGABATCHES), LONGEST))
        cut = [rows[start : start + size] for start in range(0, self.count, size)]
        parts = [sorted(part, key=lengths.__getitem__, reverse=True) for part in cut]
        first = max(range(len(parts)), key=lambda part: lengths[parts[part][0]])
        parts[0][0], parts[first][0] = parts[first][0], parts[0][0]
        return [row for part in parts for row in part]


def row_lengths(dataset: Any, column: str = "length", model_input: str = "input_ids") -> list[int]:
    """Tokens of each row, for `Order`: from the column that says so, or counted, for which each row is read once.

    Args:
        dataset: rows by index, mappings; or with whole columns by name, as `datasets` has.
        column: of lengths, where the data set has one (`length_column_name`).
        model_input: the column whose items are counted otherwise.

    Raises: ValueError if rows have neither.
    """
    names = getattr(dataset, "column_names", None)
    if isinstance(names, list):
        if column in names:
            return [int(length) for length in dataset[column]]
        if model_input in names:
            return [len(ids) for ids in dataset[model_input]]
    elif len(dataset):
        rows = [dataset[index] for index in range(len(dataset))]
        names = list(rows[0]) if isinstance(rows[0], Mapping) else [type(rows[0]).__name__]
        if column in names:
            return [int(row[column]) for row in rows]
        if model_input in names:
            return [len(row[model_input]) for row in rows]
    else:
        return []
    raise ValueError(
        f"the lengths of rows are in no column: neither {column!r} nor {model_input!r} is among {short(names, 150)}. "
        f"Tokenize the data set first, or name the column with length_column_name."
    )
