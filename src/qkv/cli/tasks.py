"""A table from task to its form on the command line: the fields of an input, the columns of a result, own options."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from qkv.errors import short


@dataclass(frozen=True)
class Form:
    """How a task reads and prints.

    fields: of an input. An argument or a line is the first; a row of a .csv or .jsonl file may give them all.
    columns: keys of a result, in the order printed; all its keys if empty. The input follows in the last column.
    options: names in options.OPTIONS of those that it has beside what all tasks have.
    wide: the column that is read as a text: on a terminal it gets the room, and lines.
    window: inputs between two steps of the bar: enough to fill batches of similar length.
    """

    fields: tuple[str, ...] = ("text",)
    columns: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    wide: str = ""
    window: int = 256

    def make(self, record: dict[str, str]) -> Any:
        """The pipeline's input from the fields that a row gives: the text alone, or a dictionary of several."""
        return record if len(record) > 1 else next(iter(record.values()))

    def shown(self, item: Any) -> str:
        """An input as the text of a row."""
        return " | ".join(item.values()) if isinstance(item, dict) else item

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """The pipeline's options from the task's own ones on the command line."""
        return given

    def asked(self, item: Any, given: dict[str, Any]) -> Any:
        """What the pipeline gets for an input."""
        return item


class Labels(Form):
    """Classes with scores."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        return given | ({"top_k": None} if given.get("top_k") == 0 else {})


NAMES = {"sample": "do_sample", "stop": "stop_sequence", "full_text": "return_full_text"}  # of the pipeline
OWN = ("chat", "system", "seed", "stream")  # not the pipeline's


class Written(Form):
    """Text that a model writes."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """Raises: OSError or ValueError for a --json-schema that cannot be read."""
        if given.get("stream") and (given.get("num_return_sequences") or 1) > 1:
            raise typer.BadParameter("--stream shows one text: leave --num-return-sequences out")
        found = {NAMES.get(name, name): value for name, value in given.items() if name not in OWN}
        if self._is_chat(given):
            found.setdefault("return_full_text", False)
        if path := found.get("json_schema"):
            try:
                found["json_schema"] = json.loads(Path(path).read_text(encoding="utf-8"))
            except (ValueError, RecursionError):
                raise ValueError(f"--json-schema {short(path)} is not JSON.") from None
        return found

    def asked(self, item: Any, given: dict[str, Any]) -> Any:
        if not self._is_chat(given):
            return item
        system = [{"role": "system", "content": given["system"]}] if "system" in given else []
        return [*system, {"role": "user", "content": item}]

    def _is_chat(self, given: dict[str, Any]) -> bool:
        return bool(given.get("chat")) or "system" in given


CLASSES = Labels(
    fields=("text", "text_pair"), columns=("label", "score"), options=("top_k", "truncation", "function_to_apply")
)
TEXTS = Written(
    columns=("generated_text",),
    options=(
        "max_new_tokens", "sample", "temperature", "top_k", "top_p", "num_return_sequences", "seed", "stop",
        "json_schema", "full_text", "chat", "system", "stream", "truncation",
    ),
    wide="generated_text",
    window=16,
)  # fmt: skip
FORMS: dict[str, Form] = {"text-classification": CLASSES, "sentiment-analysis": CLASSES, "text-generation": TEXTS}


def form_of(task: str) -> Form:
    """The form of a task or an alias; one that prints whatever a result holds for a task that has no row here.

    Raises: KeyError for an unknown task.
    """
    if task in FORMS:
        return FORMS[task]
    from qkv.pipelines.factory import find_task

    return FORMS.get(find_task(task), Form())
