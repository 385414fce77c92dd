"""One module per library: `make(spec)` gives an object with `threads()`, `version()` and `run(job)`.

spec: "model" (a name), "cache" (the folder of convert.py), "task", "variant" (a precision, or a way of calling),
"threads".

| task     | job                                     | result                                                      |
|----------|-----------------------------------------|-------------------------------------------------------------|
| classify | {"texts": [...]}                        | [[label, score], ...]                                       |
| embed    | {"texts": [...]}                        | the first 4 numbers of each text's mean of hidden states    |
| picture  | {"pictures": [paths]}                   | [[label, score], ...] of each picture, the best five        |
| train    | {"texts": [...], "labels": [...]}       | [the loss of each step of one epoch]; the next job goes on  |
| generate | {"prompts": [ids], "new": n, "beams": b} | the new ids of each prompt; a prompt has no end-of-text id  |

A library is imported inside `make`: the time it takes is part of a cold start. Each module runs in its library's own
environment, so it needs nothing but that library and, where the library starts at ids, `tokenizers`.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

BUDGET = 1024  # tokens of a batch, padding included
LABELS = ("LABEL_0", "LABEL_1")
LEARNING = {  # arguments of training, the same for all
    "num_train_epochs": 1, "per_device_train_batch_size": 8, "learning_rate": 5e-5, "lr_scheduler_type": "constant",
    "logging_steps": 1, "save_strategy": "no", "disable_tqdm": True, "report_to": "none", "use_cpu": True, "seed": 0,
}  # fmt: skip


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


class Learner:
    """A Trainer of the library `t`, that a job lets run for one more epoch. Texts are cut at 128 tokens.

    Args:
        padding: of all texts to 128 tokens, or of none: then those of a batch are padded to its longest.
        more: arguments beside LEARNING.
    """

    def __init__(self, spec: dict[str, Any], t: Any, padding: bool = False, **more: Any):
        path, target = folder(spec), Path(spec["cache"]) / "training" / f"{spec['peer']}-{spec['variant']}"
        self.tokenizer = t.AutoTokenizer.from_pretrained(str(path))
        self.options = {"truncation": True, "max_length": 128, "padding": "max_length" if padding else False}
        model = t.AutoModelForSequenceClassification.from_pretrained(str(path), num_labels=2)
        arguments = t.TrainingArguments(str(target), **LEARNING, **more)
        self.trainer = t.Trainer(model, arguments, processing_class=self.tokenizer)

    def run(self, job: dict[str, Any]) -> list[list[float]]:
        rows = zip(job["texts"], job["labels"], strict=True)
        self.trainer.train_dataset = [{**self.tokenizer(text, **self.options), "labels": label} for text, label in rows]
        self.trainer.train()
        return [[entry["loss"] for entry in self.trainer.state.log_history if "loss" in entry]]


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


class Viewer:
    """Pictures to results for a library that takes pixels: what a careful user writes. While a batch is computed, the
    next is decoded, resized and normalised. Of 1, 4 and 8 pictures the batch that is fastest now is taken.

    A subclass has `forward(pixels)`, float32 (B,3,224,224) -> logits (B,L), and calls `choose` when it can do so.
    """

    size = 1

    def forward(self, pixels: Any) -> Any:
        raise NotImplementedError

    def choose(self) -> None:
        import numpy

        def seconds(size: int) -> float:
            pixels = numpy.zeros((size, 3, 224, 224), numpy.float32)
            self.forward(pixels)  # it may prepare for the shape
            start = time.perf_counter()
            for _ in range(8 // size):
                self.forward(pixels)
            return time.perf_counter() - start

        self.size = min((1, 4, 8), key=seconds)

    def run(self, job: dict[str, Any]) -> list[list[Any]]:
        import numpy

        paths, found = job["pictures"], []
        parts = [paths[start : start + self.size] for start in range(0, len(paths), self.size)]
        with ThreadPoolExecutor(1) as pool:
            made = pool.map(lambda part: numpy.stack([view(path) for path in part]), parts)
            for pixels in made:
                logits = self.forward(pixels)
                scores = numpy.exp(logits - logits.max(-1, keepdims=True))
                scores /= scores.sum(-1, keepdims=True)
                for row in scores:
                    best = numpy.argsort(-row)[:5]
                    found.append([[f"LABEL_{i}", float(row[i])] for i in best])
        return found


def view(path: Any) -> Any:
    """A picture as ViT's image processor makes it, float32 (3,224,224)."""
    import numpy
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
    pixels = numpy.asarray(small, numpy.float32).transpose(2, 0, 1) / 255
    return (pixels - numpy.float32(0.5)) / numpy.float32(0.5)
