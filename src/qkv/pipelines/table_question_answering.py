"""table-question-answering: the cells of a table that answer a question, and what to do with them."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import short
from ..preprocessing.tables import Cell, Table, cell_chances, likely, read_table
from . import base
from .base import Pipeline, Row

FORM = '{"table": ..., "query": ...}'
CUTS = (True, "drop_rows_to_fit")  # what says that a table may be cut


@dataclass(frozen=True)
class Options(base.Options):
    """
    sequential: whether the questions of a list are a conversation, each told the answer to the one before it.
    truncation: True or "drop_rows_to_fit" cuts a table that is too long silently; None cuts it with a warning; False or
        "error" raises.
    padding: accepted for compatibility: rows are padded to the longest of their batch.
    """

    sequential: bool = False
    truncation: bool | str | None = None
    padding: bool | str | None = None


class TableQuestionAnsweringPipeline(Pipeline):
    """Tables and questions -> {"answer", "coordinates", "cells", "aggregator"}.

    An input is {"table": ..., "query": ...}, the query a string or a list of them; for one of them,
    `pipe(table=table, query=query)` is the same. A table is a dictionary of columns, a list of rows as dictionaries, a
    list of lists of which the first is the header, or a DataFrame.

    A question gives one result, a list of several a list. "coordinates" are (row, column) pairs from 0, "cells" their
    texts, "answer" these joined by ", ", after "SUM > " and the like where the model has an operation for them. That is
    in "aggregator", for models that have operations.
    """

    task = "table-question-answering"
    options_class = Options
    needs = ("logits", "logits_aggregation")
    keeps = ("table", "turn")

    def __init__(self, model: Any, tokenizer: Any = None, **options: Any):
        super().__init__(model, tokenizer, **options)
        if not hasattr(tokenizer, "convert_logits_to_predictions"):
            raise TypeError(f"{self.task} needs a tokenizer of tables, such as TapasTokenizer; got {short(tokenizer)}.")
        config = self.model.config
        self.labels: dict[int, str] = (config.num_aggregation_labels and config.aggregation_labels) or {}

    def __call__(self, table: Any = None, query: Any = None, *, data: Any = None, **options: Any) -> Any:
        given = table if data is None else data
        if given is None:
            raise ValueError(f"{self.task} needs a table: pipe(table=table, query=query), or {FORM}.")
        if query is not None:
            given = {"table": given, "query": query}
        found = super().__call__(given, **options)
        return found[0] if isinstance(found, list) and isinstance(given, list | tuple) and len(found) == 1 else found

    def is_single(self, inputs: Any) -> bool:
        return isinstance(inputs, Mapping) or hasattr(inputs, "itertuples")

    def accepts(self) -> str:
        return FORM

    def preprocess(self, inputs: list[Any], options: Any) -> list[list[Row]]:
        cut: list[str] = []
        found = [self.rows(*_table_and_questions(item), options, cut) for item in inputs]
        if cut and options.truncation is None:
            warnings.warn(
                f"{len(cut)} of {sum(map(len, found))} questions are about a table that is too long for this model: "
                f"{cut[0]}. Pass truncation=True (--truncation) to accept that, or truncation='error' to get an error.",
                stacklevel=5,
            )
        return found

    def rows(self, table: Table, questions: list[str], options: Any, cut: list[str]) -> list[Row]:
        """A row for each question; what is missing in it of the table is added to `cut`.

        Raises: ValueError for a table that is too wide, or too long where it may not be cut.
        """
        sizes, tokenizer, limit = self.model.config.type_vocab_sizes, self.tokenizer, self.limit
        columns, most = min(tokenizer.max_column_id, sizes[1]) - 1, min(tokenizer.max_row_id, sizes[2], *sizes[4:6]) - 1
        if len(table.header) > columns:
            raise ValueError(
                f"the table has {len(table.header)} columns, and this model reads {columns}. Leave out those that the "
                f"question is not about."
            )
        shown = table.head(most)
        whole = tokenizer(shown, questions)
        rows = []
        for i, question in enumerate(questions):
            row = {name: column[i] for name, column in whole.items()}
            length = len(row["input_ids"])
            if length > limit or tokenizer.cell_trim_length >= 0:
                bound = {"max_length": limit} if limit < tokenizer.model_max_length else {}
                row = dict(tokenizer(shown, question, truncation=True, **bound))
            if len(row["input_ids"]) < length or len(shown.rows) < len(table.rows):
                read = max((types[2] for types in row["token_type_ids"]), default=0)
                cut.append(self.reading(table, read, options))
            rows.append(row | {"table": table, "turn": i if options.sequential else 0})
        return rows

    def reading(self, table: Table, read: int, options: Any) -> str:
        """How much is read of a table that is too long. Raises: ValueError if the options do not allow to cut it."""
        rows, columns = len(table.rows), len(table.header)
        part = "the beginnings of its cells" if read == rows else f"the first {read} rows" if read else "the header"
        if options.truncation is not None and options.truncation not in CUTS:
            raise ValueError(
                f"a table of {rows} rows and {columns} columns is too long for this model, which would read {part}. "
                f"Pass truncation=True to cut it."
            )
        return f"of a table of {rows} rows and {columns} columns it reads only {part}"

    def _forward(self, rows: list[Row], options: Any) -> list[Any]:
        """What is kept of each row; those of a conversation wait for the answer to the one before."""
        kept: list[Any] = [None] * len(rows)
        for turn in range(max((row["turn"] for row in rows), default=-1) + 1):
            places = [i for i, row in enumerate(rows) if row["turn"] == turn]
            batch = [_told(rows[i], kept[i - 1]["cells"]) if turn else rows[i] for i in places]
            for i, found in zip(places, super()._forward(batch, options), strict=True):
                kept[i] = found
        return kept

    def compute(self, inputs: dict[str, torch.Tensor], rows: list[Row], options: Any) -> Mapping[str, torch.Tensor]:
        output = self.model(**inputs)
        none = output["logits"].new_zeros(len(rows), 1)
        return {"logits": output["logits"], "logits_aggregation": output["logits_aggregation"] if self.labels else none}

    def read(self, output: dict[str, torch.Tensor], row: Row, options: Any) -> Any:
        length = len(row["input_ids"])
        logits = output["logits"][-length:] if self.tokenizer.padding_side == "left" else output["logits"][:length]
        cells = likely(cell_chances(logits.tolist(), row["attention_mask"], row["token_type_ids"]))
        operation = int(output["logits_aggregation"].argmax()) if self.labels else None
        return {"cells": cells, "operation": operation, "table": row["table"]}

    def postprocess(self, outputs: list[Any], options: Any) -> Any:
        results = [self.result(**output) for output in outputs]
        return results if len(results) > 1 else results[0]

    def result(self, cells: list[Cell], operation: int | None, table: Table) -> dict[str, Any]:
        texts = [table.rows[row][column] for row, column in cells]
        found = {"answer": ", ".join(texts), "coordinates": cells, "cells": texts}
        if operation is None:
            return found
        name = self.labels.get(operation, f"LABEL_{operation}")
        if operation != self.model.config.no_aggregation_label_index:
            found["answer"] = f"{name} > {found['answer']}"
        return found | {"aggregator": name}


def _told(row: Row, cells: list[Cell]) -> Row:
    """The row with the cells of the answer before it marked."""
    chosen = set(cells)
    types = [
        [segment, column, line, int((line - 1, column - 1) in chosen), *rest]
        for segment, column, line, _, *rest in row["token_type_ids"]
    ]
    return row | {"token_type_ids": types}


def _table_and_questions(item: Any) -> tuple[Table, list[str]]:
    """Raises: TypeError or ValueError for what has no table with cells, or no question."""
    missing = [name for name in ("table", "query") if not isinstance(item, Mapping) or item.get(name) is None]
    if missing:
        raise ValueError(
            f"table-question-answering takes {FORM}, or pipe(table=table, query=query); there is no "
            f"{' and no '.join(missing)} in {type(item).__name__}: {short(item, 100)}."
        )
    table, query = read_table(item["table"]), item["query"]
    if not table.rows or not table.header:
        raise ValueError(f"the table has no cells: {len(table.header)} columns and {len(table.rows)} rows.")
    questions = [query] if isinstance(query, str) else query
    if not isinstance(questions, list | tuple) or not all(isinstance(one, str) for one in questions):
        raise TypeError(f"query must be a question (str) or a list of them, got {short(query)}.")
    if not questions or not all(one.strip() for one in questions):
        raise ValueError(f"query is empty: {short(query)}. Ask something about the table.")
    return table, list(questions)
