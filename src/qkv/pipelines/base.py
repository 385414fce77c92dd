"""Pipeline: raw input -> preprocess -> forward in batches -> postprocess -> plain results.

    "great film" - preprocess  -> rows of token ids          [{"input_ids": [101, 2307, 2143, 102], ...}]
                 - forward     -> the model's output, rows of similar length together
                 - postprocess -> [{"label": "POSITIVE", "score": 0.9998}]

A task's file gives an Options class, `preprocess` and `postprocess`; and `compute` or `read` where the model is not
just called, or where little of what it gives is kept. One input may become several rows (a long text in windows);
`postprocess` gets them back together. A call keeps nothing: threads can share a pipeline.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import torch

from ..backends.cpu.stack import steady
from ..errors import nearest, short
from ..hub import Repo
from ..models.base import PreTrainedModel
from ..models.placement import choose_device
from .batching import batches

WINDOW = 4096  # inputs that are tokenized and sorted together, unless a task gives each many rows
Row = dict[str, Any]  # lists of token ids and masks by name, and what a task wants to have beside them (`keeps`)


@dataclass(frozen=True)
class Options:
    """What a call can set, with defaults; a task's file adds its own fields."""

    counts: ClassVar[tuple[str, ...]] = ("batch_size",)  # fields that must be positive
    between: ClassVar[dict[str, tuple[float, float]]] = {}  # fields that must be numbers from one to another

    batch_size: int | None = None  # rows of a batch at most; a token budget decides if None
    num_workers: int = 0  # accepted for compatibility: tokenization already runs in threads

    def __post_init__(self) -> None:
        for name in self.counts:
            value = getattr(self, name)
            if value not in (None, "") and not (hasattr(value, "__index__") and value >= 1):
                raise ValueError(f"{name}={short(value)} must be a whole number, at least 1, or None.")
        for name, (least, most) in self.between.items():
            value = getattr(self, name)
            if value is None and getattr(type(self), name) is None:
                continue
            whole = isinstance(getattr(type(self), name), int)  # as its default is
            if not isinstance(value, Integral if whole else Real) or not least <= value <= most:  # type: ignore[operator]
                kind = "whole number" if whole else "number"
                raise ValueError(f"{name}={short(value)} must be a {kind} from {least:g} to {most:g}.")


