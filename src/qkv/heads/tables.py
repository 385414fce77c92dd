"""Questions about a table: which cells, and what to do with them. Shapes: B batch, T tokens, D width, A operations,
R rows and C columns of a table, headers and what is outside it first."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import RelaxedBernoulli, RelaxedOneHotCategorical

from ..config import Config
from ..outputs import ModelOutput, TableQuestionAnsweringOutput
from .base import TaskHead

NEVER = -10000.0  # added to a logit
TINY = 1e-10  # added to divisors


class Score(nn.Module):
    """One number for each token: (B,T,D) -> (B,T)"""

    def __init__(self, dim: int, std: float):
        super().__init__()
        self.weight, self.bias, self.std = nn.Parameter(torch.empty(dim)), nn.Parameter(torch.empty(())), std
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.std)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


class Cells:
    """Which cell of its table each token is in, as a number below R*C (B,T); and how much of each cell is there: 1 or,
    where tokens are masked, less (B,R,C)."""

    def __init__(self, config: Config, types: Tensor | None, mask: Tensor | None, like: Tensor):
        if types is None:
            types = like.new_zeros((*like.shape[:2], 3), dtype=torch.long)
        self.mask = (like.new_ones(like.shape[:2]) if mask is None else mask).float()  # (B,T)
        self.shape = config.max_num_rows, config.max_num_columns
        self.column, self.row = types[..., 1], types[..., 2]
        row, column = (x.clamp(max=most - 1) for x, most in zip((self.row, self.column), self.shape, strict=True))
        self.index = row * self.shape[1] + column
        self.there = self.of_tokens(self.mask)

    def of_tokens(self, values: Tensor, how: str = "mean") -> Tensor:
        """Values of tokens (B,T) put together in each cell, 0 where there is none: (B,R,C)"""
        empty = values.new_zeros(len(values), self.shape[0] * self.shape[1], dtype=torch.float)
        found = empty.scatter_reduce(1, self.index, values.float(), how, include_self=False)
        return found.unflatten(1, self.shape)

    def of_column(self, column: Tensor) -> Tensor:
        """How much of each cell is there, of one column (B,) alone: (B,R,C)"""
        return self.there * (torch.arange(self.shape[1], device=column.device) == column[:, None])[:, None]

    def to_tokens(self, values: Tensor) -> Tensor:
        """Values of cells (B,R,C) for their tokens: (B,T)"""
        return values.flatten(1).gather(1, self.index)


class TableQuestionAnswering(TaskHead):
    """a score for each cell of a table as part of an answer, and for what to do with the cells (`targets`).

    Args of a call, for the loss:
        labels: (B,T), 1 for tokens of the answer's cells and 0 for others.
        aggregation_labels: (B,), the operations, where config.num_aggregation_labels > 0.
        float_answer: (B,), the answer as a number, NaN where it is none; in place of aggregation_labels if the config
            says use_answer_as_supervision, with the next two.
        numeric_values, numeric_values_scale: (B,T), the number in a token's cell, or NaN, and in how many tokens it is.
        table_mask: (B,T), 1 for tokens whose numbers count; those of cells if None.

    The loss is section 3 of the paper: of choosing the column and in it the cells; of the operation; and, where only a
    number is known, of the number that is to be expected from the chances of all cells and operations.
    """

    output = TableQuestionAnsweringOutput
    targets = (
        "labels", "aggregation_labels", "float_answer", "numeric_values", "numeric_values_scale", "table_mask",
    )  # fmt: skip

    def __init__(self, config: Config):
        super().__init__(config)
        std = 0.0 if config.init_cell_selection_weights_to_zero else config.initializer_range
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.cell, self.column = Score(config.hidden_size, std), Score(config.hidden_size, std)
        count = config.num_aggregation_labels
        self.out = nn.Linear(config.hidden_size, count) if count else None

    def cells(self, inputs: Mapping[str, Any], like: Tensor) -> Cells:
        return Cells(self.config, inputs.get("token_type_ids"), inputs.get("attention_mask"), like)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        x = self.dropout(body["last_hidden_state"])
        cells = self.cells(inputs, x)
        scores = {"token_logits": self.cell(x).float() / self.config.temperature}
        if self.config.average_logits_per_cell:
            scores["token_logits"] = cells.to_tokens(cells.of_tokens(scores["token_logits"]))
        if self.config.select_one_column:
            scores["column_logits"] = self.columns(x, cells)
            column = scores["column_logits"].argmax(dim=-1)
            chosen = cells.of_column(column) * (column > 0)[:, None, None]  # the first is none: it has no cells
            logits = cells.to_tokens(cells.of_tokens(scores["token_logits"]) + NEVER * (1 - chosen))
        else:
            logits = scores["token_logits"]
        scores["logits"] = logits.to(x.dtype)
        if self.out is not None:
            scores["logits_aggregation"] = self.out(body["pooler_output"])
        return scores

    def columns(self, x: Tensor, cells: Cells) -> Tensor:
        """The mean over its cells of a column's scores: (B,C); the first stands for no column at all."""
        count = cells.there.sum(dim=1)
        logits = (cells.of_tokens(self.column(x)) * cells.there).sum(dim=1) / (count + TINY)
        missing = count < 0.5
        first = torch.arange(len(missing[0]), device=x.device) == 0
        return logits + NEVER * torch.where(first, not self.config.allow_empty_column_selection, missing)

    # ---------------------------------------------------------------------------------------------- loss

    def total_loss(
        self, scores: Mapping[str, Tensor], targets: Mapping[str, Tensor], inputs: Mapping[str, Any]
    ) -> Tensor | None:
        if "labels" not in targets:
            return None
        c, labels = self.config, targets["labels"]
        cells = self.cells(inputs, scores["logits"])
        loss = self.selection(scores, labels, cells)
        weak = self.out is not None and c.use_answer_as_supervision
        aggregates = self.aggregates(scores, targets) if weak else torch.zeros_like(loss)  # (B,)
        loss = loss * 0 if c.disable_per_token_loss else loss * (1 - aggregates)
        if self.out is None:
            return loss.mean()
        log_chances = scores["logits_aggregation"].float().log_softmax(dim=-1)
        if not weak:
            operation = F.nll_loss(log_chances, self.needed("aggregation_labels", targets), reduction="none")
            return (loss + c.aggregation_loss_weight * operation).mean()
        operation = torch.where(aggregates > 0, log_chances[:, 1:].logsumexp(dim=-1), log_chances[:, 0])
        number = self.regression(scores, targets, cells, aggregates)
        further = c.answer_loss_importance * number * aggregates - c.aggregation_loss_weight * operation
        if c.answer_loss_cutoff is not None:
            further = further * (number <= c.answer_loss_cutoff)
        return (loss + further).mean()

    def selection(self, scores: Mapping[str, Tensor], labels: Tensor, cells: Cells) -> Tensor:
        """Of the column that has most of the answer, and of its cells; or of all tokens. (B,)"""
        tokens, labels = scores["token_logits"], labels.float()
        if "column_logits" not in scores:
            weight = torch.where(labels == 0, 1.0, self.config.positive_label_weight)
            each = F.binary_cross_entropy_with_logits(tokens, labels, weight, reduction="none")
            return (each * cells.mask).sum(dim=1) / (cells.mask.sum(dim=1) + TINY)
        per_column = cells.of_tokens(labels, "sum").sum(dim=1)  # (B,C)
        most, column = per_column.max(dim=-1)
        column = torch.where(most == 0, 0, column)
        chances = scores["column_logits"] - scores["column_logits"].logsumexp(dim=-1, keepdim=True)
        loss = -chances.gather(1, column[:, None])[:, 0]
        each = F.binary_cross_entropy_with_logits(
            cells.of_tokens(tokens), cells.of_tokens(labels, "amax"), reduction="none"
        )
        asked = cells.of_column(column)
        of_cells = (each * asked).sum(dim=(1, 2)) / (asked.sum(dim=(1, 2)) + TINY)
        return loss + torch.where(most == 0, 0.0, of_cells)

    def aggregates(self, scores: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """1 where the answer must come from an operation: it is a number, and is in no cell, or the model takes an
        operation for likely enough. (B,)"""
        chances = scores["logits_aggregation"].detach().float().softmax(dim=-1)
        if self.config.cell_selection_preference is None:
            raise ValueError("use_answer_as_supervision needs config.cell_selection_preference, such as 0.207 of WTQ.")
        selects = chances[:, 1:].sum(dim=1) <= self.config.cell_selection_preference
        number = ~self.needed("float_answer", targets).isnan()
        return (number & ~(selects & (targets["labels"].sum(dim=1) > 0))).float()

    def regression(
        self, scores: Mapping[str, Tensor], targets: Mapping[str, Tensor], cells: Cells, aggregates: Tensor
    ) -> Tensor:
        """Huber's loss of the expected number. (B,)"""
        c = self.config
        answer = self.needed("float_answer", targets).float().nan_to_num(0.0, float("inf"), float("-inf")) * aggregates
        found = self.expected(scores, targets, cells) * aggregates
        delta = 1.0 if c.use_normalized_answer_loss or c.huber_loss_delta is None else c.huber_loss_delta
        if c.use_normalized_answer_loss:
            scale = (torch.maximum(found.abs(), answer.abs()) + TINY).detach()
            found, answer = found / scale, answer / scale
        return F.huber_loss(found, answer, reduction="none", delta=delta)

    def expected(self, scores: Mapping[str, Tensor], targets: Mapping[str, Tensor], cells: Cells) -> Tensor:
        """Sum, mean and count of the numbers in cells, each with its chance, as likely as the operations are: (B,)"""
        c, logits = self.config, scores["logits"].float()
        values, parts = (self.needed(name, targets).float() for name in ("numeric_values", "numeric_values_scale"))
        counted = targets.get("table_mask", cells.row > 0)
        if c.use_gumbel_for_cells:
            temperature = logits.new_tensor(c.temperature)
            chance = RelaxedBernoulli(temperature, logits=logits * temperature, validate_args=False).rsample().detach()
        else:
            chance = logits.sigmoid()
        chance = chance / parts * counted.float()  # of a number in several tokens, shared by them
        values = torch.where(values.isnan(), 0.0, values)
        total, count = (chance * values).sum(dim=1), chance.sum(dim=1)
        results = torch.stack((total, self.mean(chance, values, total, count), count), dim=1)
        operations = scores["logits_aggregation"][:, 1:].float()
        if c.use_gumbel_for_aggregation:
            temperature = logits.new_tensor(c.aggregation_temperature)
            shares = RelaxedOneHotCategorical(temperature, logits=operations, validate_args=False).rsample().detach()
        else:
            shares = (operations / c.aggregation_temperature).softmax(dim=-1)
        return (results * shares).sum(dim=1)

    def mean(self, chance: Tensor, values: Tensor, total: Tensor, count: Tensor) -> Tensor:
        """Of numbers that are there with a chance, by the paper's appendix D. (B,)"""
        how = self.config.average_approximation_function
        if how == "ratio":
            return total / (count + TINY)
        others = count[:, None] - chance + 1  # how many there are, if this one is
        if how == "first_order":
            return (values * chance / others).sum(dim=1)
        if how == "second_order":
            spread = chance * (1 - chance)
            spread = spread.sum(dim=1, keepdim=True) - spread
            return (values * chance * (spread / others.square() + 1) / others).sum(dim=1)
        raise ValueError(f"config.average_approximation_function {how!r} is none of ratio, first_order, second_order.")

    def needed(self, name: str, targets: Mapping[str, Tensor]) -> Tensor:
        if name not in targets:
            raise ValueError(f"the loss of this model needs {name} beside labels; see {type(self).__name__}.")
        return targets[name]
