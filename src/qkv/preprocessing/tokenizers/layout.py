"""Tokenizers of pages: words with boxes become tokens with boxes, and word labels become labels of tokens."""

from __future__ import annotations

from typing import Any, ClassVar

from tokenizers import Encoding, Tokenizer

from qkv.errors import short

from ..boxes import Box, checked_box, checked_boxes
from .base import PreTrainedTokenizer
from .batch import BatchEncoding
from .families import BertTokenizer, RobertaTokenizer
from .sentencepiece_families import XLMRobertaTokenizer

BOXES = ("cls_token_box", "sep_token_box", "pad_token_box")
EMPTY, CORNER = [0, 0, 0, 0], [1000, 1000, 1000, 1000]
PAGE: dict[str, Any] = {"cls_token_box": EMPTY, "sep_token_box": CORNER, "pad_token_box": EMPTY}
PAGE |= {"pad_token_label": -100, "only_label_first_subword": True}


class PageTokenizer(PreTrainedTokenizer):
    """Mixed into a tokenizer whose texts are words on a page."""

    cls_token_box: Box
    sep_token_box: Box
    pad_token_box: Box
    pad_token_label: int
    only_label_first_subword: bool
    splits_letters: ClassVar[bool] = False  # whether several tokens may be of a word's first letter: one is labelled
    words_need_prefix_space = False

    def _configure(self, rust: Tokenizer, options: dict[str, Any]) -> None:
        super()._configure(rust, options)
        for name in BOXES:
            setattr(self, name, checked_box(self.init_kwargs[name], name))
        self.pad_token_label = int(self.init_kwargs["pad_token_label"])
        self.only_label_first_subword = bool(self.init_kwargs["only_label_first_subword"])
        self.padded_with = {"bbox": self.pad_token_box, "labels": self.pad_token_label}

    def __call__(
        self, text: Any = None, text_pair: Any = None, boxes: Any = None, word_labels: Any = None, **options: Any
    ) -> BatchEncoding:
        """Ids and `bbox`, a box for each token, of the words of a page, or of a question and such words.

        Args:
            text: words, a list of str; or a question, a str, with the words in `text_pair`. A batch is a list of
                either, with a list of lists of words.
            boxes: of each word, (left, top, right, bottom) in thousandths of the page. Special tokens have boxes of
                their own (cls_token_box, sep_token_box, pad_token_box), a question has that of padding.
            word_labels: a class index for each word, which comes back as `labels`: at the first token of a word, or
                at all of them if not `only_label_first_subword`; -100 elsewhere.
            options: as of other tokenizers. A text alone, a str, needs no boxes and gets none; nor do words with
                is_split_into_words=True.

        Raises: ValueError for words without boxes, other numbers of them, or a box outside 0..1000.
        """
        plain = isinstance(text, str) and not isinstance(text_pair, list | tuple)
        if boxes is None and word_labels is None and (plain or options.get("is_split_into_words")):
            return super().__call__(text, text_pair, **options)
        questions, pages, batched = _arranged(text, text_pair, boxes)
        rows: list[Any] = list(boxes) if batched else [boxes]  # type: ignore[arg-type]  # `_arranged` has seen them
        if len(rows) != len(pages) or (word_labels is not None and batched and len(word_labels) != len(pages)):
            raise ValueError(f"there are {len(pages)} pages of words; give boxes and word_labels for each of them.")
        rows = [
            checked_boxes(row, page, f"boxes[{i}]" if batched else "boxes")
            for i, (row, page) in enumerate(zip(rows, pages, strict=True))
        ]
        kind, places = options.pop("return_tensors", None), options.pop("return_offsets_mapping", False)
        options["is_split_into_words"] = True
        given = (pages, None) if questions is None else (questions, pages)
        encoded = super().__call__(*given, return_offsets_mapping=places, **options)
        encodings: list[Any] = encoded.encodings or []
        source = encoded.get("overflow_to_sample_mapping", range(len(pages)))
        paired = questions is not None
        encoded["bbox"] = [self._boxes(one, rows[i], paired) for one, i in zip(encodings, source, strict=True)]
        if word_labels is not None:
            labels = _checked_labels(word_labels if batched else [word_labels], pages)
            encoded["labels"] = [self._labels(one, labels[i], paired) for one, i in zip(encodings, source, strict=True)]
        data = encoded.data
        if not batched and not options.get("return_overflowing_tokens") and kind is None:
            data = {name: column[0] if isinstance(column[0], list) else column for name, column in data.items()}
        return BatchEncoding(data, encodings, tensor_type=kind)

    def _boxes(self, encoding: Encoding, boxes: list[Box], paired: bool) -> list[Box]:
        special = {self.cls_token_id: self.cls_token_box, self.sep_token_id: self.sep_token_box}
        rows = zip(encoding.ids, encoding.word_ids, encoding.sequence_ids, strict=True)
        return [
            special.get(index, self.pad_token_box) if word is None
            else self.pad_token_box if paired and sequence == 0
            else boxes[word]
            for index, word, sequence in rows
        ]  # fmt: skip

    def _labels(self, encoding: Encoding, labels: list[int], paired: bool) -> list[int]:
        found: list[int] = []
        before: Any = None
        for offset, *place in zip(encoding.offsets, encoding.word_ids, encoding.sequence_ids, strict=True):
            word, sequence = place
            begins = offset[0] == 0 and not (self.splits_letters and place == before)
            of_page = not (paired and sequence == 0)
            if word is not None and of_page and (begins or not self.only_label_first_subword):
                found.append(labels[word])
            else:
                found.append(self.pad_token_label)
            before = place
        return found


