"""Answers that are parts of a text, in SQuAD's form or flat; a question may have none."""

from typing import Any

import numpy as np

from ...errors import short
from ..data.reading import Row, Rows
from ..metrics.answers import Squad, SquadV2
from ..results import EvalPrediction
from .base import Dataset, Options, Task, columns_to_rows, texts_of

LONGEST = 384  # tokens of a window, if nobody says
ANSWER = 30  # tokens of an answer at most


class QuestionAnswering(Task):
    names = ("question-answering",)
    auto, lora, best = "AutoModelForQuestionAnswering", "QUESTION_ANS", "f1"
    roles = {"question": ("question", "query"), "context": ("context", "passage", "text", "paragraph", "document")}
    roles = {**roles, "answer": ("answers", "answer", "answer_text")}
    optional = {"start": ("answer_start", "start")}

    def __init__(self, options: Options, rows: Rows):
        super().__init__(options, rows)
        self.places: list[dict[str, Any]] = []  # of the windows held out: which question, where their tokens are
        self.truth: list[tuple[str, list[str]]] = []  # context and true answers of each question held out

    def groups(self, rows: Rows) -> list[Any] | None:
        return [row.get(self.columns["context"]) for row in rows]

    def text(self, row: Row) -> str:
        return "\n".join(str(row.get(self.columns[role])) for role in ("question", "context"))

    def encode(self, rows: Rows, tokenizer: Any, limit: int | None) -> Dataset:
        """A row for each window of a context, with the first and last token of its answer, or the first token of all
        where it holds none."""
        questions, contexts = (texts_of(rows, self.columns[role]) for role in ("question", "context"))
        answers = [self._answers(rows, i, context) for i, context in enumerate(contexts)]
        first = tokenizer.padding_side == "right"
        pair = (questions, contexts) if first else (contexts, questions)
        self.options.max_length = self.options.max_length or min(LONGEST, limit or LONGEST)
        which = "only_second" if first else "only_first"
        encoded = self.windows(tokenizer, pair, limit, third=True, truncation=which, return_offsets_mapping=True)
        source = encoded.pop("overflow_to_sample_mapping")
        found, self.places = [], []
        self.truth = [(context, [text for text, _ in own]) for context, own in zip(contexts, answers, strict=True)]
        for place, row in enumerate(columns_to_rows(encoded)):
            offsets, parts = row.pop("offset_mapping"), encoded.sequence_ids(place)
            spans = [span if part == int(first) else None for span, part in zip(offsets, parts, strict=True)]
            null = row["input_ids"].index(tokenizer.cls_token_id) if tokenizer.cls_token_id in row["input_ids"] else 0
            start, end = _tokens(spans, answers[source[place]][:1], null)
            found.append({**row, "start_positions": start, "end_positions": end})
            self.places.append({"question": source[place], "spans": spans, "null": null})
        return found

    def _answers(self, rows: Rows, index: int, context: str) -> list[tuple[str, int]]:
        """(text, where it begins) of the true answers. Raises: ValueError for one that is not in the context."""
        value, row = rows[index].get(self.columns["answer"]), rows[index]
        starts = row.get(self.columns["start"]) if "start" in self.columns else None
        if isinstance(value, dict):
            value, starts = value.get("text", []), value.get("answer_start", starts)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value, starts = [one.get("text") for one in value], [one.get("answer_start") for one in value]
        texts = value if isinstance(value, list) else [value] if value else []
        places = starts if isinstance(starts, list) and len(starts) == len(texts) else [starts] * len(texts)
        found = []
        for text, start in zip(texts, places, strict=True):
            start = int(start) if isinstance(start, int | str) and str(start).isdecimal() else -1
            if start < 0 or context[start : start + len(str(text))] != text:
                start = context.find(str(text))
            if not isinstance(text, str) or start < 0:
                raise ValueError(f"{rows.where(index)} has the answer {short(text, 60)}, which its context does not.")
            found.append((text, start))
        return found

    # ---------------------------------------------------------------------------------------------- measured

    def metrics(self, tokenizer: Any) -> Any:
        places, truth = self.places, self.truth  # of the rows that were encoded last: those held out

        def compute(prediction: EvalPrediction) -> dict[str, float]:
            start, end = prediction.predictions[:2]
            found = best_answers(start, end, places, [context for context, _ in truth])
            answers = [own for _, own in truth]
            if all(answers):
                return Squad()(found, answers)
            scores = SquadV2()(found, answers)
            return {"exact_match": scores["exact"], **{name: scores[name] for name in scores if name.endswith("f1")}}

        return compute


def _tokens(spans: list[Any], answers: list[tuple[str, int]], null: int) -> tuple[int, int]:
    """The first and last token of the answer; `null` twice where the window does not hold it."""
    if not answers:
        return null, null
    text, begin = answers[0]
    finish = begin + len(text)
    inside = [i for i, span in enumerate(spans) if span is not None and span[0] < finish and span[1] > begin]
    if not inside or spans[inside[0]][0] > begin or spans[inside[-1]][1] < finish:
        return null, null
    return inside[0], inside[-1]


def best_answers(start: np.ndarray, end: np.ndarray, places: list[dict[str, Any]], contexts: list[str]) -> list[str]:
    """The likeliest answer of each question among its windows, "" where that it has none is likelier in all.

    start, end: scores (N,T) of the N windows. places: of each window its "question", the characters of its tokens
    ("spans", None outside of the context) and the token that means no answer ("null").
    """
    best = [(-np.inf, "")] * len(contexts)
    nothing = [np.inf] * len(contexts)
    for first, last, place in zip(start, end, places, strict=True):
        question, spans = place["question"], place["spans"]
        nothing[question] = min(nothing[question], first[place["null"]] + last[place["null"]])
        inside = np.array([i for i, span in enumerate(spans) if span is not None and span[0] < span[1]], int)
        if not len(inside):
            continue
        scores = first[inside][:, None] + last[inside][None]
        apart = inside[None] - inside[:, None]
        scores = np.where((apart >= 0) & (apart < ANSWER), scores, -np.inf)
        i, j = np.unravel_index(scores.argmax(), scores.shape)
        if scores[i, j] > best[question][0]:
            text = contexts[question][spans[inside[i]][0] : spans[inside[j]][1]]
            best[question] = (scores[i, j], text)
    return [text if score > null else "" for (score, text), null in zip(best, nothing, strict=True)]
