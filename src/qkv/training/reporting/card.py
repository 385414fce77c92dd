"""The card of a model, README.md: front matter as the Hub reads it, with the results as a model-index, and the facts.

A card carries a digest of itself, so that one that a person changed is told from one that may be written anew.
"""

import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from ...files import write_file
from ..fields import Fields
from ..state_files import rng_state, set_rng_state
from .facts import TASKS, Facts, listed, plain
from .history import cell, title

logger = logging.getLogger("qkv")
CARD = "README.md"
MARK = re.compile(r"<!-- Written by qkv \(([0-9a-f]{16})\)\. One that was changed is kept as it is\. -->\n")
METRICS = (  # ids that the Hub knows
    "accuracy", "bleu", "chrf", "exact_match", "f1", "matthews_correlation", "perplexity", "precision", "recall",
    "rouge", "sacrebleu", "wer",
)  # fmt: skip


class Describing(Fields):
    """Mixed into Trainer."""

    _told: Mapping[str, Any] | None = None

    def create_model_card(  # noqa: PLR0913 (the field's signature)
        self, language: str | list[str] | None = None, license: str | None = None,
        tags: str | list[str] | None = None, model_name: str | None = None, finetuned_from: str | None = None,
        tasks: str | list[str] | None = None, dataset_tags: str | list[str] | None = None,
        dataset: str | list[str] | None = None, dataset_args: str | list[str] | None = None,
    ) -> None:  # fmt: skip
        """Write README.md into output_dir; what is said here stands in cards that are written later too.

        Args:
            language, license, tags: of the front matter, in the Hub's spelling: "en", "apache-2.0".
            model_name: the title; the name of output_dir if None.
            finetuned_from: the base model; what the model was loaded from, if None.
            tasks: the Hub's name of the task, such as "text-classification"; follows from the head, if None.
            dataset_tags, dataset, dataset_args: ids of data sets on the Hub, their names, and their configurations.
        """
        self._told = {name: value for name, value in locals().items() if name != "self" and value is not None}
        if self.processes.main and not self._write_card(self.args.folder):
            logger.warning("%s was changed, so it is kept. Delete it to have it written.", self.args.folder / CARD)

    def _write_card(self, folder: Path) -> bool:
        """Whether a card was written: one that a person changed, there or in output_dir, is kept."""
        for place in (folder, self.args.folder):
            text = (place / CARD).read_text("utf8", errors="replace") if (place / CARD).is_file() else None
            if text is not None and not is_own(text):
                if place != folder:
                    write_file(folder, CARD, text)
                return False
        generators = rng_state()
        text = card(Facts(self, self._told or {}))
        set_rng_state(generators)  # a dataset may have drawn for the row that was looked at
        write_file(folder, CARD, text)
        return True


TOLD = [name for name in signature(Describing.create_model_card).parameters if name != "self"]


def is_own(text: str) -> bool:
    """Whether a card is as it was written here."""
    mark = MARK.search(text)
    return mark is not None and _digest(text.replace(mark[0], "", 1)) == mark[1]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def card(facts: Facts) -> str:
    """The text of a card."""
    labels = ", ".join(f"{plain(label)} ({i})" for i, label in list(facts.labels.items())[:50])
    titles, rows, best = facts.trainer.history.table()
    rows = [[f"**{text}**" if i == best and text else text for text in row] for i, row in enumerate(rows)]
    parts = [
        f"# {facts.name}\n\n{_made(facts)}\n",
        _table(["metric", "value"], [[title(name), cell(x)] for name, x in facts.results.items()]),
        _usage(facts),
        "\n## Intended use and limits\n\nTo be written by those who publish it.\n",
        f"\n## Data\n\n{_table(['', 'rows', 'columns'], facts.splits)}",
        f"\nLabels: {labels}.\n" if labels else "",
        f"\n## Training\n\n{_table(['argument', 'value'], facts.arguments)}\n",
        _table(titles, rows) if facts.trainer.history.evaluations else "",
        f"\nMade with {facts.versions}.\n",
    ]
    front, text = f"---\n{yaml(_front(facts))}---\n\n", re.sub(r"\n{3,}", "\n\n", "".join(parts))
    return f"{front}<!-- Written by qkv ({_digest(front + text)}). One that was changed is kept as it is. -->\n{text}"


def _front(facts: Facts) -> dict[str, Any]:
    told, titles = facts.told, dict(TASKS.values())
    results = {name: x for name, x in facts.results.items() if math.isfinite(x)}
    metrics = [{"name": title(name), "type": name.removeprefix("eval_"), "value": x} for name, x in results.items()]
    index = [
        {"task": {"name": titles.get(task, task), "type": task}, "dataset": data, "metrics": metrics}
        for task in facts.tasks
        for data in facts.data_sets or [{"name": "held-out rows", "type": "unknown"}]
        if metrics
    ]
    front = {
        "library_name": "peft" if facts.adapter else "transformers",
        "language": listed(told.get("language")),
        "license": told.get("license"),
        "base_model": facts.base_id,
        "pipeline_tag": next(iter(facts.tasks), None),
        "tags": [*listed(told.get("tags")), "generated_from_trainer", "qkv"],
        "datasets": [data["type"] for data in facts.data_sets if data["type"] != "unknown"],
        "metrics": [name for name in METRICS if f"eval_{name}" in results],
        "model-index": [{"name": facts.name, "results": index}] if index else None,
    }
    return {name: value for name, value in front.items() if value}


def _made(facts: Facts) -> str:
    data = ", ".join(plain(one["name"]) for one in facts.data_sets)
    epochs = f"for {facts.trainer.state.epoch:.4g} epochs" if facts.trainer.state.epoch else ""
    return (
        f"`{type(facts.model).__name__}`, trained from {facts.base} {f'on {data} ' if data else ''}{epochs}".rstrip()
        + ".\n"
    )


def _usage(facts: Facts) -> str:
    task = next(iter(facts.tasks), None)
    if facts.adapter or task is None or task in ("text2text-generation", "multiple-choice"):
        return ""
    return f'\n## Use\n\n```python\nfrom qkv import pipeline\n\npipe = pipeline("{task}", "{facts.name}")\n```\n'


def _table(titles: list[str], rows: list[list[str]]) -> str:
    """Of Markdown; nothing without rows."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) if rows else ""


def yaml(value: Any, indent: str = "") -> str:
    """Nested dictionaries and lists, none of them empty, as YAML; a scalar is its JSON, which YAML reads."""
    lines = ""
    for name, item in value.items() if isinstance(value, dict) else ((None, item) for item in value):
        head = f"{indent}-" if name is None else f"{indent}{name}:"
        if not isinstance(item, dict | list):
            text = json.dumps(item, ensure_ascii=False)
            # YAML 1.1 takes 1e-05 for a string
            lines += f"{head} {text.replace('e', '.0e') if isinstance(item, float) and '.' not in text else text}\n"
        elif name is None:
            lines += f"{head} {yaml(item, indent + '  ').lstrip()}"
        else:
            lines += f"{head}\n{yaml(item, indent + ('  ' if isinstance(item, dict) else ''))}"
    return lines
