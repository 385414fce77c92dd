"""sentence-similarity: how near texts are to one text, by the vectors that a model gives them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import nearest, short
from . import feature_extraction
from .feature_extraction import FeatureExtractionPipeline

# One vector (D,) and several (N,D) -> (N,), more for what is nearer
SIMILARITIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cosine": lambda one, many: F.normalize(many, dim=-1) @ F.normalize(one, dim=-1),
    "dot": lambda one, many: many @ one,
    "euclidean": lambda one, many: -(many - one).norm(dim=-1),
    "manhattan": lambda one, many: -(many - one).abs().sum(dim=-1),
}
Asked = tuple[str, list[str]]  # the source, and the sentences it is compared with


@dataclass(frozen=True)
class Options(feature_extraction.Options):
    """
    pooling: "auto" if not given: all that the model's folder says.
    similarity: "cosine", "dot", "euclidean" or "manhattan" (distances with a minus before them); as the model's folder
        says if None.
    """

    pooling: str | list[str] | tuple[str, ...] | None = "auto"
    similarity: str | None = None


class SentenceSimilarityPipeline(FeatureExtractionPipeline):
    """A source and sentences -> a score for each sentence.

    An input is {"source_sentence": text, "sentences": [texts]}, or pipe(source, sentences); it gives a list of floats,
    more for what is nearer. A text that occurs several times in a list of inputs is read once.
    """

    task = "sentence-similarity"
    options_class = Options

    def __call__(
        self, inputs: Any = None, sentences: Any = None, *, source_sentence: str | None = None, **options: Any
    ) -> Any:
        if inputs is None and source_sentence is not None:
            inputs = source_sentence
        if sentences is not None:
            inputs = {"source_sentence": inputs, "sentences": sentences}
        return super().__call__(inputs, **options)

    def choose(self, **options: Any) -> Any:
        chosen = super().choose(**options)
        name = self.sentence.similarity if chosen.similarity is None else chosen.similarity
        if name not in SIMILARITIES:
            raise ValueError(f"similarity={short(name)} is unknown; the nearest are {nearest(name, SIMILARITIES)}.")
        if chosen.pooling in (None, "none"):
            raise ValueError("sentence-similarity compares whole texts. Say pooling='auto', 'mean' or another.")
        return replace(chosen, similarity=name, return_tensors=False)

    def is_single(self, inputs: Any) -> bool:
        return isinstance(inputs, dict | str)

    def accepts(self) -> str:
        return '{"source_sentence": a string, "sentences": a list of strings}'

    def run(self, inputs: Sequence[Any], options: Any) -> list[list[float]]:
        asked = [self._asked(item) for item in inputs]
        texts = list(dict.fromkeys(text for source, sentences in asked for text in (source, *sentences)))
        vectors = super().run(texts, replace(options, return_tensors="pt"))
        places, score = {text: i for i, text in enumerate(texts)}, SIMILARITIES[options.similarity]
        found = []
        for source, sentences in asked:
            many = [vectors[places[text]] for text in sentences]
            found.append(score(vectors[places[source]], torch.stack(many)).tolist() if many else [])
        return found

    def _asked(self, item: Any) -> Asked:
        """Raises: TypeError for anything but a source and its sentences."""
        if isinstance(item, dict) and item.keys() == {"source_sentence", "sentences"}:
            source, sentences = item["source_sentence"], item["sentences"]
            if isinstance(source, str) and isinstance(sentences, list | tuple):
                wrong = next((text for text in sentences if not isinstance(text, str)), "")
                if isinstance(wrong, str):
                    return source, list(sentences)
        raise TypeError(f"{self.task} takes {self.accepts()}, got {type(item).__name__}: {short(item)}.")
