"""image-feature-extraction: what a model makes of a picture, as its last states or as one vector."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..errors import short
from .base import Row
from .pictures import PictureOptions, PicturePipeline

RETURNED = (None, False, True, "pt", "np")


@dataclass(frozen=True)
class Options(PictureOptions):
    """
    pool: one vector for a picture, the model's pooled one, in place of the last states: of its patches, or a map.
    return_tensors: lists of floats if False; torch tensors if True or "pt"; numpy arrays if "np".
    image_processor_kwargs: further arguments of the image processor, such as {"size": {"height": 100, "width": 100}}.
    timeout: seconds that fetching a picture from the network may take.
    """

    pool: bool | None = None
    return_tensors: bool | str | None = None
    image_processor_kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.return_tensors not in RETURNED:
            raise ValueError(f"return_tensors={short(self.return_tensors)} is unknown; say True, 'pt', 'np' or False.")


class ImageFeatureExtractionPipeline(PicturePipeline):
    """Pictures -> the last states (1,T,D) or maps (1,D,h,w) of each, as nested lists; with `pool` its vector (1,D).

    An input is a path, a URL, bytes, base64 text, a PIL.Image, or an array or tensor; a list gives a list of results.
    """

    task = "image-feature-extraction"
    options_class = Options
    needs = ("features",)

    def __init__(self, model: Any, tokenizer: Any = None, **options: Any):
        super().__init__(model.base_model, tokenizer, **options)

    def row(self, picture: Any, options: Any) -> Row:
        made = self.image_processor(picture, return_tensors="pt", **(options.image_processor_kwargs or {}))
        return {name: value[0] for name, value in made.items()}

    def read(self, output: dict[str, Tensor], row: Row, options: Any) -> Tensor:
        return output["features"]

    def compute(self, inputs: dict[str, Tensor], rows: list[Row], options: Any) -> Mapping[str, Tensor]:
        output = self.model(**inputs, return_dict=True)
        features = output.get("pooler_output") if options.pool else output[0]
        if features is None:
            raise ValueError(f"{type(self.model).__name__} pools nothing; leave out pool=True and average its states.")
        return {"features": features}

    def postprocess(self, outputs: list[Tensor], options: Any) -> Any:
        x = outputs[0][None]
        if options.return_tensors == "np":
            return x.numpy()
        return x if options.return_tensors else x.tolist()
