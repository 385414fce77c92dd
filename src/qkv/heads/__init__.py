"""Task heads and their losses: one class per task, for any family."""

from .text import CausalLM, MaskedLM, Pooler, Seq2SeqLM, SequenceClassifier

__all__ = ["CausalLM", "MaskedLM", "Pooler", "Seq2SeqLM", "SequenceClassifier"]
