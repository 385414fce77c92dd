"""Task heads and their losses: one class per task, for any family."""

from .base import TaskHead
from .text import CausalLM, MaskedLM, Pooler, Seq2SeqLM, SequenceClassifier

__all__ = ["CausalLM", "MaskedLM", "Pooler", "Seq2SeqLM", "SequenceClassifier", "TaskHead"]