class LayoutLMv2Tokenizer(PageTokenizer, BertTokenizer):
    """BERT's WordPiece over the words of a page."""

    defaults = {**BertTokenizer.defaults, **PAGE}


class LayoutLMv3Tokenizer(PageTokenizer, RobertaTokenizer):
    """RoBERTa's BPE over the words of a page, each with the space before it."""

    splits_letters = True
    defaults = {**RobertaTokenizer.defaults, **PAGE, "sep_token_box": EMPTY, "add_prefix_space": True}


class LayoutXLMTokenizer(PageTokenizer, XLMRobertaTokenizer):
    """XLM-RoBERTa's SentencePiece over the words of a page."""

    defaults = {**XLMRobertaTokenizer.defaults, **PAGE}


def _arranged(text: Any, pair: Any, boxes: Any) -> tuple[list[Any] | None, list[list[str]], bool]:
    """Questions as lists of words, pages of words, and whether a batch was given."""
    words = text if pair is None else pair
    if not isinstance(words, list | tuple):
        raise ValueError(
            f"words must be a list of str, or a list of such lists, got {short(words)}. A question goes before them: "
            f"tokenizer(question, words, boxes=boxes)."
        )
    if boxes is None:
        raise ValueError(
            "words need boxes, one for each: tokenizer(words, boxes=[[left, top, right, bottom], ...]), in thousandths "
            "of the page's width and height."
        )
    nested = bool(words) and isinstance(words[0], list | tuple)
    batched = nested if pair is None else isinstance(text, list | tuple)
    pages = [list(page) for page in words] if nested and batched else [list(words)]
    if pair is None:
        return None, pages, batched
    questions = list(text) if batched else [text]
    if len(questions) != len(pages) or batched != nested:
        raise ValueError(
            f"a batch of questions needs as many pages of words: {len(questions)} questions, got {short(pair)}."
        )
    return [one.split() if isinstance(one, str) else list(one) for one in questions], pages, batched


def _checked_labels(given: Any, pages: list[list[str]]) -> Any:
    for i, (labels, page) in enumerate(zip(given, pages, strict=True)):
        if len(labels) != len(page):
            raise ValueError(f"word_labels of page {i}: {len(labels)} labels for {len(page)} words.")
    return given
