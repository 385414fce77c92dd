"""The forms of tasks that say something about a text: entities, answers, words, labels, how near texts are."""

import csv
import json
from pathlib import Path
from typing import Any

import typer

from qkv.errors import short

from .forms import Form
from .terminal import clean


class Spans(Form):
    """Entities of a text."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """Words are grouped unless a strategy is given: a reader wants entities, not tokens."""
        return {"aggregation_strategy": given.get("aggregation", "simple")}


class Answers(Form):
    """Answers to questions about texts: an input is a question, a context, or a row of a table with both."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if name == "top_k"}

    def alone(self, given: dict[str, Any]) -> list[str]:
        return [given["context"]] if {"question", "context"} <= given.keys() else []

    def asked(self, item: Any, given: dict[str, Any]) -> Any:
        if {"question", "context"} <= given.keys() and item != given["context"]:
            raise typer.BadParameter(
                "--question and --context together leave no input: leave out INPUT, or one of them"
            )
        if isinstance(item, dict):
            return item
        if "question" in given:
            return {"question": given["question"], "context": item}
        if "context" in given:
            return {"question": item, "context": given["context"]}
        raise typer.BadParameter("a question needs a context: give --context TEXT, or --question TEXT and contexts")

    def shown(self, item: Any) -> str:
        return item["question"] if isinstance(item, dict) else item

    def drawn(self, item: Any, result: Any) -> list[Any]:
        """The question where there may be several, the answers, and the context with the best one marked."""
        from rich.text import Text

        answers = self.entries(result)
        lines = [
            Text.assemble((clean(found["answer"]) or "(no answer)", "bold"), f"  {found['score']:.4f}")
            for found in answers
        ]
        return [Text(clean(self.shown(item)), "italic"), *lines, answers[0], ""]


class Choices(Form):
    """Labels that were named on the command line, with scores."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        if "labels" not in given:
            raise typer.BadParameter("name the labels: --labels politics,sport,science")
        found = {"candidate_labels": given["labels"]}
        if "template" in given:
            found["hypothesis_template"] = given["template"]
        return found | ({"multi_label": True} if given.get("multi_label") else {})

    def entries(self, result: Any) -> list[dict[str, Any]]:
        pairs = zip(result["labels"], result["scores"], strict=True)
        return [{"label": label, "score": score} for label, score in pairs]


class Words(Form):
    """Words for the masks of a text."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        targets = [word for word in given.get("targets", "").split(",") if word.strip()]
        return {name: given[name] for name in ("top_k",) if name in given} | ({"targets": targets} if targets else {})

    def entries(self, result: Any) -> list[dict[str, Any]]:
        masks = result if result and isinstance(result[0], list) else [result]
        return [entry for mask in masks for entry in mask]


class Nearness(Form):
    """How near each text is to one that was named."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        if "source" not in given:
            raise typer.BadParameter("name the text to compare with: --source TEXT")
        return {}

    def results(self, pipe: Any, items: list[Any], given: dict[str, Any]) -> list[Any]:
        found = pipe({"source_sentence": given["source"], "sentences": items})
        return [{"score": float(score)} for score in found]


class Ranks(Form):
    """How well each document answers a query."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        if "query" not in given:
            raise typer.BadParameter("name what is looked for: --query TEXT")
        return {}

    def results(self, pipe: Any, items: list[Any], given: dict[str, Any]) -> list[Any]:
        found = {entry["index"]: entry["score"] for entry in pipe(query=given["query"], documents=items)}
        return [{"score": float(found[i])} for i in range(len(items))]


class Pages(Form):
    """Answers to a question about pictures of pages."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        if "question" not in given:
            raise typer.BadParameter("name the question: --question TEXT")
        return {name: given[name] for name in ("top_k",) if name in given}

    def asked(self, item: Any, given: dict[str, Any]) -> Any:
        found = {"question": given["question"], "image": item}
        if "boxes" in given:
            found["word_boxes"] = _json(given["boxes"])
        return found


class Tables(Form):
    """Answers to questions about one table."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        if "table" not in given:
            raise typer.BadParameter("name the table: --table FILE, with the columns' names in its first line")
        return {name: value for name, value in given.items() if name != "table"}

    def asked(self, item: Any, given: dict[str, Any]) -> Any:
        return {"table": _table(Path(given["table"])), "query": item}


class Vectors(Form):
    """Vectors, which no terminal can show."""

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        raise typer.BadParameter("vectors go to a file: qkv embed TEXT... -o vectors.npy")


def _json(name: str) -> Any:
    """Raises: OSError for a file that cannot be read, ValueError for one that is no JSON."""
    try:
        return json.loads(Path(name).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise ValueError(f"{short(name)} is not JSON; it should be a list of [word, [x0, y0, x1, y1]].") from None


def _table(path: Path) -> list[list[str]]:
    """The header and rows of a .csv or .tsv file. Raises: ValueError for one without them, or with ragged rows."""
    with open(path, encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    if len(rows) < 2:
        raise ValueError(f"{short(str(path))} has {len(rows)} lines; a table has a header and rows.")
    header, *cells = rows
    ragged = next((i for i, row in enumerate(cells, 2) if len(row) != len(header)), None)
    if ragged is not None:
        raise ValueError(f"line {ragged} of {short(str(path))} has {len(cells[ragged - 2])} cells, not {len(header)}.")
    return rows


ENTITIES = Spans(
    columns=("word", "entity_group", "entity", "score", "start", "end"), options=("aggregation",), marked=True
)
UNDERSTANDING: dict[str, Form] = {
    "token-classification": ENTITIES,
    "ner": ENTITIES,
    "question-answering": Answers(
        fields=("question", "context"), columns=("answer", "score", "start", "end"),
        options=("question", "context", "top_k"), unwraps=True, marked=True,
    ),
    "fill-mask": Words(columns=("token_str", "score", "sequence"), options=("top_k", "targets"), unwraps=True),
    "zero-shot-classification": Choices(columns=("label", "score"), options=("labels", "multi_label", "template")),
    "sentence-similarity": Nearness(columns=("score",), options=("source",)),
    "text-ranking": Ranks(columns=("score",), options=("query",)),
    "feature-extraction": Vectors(),
    "document-question-answering": Pages(
        fields=("image",), columns=("answer", "score"), options=("question", "boxes", "top_k"), window=16, files=True
    ),
    "table-question-answering": Tables(
        fields=("question",), columns=("answer", "aggregator", "cells"), options=("table", "truncation"),
        window=16, unwraps=True,
    ),
}  # fmt: skip
