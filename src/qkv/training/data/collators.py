"""Rows of a data set to a batch of tensors: padded, with their labels. Those for language models are in `masking.py`
and `flattening.py`.

A collator is called with a list of rows, each a mapping of names to numbers, lists, arrays or tensors. `columns` names
what it reads beside the model's own inputs, so that `columns.py` leaves these in the rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import short
from ...heads.base import IGNORED
from .rows import LABELS, DataCollatorMixin, check_columns, filled, pad_rows, split_labels


def default_data_collator(features: Sequence[Any], return_tensors: str = "pt") -> dict[str, Any]:
    """Rows of equal lengths as a batch. `label`, a number (of class: int64; else float32), and `label_ids`, a list of
    them, become `labels`; columns of text or None are left out.

    Args:
        features: mappings, or objects with attributes.
        return_tensors: "pt", or "np" for the same as arrays.

    Raises: ValueError for rows of different columns or lengths.
    """
    return DefaultDataCollator(return_tensors)(features)


@dataclass
class DefaultDataCollator(DataCollatorMixin):
    """`default_data_collator` as an object."""

    return_tensors: str = "pt"

    def torch_call(self, features: list[Any]) -> dict[str, Any]:
        first = features[0]
        if not isinstance(first, Mapping):
            raise ValueError(f"a row must be a mapping of columns, such as {{'input_ids': […]}}; got {short(first)}.")
        label = next((name for name in LABELS if first.get(name) is not None), None)
        names = [name for name in first if name not in LABELS and not isinstance(first[name], str | None)]
        columns = {name: [row[name] for row in features] for name in names}
        if label is not None:
            columns = {"labels": [row[label] for row in features], **columns}
        check_columns(columns, "default_data_collator")
        batch = {name: _stacked(values) for name, values in columns.items()}
        if label is not None and not (label == "label_ids" and isinstance(first[label], Tensor)):
            whole = not (batch["labels"].is_floating_point() or batch["labels"].is_complex())
            batch["labels"] = batch["labels"].to(torch.int64 if whole else torch.float32)
        return batch


def _stacked(values: list[Any]) -> Tensor:
    if isinstance(values[0], Tensor):
        return torch.stack(values)
    return torch.from_numpy(np.stack(values)) if isinstance(values[0], np.ndarray) else torch.tensor(values)


class _Pads(DataCollatorMixin):
    """What pads by the tokenizer."""

    tokenizer: Any
    padding: bool | str
    max_length: int | None
    pad_to_multiple_of: int | None

    def padded(self, rows: list[Any]) -> Any:
        kinds = (self.padding, self.max_length, self.pad_to_multiple_of)
        return pad_rows(self.tokenizer, rows, type(self).__name__, *kinds)

    def is_padding(self, kind: str) -> bool:
        names = {"True": "longest", "False": "do_not_pad"}
        given = str(getattr(self.padding, "value", self.padding))
        return names.get(given, given) == kind

    def filled(self, labels: list[Any], length: int, value: int) -> list[list[int]]:
        """Labels of each row, and `value` for its padding."""
        return [filled(row, length, value, self.tokenizer.padding_side) for row in labels]


@dataclass
class _Padding(_Pads):
    tokenizer: Any
    padding: bool | str = True
    max_length: int | None = None
    pad_to_multiple_of: int | None = None


@dataclass
class DataCollatorWithPadding(_Padding):
    """What a tokenizer returned, padded as a batch: (B,T). `label` and `label_ids` become `labels`.

    Args:
        tokenizer: with a pad token.
        padding: True or "longest", to the longest row of the batch; "max_length", to `max_length` or what the model
            can read; False or "do_not_pad".
        max_length: of padding="max_length".
        pad_to_multiple_of: a length is rounded up to a multiple of it.
        return_tensors: "pt", or "np" for the same as arrays.

    Raises: ValueError if the tokenizer has no pad token, or if a column that it does not pad has rows of different
        lengths. So do all that take a tokenizer.
    """

    return_tensors: str = "pt"

    def torch_call(self, features: list[Any]) -> Any:
        batch = self.padded(features)
        for name in LABELS:
            if name in batch:
                batch["labels"] = batch.pop(name)
        return batch


@dataclass
class DataCollatorForTokenClassification(_Padding):
    """As DataCollatorWithPadding, for a label of each token: `label` or `labels`, lists as long as their row's
    input_ids, become `labels` (B,T). Without labels, as for prediction, the batch has none.

    Args:
        label_pad_token_id: the label of padding, by default one that losses leave out.

    Raises: ValueError if a row has more labels than tokens.
    """

    label_pad_token_id: int = IGNORED
    return_tensors: str = "pt"

    def torch_call(self, features: list[Any]) -> Any:
        rows, labels = split_labels(features)
        batch = self.padded(rows)
        if labels is None:
            return batch
        for index, (row, label) in enumerate(zip(rows, labels, strict=True)):
            if not isinstance(label, list) or len(label) > len(row["input_ids"]):
                count = f"{len(label)} labels" if isinstance(label, list) else f"the label {short(label)}"
                raise ValueError(
                    f"row {index} of the batch has {count} for {len(row['input_ids'])} tokens. Give each token the "
                    f"label of its word, by the tokenizer's word_ids(), and {IGNORED} where that is None."
                )
        labels = self.filled(labels, batch["input_ids"].shape[1], self.label_pad_token_id)
        batch["labels"] = torch.tensor(labels, dtype=torch.int64)
        return batch


@dataclass
class DataCollatorForMultipleChoice(_Padding):
    """Rows of C texts each, of which one is right: their columns hold C lists, and become (B,C,T). `label` or `labels`,
    the index of the right one, becomes `labels` (B,); without labels the batch has none. Arguments are those of
    DataCollatorWithPadding.

    Raises: ValueError if rows have different numbers of texts.
    """

    return_tensors: str = "pt"

    def torch_call(self, features: list[Any]) -> dict[str, Any]:
        rows, labels = split_labels(features)
        choices = len(next(iter(rows[0].values())))
        for row in rows:
            other = next((column for column, texts in row.items() if len(texts) != choices), None)
            if other is not None:
                raise ValueError(
                    f"column {other!r} holds {len(row[other])} texts where the batch has {choices} a row. Give all "
                    f"rows equally many texts to choose from."
                )
        texts = [{name: texts[choice] for name, texts in row.items()} for row in rows for choice in range(choices)]
        batch = {name: value.view(len(rows), choices, -1) for name, value in self.padded(texts).items()}
        if labels is not None:
            batch["labels"] = torch.tensor(labels, dtype=torch.int64)
        return batch


@dataclass
class DataCollatorForSeq2Seq(_Pads):
    """As DataCollatorWithPadding, for texts as labels: `label` or `labels`, lists of ids, become `labels` (B,S); None
    if there are none.

    Args:
        model: an encoder-decoder, which then gives the batch its `decoder_input_ids` (B,S). The model itself makes them
            of labels if they are not there; label smoothing needs them.
        padding, max_length, pad_to_multiple_of: of labels as of inputs, the longest of each.
        label_pad_token_id: the label of padding, by default one that losses leave out.
    """

    tokenizer: Any
    model: Any = None
    padding: bool | str = True
    max_length: int | None = None
    pad_to_multiple_of: int | None = None
    label_pad_token_id: int = IGNORED
    return_tensors: str = "pt"

    def torch_call(self, features: list[Any]) -> Any:
        rows, labels = split_labels(features)
        batch = self.padded(rows)
        if labels is None:
            batch["labels"] = None
            return batch
        length = max(map(len, labels))
        if self.is_padding("max_length") and self.max_length is not None:
            length = self.max_length
        multiple = self.pad_to_multiple_of or 1
        length = -(-length // multiple) * multiple
        if not self.is_padding("do_not_pad"):
            labels = self.filled(labels, length, self.label_pad_token_id)
        check_columns({"labels": labels}, f"{type(self).__name__}(padding={self.padding!r})")
        batch["labels"] = torch.tensor(labels, dtype=torch.int64)
        shift = getattr(self.model, "prepare_decoder_input_ids_from_labels", None)
        if shift is not None:
            batch["decoder_input_ids"] = shift(labels=batch["labels"])
        return batch
