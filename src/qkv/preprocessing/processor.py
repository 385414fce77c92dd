"""Processors: what a model reads that is more than text, made in one call."""

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

from ..errors import short
from .image_processor import GENERAL, ImageProcessor
from .images.table import load_image_processor
from .sam_processor import SamProcessor
from .tokenizers import LayoutLMv3Tokenizer, load_tokenizer
from .tokenizers.batch import BatchEncoding


class Processor:
    """What makes all inputs of a model that reads pictures and words: an image processor and a tokenizer.

    Args: the two, by their names or in this order.
    """

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, *, feature_extractor: Any = None):
        self.image_processor = feature_extractor if image_processor is None else image_processor
        self.tokenizer = tokenizer
        self.check()

    def check(self) -> None:
        """Raises: ValueError for parts of other kinds."""
        if not isinstance(self.image_processor, ImageProcessor) or not hasattr(self.tokenizer, "batch_decode"):
            raise ValueError(
                f"{type(self).__name__}(image_processor, tokenizer) takes an image processor and a tokenizer, got "
                f"{short(self.image_processor, 40)} and {short(self.tokenizer, 40)}."
            )

    def __call__(
        self, *given: Any, text: Any = None, images: Any = None, return_tensors: str | None = None,
        text_kwargs: Mapping[str, Any] | None = None, images_kwargs: Mapping[str, Any] | None = None, **options: Any,
    ) -> BatchEncoding:  # fmt: skip
        """What the tokenizer gives for texts, and pixel_values; one of them alone where only that is given.

        Args:
            text, images: as the tokenizer and the image processor take them; without their names, in either order.
            return_tensors: "pt" or "np"; lists if None.
            options: those that the image processor has go to it, others, such as `padding`, to the tokenizer;
                `images_kwargs` and `text_kwargs` name one of the two.

        Raises: ValueError if neither is given.
        """
        text, images = self.sorted(given, text, images)
        if images is None and text is None:
            raise ValueError(f"{type(self).__name__} got nothing to read: give text=, images=, or both.")
        of_images, of_text = self.divided(options)
        made = BatchEncoding()
        if text is not None:
            made = self.tokenizer(text, return_tensors=return_tensors, **{**of_text, **(text_kwargs or {})})
        if images is None:
            return made
        of_images |= images_kwargs or {}
        made.update(self.image_processor(images, return_tensors=return_tensors, **of_images))
        return made

    def sorted(self, given: tuple[Any, ...], text: Any, images: Any) -> tuple[Any, Any]:
        """Texts and pictures of a call, those without a name by their kind: 4.x and 5.x order them otherwise."""
        places = [text is not None, images is not None].count(False)
        if len(given) > places:
            raise TypeError(f"{type(self).__name__} takes text= and images=, each once.")
        if len(given) == 2:
            first, second = given
            return (first, second) if is_words(first) and not is_words(second) else (second, first)
        if not given:
            return text, images
        is_text = images is not None or (text is None and is_words(given[0]))
        return (given[0], images) if is_text else (text, given[0])

    def divided(self, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Options of the image processor and of the tokenizer."""
        own = {*GENERAL, *self.image_processor.defaults, *self.image_processor.takes}
        return (
            {name: value for name, value in options.items() if name in own},
            {name: value for name, value in options.items() if name not in own},
        )

    @property
    def model_input_names(self) -> list[str]:
        return list(dict.fromkeys([*self.tokenizer.model_input_names, *self.image_processor.model_input_names]))

    @classmethod
    def from_pretrained(cls, name_or_path: Any, **kwargs: Any) -> Any:
        """Both parts of a folder or a Hub repository; keywords go to the part that has such a field.

        Raises: OSError if the repository or a file is missing.
        """
        from ..hub import open_with

        repo, changes = open_with(name_or_path, kwargs)
        pictures = load_image_processor(repo)
        known = {*GENERAL, *pictures.defaults, *pictures.takes, *pictures.fields, "ocr"}
        own = {name: value for name, value in changes.items() if name in known}
        rest = {name: value for name, value in changes.items() if name not in known}
        return cls(load_image_processor(repo, **own) if own else pictures, cls.read_tokenizer(repo, **rest))

    @classmethod
    def read_tokenizer(cls, repo: Any, **changes: Any) -> Any:
        return load_tokenizer(repo, **changes)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write both parts into one folder."""
        pictures = copy(self.image_processor)
        pictures.fields = {**pictures.fields, "processor_class": type(self).__name__}
        pictures.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def batch_decode(self, *args: Any, **kwargs: Any) -> list[str]:
        return self.tokenizer.batch_decode(*args, **kwargs)

    def decode(self, *args: Any, **kwargs: Any) -> str:
        return self.tokenizer.decode(*args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.image_processor!r}, {self.tokenizer!r})"


