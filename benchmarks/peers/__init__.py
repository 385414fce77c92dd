"""One module per library: `make(spec)` gives an object with `threads()`, `version()` and `run(job)`.

spec: "model" (a name), "cache" (the folder of convert.py), "task", "variant" (a precision, or a way of calling),
"threads".

| task     | job                                     | result                                                      |
|----------|-----------------------------------------|-------------------------------------------------------------|
| classify | {"texts": [...]}                        | [[label, score], ...]                                       |
| embed    | {"texts": [...]}                        | the first 4 numbers of each text's mean of hidden states    |
| generate | {"prompts": [ids], "new": n, "beams": b} | the new ids of each prompt; a prompt has no end-of-text id  |

A library is imported inside `make`: the time it takes is part of a cold start. Each module runs in its library's own
environment, so it needs nothing but that library and, where the library starts at ids, `tokenizers`.
"""

from pathlib import Path
from typing import Any

BUDGET = 1024  # tokens of a batch, padding included
LABELS = ("LABEL_0", "LABEL_1")


def folder(spec: dict[str, Any]) -> Path:
    """The model as transformers saved it."""
    return Path(spec["folder"]) if "folder" in spec else Path(spec["cache"]) / "models" / spec["model"]


def batches(lengths: list[int]) -> list[list[int]]:
    """Places of rows, sorted by length into batches of at most BUDGET tokens."""
    found: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if found and lengths[found[-1][0]] * (len(found[-1]) + 1) <= BUDGET:
            found[-1].append(place)
        else:
            found.append([place])
    return found


class Encoder:
    """Texts to results for a library that takes ids: tokenise, sort, pad, compute, restore the order.

    A subclass has `forward(ids, mask)`, int64 (rows, tokens) -> logits (rows, labels) for "classify", hidden states
    (rows, tokens, width) for "embed", float32.
    """

    def __init__(self, spec: dict[str, Any]):
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(folder(spec) / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(512)
        self.task = spec["task"]

    def forward(self, ids: Any, mask: Any) -> Any:
        raise NotImplementedError

    def run(self, job: dict[str, Any]) -> list[list[Any]]:
        import numpy

        rows = [encoding.ids for encoding in self.tokenizer.encode_batch(job["texts"])]
        found: list[Any] = [None] * len(rows)
        for places in batches([len(row) for row in rows]):
            width = max(len(rows[place]) for place in places)
            ids = numpy.zeros((len(places), width), numpy.int64)
            mask = numpy.zeros((len(places), width), numpy.int64)
            for i, place in enumerate(places):
                ids[i, : len(rows[place])] = rows[place]
                mask[i, : len(rows[place])] = 1
            output = self.forward(ids, mask)
            results = labelled(output) if self.task == "classify" else pooled(output, mask)
            for place, result in zip(places, results, strict=True):
                found[place] = result
        return found


def labelled(logits: Any) -> list[list[Any]]:
    """The best label and its score, of logits (rows, labels)."""
    import numpy

    scores = numpy.exp(logits - logits.max(-1, keepdims=True))
    scores /= scores.sum(-1, keepdims=True)
    best = scores.argmax(-1)
    return [[LABELS[label], float(scores[row, label])] for row, label in enumerate(best)]


def pooled(states: Any, mask: Any) -> list[list[float]]:
    """The first 4 numbers of the mean over a row's tokens, of states (rows, tokens, width)."""
    weights = mask[..., None].astype(states.dtype)
    return ((states * weights).sum(1) / weights.sum(1))[:, :4].tolist()
