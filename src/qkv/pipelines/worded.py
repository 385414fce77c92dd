"""Pipelines that look for words in pictures: what they take, and words that are read once a call."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch

from ..errors import short
from ..models.matching import unit
from .base import Row
from .candidates import candidates
from .pictures import PictureOptions, PicturePipeline

TEXTS = 64  # that are read at a time


@dataclass(frozen=True)
class WordedOptions(PictureOptions):
    """
    candidate_labels: a list, or a string with commas between them.
    tokenizer_kwargs: options of the tokenizer, such as {"truncation": True} for labels longer than the model reads.
    timeout: seconds that fetching a picture from the network may take.
    """

    candidate_labels: Any = None
    tokenizer_kwargs: Mapping[str, Any] = field(default_factory=dict)
    _read: dict[str, torch.Tensor] = field(default_factory=dict)  # the vectors (E,) of texts, in one call


class WordedPipeline(PicturePipeline):
    """A model of pictures and words. A row has its `labels` beside the pixels.

    An input is a picture, or {"image": ..., "candidate_labels": [...]}; a list gives a list.
    """

    options_class = WordedOptions
    reads = ("image_processor", "tokenizer")
    keeps = ("size", "labels")
    instead: ClassVar[str] = ""  # what an error says to a model that is no such one

    def __init__(self, model: Any, tokenizer: Any = None, **options: Any):
        super().__init__(model, tokenizer, **options)
        if not hasattr(model.base_model, "get_text_features"):
            raise ValueError(
                f"{short(type(model).__name__)} does not match pictures with words; {self.task} needs {self.instead}."
            )

    def text(self, label: str, options: Any) -> str:
        """What is read for a label."""
        return label

    def __call__(self, inputs: Any = None, *labels: Any, images: Any = None, **options: Any) -> Any:
        """Results; see the class, and Options.

        Raises: TypeError or ValueError for no labels, a template that has no place for a label, or no picture.
        """
        if len(labels) > 1 or (labels and "candidate_labels" in options):
            raise TypeError(f"{self.task} takes the labels once: pipe(picture, ['a cat', 'a dog']).")
        if labels:
            options["candidate_labels"] = labels[0]
        return super().__call__(images if inputs is None else inputs, **options)

    def is_single(self, inputs: Any) -> bool:
        return isinstance(inputs, dict) or super().is_single(inputs)

    def accepts(self) -> str:
        return super().accepts() + ", or {'image': ..., 'candidate_labels': [...]}"

    def choose(self, **options: Any) -> Any:
        chosen = replace(super().choose(**options), _read={})
        labels = chosen.candidate_labels
        return chosen if labels is None else replace(chosen, candidate_labels=candidates(labels, self.task))

    def preprocess(self, inputs: list[Any], options: Any) -> list[list[Row]]:
        given = [one if isinstance(one, dict) else {"image": one} for one in inputs]
        labels = [candidates(one.get("candidate_labels", options.candidate_labels), self.task) for one in given]
        rows = super().preprocess([one.get("image") for one in given], options)
        return [[row | {"labels": own} for row in group] for group, own in zip(rows, labels, strict=True)]

    def kind(self, row: Row) -> Any:
        return super().kind(row), tuple(row["labels"])

    def queries(self, labels: list[str], options: Any) -> torch.Tensor:
        """Vectors (Q,E) of labels, of length 1; each is read once a call."""
        texts = [self.text(label, options) for label in labels]
        new = [text for text in dict.fromkeys(texts) if text not in options._read]
        for start in range(0, len(new), TEXTS):
            part = new[start : start + TEXTS]
            options._read.update(zip(part, self.vectors(part, options), strict=True))
        return torch.stack([options._read[text] for text in texts])

    def vectors(self, texts: list[str], options: Any) -> Iterable[torch.Tensor]:
        model = self.model.base_model
        given = {"return_tensors": "pt", **model.text_options, **(options.tokenizer_kwargs or {})}
        return unit(model.get_text_features(**self.tokenizer(texts, **given).to(self.model.device)))
