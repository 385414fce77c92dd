"""Processors: what a model reads that is more than text, made in one call."""

from pathlib import Path
from typing import Any, ClassVar

from ..errors import short
from .image_processor import ImageProcessor, LayoutLMv3ImageProcessor, load_image_processor
from .tokenizers import LayoutLMv3Tokenizer, load_tokenizer
from .tokenizers.batch import BatchEncoding


class LayoutLMv3Processor:
    """Pictures of pages, and their words with boxes, to the inputs of a LayoutLMv3.

    Args: an image processor, whose `apply_ocr` says whether the words are read from the picture, and a tokenizer.
    """

    model_input_names: ClassVar[list[str]] = ["input_ids", "bbox", "attention_mask", "pixel_values"]

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, *, feature_extractor: Any = None):
        self.image_processor = feature_extractor if image_processor is None else image_processor
        self.tokenizer = tokenizer
        if not isinstance(self.image_processor, ImageProcessor) or not hasattr(tokenizer, "cls_token_box"):
            raise ValueError(
                f"LayoutLMv3Processor(image_processor, tokenizer) takes a LayoutLMv3ImageProcessor and a "
                f"LayoutLMv3Tokenizer, got {short(image_processor, 40)} and {short(tokenizer, 40)}."
            )

    def __call__(
        self, images: Any, text: Any = None, text_pair: Any = None, boxes: Any = None, word_labels: Any = None, *,
        return_tensors: str | None = None, **options: Any,
    ) -> BatchEncoding:  # fmt: skip
        """What the tokenizer gives for words and boxes, and pixel_values.

        Args:
            images: as the image processor takes them.
            text, text_pair, boxes, word_labels: as the tokenizer takes them. Where the words are read from the picture
                there are none of the last two, and `text` is the question, or the questions of the pictures.
            options: of the tokenizer. A page in several windows gives its pixels for each.

        Raises: ValueError for boxes or labels beside words that are read from the picture.
        """
        reads = self.image_processor.fields.get("apply_ocr", False)
        if reads and (boxes is not None or word_labels is not None):
            raise ValueError(
                "the words are read from the picture (apply_ocr), so boxes and word_labels belong to nothing. Load the "
                "processor with apply_ocr=False to give words of your own."
            )
        features = self.image_processor(images, return_tensors=return_tensors)
        if reads:
            pages, boxes = features["words"], features["boxes"]
            if text is None:
                text = pages
            elif text_pair is None:
                text, text_pair = [text] if isinstance(text, str) else text, pages
        encoded = self.tokenizer(text, text_pair, boxes, word_labels, return_tensors=return_tensors, **options)
        pictures = features["pixel_values"]
        if options.get("return_overflowing_tokens"):
            places = [int(i) for i in encoded["overflow_to_sample_mapping"]]
            pictures = [pictures[i] for i in places] if isinstance(pictures, list) else pictures[places]
        encoded["pixel_values"] = pictures
        return encoded

    @classmethod
    def from_pretrained(cls, name_or_path: Any, **kwargs: Any) -> "LayoutLMv3Processor":
        """Both parts of a folder or a Hub repository; keywords go to the part that has such a field.

        Raises: OSError if the repository or a file is missing.
        """
        from ..hub import open_with

        repo, changes = open_with(name_or_path, kwargs)
        fields = {"ocr", *LayoutLMv3ImageProcessor.defaults}
        own = {name: value for name, value in changes.items() if name in fields}
        rest = {name: value for name, value in changes.items() if name not in fields}
        tokenizer = load_tokenizer(repo, **rest)
        if not hasattr(tokenizer, "cls_token_box"):  # saved as a plain RoBERTa tokenizer
            tokenizer = load_tokenizer(repo, LayoutLMv3Tokenizer, **rest)
        return cls(load_image_processor(repo, **own), tokenizer)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write both parts into one folder."""
        self.image_processor.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def batch_decode(self, *args: Any, **kwargs: Any) -> list[str]:
        return self.tokenizer.batch_decode(*args, **kwargs)

    def decode(self, *args: Any, **kwargs: Any) -> str:
        return self.tokenizer.decode(*args, **kwargs)

    def __repr__(self) -> str:
        return f"LayoutLMv3Processor({self.image_processor!r}, {self.tokenizer!r})"


CLASSES = {"LayoutLMv3Processor": LayoutLMv3Processor}
BY_MODEL_TYPE = {"layoutlmv3": "LayoutLMv3Processor"}


def load_processor(repo: Any, **kwargs: Any) -> Any:
    """The processor of a repository; where its family has none, its tokenizer or image processor alone.

    Raises: OSError if it has neither.
    """
    named = (repo.json("processor_config.json") or {}).get("processor_class")
    named = named or (repo.json("preprocessor_config.json") or {}).get("processor_class")
    model_type = (repo.json("config.json") or {}).get("model_type", "")
    cls = CLASSES.get(str(named)) or CLASSES.get(BY_MODEL_TYPE.get(model_type, ""))
    if cls is not None:
        return cls.from_pretrained(repo, **kwargs)
    if repo.file("tokenizer_config.json") or repo.file("tokenizer.json"):
        return load_tokenizer(repo, **kwargs)
    return load_image_processor(repo, **kwargs)
