"""question-answering: the part of a text that answers a question about it (SQuAD 1 and 2)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..errors import short, warn
from . import base
from .base import Pipeline, Row
from .marked import Answer
from .spans import best_spans
from .texts import check_truncation
from .windows import PLACES, windows

LENGTH, STRIDE = 384, 128  # tokens of a window, and of what it shares with the one before it, if nobody says
Pair = tuple[str, str]  # question, context


@dataclass(frozen=True)
class Options(base.Options):
    """
    top_k: answers, best first; one comes without a list around it. `topk` is the older spelling.
    doc_stride: tokens that a window of a long context shares with the one before it; 128, or half a window, if None.
    max_answer_len: tokens of an answer at most; 15 if None.
    max_seq_len: tokens of a window, question included; 384, or what the model reads, if None.
    max_question_len: tokens of a question at most; half a window if None. (4.57.6 documents 64 and cuts nothing.)
    truncation: of a longer question: None cuts it with a warning, True silently; False or "error" raises.
    handle_impossible_answer: whether "" competes, with the probability that the context has no answer.
    align_to_words: whether answers begin and end with whole words.
    padding: accepted for compatibility: rows are padded to the longest of their batch.
    """

    counts = ("batch_size", "top_k", "topk", "max_answer_len", "max_seq_len", "max_question_len")

    top_k: int | None = None
    topk: int | None = None
    doc_stride: int | None = None
    max_answer_len: int | None = None
    max_seq_len: int | None = None
    max_question_len: int | None = None
    truncation: bool | str | None = None
    handle_impossible_answer: bool | None = None
    align_to_words: bool | None = True
    padding: bool | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_truncation(self.truncation)
        longest = self.max_seq_len or LENGTH
        if self.doc_stride is not None and not 0 <= self.doc_stride <= longest:
            raise ValueError(f"doc_stride={short(self.doc_stride)} must be 0 to max_seq_len={longest}.")


class QuestionAnsweringPipeline(Pipeline):
    """Questions and contexts -> answers, which are slices of their contexts.

    `qa(question=..., context=...)`, of which each may be a list, or one for all; or {"question": ..., "context": ...},
    an object with `question_text` and `context_text`, a list, generator or dataset of these. One question gives
    {"score", "start", "end", "answer"}, or a list of them with `top_k`; several give a list. A context of any length is
    read in windows, each with probabilities of its own; equal answers are one, with the sum of their scores. A context
    without words gives the answer "" with the score 0.
    """

    task = "question-answering"
    options_class = Options
    needs = ("start_logits", "end_logits")
    keeps = (*PLACES, "context", "part")

    def __call__(self, *inputs: Any, question: Any = None, context: Any = None, **options: Any) -> Any:
        """Answers; see the class, and Options.

        Raises: TypeError or ValueError for anything but a question and a context that are not empty.
        """
        older = [options.pop(name) for name in ("data", "X") if name in options]
        given = _arranged([*inputs, *older], question, context)
        if isinstance(given, list | tuple) and len(given) == 1:
            given = given[0]
        return super().__call__(given, **options)

    def choose(self, **options: Any) -> Any:
        chosen = super().choose(**options)
        return replace(chosen, top_k=chosen.top_k or chosen.topk or 1, max_answer_len=chosen.max_answer_len or 15)

    def is_single(self, inputs: Any) -> bool:
        return isinstance(inputs, Mapping) or hasattr(inputs, "context_text")

    def accepts(self) -> str:
        return 'question= and context=, or {"question": ..., "context": ...}'

    def window(self, options: Options) -> int:
        return 512  # a long context has many rows, with places for each token

    def preprocess(self, inputs: list[Any], options: Options) -> list[list[Row]]:
        pairs = [_pair(item) for item in inputs]
        limit = min(self.limit, options.max_seq_len or LENGTH)
        stride = min(limit // 2, STRIDE) if options.doc_stride is None else options.doc_stride
        contexts = [context for _, context in pairs]
        texts = [self._shortened([question for question, _ in pairs], limit, options), contexts]
        part = int(self.tokenizer.padding_side == "right")  # models that are padded on the left read the context first
        if not part:
            texts.reverse()
        cut = ("only_first", "only_second")[part]
        grouped = windows(self.tokenizer, *texts, limit=limit, stride=stride, cut=cut)
        beside = [{"context": context, "part": part} for context in contexts]
        return [[row | own for row in rows] for rows, own in zip(grouped, beside, strict=True)]

    def _shortened(self, questions: list[str], limit: int, options: Options) -> list[str]:
        """The questions, cut where they are too long, so that at least half of a window is the context's."""
        special = self.tokenizer.num_special_tokens_to_add(pair=True)
        half = (limit - special) // 2
        if half < 1:
            raise ValueError(
                f"max_seq_len={limit} has no room for a question and a context beside {special} special tokens; "
                f"pass at least {special + 2}."
            )
        most = min(half, options.max_question_len or half)
        asked = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
        offsets = self.tokenizer(questions, **asked)["offset_mapping"]
        long = [i for i, tokens in enumerate(offsets) if len(tokens) > most]
        told = f"{len(long)} of {len(questions)} questions have more than {most} tokens"
        if long and options.truncation not in (None, True):
            raise ValueError(
                f"{told}, first {short(questions[long[0]], 60)} with {len(offsets[long[0]])}. Is it the context? Ask "
                f"a shorter one, allow more with max_question_len and max_seq_len, or pass truncation=True to cut it."
            )
        if long and options.truncation is None:
            warn(
                f"{told}, and were cut. Allow more with max_question_len and max_seq_len; truncation=True accepts "
                f"it, truncation='error' raises."
            )
        shortened = list(questions)
        for i in long:
            tokens, count = offsets[i], most
            while len(tokens) > most:  # what is left may have other tokens than it had in the whole
                shortened[i] = questions[i][: offsets[i][count - 1][1]] if count else ""
                tokens, count = self.tokenizer(shortened[i], **asked)["input_ids"], count - 1
        return shortened

    def read(self, output: dict[str, torch.Tensor], row: Row, options: Any) -> Row:
        """The best spans of a window as [score, start, end] in characters of the context."""
        count, ids = len(row["input_ids"]), row["input_ids"]
        kept = slice(count) if self.tokenizer.padding_side == "right" else slice(-count, None)
        special = row["special_tokens_mask"]
        null = next((i for i in range(count) if special[i] and ids[i] == self.tokenizer.cls_token_id), None)
        found, nothing = best_spans(
            output["start_logits"][kept],
            output["end_logits"][kept],
            torch.tensor([part == row["part"] for part in row["sequence_ids"]]),
            longest=options.max_answer_len,
            count=2 * options.top_k + 10 if options.align_to_words else options.top_k,  # of which some become equal
            null=null,
        )
        spans = [(score, *_characters(row, first, last, bool(options.align_to_words))) for score, first, last in found]
        return {"context": row["context"], "spans": spans, "nothing": nothing}

    def postprocess(self, outputs: list[Row], options: Options) -> Any:
        context = outputs[0]["context"]
        found: dict[str, dict[str, Any]] = {}
        for score, start, end in [span for output in outputs for span in output["spans"]]:
            text = context[start:end]
            answer = found.setdefault(text.lower(), {"score": 0.0, "start": start, "end": end, "answer": text})
            answer["score"] += score
        answers = [answer for answer in found.values() if answer["answer"].strip()]
        if options.align_to_words:
            answers = [_trimmed(answer) for answer in answers]
        if options.handle_impossible_answer or not answers:
            score = min(output["nothing"] for output in outputs) if options.handle_impossible_answer else 0.0
            answers.append({"score": score, "start": 0, "end": 0, "answer": ""})
        answers.sort(key=lambda answer: answer["score"], reverse=True)
        best = [Answer(answer, context) for answer in answers[: options.top_k]]
        return best[0] if len(best) == 1 else best


