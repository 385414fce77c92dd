"""How near texts that were written are to those they should be: BLEU, chrF, TER, ROUGE, and rates of wrong words.

Each is measured by the package of the field, which `pip install "qkv[metrics]"` brings, and equals its results.
update(predictions, references) takes strings, and for each a string that is right or a list of several.
"""

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import short
from .inputs import Metric, same_count, some


def texts(predictions: Any, references: Any) -> Iterator[tuple[str, list[str]]]:
    """Each text and those that are right. Raises: ValueError for unequal numbers, TypeError for what is no text."""
    if isinstance(predictions, str) or isinstance(references, str):
        raise TypeError("give lists of texts: predictions=[text], references=[text].")
    same_count(predictions, references)
    for found, true in zip(predictions, references, strict=True):
        true = [true] if isinstance(true, str) else list(true)
        wrong = [text for text in (found, *true) if not isinstance(text, str)]
        if wrong or not true:
            given = short(wrong[0], 40) if wrong else "no text that is right"
            raise TypeError(
                f"texts are measured, and got {given}. Decode ids first: tokenizer.batch_decode(ids, "
                f"skip_special_tokens=True), with the pad token in place of -100."
            )
        yield found, true


def needed(package: str, name: str) -> Any:
    """A module. Raises: ImportError that says how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        what = package.partition(".")[0].replace("_", "-")
        raise ImportError(f'{name} is measured by {what}; type: pip install "qkv[metrics]"') from None


class _Corpus(Metric):
    """What sacrebleu measures of a whole corpus. Keeps the texts."""

    name: str
    kept = ("found", "true")
    found: list[str] = []
    true: list[list[str]] = []

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.scorer = getattr(needed("sacrebleu", type(self).__name__), type(self).__name__)(**options)

    def update(self, predictions: Any, references: Any) -> None:
        for found, true in texts(predictions, references):
            self.found.append(found)
            self.true.append(true)

    def score(self) -> Any:
        """sacrebleu's own result: `score`, and what it was made of."""
        some(len(self.found))
        most = max(map(len, self.true))
        columns = [[row[i] if i < len(row) else None for row in self.true] for i in range(most)]
        return self.scorer.corpus_score(self.found, columns)

    def compute(self) -> dict[str, float]:
        return {type(self).__name__.lower(): self.score().score}


class BLEU(_Corpus):
    """{"bleu"}, 0 to 100 (Papineni et al. 2002; Post 2018, arXiv:1804.08771). Options of sacrebleu.BLEU, such as
    lowercase=True, tokenize="zh", effective_order=True."""


class CHRF(_Corpus):
    """{"chrf"}, 0 to 100 (Popović 2015). Options of sacrebleu.CHRF; word_order=2 is chrF++."""


class TER(_Corpus):
    """{"ter"}: edits by words, in percent, less is better (Snover et al. 2006). Options of sacrebleu.TER."""


class ROUGE(Metric):
    """{"rouge1", "rouge2", "rougeL", "rougeLsum"}: mean F1 over the texts, 0 to 1, of the reference that gives most
    (Lin 2004). Keeps a sum of each. rougeLsum takes lines for sentences.

    rouge_types: those of rouge-score.
    use_stemmer: English words count by their stems.
    """

    kept = ("sums", "count")
    sums: Any = 0.0
    count = 0

    def __init__(
        self, rouge_types: Any = ("rouge1", "rouge2", "rougeL", "rougeLsum"), use_stemmer: bool = False, **options: Any
    ) -> None:
        super().__init__()
        self.names = list(rouge_types)
        scorers = needed("rouge_score.rouge_scorer", "ROUGE")
        self.scorer = scorers.RougeScorer(self.names, use_stemmer=use_stemmer, **options)

    def update(self, predictions: Any, references: Any) -> None:
        for found, true in texts(predictions, references):
            scores = self.scorer.score_multi(true, found)
            self.sums = self.sums + np.array([scores[name].fmeasure for name in self.names])
            self.count += 1

    def compute(self) -> dict[str, float]:
        some(self.count)
        return dict(zip(self.names, (self.sums / self.count).tolist(), strict=True))


class WER(Metric):
    """{"wer"}: words that must be put in, left out or changed, for each word that is right; 0 is best. Keeps two
    numbers. By jiwer."""

    kept = ("errors", "count")
    errors = count = 0
    process = "process_words"

    def update(self, predictions: Any, references: Any) -> None:
        pairs = list(texts(predictions, references))
        if any(len(true) > 1 for _, true in pairs):
            raise ValueError(f"{type(self).__name__} takes one reference for each text.")
        if pairs:
            process = getattr(needed("jiwer", type(self).__name__), self.process)
            found = process([true[0] for _, true in pairs], [text for text, _ in pairs])
            self.errors += found.substitutions + found.deletions + found.insertions
            self.count += found.substitutions + found.deletions + found.hits

    def compute(self) -> dict[str, float]:
        some(self.count)
        return {type(self).__name__.lower(): self.errors / self.count}


class CER(WER):
    """{"cer"}: as WER, of characters."""

    process = "process_characters"
