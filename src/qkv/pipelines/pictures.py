"""Pipelines over pictures: while a batch is computed, the next pictures are decoded and resized."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Any, ClassVar

import torch

from ..errors import short
from ..models.base import PreTrainedModel
from ..preprocessing.image import is_picture, load_image
from . import base
from .base import Pipeline, Row

BATCH = 8  # pictures of a batch at most; more does not make a CPU faster


@dataclass(frozen=True)
class PictureOptions(base.Options):
    """
    timeout: seconds that fetching a picture from the network may take.
    """

    between = {"timeout": (0, inf)}

    timeout: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("image_processor_kwargs", "tokenizer_kwargs"):
            if not isinstance(value := getattr(self, name, None), Mapping | None):
                raise ValueError(f"{name}={short(value)} must be a dictionary of arguments.")


class PicturePipeline(Pipeline):
    """A model of pictures and its image processor. A row is what the processor gives for a picture, (C,H,W), and its
    own size in `sizes` (H,W).

    An input is a path, a URL, bytes, base64 text, a PIL.Image, or an array or tensor; a list gives a list.
    """

    options_class = PictureOptions
    reads = ("image_processor",)
    keeps = ("size",)
    finishes: ClassVar[str] = ""  # the method of its image processor that makes results of outputs
    drawn: ClassVar[Any] = None  # the class of `drawn` that a result becomes, so that it can be looked at

    def __init__(
        self, model: PreTrainedModel, tokenizer: Any = None, *, image_processor: Any = None, device: Any = None,
        **options: Any,
    ):  # fmt: skip
        super().__init__(model, tokenizer, device=device, **options)
        self.image_processor = image_processor
        if not callable(image_processor) or not hasattr(image_processor, self.finishes or "__call__"):
            raise ValueError(
                f"{self.task} with a {type(model).__name__} needs the image processor of its family, got a "
                f"{type(image_processor).__name__}: load it with AutoImageProcessor."
            )

    # ---------------------------------------------------------------------------------------------- for a task

    def preprocess(self, inputs: list[Any], options: Any) -> list[list[Row]]:
        return [[self.row(self.picture(one, options), options)] for one in inputs]

    def row(self, picture: Any, options: Any) -> Row:
        made = self.image_processor(picture, return_tensors="pt")
        return {name: value[0] for name, value in made.items()} | {"size": (picture.height, picture.width)}

    # ---------------------------------------------------------------------------------------------- for everyone

    def is_single(self, inputs: Any) -> bool:
        return is_picture(inputs)

    def accepts(self) -> str:
        return "a picture as a path, a URL, bytes, a PIL.Image or an array"

    def picture(self, source: Any, options: Any) -> Any:
        return load_image(source, options.timeout)

    def run(self, inputs: Sequence[Any], options: Any) -> list[Any]:
        found: list[Any] = []
        for grouped in self._prepared(inputs, options):
            outputs = iter(self._forward([row for rows in grouped for row in rows], options))
            found += [self.postprocess(list(islice(outputs, len(rows))), options) for rows in grouped]
        return found if self.drawn is None else list(map(self.drawn, found, map(self.source, inputs)))

    def source(self, given: Any) -> Any:
        """The picture of an input."""
        return given["image"] if isinstance(given, dict) else given

    def _prepared(self, inputs: Sequence[Any], options: Any) -> Iterator[list[list[Row]]]:
        """The rows of a few pictures at a time; the next ones are made while the caller computes."""
        size = options.batch_size or BATCH
        parts = [list(inputs[start : start + size]) for start in range(0, len(inputs), size)]
        if len(parts) < 2:
            yield from (self.preprocess(part, options) for part in parts)
            return
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self.preprocess, parts[0], options)
            for part in [*parts[1:], None]:
                grouped = ahead.result()
                if part is not None:
                    ahead = pool.submit(self.preprocess, part, options)
                yield grouped

    def batched(self, rows: list[Row], options: Any) -> list[list[int]]:
        kinds: dict[Any, list[int]] = {}
        for number, row in enumerate(rows):
            kinds.setdefault(self.kind(row), []).append(number)
        size = options.batch_size or BATCH
        return [same[start : start + size] for same in kinds.values() for start in range(0, len(same), size)]

    def kind(self, row: Row) -> Any:
        """What rows of a batch have in common: their shape, so none is padded, and each gives what it gives alone."""
        return tuple(row["pixel_values"].shape)

    def collate(self, rows: list[Row]) -> Mapping[str, torch.Tensor]:
        names = [name for name in rows[0] if name not in self.keeps]
        return {name: torch.stack([row[name] for row in rows]) for name in names}
