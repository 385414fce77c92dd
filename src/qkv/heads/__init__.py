"""Task heads and their losses: one class per task, for any family."""

from .base import TaskHead
from .tables import TableQuestionAnswering
from .text import MultipleChoice, NextSentence, Pooler, SequenceClassifier
from .tokens import CausalLM, MaskedLM, PreTraining, QuestionAnswering, Seq2SeqLM, TokenClassifier

__all__ = [
    "CausalLM", "MaskedLM", "MultipleChoice", "NextSentence", "Pooler", "PreTraining", "QuestionAnswering",
    "Seq2SeqLM", "SequenceClassifier", "TableQuestionAnswering", "TaskHead", "TokenClassifier",
]  # fmt: skip
