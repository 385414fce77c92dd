"""From a dataset to the batches of a run, in an order that is known beforehand: resuming skips without reading."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from ...errors import short

Batch = tuple[list[int], dict[str, Any]]  # row numbers of all processes, inputs of this one
Collate = Callable[[list[Any]], dict[str, Any]]
NO_BATCH = "train_dataset gave no batch: it is empty, less than a batch with drop_last, or an iterator that is spent."
Share = Callable[[Sequence[int]], list[int]]  # a process's rows of those of a batch


def is_map_style(dataset: Any) -> bool:
    return hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")


def named_sets(dataset: Any, prefix: str = "eval") -> dict[str, Any]:
    """One data set or several by name, by the prefix of their metrics: "eval", or "eval_<name>" each."""
    return {f"{prefix}_{k}": each for k, each in dataset.items()} if isinstance(dataset, dict) else {prefix: dataset}


def check_dataset(dataset: Any, name: str) -> None:
    """Raises: TypeError for what cannot be read, ValueError for one without rows."""
    if isinstance(dataset, str):
        raise TypeError(f"{name}={short(dataset)} is a text; give rows, such as read_rows('reviews.csv').")
    if hasattr(dataset, "keys"):
        raise TypeError(
            f"{name} is not rows but a mapping of {short(list(dataset.keys()))}. Of several data sets give one, as in "
            f"dataset['train']; of columns, such as a tokenizer's, make rows: [dict(zip(enc, row)) for row in "
            f"zip(*enc.values())]."
        )
    if not is_map_style(dataset) and not isinstance(dataset, Iterable):
        raise TypeError(f"{name}={short(dataset)} has neither rows (dataset[i], len(dataset)) nor an iterator.")
    if is_map_style(dataset) and not len(dataset):  # type: ignore[arg-type]
        raise ValueError(f"{name} has no rows. Check the file or the split it was made from.")


class _Rows(Dataset):
    """A dataset that a worker process reads: what it draws for a batch depends on the batch alone."""

    def __init__(self, dataset: Any, seed: int):
        self.dataset, self.seed = dataset, seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, rows: list[int]) -> list[Any]:
        if get_worker_info() is not None:
            seed = hash((self.seed, *rows)) % 2**32  # of integers, so the same in every process
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
        together = getattr(self.dataset, "__getitems__", None)
        return [self.dataset[row] for row in rows] if together is None else together(rows)


def load(
    dataset: Any, batches: Sequence[list[int]], collate: Collate, share: Share = list, *, workers: int = 0,
    seed: int = 0,
) -> Iterator[Batch]:  # fmt: skip
    """Each batch's row numbers, and this process's share of its rows collated; the first row where it has no share, so
    that all compute as often. Nothing outside is drawn from: generators stay as they are."""
    if workers and hasattr(collate, "look"):
        collate.look(dataset)  # type: ignore[attr-defined]  # says what is left out, which workers do not
    made = DataLoader(
        _Rows(dataset, seed), batch_sampler=[share(batch) or batch[:1] for batch in batches], collate_fn=collate,
        num_workers=workers,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    return zip(batches, made, strict=True)


def stream(
    dataset: Iterable[Any], size: int, collate: Collate, share: Share = list, *, skip: int = 0,
    drop_last: bool = False,
) -> Iterator[Batch]:  # fmt: skip
    """The same of an iterable, whose rows are numbered as they come; `skip` rows are read at once and left out."""
    rows = iter(dataset)
    start = sum(1 for _ in islice(rows, skip))
    return _streamed(zip(count(start), rows, strict=False), size, collate, share, drop_last)


def _streamed(
    rows: Iterator[tuple[int, Any]], size: int, collate: Collate, share: Share, drop_last: bool
) -> Iterator[Batch]:
    while (taken := dict(islice(rows, size))) and not (drop_last and len(taken) < size):
        numbers = list(taken)
        yield numbers, collate([taken[number] for number in share(numbers) or numbers[:1]])


def without(batches: Sequence[list[int]], rows: int) -> list[list[int]]:
    """Batches without their first `rows` rows: those that a run has seen, also if it had batches of another size."""
    for number, batch in enumerate(batches):
        if rows < len(batch):
            return [batch[rows:], *batches[number + 1 :]]
        rows -= len(batch)
    return []