def is_words(given: Any) -> bool:
    """Whether this is texts rather than names of files: strings with spaces, or such as name no file."""
    rows = given if isinstance(given, list | tuple) else [given]
    rows = [one for row in rows for one in (row if isinstance(row, list | tuple) else [row])]
    return bool(rows) and all(isinstance(one, str) and (" " in one or not Path(one).suffix) for one in rows)


class CLIPProcessor(Processor):
    """Pictures and words to the inputs of a CLIP."""


class SiglipProcessor(Processor):
    """Pictures and words to the inputs of a SigLIP, which was trained on texts with padding="max_length"."""


class OwlViTProcessor(Processor):
    """Pictures, and what to look for in them, to the inputs of an OWL-ViT."""

    def __call__(
        self, *given: Any, text: Any = None, images: Any = None, query_images: Any = None, return_tensors: str = "pt",
        padding: Any = "max_length", **options: Any,
    ) -> BatchEncoding:  # fmt: skip
        """As of every processor, but texts are padded to the longest that the model reads.

        Args:
            text: what to look for: one text, a list of them, or a list for each picture; shorter ones are filled up.
            query_images: a picture of an object for each of the pictures, in place of texts: `query_pixel_values`.
        """
        text, images = self.sorted(given, text, images)
        if text and isinstance(text, list | tuple) and not isinstance(text[0], str):
            most = max(len(one) for one in text)
            text = [name for one in text for name in (*one, *[" "] * (most - len(one)))]
        if query_images is None:
            return super().__call__(text=text, images=images, return_tensors=return_tensors, padding=padding, **options)
        asked = super().__call__(images=query_images, return_tensors=return_tensors, **options)["pixel_values"]
        made = BatchEncoding({"query_pixel_values": asked})
        if images is not None:
            made.update(super().__call__(images=images, return_tensors=return_tensors, **options))
        return made

    def post_process_grounded_object_detection(
        self, outputs: Any, threshold: float = 0.1, target_sizes: Any = None, text_labels: Any = None
    ) -> list[dict[str, Any]]:
        """scores (N,), labels (N,), boxes (N,4) of each picture, and `text_labels`, the texts that were found there.

        Args:
            outputs: of an OwlViTForObjectDetection.
            threshold: the least score, exclusive.
            target_sizes: (height, width) of each picture, in whose pixels boxes are; in parts of it if None.
            text_labels: the texts of each picture, a list of lists.

        Raises: ValueError if there are not texts or a size for each picture.
        """
        found = self.image_processor.post_process_object_detection(outputs, threshold, target_sizes)
        if text_labels is not None and len(text_labels) != len(found):
            raise ValueError(f"text_labels must be a list of texts for each of {len(found)} pictures.")
        for i, one in enumerate(found):
            labels, names = one["labels"].tolist(), None if text_labels is None else text_labels[i]
            if names is not None and max(labels, default=0) >= len(names):
                raise ValueError(f"text_labels[{i}]={short(names)} are {len(names)}, but text {max(labels)} was found.")
            one["text_labels"] = None if names is None else [names[label] for label in labels]
        return found

    def post_process_object_detection(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        return self.image_processor.post_process_object_detection(*args, **kwargs)

    def post_process_image_guided_detection(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        return self.image_processor.post_process_image_guided_detection(*args, **kwargs)


class LayoutLMv3Processor(Processor):
    """Pictures of pages, and their words with boxes, to the inputs of a LayoutLMv3.

    Args: an image processor, whose `apply_ocr` says whether the words are read from the picture, and a tokenizer.
    """

    def check(self) -> None:
        if not isinstance(self.image_processor, ImageProcessor) or not hasattr(self.tokenizer, "cls_token_box"):
            raise ValueError(
                f"LayoutLMv3Processor(image_processor, tokenizer) takes a LayoutLMv3ImageProcessor and a "
                f"LayoutLMv3Tokenizer, got {short(self.image_processor, 40)} and {short(self.tokenizer, 40)}."
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
    def read_tokenizer(cls, repo: Any, **changes: Any) -> Any:
        found = load_tokenizer(repo, **changes)
        plain = not hasattr(found, "cls_token_box")  # saved as a plain RoBERTa tokenizer
        return load_tokenizer(repo, LayoutLMv3Tokenizer, **changes) if plain else found


CLASSES: dict[str, Any] = {
    cls.__name__: cls for cls in (CLIPProcessor, LayoutLMv3Processor, OwlViTProcessor, SamProcessor, SiglipProcessor)
}
BY_MODEL_TYPE = {model_type: f"{stem}Processor" for model_type, stem in (
    ("clip", "CLIP"), ("layoutlmv3", "LayoutLMv3"), ("owlvit", "OwlViT"), ("sam", "Sam"), ("siglip", "Siglip"),
)}  # fmt: skip


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
