"""zero-shot-classification: labels that nobody trained for, scored by a model that knows what follows from a text."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..errors import short
from .base import Row
from .candidates import candidates, hypothesis
from .texts import TextOptions, TextPipeline

TEMPLATE = "This example is {}."
ROWS = 16384  # texts with labels that are tokenized and sorted together


@dataclass(frozen=True)
class Options(TextOptions):
    """
    candidate_labels: a list, or a string with commas between them.
    multi_label: whether each label is judged by itself; else they share the probability. `multi_class` is the older
        spelling.
    hypothesis_template: the sentence that is tested against a text, with {} where the label goes; {{ and }} are braces.
    """

    candidate_labels: Any = None
    multi_label: bool | None = None
    multi_class: bool | None = None
    hypothesis_template: str | None = None


class ZeroShotClassificationPipeline(TextPipeline):
    """Texts and labels -> the labels with scores, by a model of natural language inference.

    `pipe(text, labels)` or `pipe(text, candidate_labels=labels)` gives {"sequence", "labels", "scores"}, best first; a
    list of texts gives a list. Every text is read with every label, equal rows once; only the text is cut if the two
    are too long.

    The usual model is facebook/bart-large-mnli; DeBERTa v3 does better:
    model="MoritzLaurer/DeBERTa-v3-base-mnli-fever-anli".
    """

    task = "zero-shot-classification"
    options_class = Options
    keeps = ("sequence",)
    cuts = "only_first"

    def __init__(self, model: Any, tokenizer: Any = None, **options: Any):
        super().__init__(model, tokenizer, **options)
        names = model.config.label2id or {}
        if model.config.num_labels < 2:
            raise ValueError(
                f"{short(model.config.name_or_path)} has {model.config.num_labels} label; zero-shot-classification "
                f"needs a model of natural language inference, with entailment and contradiction."
            )
        if self.entailment_id < 0:
            warnings.warn(
                f"no label of {short(model.config.name_or_path)} begins with 'entail': {short(list(names))}. The last "
                f"is taken for it; set model.config.label2id, such as {{'entailment': 0, …}}, to end this.",
                stacklevel=3,
            )

    @property
    def entailment_id(self) -> int:
        """The index of the label that means "it follows"; -1, the last, where none is called so."""
        names = self.model.config.label2id or {}
        return next((int(i) for name, i in names.items() if str(name).lower().startswith("entail")), -1)

    def __call__(self, inputs: Any, *labels: Any, **options: Any) -> Any:
        """Results; see the class, and Options.

        Raises: TypeError or ValueError for no labels, an empty text, or a template that has no place for the label.
        """
        if len(labels) > 1 or (labels and "candidate_labels" in options):
            raise TypeError("zero-shot-classification takes the labels once: pipe(text, ['sports', 'politics']).")
        if labels:
            options["candidate_labels"] = labels[0]
        return super().__call__(inputs, **options)

    def choose(self, **options: Any) -> Any:
        chosen = super().choose(**options)
        several = chosen.multi_label if chosen.multi_class is None else chosen.multi_class
        template = TEMPLATE if chosen.hypothesis_template is None else chosen.hypothesis_template
        hypothesis("", template)  # raises if it has no place for a label
        labels = candidates(chosen.candidate_labels, self.task)
        return replace(chosen, candidate_labels=labels, multi_label=several, hypothesis_template=template)

    def window(self, options: Options) -> int:
        return max(1, ROWS // len(options.candidate_labels))

    def preprocess(self, inputs: list[Any], options: Options) -> list[list[Row]]:
        for i, text in enumerate(inputs):
            if not isinstance(text, str):
                raise TypeError(f"zero-shot-classification takes a string, got {type(text).__name__}: {short(text)}.")
            if not text:
                raise ValueError(f"text {i} of {len(inputs)} is empty: there is nothing to classify; leave it out.")
        asked = [hypothesis(label, options.hypothesis_template or TEMPLATE) for label in options.candidate_labels]
        rows = self.encode(
            [(text, other) for text in inputs for other in asked], options,
            [i for i in range(len(inputs)) for _ in asked],
        )  # fmt: skip
        count = len(asked)
        return [
            [row | {"sequence": text} for row in rows[i * count : (i + 1) * count]] for i, text in enumerate(inputs)
        ]

    def _forward(self, rows: list[Row], options: Any) -> list[Any]:
        """As for all, but rows that are equal, of a text or a label that is there twice, are computed once."""
        own: dict[Any, int] = {}
        unique, places = [], []
        for row in rows:
            content = tuple(tuple(value) for name, value in row.items() if name not in self.keeps)
            if content not in own:
                own[content] = len(unique)
                unique.append(row)
            places.append(own[content])
        found = super()._forward(unique, options)
        return [found[place] | {"sequence": row["sequence"]} for place, row in zip(places, rows, strict=True)]

    def postprocess(self, outputs: list[Row], options: Options) -> dict[str, Any]:
        logits, follows = torch.stack([output["logits"] for output in outputs]), self.entailment_id  # (labels, classes)
        if options.multi_label or len(outputs) == 1:
            contradicts = -1 if follows == 0 else 0
            scores = logits[:, [contradicts, follows]].softmax(-1)[:, 1]
        else:
            scores = logits[:, follows].softmax(0)
        order = scores.argsort(descending=True, stable=True).tolist()
        return {
            "sequence": outputs[0]["sequence"],
            "labels": [options.candidate_labels[i] for i in order],
            "scores": scores[order].tolist(),
        }
