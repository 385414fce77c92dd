"""Configs that change TAPAS's loss, and one batch for all of them."""

from typing import Any

import torch

EMPTY = {"allow_empty_column_selection": True}
BOTH = {"num_aggregation_labels": 4} | EMPTY
WEAK = BOTH | {"use_answer_as_supervision": True, "cell_selection_preference": 0.5}
WEAK |= {"huber_loss_delta": 3.0, "temperature": 8.0}
ALL = {"select_one_column": False, "aggregation_temperature": 50.0}  # so that each cell and operation counts
MEANS = ("ratio", "first_order", "second_order")
LOSSES: list[dict[str, Any]] = [
    {"num_aggregation_labels": 0, "aggregation_labels": None},
    {"num_aggregation_labels": 0, "aggregation_labels": None, "use_answer_as_supervision": True},
    {"select_one_column": False, "average_logits_per_cell": False},
    {"select_one_column": False, "average_logits_per_cell": True, "positive_label_weight": 3.0},
    *(
        base | more
        for base in (BOTH, WEAK)
        for more in (
            {},
            {"allow_empty_column_selection": False},
            {"average_logits_per_cell": False},
            {"temperature": 0.3},
            {"aggregation_loss_weight": 0.25},
            {"disable_per_token_loss": True},
            {"max_num_rows": 2, "max_num_columns": 2},
            {"select_one_column": False},
        )
    ),
    *(
        WEAK | more
        for more in (
            {"cell_selection_preference": 0.999}, {"cell_selection_preference": 0.0}, {"answer_loss_cutoff": 2.0},
            {"answer_loss_importance": 0.3}, {"use_normalized_answer_loss": True}, {"huber_loss_delta": 100.0},
            *(ALL | {"average_approximation_function": how} for how in MEANS),
            {"use_normalized_answer_loss": True, "answer_loss_cutoff": 0.2},
        )
    ),
]  # fmt: skip


def batch() -> dict[str, torch.Tensor]:
    """Six questions about tables of 2 x 3 cells: with and without cells, with a number, with one that is in no cell."""
    ids = torch.arange(6 * 14).view(6, 14) * 37 % 97 + 2
    mask = (torch.arange(14) < torch.tensor([14, 13, 12, 14, 9, 14])[:, None]).long()
    types = torch.zeros(6, 14, 7, dtype=torch.long)
    types[..., 1] = torch.tensor([0, 0, 0, 1, 2, 3, 1, 1, 2, 3, 1, 2, 3, 3])
    types[..., 2] = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    types[..., 0] = (types[..., 1] > 0).long()
    types[..., 4] = types[..., 2]
    types = types * mask[..., None]
    row, column = types[..., 2], types[..., 1]
    cells = torch.tensor([[1, 1], [2, 3], [0, 0], [0, 0], [1, 2], [2, 1]])
    labels = ((row == cells[:, :1]) & (column == cells[:, 1:]) & (row > 0)).long()
    labels[5] |= ((row == 1) & (column == 1)).long()[5]
    numbers = torch.where((row > 0) & (column != 2), row * 1.5 + column, float("nan"))
    return {
        "input_ids": ids, "attention_mask": mask, "token_type_ids": types, "labels": labels.float(),
        "aggregation_labels": torch.tensor([0, 1, 2, 3, 0, 1]),
        "float_answer": torch.tensor([2.5, float("nan"), 4.0, float("nan"), 100.0, 6.0]),
        "numeric_values": numbers, "numeric_values_scale": torch.where((row == 1) & (column == 1), 2.0, 1.0),
    }  # fmt: skip
