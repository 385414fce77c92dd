"""Which rows make a batch. Known before any row is read, so a run is resumed by skipping items of a list."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..errors import short

MEGABATCHES, LONGEST = 4, 50  # rows are sorted within a quarter of the data set, or 50 batches if that is less


class Order:
    """The batches of each epoch, a pure function of these arguments and the epoch. Resuming after k batches reads
    `order.batches(epoch)[k:]`; the list serves as `batch_sampler` of a `torch.utils.data.DataLoader`.

    Args:
        dataset_length: N, the number of rows.
        batch_size: rows of a batch; may be None where `tokens` is given.
        seed: an epoch is drawn by a generator seeded with `seed + epoch`, as the reference's Trainer does.
        shuffle: whether rows are drawn; if not, they are in their order, or longest first with `group_by_length`.
        drop_last: without the last batch if it is not full. Says nothing where `tokens` is given.
        lengths: tokens of each row, N numbers, for `group_by_length` and `tokens`.
        group_by_length: rows of like length together, so that little is padded: rows are drawn, cut into parts of
            50 batches (fewer if there would be less than 4 parts), and each part is sorted, longest first. The first
            row of all is the longest one, so that what does not fit in memory fails at once.
        tokens: at most so many tokens in a batch, padding included, in place of a number of rows.
        accumulation: batches of one optimiser step, which the parts of `group_by_length` are a multiple of.

    Raises: ValueError for numbers below 1, for lengths that are missing or not N, and for a row longer than `tokens`.
    """

    def __init__(  # noqa: PLR0913 (each says what the others leave open)
        self, dataset_length: int, batch_size: int | None, *, seed: int, shuffle: bool, drop_last: bool = False,
        lengths: Sequence[int] | None = None, group_by_length: bool = False, tokens: int | None = None,
        accumulation: int = 1,
    ):  # fmt: skip
        numbers = {"batch_size": batch_size, "tokens": tokens, "accumulation": accumulation}
        for name, value in numbers.items():
            if value is not None and value < 1:
                raise ValueError(f"{name}={value} makes no batch: give a whole number from 1.")
        if batch_size is None and tokens is None:
            raise ValueError("neither batch_size nor tokens says how many rows make a batch: give one of them.")
        if lengths is None and (group_by_length or tokens is not None):
            asked = "tokens" if tokens is not None else "group_by_length"
            raise ValueError(f"{asked} needs the length of each row: pass lengths=[len(ids) for ids in …].")
        self.lengths = [] if lengths is None else [int(length) for length in lengths]
        if lengths is not None and len(self.lengths) != dataset_length:
            raise ValueError(f"lengths has {len(self.lengths)} numbers for {dataset_length} rows: give one for each.")
        self.count, self.seed, self.shuffle, self.drop_last = dataset_length, seed, shuffle, drop_last
        self.batch_size, self.tokens, self.grouped, self.accumulation = (
            batch_size,
            tokens,
            group_by_length,
            accumulation,
        )
        if tokens is not None and self.lengths and max(self.lengths) > tokens:
            row = self.lengths.index(max(self.lengths))
            raise ValueError(
                f"row {row} has {self.lengths[row]} tokens, which no batch of tokens={tokens} can hold. Give "
                f"tokens={self.lengths[row]} or more, or tokenize with truncation=True, max_length={tokens}."
            )

    def batches(self, epoch: int) -> list[list[int]]:
        """Rows of each batch; each row is in one of them, but for those that `drop_last` leaves out."""
        parts = self._parts(epoch)
        if self.tokens is not None:
            return [batch for part in parts for batch in self._filled(part, self.tokens)]
        rows, size = [row for part in parts for row in part], self.batch_size or 1
        end = len(rows) // size * size if self.drop_last else len(rows)
        return [rows[start : start + size] for start in range(0, end, size)]

    def _parts(self, epoch: int) -> list[list[int]]:
        """Rows in their order, cut where a batch with a budget of tokens has to end."""
        if not self.count:
            return []
        rows = list(range(self.count))
        if self.shuffle:
            generator = torch.Generator("cpu").manual_seed(self.seed + epoch)
            rows = torch.randperm(self.count, generator=generator, device="cpu").tolist()
        if not self.grouped:
            return [rows]
        size, lengths = self._part_size() if self.shuffle else self.count, self.lengths
        cut = [rows[start : start + size] for start in range(0, self.count, size)]
        parts = [sorted(part, key=lengths.__getitem__, reverse=True) for part in cut]
        first = max(range(len(parts)), key=lambda part: lengths[parts[part][0]])
        parts[0][0], parts[first][0] = parts[first][0], parts[0][0]
        return parts

    def _part_size(self) -> int:
        rows = self.batch_size
        if self.tokens is not None:  # rows of an average batch
            rows = max(1, self.tokens * self.count // max(1, sum(self.lengths)))
        rows = (rows or 1) * self.accumulation
        return rows * max(1, min(self.count // (rows * MEGABATCHES), LONGEST))

    def _filled(self, rows: list[int], tokens: int) -> list[list[int]]:
        """Rows as batches, each as long as its rows times the longest of them stay within the budget."""
        batches: list[list[int]] = []
        longest = 0
        for row in rows:
            length = self.lengths[row]
            if batches and (len(batches[-1]) + 1) * max(longest, length) <= tokens:
                batches[-1].append(row)
                longest = max(longest, length)
            else:
                batches.append([row])
                longest = length
        return batches


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