class Pipeline:
    """A model, its tokenizer and the steps around them.

    Args:
        model: in evaluation mode; it is moved to `device` if one is given (a number, a name or a torch.device).
        options: of the task, as defaults of every call; see the Options class in the task's file.
    """

    task: ClassVar[str] = ""
    options_class: ClassVar[type[Options]] = Options
    needs: ClassVar[tuple[str, ...]] = ("logits",)  # what `read` gets of the model's output
    reads: ClassVar[tuple[str, ...]] = ("tokenizer",)  # what it cannot do without beside a model: see READERS
    takes: ClassVar[tuple[str, ...]] = ()  # what it may be made of beside these
    keeps: ClassVar[tuple[str, ...]] = ()  # names in a row that are not for the model

    @classmethod
    def opened(cls, repo: Repo) -> tuple[Repo, dict[str, Any]]:
        """Where in a repository the model is, and what else the pipeline takes from it, as arguments of this class."""
        return repo, {}

    def __init__(self, model: PreTrainedModel, tokenizer: Any = None, *, device: Any = None, **options: Any):
        self.model = model.eval() if device is None else model.to(choose_device(device)).eval()
        self.tokenizer = tokenizer
        self.options = self._changed(self.options_class(), options)

    # ---------------------------------------------------------------------------------------------- for a task

    def preprocess(self, inputs: list[Any], options: Any) -> list[list[Row]]:
        """The rows of each input."""
        raise NotImplementedError

    def compute(self, inputs: dict[str, torch.Tensor], rows: list[Row], options: Any) -> Mapping[str, torch.Tensor]:
        """The model's output for a batch, of which `needs` is taken; `inputs` are those of `rows`, padded."""
        return self.model(**inputs)

    def read(self, output: dict[str, torch.Tensor], row: Row, options: Any) -> Any:
        """What is kept of the model's output for one row, without a batch dimension, until all rows are computed."""
        return output | {name: row[name] for name in self.keeps}

    def postprocess(self, outputs: list[Any], options: Any) -> Any:
        """The result of one input from what was kept of its rows."""
        raise NotImplementedError

    # ---------------------------------------------------------------------------------------------- for everyone

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Results for one input, or a list for a list; lazily, one by one, for a generator or a dataset.

        Raises: TypeError for an input of another kind, or an unknown option.
        """
        chosen = self.choose(**options)
        if self.is_single(inputs):
            return self.run([inputs], chosen)[0]
        if isinstance(inputs, Sequence) and not isinstance(inputs, str | bytes):
            found, window = [], self.window(chosen)
            for start in range(0, len(inputs), window):
                found += self.run(inputs[start : start + window], chosen)
            return found
        dataset = hasattr(inputs, "__getitem__") and hasattr(inputs, "__len__")
        if dataset and not isinstance(inputs, str | bytes | dict):  # as a list, but lazily
            return self._lazily((inputs[i] for i in range(len(inputs))), chosen, self.window(chosen))
        if isinstance(inputs, Iterable) and not isinstance(inputs, str | bytes | dict):
            # A generator may wait for our answer before it gives the next input: take no more than asked.
            return self._lazily(iter(inputs), chosen, chosen.batch_size or 1)
        raise TypeError(f"{self.task} takes {self.accepts()}, or a list or iterable of them; got {short(inputs)}.")

    def choose(self, **options: Any) -> Any:
        """The options of a call, checked. Raises: TypeError for an unknown one."""
        return self._changed(self.options, options)

    def is_single(self, inputs: Any) -> bool:
        return isinstance(inputs, str)

    def accepts(self) -> str:
        return "a string"

    def window(self, options: Any) -> int:
        """How many inputs of a list are tokenized and sorted together; what their rows take bounds the memory."""
        return WINDOW

    def run(self, inputs: Sequence[Any], options: Any) -> list[Any]:
        """Results for a list of inputs, in order."""
        if not inputs:
            return []
        grouped = self.preprocess(list(inputs), options)
        rows = [row for group in grouped for row in group]
        outputs = self._forward(rows, options)
        ends = iter(outputs)
        return [self.postprocess(list(islice(ends, len(group))), options) for group in grouped]

    @torch.inference_mode()
    def _forward(self, rows: list[Row], options: Any) -> list[Any]:
        """What is kept of each row, computed in batches of similar length."""
        kept: list[Any] = [None] * len(rows)
        for batch in self.batched(rows, options):
            chosen = [rows[i] for i in batch]
            inputs = {name: tensor.to(self.model.device) for name, tensor in self.collate(chosen).items()}
            with steady(padding=False):
                result = self.compute(inputs, chosen, options)
            tensors = {name: result[name].float().cpu() for name in self.needs}
            for place, i in enumerate(batch):
                output = {name: tensor[place] for name, tensor in tensors.items()}
                kept[i] = self.read(output, rows[i], options)
        return kept

    def batched(self, rows: list[Row], options: Any) -> list[list[int]]:
        """The row numbers of each batch."""
        lengths = [len(row["input_ids"]) for row in rows]
        return batches(lengths, rows=options.batch_size, padded=self.tokenizer.pad_token_id is not None)

    def collate(self, rows: list[Row]) -> Mapping[str, torch.Tensor]:
        """The model's inputs, (B,T) or more, from rows, whose lists are padded to the longest."""
        given = [{name: value for name, value in row.items() if name not in self.keeps} for row in rows]
        padding = len({len(row["input_ids"]) for row in rows}) > 1
        return self.tokenizer.pad(given, padding=padding, return_tensors="pt")

    def _lazily(self, inputs: Iterator[Any], options: Any, window: int) -> Iterator[Any]:
        while taken := list(islice(inputs, window)):
            yield from self.run(taken, options)

    def _changed(self, options: Any, changes: dict[str, Any]) -> Any:
        unknown = changes.keys() - {field.name for field in fields(options)}
        if unknown:
            name = sorted(unknown)[0]
            near = nearest(name, (field.name for field in fields(options)))
            raise TypeError(f"{self.task} has no option {name!r}; the nearest are {near}.")
        return replace(options, **changes) if changes else options

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def limit(self) -> int:
        """The most tokens a row can have: by the tokenizer, or by the model's position table."""
        table = self.model.base_model.max_tokens
        limit = self.tokenizer.model_max_length
        return limit if table is None else min(limit, table)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model and what reads its inputs into one folder."""
        for part in (self.model, *(getattr(self, name) for name in self.reads)):
            part.save_pretrained(folder)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(task={self.task!r}, model={self.model.config.name_or_path!r}, device={self.device})"
        )
