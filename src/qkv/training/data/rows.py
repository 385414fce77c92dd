"""What all collators share: rows of a data set, checked, as tensors; padded by a tokenizer."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from ...errors import short
from ...preprocessing.tokenizers.arrays import to_arrays, to_lists

LABELS = ("label", "label_ids")  # a row's names of what a batch has as `labels`
TARGETS = ("labels", *LABELS)


class DataCollatorMixin:
    """A collator: a subclass gives `torch_call`, of which arrays are made where return_tensors is "np"."""

    return_tensors: str = "pt"
    columns: ClassVar[tuple[str, ...]] = ()

    def __call__(self, features: Sequence[Any], return_tensors: str | None = None) -> Any:
        kind = self.return_tensors if return_tensors is None else return_tensors
        if kind not in ("pt", "np"):
            raise ValueError(f"return_tensors={short(kind)} is not known. Use 'pt' (torch) or 'np' (numpy).")
        batch = self.torch_call(as_rows(features, type(self).__name__))
        if kind == "np":
            for name, value in batch.items():
                batch[name] = value.numpy() if isinstance(value, Tensor) else value
        return batch

    def torch_call(self, features: list[Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} gives no torch_call(features).")


def as_rows(features: Sequence[Any], name: str) -> list[Any]:
    """`plain_rows`, checked.

    Raises: ValueError if there is none, or if one lacks a column that another has.
    """
    rows = plain_rows(features)
    if not rows:
        raise ValueError(f"{name} got no row: a batch has at least one.")
    mappings = [row for row in rows if isinstance(row, Mapping)]
    needed = dict.fromkeys(name for row in mappings for name in row)
    for index, row in enumerate(mappings):
        missing = next((column for column in needed if column not in row), None)
        if missing is not None:
            raise ValueError(
                f"{name} got a row without {missing!r}, which others of the batch have: row {index} of {len(rows)} has "
                f"{short(list(row))}. Give all rows the same columns."
            )
    return rows


def plain_rows(features: Sequence[Any]) -> list[Any]:
    """Rows as mappings (of the attributes of objects), or as they are if they are lists of ids."""
    plain = (Mapping, list, tuple, np.ndarray, Tensor)
    return [row if isinstance(row, plain) or not hasattr(row, "__dict__") else vars(row) for row in features]


def check_columns(batch: Mapping[str, Any], name: str) -> None:
    """Raises: ValueError for a column that makes no tensor, saying what would make one."""
    for column, values in batch.items():
        bad = [value for value in values if value is None or isinstance(value, str)]
        if bad:
            raise ValueError(f"column {column!r} holds {short(bad[0], 40)}, {no_number(column, name)}")
        lengths = {len(value) for value in values if hasattr(value, "__len__") and getattr(value, "ndim", 1)}
        if len(lengths) > 1:
            counts = f"{min(lengths)} to {max(lengths)} items"
            raise ValueError(f"column {column!r} has rows of {counts}, which {name} does not pad. {_padding(column)}")


def no_number(column: str, name: str = "") -> str:
    if column in TARGETS:
        return (
            "which is no number of a class. Map labels to numbers before training: "
            "dataset.map(lambda row: {'label': model.config.label2id[row['label']]})."
        )
    return (
        f"which {name} makes no tensor of. Drop it with dataset.remove_columns({column!r}); Trainer does so by itself "
        f"with remove_unused_columns=True."
    )


def _padding(column: str) -> str:
    if column in TARGETS:
        return (
            "Use DataCollatorForTokenClassification(tokenizer) for a label of each token, or "
            "DataCollatorForSeq2Seq(tokenizer, model) for texts as labels."
        )
    return (
        "Use data_collator=DataCollatorWithPadding(tokenizer) for what tokenizers return, or tokenize with "
        "padding='max_length', truncation=True."
    )


def filled(values: Sequence[Any], length: int, value: Any, side: str) -> list[Any]:
    """Values of a row's tokens, and as many of `value` as padding there is, on the tokenizer's side of padding."""
    extra = [value] * (length - len(values))
    return [*values, *extra] if side == "right" else [*extra, *values]


def pad_rows(
    tokenizer: Any, rows: list[Any], name: str, padding: bool | str = True, max_length: int | None = None,
    multiple: int | None = None,
) -> Any:  # fmt: skip
    """Rows as a batch of tensors, padded by the tokenizer.

    Raises: ValueError if it has no pad token, or if a column that it does not pad has rows of different lengths.
    """
    batch = tokenizer.pad([to_lists(row) for row in rows], padding, max_length, multiple)
    check_columns(batch, name if padding else f"{name}(padding=False)")
    batch.update(to_arrays(batch, "pt"))
    return batch


def split_labels(rows: list[Any]) -> tuple[list[dict[str, Any]], list[Any] | None]:
    """Rows without `label` or, if there is no such column, `labels`; and the values of that column, None if no row
    has one."""
    name = "label" if "label" in rows[0] else "labels"
    labels = [to_lists(row.get(name)) for row in rows]
    rest = [{column: value for column, value in row.items() if column != name} for row in rows]
    return rest, None if all(label is None for label in labels) else labels
