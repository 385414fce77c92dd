"""Texts made of texts by an encoder-decoder: summaries and translations."""

from typing import Any

from ..data.collators import DataCollatorForSeq2Seq
from ..data.reading import Row, Rows
from ..metrics.compute import compute_metrics_for
from .base import TEXTS, Dataset, Options, Report, Task, columns_to_rows, texts_of


class Summarization(Task):
    names = ("summarization",)
    auto, lora, writes = "AutoModelForSeq2SeqLM", "SEQ_2_SEQ_LM", True
    written = 1  # tokens of a target at most, its start included
    roles = {
        "source": ("source", "document", "article", "dialogue", "input", *TEXTS),
        "target": ("target", "summary", "highlights", "output", "title", "headline"),
    }

    def text(self, row: Row) -> str:
        return str(row.get(self.columns["source"]))

    def encode(self, rows: Rows, tokenizer: Any, limit: int | None) -> Dataset:
        """Rows of ids, and ids of the target as labels; both are cut at the most that the model reads."""
        sources = [self.options.prefix + text for text in texts_of(rows, self.columns["source"])]
        found = self.tokenize(tokenizer, sources, None, limit)
        targets = texts_of(rows, self.columns["target"])
        labels = tokenizer(text_target=targets, truncation=limit is not None, max_length=limit, verbose=False)
        self.written = max(self.written, *(len(ids) for ids in labels["input_ids"])) + 1
        return [{**row, "labels": own["input_ids"]} for row, own in zip(found, columns_to_rows(labels), strict=True)]

    def collator(self, tokenizer: Any, model: Any) -> Any:
        return DataCollatorForSeq2Seq(tokenizer, model)

    def arguments(self) -> dict[str, Any]:
        """Epochs are told apart by their loss; texts are written once, at the end."""
        return {"prediction_loss_only": True, "predict_with_generate": True, "generation_max_length": self.written}

    def metrics(self, tokenizer: Any) -> Any:
        try:
            return compute_metrics_for(self.names[0], tokenizer)
        except ImportError as error:
            self.notes.append(f"only the loss is measured: {error}")
            return None

    def report(self, trainer: Any, held: Dataset) -> Report:
        trainer.args.prediction_loss_only = trainer.compute_metrics is None
        try:
            return super().report(trainer, held)
        finally:
            trainer.args.prediction_loss_only = True


class Translation(Summarization):
    """Rows have two columns, or one, "translation", with a text for each of two languages."""

    names = ("translation",)
    roles = {
        "source": ("source", "src", "input", "en", "english"),
        "target": ("target", "tgt", "output", "de", "fr", "es", "ro", "it", "german", "french"),
    }

    def __init__(self, options: Options, rows: Rows):
        super().__init__(options, _flat(rows))

    def check(self, rows: Rows) -> None:
        super().check(_flat(rows))


def _flat(rows: Rows) -> Rows:
    """{"translation": {"en": …, "de": …}} with the languages as columns, in place."""
    for index, row in enumerate(rows):
        if isinstance(both := row.get("translation"), dict):
            rows[index] = {**{name: value for name, value in row.items() if name != "translation"}, **both}
    return rows
