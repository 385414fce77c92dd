"""document-question-answering: the words on a page that answer a question about it."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch

from ..errors import short
from ..preprocessing.boxes import Box, checked_box
from ..preprocessing.ocr import read_words
from . import base
from .base import Pipeline, Row
from .marked import Marked
from .spans import best_spans
from .windows import PLACES, windows

STRIDE = 256  # words' tokens that windows share, unless half of a window is less
SPECIAL = {"cls": [0] * 4, "sep": [1000] * 4, "pad": [0] * 4}  # boxes of tokens that are no words of the page
Words = list[tuple[str, Box]]


@dataclass(frozen=True)
class Options(base.Options):
    """
    top_k: how many answers, best first.
    max_answer_len: tokens of an answer at most.
    doc_stride: tokens that a window of a long page shares with the one before; half a window, 256 at most, if None.
    max_seq_len: tokens of a window at most; what the model reads if None.
    max_question_len: tokens of the question that are read; half a window if None.
    handle_impossible_answer: whether "no answer", an empty one, is among the answers.
    ocr: a function from a picture (PIL.Image, RGB) to a list of (word, box), boxes in thousandths of the picture as in
        `word_boxes`; pytesseract, if it is installed, where None.
    lang, tesseract_config: of pytesseract.
    padding, timeout: accepted for compatibility.
    """

    counts = ("batch_size", "top_k", "max_answer_len", "max_seq_len", "max_question_len")

    top_k: int = 1
    max_answer_len: int = 15
    doc_stride: int | None = None
    max_seq_len: int | None = None
    max_question_len: int | None = None
    handle_impossible_answer: bool = False
    ocr: Callable[[Any], Iterable[tuple[str, Any]]] | None = None
    lang: str | None = None
    tesseract_config: str = ""
    padding: bool | str = False
    timeout: float | None = None


class Answers(Marked, list):
    """Answers to a question about a page: a list of {"score", "answer", "start", "end"}, words from start to end."""

    def __init__(self, answers: Iterable[dict[str, Any]], words: list[str]):
        super().__init__(answers)
        self.words, self.text = words, " ".join(words)

    def spans(self) -> Iterable[Mapping[str, Any]]:
        begins = [0, *accumulate(len(word) + 1 for word in self.words)]  # characters before each word
        shown = (answer for answer in self if answer["answer"])
        return [{**one, "start": begins[one["start"]], "end": begins[one["end"] + 1] - 1} for one in shown]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self), self.words)


class DocumentQuestionAnsweringPipeline(Pipeline):
    """A question, and a page as a picture or as words with boxes -> words of the page.

    Inputs: `pipe(image=..., question=..., word_boxes=[(word, (left, top, right, bottom)), ...])`, or a dictionary of
    these, or a list or generator of dictionaries; a list of questions asks the same page several times. Boxes are in
    thousandths of the page. Without `word_boxes` the words are read from the picture: see `ocr`. The picture itself
    is read only by models that look at it (LayoutLMv3).

    Gives a list of {"score", "answer", "start", "end"}, best first, for each input; start and end are the indices of
    the answer's first and last word.
    """

    task = "document-question-answering"
    options_class = Options
    needs = ("start_logits", "end_logits")
    takes = ("image_processor",)
    keeps = (*PLACES, "words")

    def __init__(self, model: Any, tokenizer: Any = None, *, image_processor: Any = None, **options: Any):
        if "bbox" not in model.base_model.extra:
            raise ValueError(
                f"{type(model).__name__} reads no boxes of words. Load a model of pages with "
                f"AutoModelForDocumentQuestionAnswering, or ask about plain text with question-answering."
            )
        if tokenizer.padding_side != "right":
            raise ValueError("pages are padded on the right; load the tokenizer with padding_side='right'.")
        super().__init__(model, tokenizer, **options)
        self.image_processor = image_processor

    @classmethod
    def opened(cls, repo: Any) -> tuple[Any, dict[str, Any]]:
        if not any(repo.file(name) for name in ("preprocessor_config.json", "processor_config.json")):
            return repo, {}
        from ..preprocessing.image_processor import stored
        from ..preprocessing.images.table import load_image_processor

        return repo, {} if stored(repo) is None else {"image_processor": load_image_processor(repo)}

    def __call__(self, image: Any = None, question: Any = None, word_boxes: Any = None, **options: Any) -> Any:
        """See the class. Raises: ValueError for a question without words, bad boxes, or a picture that is not one."""
        page = {"image": image} if word_boxes is None else {"image": image, "word_boxes": word_boxes}
        if question is None and isinstance(image, Mapping) and word_boxes is None:
            image = dict(image)
        elif isinstance(question, list | tuple):
            image = [page | {"question": one} for one in question]
        elif question is not None:
            image = page | {"question": question}
        elif word_boxes is not None or isinstance(image, str):
            raise ValueError("there is no question: pipe(image=..., question='What is the date?', word_boxes=...).")
        return super().__call__(image, **options)

    def is_single(self, inputs: Any) -> bool:
        return isinstance(inputs, dict)

    def accepts(self) -> str:
        return '{"question": ..., "image": ... or "word_boxes": [(word, box), ...]}'

    def preprocess(self, inputs: list[Any], options: Any) -> list[list[Row]]:
        return [self._rows(self._page(one, options), options) for one in inputs]

    def read(self, output: dict[str, torch.Tensor], row: Row, options: Any) -> Any:
        """The spans of a window as answers, the probability of none, and the words of the page."""
        count = len(row["input_ids"])  # patches of a picture follow
        start, end = (output[name][:count] for name in self.needs)
        allowed = torch.tensor([text == 1 for text in row["sequence_ids"]])
        null = 0 if row["input_ids"][0] == self.tokenizer.cls_token_id else None
        spans, none = best_spans(
            start, end, allowed, longest=options.max_answer_len, count=options.top_k, null=null
        )  # fmt: skip
        found, words, places = [], row["words"], row["word_ids"]
        for score, a, b in spans:
            first, last = places[a], places[b]
            answer = " ".join(words[first : last + 1])
            found.append({"score": score, "answer": answer, "start": first, "end": last})
        return found, none, words

    def postprocess(self, outputs: list[Any], options: Any) -> Answers:
        found = [answer for answers, _, _ in outputs for answer in answers]
        if options.handle_impossible_answer:
            none = min((none for _, none, _ in outputs), default=1.0)
            found.append({"score": none, "answer": "", "start": 0, "end": 0})
        found.sort(key=lambda answer: answer["score"], reverse=True)
        return Answers(found[: options.top_k], outputs[0][2] if outputs else [])

    def collate(self, rows: list[Row]) -> Mapping[str, torch.Tensor]:
        apart = {name: [row[name] for row in rows] for name in ("bbox", "pixel_values") if name in rows[0]}
        given = super().collate([{name: value for name, value in row.items() if name not in apart} for row in rows])
        longest = max(map(len, apart["bbox"]))
        boxes = [row + [[0] * 4] * (longest - len(row)) for row in apart.pop("bbox")]
        return {**given, "bbox": torch.tensor(boxes), **{name: torch.stack(row) for name, row in apart.items()}}

    # ---------------------------------------------------------------------------------------------- pages and windows

    def _page(self, given: Any, options: Any) -> Row:
        """The question, the words with their boxes and the pixels of an input."""
        if not isinstance(given, Mapping) or not isinstance(given.get("question"), str):
            raise ValueError(f"{self.task} takes {self.accepts()}; got {short(given)}, without a question.")
        question, picture = given["question"].split(), None
        if not question:
            raise ValueError("the question is empty. Ask something, such as question='What is the invoice number?'.")
        if given.get("image") is not None:
            from ..preprocessing.image import load_image

            picture = load_image(given["image"])
        if given.get("word_boxes") is not None:
            words = _word_boxes(given["word_boxes"])
            if not words:
                raise ValueError("word_boxes is empty, so there is nothing to find an answer in.")
        elif picture is not None:
            words = read_words(picture, options.ocr, lang=options.lang, config=options.tesseract_config)
        else:
            raise ValueError("there is no page: give word_boxes=[(word, (left, top, right, bottom)), ...] or an image.")
        page: Row = {"question": question, "words": [word for word, _ in words], "boxes": [box for _, box in words]}
        if picture is not None and "pixel_values" in self.model.base_model.extra:
            if self.image_processor is None:
                raise ValueError(
                    "this model looks at the picture, and the pipeline has no image processor: give "
                    "image_processor=AutoImageProcessor.from_pretrained(model), or word_boxes without an image."
                )
            page["pixel_values"] = self.image_processor(picture, apply_ocr=False, return_tensors="pt").pixel_values[0]
        return page

    def _rows(self, page: Row, options: Any) -> list[Row]:
        """The windows over a page; none over an empty one."""
        if not page["words"]:
            return []
        limit = min(self.limit, options.max_seq_len or self.limit)
        question = self._shortened(page["question"], options.max_question_len or limit // 2, options)
        stride = min(limit // 2, STRIDE) if options.doc_stride is None else options.doc_stride
        rows = windows(
            self.tokenizer, [question], [page["words"]], limit=limit, stride=stride, cut="only_second",
            return_token_type_ids=True, is_split_into_words=True,
        )[0]  # fmt: skip
        for row in rows:
            row["words"] = page["words"]
            row["bbox"] = self._boxes(row, page["boxes"])
            if "pixel_values" in page:
                row["pixel_values"] = page["pixel_values"]
        return rows

    def _boxes(self, row: Row, boxes: list[Box]) -> list[Box]:
        """A box for each token: its word's; special tokens and the question have those that the tokenizer names.

        Where it names none, separators have the page's corner and the others zeros.
        """
        known = [getattr(self.tokenizer, f"{role}_token_box", box) for role, box in SPECIAL.items()]
        special = dict(zip((self.tokenizer.cls_token_id, self.tokenizer.sep_token_id), known, strict=False))
        tokens = zip(row["input_ids"], row["sequence_ids"], row["word_ids"], strict=True)
        return [
            boxes[word] if text == 1 else special.get(index, known[-1]) if text is None else known[-1]
            for index, text, word in tokens
        ]

    def _shortened(self, question: list[str], limit: int, options: Any) -> list[str]:
        """The words of a question that fit into so many tokens, at least one or a part of it."""
        encoding = self.tokenizer(question, is_split_into_words=True, add_special_tokens=False)[0]
        words = encoding.word_ids
        if len(words) <= limit:
            return question
        if options.max_question_len is None:
            warnings.warn(
                f"a question of {len(words)} tokens was cut to {limit}. Pass max_question_len= to say how many count.",
                stacklevel=7,
            )
        whole = words[limit]
        return question[:whole] or [question[0][: encoding.offsets[limit - 1][1]]]


def _word_boxes(given: Any) -> Words:
    """Raises: ValueError for anything but pairs of a word and a box."""
    found: Words = []
    for i, pair in enumerate(given if isinstance(given, list | tuple) else [given]):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise ValueError(
                f"word_boxes[{i}] is {short(pair)}. Each element is a pair (word, (left, top, right, bottom))."
            )
        found.append((pair[0], checked_box(pair[1], f"word_boxes[{i}], the box of {short(pair[0], 40)},")))
    return found
