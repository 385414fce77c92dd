"""What is known of a trained model: what it was made from, with which data and arguments, and how good it is."""

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ...errors import short
from ...files import check_id
from ..arguments import TrainingArguments
from ..data.loader import named_sets
from .history import RATES

TASKS = {  # by the end of a class's name: the Hub's task, and its title
    "ForSequenceClassification": ("text-classification", "Text Classification"),
    "ForTokenClassification": ("token-classification", "Token Classification"),
    "ForQuestionAnswering": ("question-answering", "Question Answering"),
    "ForMultipleChoice": ("multiple-choice", "Multiple Choice"),
    "ForMaskedLM": ("fill-mask", "Fill-Mask"),
    "ForCausalLM": ("text-generation", "Text Generation"),
    "LMHeadModel": ("text-generation", "Text Generation"),
    "ForConditionalGeneration": ("text2text-generation", "Text2Text Generation"),
    "ForImageClassification": ("image-classification", "Image Classification"),
}
SHOWN = (  # arguments that are always of interest
    "learning_rate", "per_device_train_batch_size", "num_train_epochs", "optim", "lr_scheduler_type", "seed",
)  # fmt: skip
PLACES = re.compile(
    r"output_dir|logging_dir|run_name|report_to|disable_tqdm|do_\w+|hub_\w+|push_\w+|resume_\w+|dry_run"
)
FILES = ("csv", "json", "pandas", "parquet", "text", "generator")  # what `datasets` calls data that is in files


class Facts:
    """Of a Trainer, with what its user told of them (`create_model_card`)."""

    def __init__(self, trainer: Any, told: Mapping[str, Any]):
        self.trainer, self.args, self.told = trainer, trainer.args, told
        model = trainer.model
        self.adapter = hasattr(model, "peft_config")
        self.model = model.get_base_model() if self.adapter else model
        self.config = getattr(self.model, "config", None)
        name = told.get("model_name") or self.args.hub_model_id or self.args.folder.resolve().name
        self.name = plain(name).split("/")[-1]
        self.tasks = listed(told.get("tasks")) or [task for task in [self._task()] if task]

    def _task(self) -> str | None:
        names = [kind.__name__ for kind in type(self.model).__mro__]
        return next((TASKS[end][0] for end in TASKS for name in names if name.endswith(end)), None)

    @property
    def base_id(self) -> str | None:
        """The base model's id on the Hub; None if there is none."""
        name = self._base()
        try:
            return None if os.path.isdir(name) else check_id(name)
        except ValueError:
            return None

    @property
    def base(self) -> str:
        """What it was made from, as a link or a name; of a folder the last part: a path is nobody's business."""
        if self.base_id:
            return f"[{self.base_id}](https://huggingface.co/{self.base_id})"
        return f"`{plain(os.path.basename(os.path.normpath(self._base())))}`" if self._base() else "random weights"

    def _base(self) -> str:
        return str(self.told.get("finetuned_from") or getattr(self.config, "name_or_path", "") or "")

    @property
    def data_sets(self) -> list[dict[str, str]]:
        """Names, ids and configurations of the data, as told, or as the `datasets` package knows them."""
        trainer, told = self.trainer, self.told
        known = trainer.train_dataset if trainer.eval_dataset is None else trainer.eval_dataset
        found = getattr(known, "builder_name", None)
        ids = listed(told.get("dataset_tags")) or ([found] if isinstance(found, str) and found not in FILES else [])
        names, configs = listed(told.get("dataset")), listed(told.get("dataset_args"))
        sets = []
        for i in range(max(len(ids), len(names))):
            one = {"name": names[i] if i < len(names) else ids[i], "type": ids[i] if i < len(ids) else "unknown"}
            sets.append(one | ({"args": configs[i]} if i < len(configs) else {}))
        return sets

    @property
    def splits(self) -> list[list[str]]:
        """For each dataset: what it is for, its number of rows, its columns."""
        trainer = self.trainer
        held = {name.removeprefix("eval").lstrip("_"): data for name, data in named_sets(trainer.eval_dataset).items()}
        sets = {"training": trainer.train_dataset}
        sets |= {f"evaluation {plain(name)}".strip(): data for name, data in held.items()}
        return [
            [what, f"{len(data):,}" if hasattr(data, "__len__") else "a stream", ", ".join(_columns(data))]
            for what, data in sets.items() if data is not None
        ]  # fmt: skip

    @property
    def labels(self) -> dict[int, str]:
        """Names of the classes, of a classifier."""
        classes = any("Classification" in kind.__name__ for kind in type(self.model).__mro__)
        return (getattr(self.config, "id2label", None) or {}) if classes else {}

    @property
    def results(self) -> dict[str, float]:
        """Metrics of the model as it is now: of an evaluation after training, else the best if that was loaded."""
        history = self.trainer.history
        entries = [entry for entry in history if "train_runtime" in entry or _evaluated(entry)]
        found = entries[-1] if entries else {}
        if "train_runtime" in found:
            rows = history.evaluations
            found = history.best if self.args.load_best_model_at_end and history.best else (rows or [{}])[-1]
        return _evaluated(found)

    @property
    def arguments(self) -> list[list[str]]:
        """Those that differ from their defaults, and a few that everybody asks for."""
        usual, rows = TrainingArguments(), []
        for each in fields(self.args):
            value = getattr(self.args, each.name)
            if each.name in SHOWN or value != getattr(usual, each.name, each.default):
                rows.append([f"`{each.name}`", f"`{plain(short(value, 80))}`"])
        return [row for row in rows if not PLACES.fullmatch(row[0].strip("`"))]

    @property
    def versions(self) -> str:
        import tokenizers
        import torch

        from ... import __version__

        made = {"qkv": __version__, "PyTorch": torch.__version__, "Tokenizers": tokenizers.__version__}
        return ", ".join(
            f"{name} {version}" for name, version in (made | {"Python": platform.python_version()}).items()
        )


def _evaluated(entry: dict[str, Any]) -> dict[str, float]:
    """The metrics in an entry of a log, but for those of time."""
    return {
        name: x for name, x in entry.items()
        if name.startswith("eval_") and not name.endswith(RATES) and isinstance(x, int | float)
    }  # fmt: skip


def _columns(dataset: Any) -> list[str]:
    names = getattr(dataset, "column_names", None)
    if names is None and hasattr(dataset, "__getitem__") and len(dataset):
        row = dataset[0]
        names = list(row) if isinstance(row, Mapping) else []
    return [f"`{plain(name)}`" for name in names or []]


def plain(text: Any) -> str:
    """A name from outside as one line without markup."""
    return re.sub(r"[<>`\[\]|\x00-\x1f\x7f]", " ", str(text)).strip()[:100]


def listed(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)
