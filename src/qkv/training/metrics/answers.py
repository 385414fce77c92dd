"""Whether questions were answered rightly: SQuAD's exact match and F1, in percent."""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import short
from .inputs import Metric, some

ARTICLES = re.compile(r"\b(?:a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def words(text: str) -> list[str]:
    """The words that count: small letters, without ASCII punctuation and articles."""
    return ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split()


def overlap(found: list[str], true: list[str], agree: float) -> float:
    """F1 of words; `agree` if there are none in both."""
    if not found and not true:
        return agree
    return 2 * sum((Counter(found) & Counter(true)).values()) / (len(found) + len(true))


class Squad(Metric):
    """{"exact_match", "f1"} of answers, in percent, the best over the true answers of a question: the evaluation of
    SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250). Keeps three numbers.

    update(predictions, references): predicted strings and lists of true strings; or, in the form of the data set,
        {"id", "prediction_text"} and {"id", "answers": {"text": [...]}}. A question without a prediction counts as
        wrong.

    Raises: TypeError for other forms, ValueError for unequal numbers, or a question without a true answer.
    """

    kept = ("exact", "f1", "count")
    exact, f1, count = 0, 0.0, 0

    def update(self, predictions: Any, references: Any) -> None:
        for found, answers, _ in _questions(predictions, references, missing=True):
            if not answers:
                raise ValueError("a question has no true answer; those that have none are measured by SquadV2().")
            exact, f1 = _scores(found, answers, agree=0.0) if found is not None else (0, 0.0)
            self.exact, self.f1, self.count = self.exact + exact, self.f1 + f1, self.count + 1

    def compute(self) -> dict[str, float]:
        some(self.count)
        return {"exact_match": 100 * self.exact / self.count, "f1": 100 * self.f1 / self.count}


class SquadV2(Metric):
    """SQuAD 2.0's evaluation (Rajpurkar, Jia and Liang 2018, arXiv:1806.03822), where a question may have no answer.

    compute() gives, in percent, "exact", "f1", "total" of all questions, "HasAns_..." of those with an answer and
    "NoAns_..." of those without; and where predictions say how likely it is that there is none
    ("no_answer_probability"), "best_exact", "best_f1" and the thresholds "best_exact_thresh", "best_f1_thresh" that
    reach them. Keeps five numbers for each question: thresholds are not known before the last.

    update(predictions, references): as `Squad`; no answer is "" and [].
    threshold: a question whose no_answer_probability is above it counts as answered with "".

    Raises: as `Squad`, and ValueError if a question has no prediction.
    """

    kept = ("rows",)
    rows: list[tuple[float, float, bool, bool, float | None]] = []

    def __init__(self, threshold: float = 1.0) -> None:
        super().__init__()
        self.threshold = threshold

    def update(self, predictions: Any, references: Any) -> None:
        for found, answers, unlikely in _questions(predictions, references, missing=False):
            true = [answer for answer in answers if words(answer)] or [""]
            exact, f1 = _scores(found, true, agree=1.0)
            self.rows.append((exact, f1, bool(answers), bool(found), unlikely))

    def compute(self) -> dict[str, float]:
        some(len(self.rows))
        given = [row[4] for row in self.rows]
        unlikely = np.array([value or 0.0 for value in given])
        exact, f1, has, answered = np.array([row[:4] for row in self.rows], float).T
        refused = unlikely > self.threshold
        found: dict[str, float] = {}
        for prefix, kept in (("", has >= 0), ("HasAns_", has == 1), ("NoAns_", has == 0)):
            if kept.any():
                for name, scores in (("exact", exact), ("f1", f1)):
                    found[prefix + name] = float(100 * np.where(refused, has == 0, scores)[kept].mean())
                found[prefix + "total"] = int(kept.sum())
        if None not in given:
            order = np.argsort(unlikely, kind="stable")
            for name, scores in (("exact", exact), ("f1", f1)):
                gains = np.where(has == 1, scores, -answered)[order]  # of answering one question more
                reached = np.cumsum([(has == 0).sum(), *gains])
                at = int(reached.argmax())
                found[f"best_{name}"] = float(100 * reached[at] / len(scores))
                found[f"best_{name}_thresh"] = float(unlikely[order[at - 1]]) if at else 0.0
        return found


def _scores(found: str, answers: Sequence[str], agree: float) -> tuple[int, float]:
    given, true = words(found), [words(answer) for answer in answers]
    return int(given in true), max(overlap(given, answer, agree) for answer in true)


def _questions(
    predictions: Sequence[Any], references: Sequence[Any], missing: bool
) -> list[tuple[Any, list[str], float | None]]:
    """For each question the predicted answer, the true ones, and how likely it has none."""
    named = [row for row in (*predictions, *references) if isinstance(row, Mapping)]
    if named and len(named) != len(predictions) + len(references):
        raise TypeError("give all predictions and references as strings, or all as dictionaries with an 'id'.")
    try:
        by_id = {row["id"]: row for row in predictions} if named else dict(enumerate(predictions))
        true = {row["id"]: row["answers"] for row in references} if named else dict(enumerate(references))
    except KeyError as error:
        raise TypeError(f"a prediction or a reference has no {error}; it has {short(sorted(named[0]))}.") from None
    absent = [key for key in true if key not in by_id]
    strange = [key for key in by_id if key not in true]
    if strange or (absent and not (missing and named)):
        raise ValueError(
            f"{len(predictions)} predictions for {len(references)} references: {short((strange or absent)[0])} is "
            f"only in the {'predictions' if strange else 'references'}."
        )
    found = []
    for key, answers in true.items():
        texts = answers["text"] if isinstance(answers, Mapping) else answers
        if not isinstance(texts, str):
            texts = [answer["text"] if isinstance(answer, Mapping) else answer for answer in texts]
        row = by_id.get(key)
        given = row["prediction_text"] if isinstance(row, Mapping) else row
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"true answers are a list of strings; got {short(answers)}.")
        if not isinstance(given, str | None):
            raise TypeError(f"an answer is a string; got {short(given)}.")
        found.append((given, texts, row.get("no_answer_probability") if isinstance(row, Mapping) else None))
    return found
