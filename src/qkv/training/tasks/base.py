"""What every task of fine-tuning shares: which columns it reads, how long its rows are, what is said of them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ...config import Config
from ...errors import short
from ..data.collators import DataCollatorWithPadding
from ..data.reading import Row, Rows
from ..reporting.history import RATES
from .roles import find_columns, no_column

Dataset = list[dict[str, Any]]  # rows of ids
TEXTS = (
    "text", "sentence", "review", "content", "body", "message", "tweet", "comment", "document", "article", "utterance",
    "email", "query", "prompt", "description",
)  # fmt: skip


@dataclass
class Options:
    """What is said of the data; None is found out.

    columns: role -> column, such as {"text": "body"}.
    problem: "single", "multi" (labels of one row) or "regression".
    max_length: tokens of a row at most.
    prefix: put before each source of an encoder-decoder, such as "summarize: ".
    packing: rows of a language model one after the other, in blocks of max_length tokens.
    mlm_probability: of a token to be masked.
    crop: of each picture a random part is shown, at least this share of it; 1 for the whole.
    flip: half of the pictures are shown mirrored, left for right.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    max_length: int | None = None
    prefix: str = ""
    packing: bool = True
    mlm_probability: float = 0.15
    crop: float = 0.5
    flip: bool = True


@dataclass
class Lengths:
    """Tokens of the rows of a data set, and how many of these rows were cut at `limit`."""

    limit: int
    median: int
    longest: int
    cut: int
    rows: int

    def __str__(self) -> str:
        said = f"median {self.median:,} tokens, longest {self.longest:,}"
        share = f" ({100 * self.cut / self.rows:.1f} %)" if self.cut else ""
        return f"{said}; cut at {self.limit:,}: {self.cut:,} rows{share}" if self.cut else f"{said}; none is cut"


