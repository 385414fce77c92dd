"""The table from task to its form on the command line; the form of written text."""

import json
from pathlib import Path
from typing import Any

import typer

from qkv.errors import short

from .forms import Form, Labels
from .pictures import PICTURES
from .understanding import UNDERSTANDING

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
FORMS: dict[str, Form] = {
    "text-classification": CLASSES,
    "sentiment-analysis": CLASSES,
    "text-generation": TEXTS,
    **UNDERSTANDING,
    **PICTURES,
}


def form_of(task: str) -> Form:
    """The form of a task or an alias; one that prints whatever a result holds for a task that has no row here.

    Raises: KeyError for an unknown task.
    """
    if task in FORMS:
        return FORMS[task]
    from qkv.pipelines.factory import find_task

    return FORMS.get(find_task(task), Form())
