"""Views of a dataset as a pipeline's inputs: one column, or two as pairs."""

from collections.abc import Iterator
from typing import Any


class KeyDataset:
    """One column of a dataset of dictionaries: `pipe(KeyDataset(dataset, "text"))`."""

    def __init__(self, dataset: Any, key: str):
        self.dataset, self.key = dataset, key

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, i: int) -> Any:
        return self.dataset[i][self.key]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


class KeyPairDataset(KeyDataset):
    """Two columns of a dataset as {"text", "text_pair"}."""

    def __init__(self, dataset: Any, key1: str, key2: str):
        super().__init__(dataset, key1)
        self.key2 = key2

    def __getitem__(self, i: int) -> Any:
        row = self.dataset[i]
        return {"text": row[self.key], "text_pair": row[self.key2]}