class Task:
    """One job of fine-tuning: rows of a file -> a data set for Trainer. A subclass says how; see `TASKS`.

    names: of the task and its aliases. auto: the class that loads its model. lora: the task type of adapters.
    roles, optional: what a row gives -> names that such a column may have, likeliest first.
    best: the metric that says which checkpoint is kept. writes: whether a model's own texts are measured.
    reader: the class that loads what makes inputs.
    """

    names: ClassVar[tuple[str, ...]]
    auto: ClassVar[str]
    lora: ClassVar[str]
    roles: Mapping[str, tuple[str, ...]] = {"text": TEXTS}
    optional: Mapping[str, tuple[str, ...]] = {}
    best: str = "loss"
    writes: ClassVar[bool] = False
    reader: ClassVar[str] = "AutoTokenizer"
    long: int = 0  # rows that became several

    def __init__(self, options: Options, rows: Rows):
        self.options, self.lengths, self.notes = options, None, []
        self.columns = find_columns(rows, self.roles, self.optional, options.columns)

    # ---------------------------------------------------------------------------------------------- the data

    def check(self, rows: Rows) -> None:
        """Raises: ValueError for rows that lack a column."""
        for role, name in self.columns.items():
            for column in name.split(",") if name not in rows.columns and role == "label" else [name]:
                if column not in rows.columns:
                    raise no_column(rows, role, column)

    def strata(self, rows: Rows) -> list[Any] | None:
        """The class of each row, of each of which a part is held out; None to draw from all alike."""
        return None

    def groups(self, rows: Rows) -> list[Any] | None:
        """What rows that must not be divided between training and evaluation have in common."""
        return None

    def look(self, train: Rows, held: Rows, config: Config) -> dict[str, Any]:
        """Read the labels of both; gives what a model is loaded with. Raises: ValueError for labels that do not do."""
        return {}

    def fit(self, tokenizer: Any, model: Any) -> None:
        """Give a tokenizer without a pad token that of the end of a text, and tell the model."""
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token is None:
                raise ValueError("the tokenizer has neither a pad token nor an end token. Give it a pad_token.")
            tokenizer.pad_token = tokenizer.eos_token
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id

    def encode(self, rows: Rows, tokenizer: Any, limit: int | None) -> Dataset:
        """Rows as ids, `limit` being the most that the model can read. The first call settles the length."""
        raise NotImplementedError

    def varied(self, dataset: Any, seed: int) -> Any:
        """The rows to train on, as epochs show them."""
        return dataset

    def text(self, row: Row) -> str:
        """What makes two rows the same."""
        return str(row.get(self.columns.get("text", "")))

    def texts(self, rows: Rows) -> list[str]:
        return [self.text(row) for row in rows]

    # ---------------------------------------------------------------------------------------------- training

    def collator(self, tokenizer: Any, model: Any) -> Any:
        return DataCollatorWithPadding(tokenizer)

    def metrics(self, tokenizer: Any) -> Any:
        """A compute_metrics for the rows held out; None if the loss says all."""
        return None

    def preprocess(self, logits: Any, labels: Any) -> Any:
        """What is kept of scores for metrics."""
        return logits

    def arguments(self) -> dict[str, Any]:
        """Further TrainingArguments."""
        return {}

    def report(self, trainer: Any, held: Dataset) -> "Report":
        """How a trained model does on the rows held out."""
        return Report(metrics=measured(trainer.evaluate(held)))

    def facts(self) -> list[tuple[str, str]]:
        """Names and values that a user checks before a run."""
        found = [("columns", ", ".join(f"{role}: {short(name)}" for role, name in self.columns.items()))]
        found += [("lengths", str(self.lengths))] if self.lengths is not None else []
        return found + [("note", note) for note in self.notes]

    # ---------------------------------------------------------------------------------------------- lengths

    def settle(self, counts: Sequence[int], limit: int | None) -> int:
        """The length that rows are cut at, the first time from `counts`, tokens of each row: what was asked for, else
        the longest, or what 19 of 20 rows have if the longest is more than twice that; at most `limit`."""
        if self.lengths is None:
            ordered = sorted(counts)
            most = ordered[-1]
            usual = -(-ordered[int(0.95 * (len(ordered) - 1))] // 8) * 8
            length = self.options.max_length or (most if most <= 2 * usual else usual)
            if limit is not None and self.options.max_length is not None and limit < length:
                raise ValueError(f"max_length={length} is more than the {limit} tokens that this model reads.")
            length = length if limit is None else min(length, limit)
            cut = sum(count > length for count in counts)
            self.lengths = Lengths(length, int(statistics.median(counts)), most, cut, len(counts))
        return self.lengths.limit

    def windows(
        self, tokenizer: Any, texts: Sequence[list[str]], limit: int | None, third: bool = False, **how: Any
    ) -> Any:
        """Texts, or pairs, as columns; one that is too long becomes several rows, a `third` of which they share."""
        if self.lengths is None:
            self.settle([len(ids) for ids in tokenizer(*texts, verbose=False)["input_ids"]], limit)
        if self.lengths is not None:
            self.long, self.lengths.cut = self.lengths.cut or self.long, 0
        most = self.settle([], limit)
        how = {"truncation": True, "stride": most // 3 if third else 0, "return_overflowing_tokens": True} | how
        return tokenizer(*texts, max_length=most, verbose=False, **how)

    def tokenize(self, tokenizer: Any, first: list[str], second: list[str] | None, limit: int | None) -> Dataset:
        """Texts, or pairs, as ids; those that are too long are cut."""
        rows = columns_to_rows(tokenizer(first, second, verbose=False))
        most = self.settle([len(row["input_ids"]) for row in rows], limit)
        long = [i for i, row in enumerate(rows) if len(row["input_ids"]) > most]
        if long:
            pairs = None if second is None else [second[i] for i in long]
            cut = tokenizer([first[i] for i in long], pairs, truncation=True, max_length=most, verbose=False)
            for i, row in zip(long, columns_to_rows(cut), strict=True):
                rows[i] = row
        return rows


@dataclass
class Report:
    """How a model does on rows that it has not seen.

    metrics: name -> value. classes: class -> its precision, recall, F1 and support; None where there are no classes.
    matrix: a ConfusionMatrix, or None.
    """

    metrics: dict[str, float]
    classes: dict[str, dict[str, float]] | None = None
    matrix: Any = None
    labels: list[str] = field(default_factory=list)


def columns_to_rows(encoded: Mapping[str, Any], leave: Iterable[str] = ()) -> Dataset:
    """Columns, as a tokenizer gives them, as rows."""
    names = [name for name in encoded if name not in set(leave)]
    return [dict(zip(names, values, strict=True)) for values in zip(*(encoded[name] for name in names), strict=True)]


def texts_of(rows: Rows, column: str) -> list[str]:
    """A column of texts. Raises: ValueError for a value that is none, with its line."""
    found = []
    for index, row in enumerate(rows):
        value = row.get(column)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise ValueError(f"{rows.where(index)} has {short(value, 60)} in {column!r}; expected a text.")
        found.append(value)
    return found


def measured(metrics: Mapping[str, float]) -> dict[str, float]:
    """What was measured, without the prefix of evaluation and without times."""
    return {name.removeprefix("eval_"): value for name, value in metrics.items() if not name.endswith(RATES)}
