"""From a dataset to the batches of a run, in an order that is known beforehand: resuming skips without reading."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from ..errors import short

Batch = tuple[list[int], dict[str, Any]]  # row numbers, inputs
Collate = Callable[[list[Any]], dict[str, Any]]


def is_map_style(dataset: Any) -> bool:
    return hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")


def check_dataset(dataset: Any, name: str) -> None:
    """Raises: TypeError for what cannot be read, ValueError for one without rows."""
    if not is_map_style(dataset) and not isinstance(dataset, Iterable):
        raise TypeError(f"{name}={short(dataset)} has neither rows (dataset[i], len(dataset)) nor an iterator.")
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") and len(dataset) == 0:  # type: ignore[arg-type]
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
        return [self.dataset[row] for row in rows]


def load(
    dataset: Any, batches: Sequence[list[int]], collate: Collate, *, workers: int = 0, seed: int = 0
) -> Iterator[Batch]:
    """Each batch's row numbers, and its rows collated. Nothing outside is drawn from: generators stay as they are."""
    made = DataLoader(
        _Rows(dataset, seed), batch_sampler=list(batches), collate_fn=collate, num_workers=workers,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    return zip(batches, made, strict=True)


def stream(
    dataset: Iterable[Any], size: int, collate: Collate, *, skip: int = 0, drop_last: bool = False
) -> Iterator[Batch]:
    """The same of an iterable without row numbers; `skip` batches are read and left out."""
    rows, start = iter(dataset), 0
    while taken := list(islice(rows, size)):
        numbers = list(range(start, start + len(taken)))
        start += len(taken)
        if drop_last and len(taken) < size:
            return
        if skip:
            skip -= 1
            continue
        yield numbers, collate(taken)
