"""text-ranking: documents in the order in which they answer a query, by a model that reads both at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import nearest, short
from ..hub import Repo
from .base import Row
from .sentence import open_cross_encoder
from .texts import TextOptions, TextPipeline

FUNCTIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "none": lambda x: x}
NAMED = {"Sigmoid": "sigmoid", "Tanh": "tanh", "Identity": "none"}  # class of torch.nn -> key of FUNCTIONS


@dataclass(frozen=True)
class Options(TextOptions):
    """
    top_k: how many documents, best first; all if None.
    function_to_apply: "sigmoid", "tanh" or "none" on the scores; as the model says if None, sigmoid if it does not.
    """

    counts = ("batch_size", "max_length", "top_k")

    top_k: int | None = None
    function_to_apply: str | None = None


class TextRankingPipeline(TextPipeline):
    """A query and documents -> the documents, best first.

    An input is {"query": text, "documents": [texts]} ("texts" means the same), or pipe(query=..., documents=[...]). It
    gives [{"index", "score", "text"}], where index is the place in the documents that were given; equal scores keep
    their order. A document that is too long is cut at its end.

    Args:
        activation: the class of torch.nn that the model's folder names for its scores.
    """

    task = "text-ranking"
    options_class = Options
    cuts = "only_second"
    keeps = ("text",)

    @classmethod
    def opened(cls, repo: Repo) -> tuple[Repo, dict[str, Any]]:
        transformer, activation = open_cross_encoder(repo)
        return transformer, {"activation": activation}

    def __init__(
        self, model: Any, tokenizer: Any = None, *, activation: str | None = None, device: Any = None, **options: Any
    ):
        super().__init__(model, tokenizer, device=device, **options)
        if self.model.config.num_labels != 1:
            raise ValueError(
                f"text-ranking needs a cross-encoder, which gives one score; this model has "
                f"{self.model.config.num_labels} labels. pipeline('text-classification') takes it with pairs of texts."
            )
        extra = self.model.config.extra
        section = extra.get("sentence_transformers")
        named = section.get("activation_fn") if isinstance(section, dict) else None
        self.activation = activation or named or extra.get("sbert_ce_default_activation_function")

    def __call__(
        self, inputs: Any = None, documents: Any = None, *, query: str | None = None, texts: Any = None, **options: Any
    ) -> Any:
        inputs, documents = query if inputs is None else inputs, texts if documents is None else documents
        if documents is not None:
            inputs = {"query": inputs, "documents": documents}
        return super().__call__(inputs, **options)

    def is_single(self, inputs: Any) -> bool:
        return isinstance(inputs, dict | str)

    def accepts(self) -> str:
        return '{"query": a string, "documents": a list of strings}'

    def preprocess(self, inputs: list[Any], options: Any) -> list[list[Row]]:
        grouped = []
        self._function(options.function_to_apply)  # an unknown one is an error before the work
        for query, documents in map(self._asked, inputs):
            cuts = "" if self._leaves_room(query, options) else "longest_first"
            rows = self.encode([(query, text) for text in documents], options, cuts=cuts) if documents else []
            grouped.append([row | {"text": text} for row, text in zip(rows, documents, strict=True)])
        return grouped

    def _leaves_room(self, query: str, options: Any) -> bool:
        """Whether a document can be cut to fit beside the query."""
        limit = min(self.limit, options.max_length or self.limit)
        special = self.tokenizer.num_special_tokens_to_add(pair=True)
        return len(query) < limit - special or len(self.tokenizer.tokenize(query)) < limit - special

    def postprocess(self, outputs: list[dict[str, Any]], options: Any) -> list[dict[str, Any]]:
        function = self._function(options.function_to_apply)
        scores = function(torch.cat([output["logits"] for output in outputs])).tolist() if outputs else []
        results = [
            {"index": i, "score": score, "text": output["text"]}
            for i, (score, output) in enumerate(zip(scores, outputs, strict=True))
        ]
        return sorted(results, key=lambda result: -result["score"])[: options.top_k]

    def _function(self, name: str | None) -> Any:
        """Raises: ValueError for a name that is not in FUNCTIONS, and a class that is not in NAMED."""
        if name is not None and name not in FUNCTIONS:
            raise ValueError(f"function_to_apply={short(name)} is unknown; the nearest are {nearest(name, FUNCTIONS)}.")
        if name is None and self.activation is not None:
            given = str(self.activation)
            name = NAMED.get(given.rpartition(".")[2]) if given.startswith("torch.nn.") else None
            if name is None:
                raise ValueError(
                    f"this model names {short(given)} for its scores, and qkv runs no code by its name. It has "
                    f"{', '.join(NAMED)} of torch.nn; say function_to_apply='sigmoid', 'tanh' or 'none'."
                )
        return FUNCTIONS[name or "sigmoid"]

    def _asked(self, item: Any) -> tuple[str, Sequence[str]]:
        """Raises: TypeError for anything but a query and its documents."""
        if isinstance(item, dict) and len(item) == 2 and isinstance(item.get("query"), str):
            documents = item.get("documents", item.get("texts"))
            if isinstance(documents, list | tuple) and all(isinstance(text, str) for text in documents):
                return item["query"], documents
        raise TypeError(f"{self.task} takes {self.accepts()}, got {type(item).__name__}: {short(item)}.")
