"""Heads on whole texts. Shapes: B batch, T tokens, C choices, D width, L labels."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..errors import short
from ..layers import activation
from ..outputs import ModelOutput, MultipleChoiceOutput, NextSentencePredictorOutput, SequenceClassifierOutput
from .base import TaskHead, cross_entropy, first_tokens

PROBLEMS = ("regression", "multi_label_classification", "single_label_classification")


def label_loss(config: Config, logits: Tensor, labels: Tensor) -> Tensor:
    """Of scores (B,L), by `config.problem_type`; if that is None, by the number of labels and the dtype of `labels`."""
    kind = config.problem_type or (
        "regression" if config.num_labels == 1
        else "multi_label_classification" if labels.is_floating_point()
        else "single_label_classification"
    )  # fmt: skip
    if kind not in PROBLEMS:
        raise ValueError(f"config.problem_type must be one of {', '.join(PROBLEMS)}, or None; got {short(kind)}.")
    if kind != PROBLEMS[-1] and labels.numel() != logits.numel():
        raise ValueError(
            f"labels for {kind} (config.problem_type) must be floats of shape {tuple(logits.shape)}, got "
            f"{labels.dtype} of shape {tuple(labels.shape)}. Class indices are integers (B,)."
        )
    if kind == "regression":
        return F.mse_loss(logits.squeeze(), labels.squeeze().to(logits.dtype))
    if kind == "multi_label_classification":
        return F.binary_cross_entropy_with_logits(logits, labels.view_as(logits).to(logits.dtype))
    return cross_entropy(logits, labels)


class Pooler(nn.Module):
    """First token -> dense -> tanh: (B,T,D) -> (B,D)"""

    def __init__(self, dim: int, act: str = "tanh", width: int | None = None):
        super().__init__()
        self.dense, self.act = nn.Linear(dim, width or dim), activation(act)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.dense(x[:, 0]))


class SequenceClassifier(TaskHead):
    """a score for each label of a whole text (labels: class indices (B,), or floats for a regression).

    Args:
        token: which state stands for the text: "pooled" (the body's pooler), "first", "last" (of the unpadded ones), or
            "eos" (the decoder's state at the last end-of-sequence token).
        act: of a dense layer before the scores; none if "".
        dropout: the name of the config's field; `early` if it is applied before the dense layer too.
        bias: of the last layer.
        width: the name of the config's field for D, hidden_size if that is None.
    """

    output = SequenceClassifierOutput

    def __init__(
        self, config: Config, *, token: str = "first", act: str = "", dropout: str = "", early: bool = False,
        bias: bool = True, width: str = "hidden_size",
    ):  # fmt: skip
        super().__init__(config)
        self.token, self.early = token, early
        rate = getattr(config, dropout, None) if dropout else 0.0
        self.dropout = nn.Dropout(config.hidden_dropout_prob if rate is None else rate)
        if act:
            self.dense, self.act = nn.Linear(config.hidden_size, config.hidden_size), activation(act)
        scores = 1 if self.chooses else config.num_labels
        self.out = nn.Linear(getattr(config, width) or config.hidden_size, scores, bias=bias)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        x = self.summary(body, inputs.get("input_ids"), inputs.get("attention_mask"))  # (B,D)
        if hasattr(self, "dense"):
            x = self.act(self.dense(self.dropout(x) if self.early else x))
        return self.out(self.dropout(x))  # (B,L)

    def reads(self, inputs: Mapping[str, Any], targets: Mapping[str, Tensor]) -> Tensor | None:
        return first_tokens(inputs) if self.token in ("first", "pooled") else super().reads(inputs, targets)

    def summary(self, body: ModelOutput, ids: Tensor | None, mask: Tensor | None) -> Tensor:
        if self.token == "pooled":
            return body["pooler_output"]
        x = body["last_hidden_state"]
        if self.token == "first":
            return x[:, 0]
        if self.token == "eos" and ids is not None:
            mask = ids == torch.as_tensor(self.config.eos_token_id, device=ids.device)
        return x[torch.arange(len(x), device=x.device), self.last(x, ids, mask)]

    def last(self, x: Tensor, ids: Tensor | None, mask: Tensor | None) -> Tensor:
        """The index of each row's last token, by the mask, or by the padding id if there is no mask. (B,)"""
        pad = self.config.pad_token_id
        if mask is None and ids is not None and pad is not None:
            mask = ids != pad
        if mask is None:
            return torch.full((len(x),), x.shape[1] - 1, device=x.device)
        return (torch.arange(x.shape[1], device=x.device) * mask.bool()).argmax(dim=1)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return label_loss(self.config, logits, labels)


class MultipleChoice(SequenceClassifier):
    """a score for each of several texts, of which one is right (inputs (B,C,T); labels: its index (B,))."""

    output = MultipleChoiceOutput
    chooses = True

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels, classes="texts to choose from")


class NextSentence(TaskHead):
    """scores for whether the second text follows the first: (B,2), "follows" first (labels: 0 or 1, (B,))."""

    output = NextSentencePredictorOutput

    def __init__(self, config: Config):
        super().__init__(config)
        self.out = nn.Linear(config.hidden_size, 2)

    def reads(self, inputs: Mapping[str, Any], targets: Mapping[str, Tensor]) -> Tensor:
        return first_tokens(inputs)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        return self.out(body["pooler_output"])

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels, classes="answers, follows and does not")
