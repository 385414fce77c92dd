"""A table from task to its form on the command line: which fields an input has, which columns a result prints."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Form:
    """How a task reads and prints.

    fields: of an input. An argument or a line is the first; a row of a .csv or .jsonl file may give them all.
    columns: keys of a result, in the order printed; all its keys if empty. The input follows in the last column.
    """

    fields: tuple[str, ...] = ("text",)
    columns: tuple[str, ...] = ()

    def make(self, record: dict[str, str]) -> Any:
        """The pipeline's input from the fields that a row gives: the text alone, or a dictionary of several."""
        return record if len(record) > 1 else next(iter(record.values()))

    def shown(self, item: Any) -> str:
        """An input as the text of a row."""
        return " | ".join(item.values()) if isinstance(item, dict) else item


CLASSES = Form(fields=("text", "text_pair"), columns=("label", "score"))
FORMS = {"text-classification": CLASSES, "sentiment-analysis": CLASSES}


def form_of(task: str) -> Form:
    """The form of a task or an alias; one that prints whatever a result holds for a task that has no row here.

    Raises: KeyError for an unknown task.
    """
    if task in FORMS:
        return FORMS[task]
    from qkv.pipelines.factory import find_task

    return FORMS.get(find_task(task), Form())
