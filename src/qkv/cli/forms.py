"""How a task reads and prints on the command line."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Form:
    """How a task reads and prints.

    fields: of an input. An argument or a line is the first; a row of a .csv or .jsonl file may give them all.
    columns: keys of a result, in the order printed; all its keys if empty. The input follows in the last column.
    options: names in options.OPTIONS of those that it has beside what all tasks have.
    wide: the column that is read as a text: on a terminal it gets the room, and lines.
    window: inputs between two steps of the bar: enough to fill batches of similar length.
    files: whether an argument is the name of a file that the task reads.
    unwraps: whether the pipeline gives the result of a list of one input without a list around it.
    marked: whether a terminal shows the text with the spans of its result marked, in place of a table.
    """

    fields: tuple[str, ...] = ("text",)
    columns: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    wide: str = ""
    window: int = 256
    files: bool = False
    unwraps: bool = False
    marked: bool = False

    def make(self, record: dict[str, str]) -> Any:
        """The pipeline's input from the fields that a row gives: the text alone, or a dictionary of several."""
        return record if len(record) > 1 else next(iter(record.values()))

    def shown(self, item: Any) -> str:
        """An input as the text of a row."""
        return " | ".join(item.values()) if isinstance(item, dict) else item

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """The pipeline's options from the task's own ones on the command line."""
        return given

    def alone(self, given: dict[str, Any]) -> list[str]:
        """The inputs where options say all."""
        return []

    def asked(self, item: Any, given: dict[str, Any]) -> Any:
        """What the pipeline gets for an input. Raises: a usage error if an option is missing."""
        return item

    def results(self, pipe: Any, items: list[Any], given: dict[str, Any]) -> list[Any]:
        """What the pipeline says of each input."""
        found = pipe([self.asked(item, given) for item in items])
        return [found] if self.unwraps and len(items) == 1 else found

    def entries(self, result: Any) -> list[dict[str, Any]]:
        """The rows of a table that a result is."""
        return result if isinstance(result, list) else [result]

    def drawn(self, item: Any, result: Any) -> list[Any]:
        """What rich prints of a result, if the form is `marked`."""
        return [result]


class Labels(Form):
    """Classes with scores."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        return given | ({"top_k": None} if given.get("top_k") == 0 else {})