def _trimmed(answer: dict[str, Any]) -> dict[str, Any]:
    """Without spaces around it: some tokenizers count one to the word after it, and answers of 4.57.6 begin with it."""
    text = answer["answer"]
    start = answer["start"] + len(text) - len(text.lstrip())
    return answer | {"start": start, "end": start + len(text.strip()), "answer": text.strip()}


def _characters(row: Row, first: int, last: int, words: bool) -> tuple[int, int]:
    """The characters [start, end) of tokens `first` to `last`, widened to whole `words` as far as the window goes."""
    places = list(zip(row["sequence_ids"], row["word_ids"], strict=True))
    if words and row["word_ids"][first] is not None and row["word_ids"][last] is not None:
        while first > 0 and places[first - 1] == places[first]:
            first -= 1
        while last + 1 < len(places) and places[last + 1] == places[last]:
            last += 1
    return row["offset_mapping"][first][0], row["offset_mapping"][last][1]


def _arranged(inputs: list[Any], question: Any, context: Any) -> Any:
    """One input, or many, from what a call was given in any of its forms."""
    if len(inputs) == 1 and question is None and context is None:
        return inputs[0]
    if len(inputs) == 2 and all(isinstance(text, str) for text in inputs) and question is None and context is None:
        question, context = inputs
    elif inputs and question is None and context is None:
        return inputs
    elif inputs or question is None or context is None:
        missing = "question" if question is None else "context"
        what = "an input and question= or context= too" if inputs else f"no {missing}"
        raise ValueError(f"question-answering got {what}: call qa(question='Where?', context='…').")
    sizes = {len(given) for given in (question, context) if isinstance(given, list | tuple)}
    if len(sizes) > 1:
        raise ValueError(
            f"{len(question)} questions and {len(context)} contexts: give as many of each, or one of either for all."
        )
    count = sizes.pop() if sizes else 1
    questions, contexts = (
        given if isinstance(given, list | tuple) else [given] * count for given in (question, context)
    )
    return [{"question": q, "context": c} for q, c in zip(questions, contexts, strict=True)]


def _pair(item: Any) -> Pair:
    """Raises: TypeError or ValueError for anything but a question and a context that are not empty."""
    if isinstance(item, Mapping):
        question, context = item.get("question"), item.get("context")
    else:
        question, context = getattr(item, "question_text", None), getattr(item, "context_text", None)
    for name, text in (("question", question), ("context", context)):
        if not isinstance(text, str):
            raise TypeError(
                f'question-answering takes {{"question": ..., "context": ...}}, both strings; the {name} is '
                f"{'missing' if text is None else short(text)} in {type(item).__name__} {short(item)}."
            )
        if not text:
            raise ValueError(f"the {name} is empty in {short(item)}: there is nothing to answer; leave it out.")
    return str(question), str(context)
