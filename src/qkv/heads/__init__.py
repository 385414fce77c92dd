"""Task heads and their losses: one class per task, for any family."""

from .text import MaskedLM, Pooler, SequenceClassifier

__all__ = ["MaskedLM", "Pooler", "SequenceClassifier"]
