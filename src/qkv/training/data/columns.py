"""Columns of a data set that a model does not read are left out, and said once; a batch without labels is an error."""

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import nn
from torch.utils.data import get_worker_info

from ...errors import nearest, short
from ...models.task import TaskModel
from ..loss import target_names, unwrapped
from .rows import LABELS, as_rows, no_number, plain_rows

logger = logging.getLogger("qkv")
SWITCHES = ("return_dict", "output_attentions", "output_hidden_states", "use_cache", "logits_to_keep")


def model_columns(model: nn.Module) -> list[str] | None:
    """Names of what a model's forward takes, targets included; None if it takes anything.

    Of a model of this library: what the body reads, and the head's `targets`.
    """
    model = unwrapped(model)
    own = isinstance(model, TaskModel)
    read: nn.Module = model.backbone if own else model
    parameters = inspect.signature(read.forward).parameters.values()
    extra = getattr(read, "extra", None)
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        if not isinstance(extra, tuple):
            return None
    else:
        extra = ()
    names = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    names = [*names, *extra, *(model.head.targets if own else ())]
    return [name for name in names if name not in SWITCHES]


class UsedColumns:
    """A collator in front of a collator: rows reach it with the columns that the model reads.

    Kept are what `model.forward` takes, `label` and `label_ids` (collators make `labels` of them), `label_names`, and
    what the collator itself reads (its `columns`). What is dropped is logged in one line, the first time.

    Args:
        collator: called with rows, gives a batch.
        model: whose forward takes the batch; one that takes anything (`**inputs`) gets all columns.
        label_names: of targets, if not those of the model; `None` for the model's.
        need_labels: whether a batch without any of them is an error. Not so for prediction, nor where the loss comes
            from elsewhere.
        name: of the data set, for messages.
        told: names of data sets whose columns were spoken of before, by another of these.

    Raises: ValueError from the call, if no label is in the batch; it names the columns that the rows had.
    """

    def __init__(
        self, collator: Callable[[list[Any]], Any], model: nn.Module, *, label_names: Sequence[str] | None = None,
        need_labels: bool = True, name: str = "train_dataset", told: set[str] | None = None,
    ):  # fmt: skip
        self.collator, self.need_labels, self.name = collator, need_labels, name
        self.targets = list(label_names or target_names(model) or ["labels"])
        known, read = model_columns(model), getattr(collator, "columns", ())
        self.known = None if known is None else {*known, *self.targets, *LABELS, *read}
        self.model = type(unwrapped(model)).__name__
        self.told, self.names = set() if told is None else told, []

    def kept(self, names: Iterable[str]) -> list[str]:
        """Those of a data set's columns that rows keep, in its order; logs the others, once."""
        names = list(names)
        if self.known is None:
            return names
        dropped = [name for name in names if name not in self.known]
        if not {*names} & (self.known - {*self.targets, *LABELS}):
            raise ValueError(
                f"{self.name} has no column that {self.model} reads: its columns are {short(names, 120)}. "
                f"{self._first()}"
            )
        if dropped and self.name not in self.told and get_worker_info() is None:  # a worker speaks every epoch anew
            self.told.add(self.name)
            logger.warning(
                "%s: %s not read by %s and left out: %s (remove_unused_columns=False keeps them)", self.name,
                "columns are" if len(dropped) > 1 else "a column is", self.model, ", ".join(map(str, dropped)),
            )  # fmt: skip
        return [name for name in names if name in self.known]

    def _first(self) -> str:
        """How rows become what the model reads."""
        if "pixel_values" in (self.known or ()):
            return "Make them first: dataset.with_transform(lambda rows: {**image_processor(rows['image']), …})."
        return "Tokenize it first: dataset.map(lambda row: tokenizer(row['text'], truncation=True))."

    def look(self, dataset: Any) -> Any:
        """The data set, without columns to be dropped if it can do so itself (`select_columns`), so that these are not
        even read. Of another with rows by index the first row is read, to say what is dropped before workers start."""
        names, form = getattr(dataset, "column_names", None), getattr(dataset, "format", None)
        transformed = isinstance(form, Mapping) and form.get("type") == "custom"  # by what needs columns of its own
        if isinstance(names, list) and hasattr(dataset, "select_columns") and not transformed:
            kept = self.kept(names)
            self.names = names
            return dataset if kept == names else dataset.select_columns(kept)
        if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") and len(dataset):
            row = dataset[0]
            if isinstance(row, Mapping):
                self.kept(row)
        return dataset

    def __call__(self, rows: Sequence[Any]) -> Any:
        rows, name = plain_rows(rows), type(self.collator).__name__
        if not rows or not isinstance(rows[0], Mapping):
            return self.collator(as_rows(rows, name))
        names = list(dict.fromkeys(name for row in rows for name in row))
        kept = self.kept(names)
        batch = self.collator(as_rows([{each: row[each] for each in kept if each in row} for row in rows], name))
        self.check(batch, names, rows[0])
        return batch

    def check(self, batch: Any, names: list[str], row: Mapping[str, Any]) -> None:
        """Raises: ValueError if a batch has none of the targets, naming the columns that there were."""
        if not self.need_labels or not isinstance(batch, Mapping):
            return
        if any(batch.get(target) is not None for target in self.targets):
            return
        for name in (*self.targets, *LABELS):
            if isinstance(row.get(name), str):
                raise ValueError(f"column {name!r} of {self.name} holds {short(row[name], 40)}, {no_number(name)}")
        names = self.names or names
        wanted = " or ".join(map(repr, self.targets))
        others = [name for name in names if name not in (self.known or batch)]
        hint = "Add one, or use a collator that makes labels, such as DataCollatorForLanguageModeling."
        if others:
            hint = f"Rename the one with labels, e.g. dataset.rename_column({nearest('labels', others, 1)}, 'labels')."
        raise ValueError(
            f"{self.name} has no labels: {self.model} learns from {short(wanted)}, and the columns are "
            f"{short(names, 120)}. {hint}"
        )
