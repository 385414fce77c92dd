"""Task heads and their losses: one class per task, for any family."""

from .base import TaskHead
from .pyramid import PyramidDecoder
from .tables import TableQuestionAnswering
from .text import MultipleChoice, NextSentence, Pooler, SequenceClassifier
from .tokens import CausalLM, MaskedLM, PreTraining, QuestionAnswering, Seq2SeqLM, TokenClassifier
from .vision import ImageClassifier, MaskedImageModeling, VisualTokens

__all__ = [
    "CausalLM", "ImageClassifier", "MaskedImageModeling", "MaskedLM", "MultipleChoice", "NextSentence", "Pooler",
    "PreTraining", "PyramidDecoder", "QuestionAnswering", "Seq2SeqLM", "SequenceClassifier",
    "TableQuestionAnswering", "TaskHead", "TokenClassifier", "VisualTokens",
]  # fmt: skip
