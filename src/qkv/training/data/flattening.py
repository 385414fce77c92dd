"""Batches without padding: texts one after the other in a single row."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch

from ...errors import short
from ...heads.base import IGNORED
from ...preprocessing.tokenizers.arrays import to_lists
from .rows import DataCollatorMixin


class DataCollatorWithFlattening(DataCollatorMixin):
    """Rows one after the other in a single one, without padding: `input_ids` and `labels` (1,N), N the tokens of all.
    Labels are the rows' own, or their ids; the first of each row is `separator_id`, so that no text is predicted from
    another.

    Args:
        return_position_ids: `position_ids` (1,N), which begin anew with each row at `position_ids_start`.
        return_flash_attn_kwargs: where rows begin and end, `cu_seq_lens_q` and `cu_seq_lens_k` (B+1,) int32, and the
            longest row, `max_length_q` and `max_length_k`.
        return_seq_idx: `seq_idx` (1,N) int32, the row of each token.
    """

    def __init__(  # noqa: PLR0913 (the reference's arguments)
        self, return_tensors: str = "pt", *, return_position_ids: bool = True, separator_id: int = IGNORED,
        return_flash_attn_kwargs: bool = False, return_seq_idx: bool = False, position_ids_start: int = 0,
    ):  # fmt: skip
        self.return_tensors, self.separator_id = return_tensors, separator_id
        self.return_position_ids, self.position_ids_start = return_position_ids, position_ids_start
        self.return_flash_attn_kwargs, self.return_seq_idx = return_flash_attn_kwargs, return_seq_idx

    def __call__(
        self, features: Sequence[Any], return_tensors: str | None = None, separator_id: int | None = None
    ) -> dict[str, Any]:
        batch = super().__call__(features, return_tensors)
        if separator_id is not None:
            batch["labels"][0, self.ends(features)[:-1]] = separator_id
        return batch

    def ends(self, rows: Sequence[Any]) -> list[int]:
        """Where rows begin, and where the last one ends. (B+1,)"""
        return [0, *accumulate(len(row["input_ids"]) for row in rows)]

    def torch_call(self, features: list[Any]) -> dict[str, Any]:
        ids = [to_lists(row["input_ids"]) for row in features]
        labels = [to_lists(row["labels"]) for row in features] if "labels" in features[0] else ids
        for index, (own, row) in enumerate(zip(labels, ids, strict=True)):
            if not isinstance(own, list) or len(own) != len(row):
                raise ValueError(
                    f"row {index} of the batch has labels {short(own, 60)} for {len(row)} tokens. "
                    f"{type(self).__name__} takes a label of each token, or none: then the ids are the labels."
                )
        columns: dict[str, list[int]] = {
            "input_ids": [token for row in ids for token in row],
            "labels": [label for row in labels for label in [self.separator_id, *row[1:]][: len(row)]],
        }
        if self.return_position_ids:
            start = self.position_ids_start
            columns["position_ids"] = [position for row in ids for position in range(start, start + len(row))]
        batch: dict[str, Any] = {name: torch.tensor([values], dtype=torch.int64) for name, values in columns.items()}
        if self.return_seq_idx:
            rows = [index for index, row in enumerate(ids) for _ in row]
            batch["seq_idx"] = torch.tensor([rows], dtype=torch.int32)
        if self.return_flash_attn_kwargs:
            ends = torch.tensor(self.ends(features), dtype=torch.int32)
            longest = max(map(len, ids))
            batch |= {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}
        return batch
