"""Heads on each token. Shapes: B batch, T tokens, D width, L labels, V vocabulary."""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from ..layers import Linear, activation
from ..outputs import (
    CausalLMOutput,
    MaskedLMOutput,
    ModelOutput,
    PreTrainingOutput,
    QuestionAnsweringOutput,
    Seq2SeqLMOutput,
    TokenClassifierOutput,
)
from .base import IGNORED, TaskHead, cross_entropy, first_tokens


class TokenClassifier(TaskHead):
    """a score for each label of each token (labels: class indices (B,T), -100 where none is asked).

    Args:
        dropout: the name of the config's field; hidden_dropout_prob if that is None or not given.
    """

    output = TokenClassifierOutput
    by_token = True

    def __init__(self, config: Config, *, dropout: str = ""):
        super().__init__(config)
        rate = getattr(config, dropout) if dropout else None
        self.dropout = nn.Dropout(config.hidden_dropout_prob if rate is None else rate)
        self.out = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        return self.out(self.dropout(body["last_hidden_state"]))  # (B,T,D) -> (B,T,L)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels)


class QuestionAnswering(TaskHead):
    """scores of each token as the first and as the last of an answer (start_positions, end_positions: indices (B,)).

    A position outside the text counts for nothing.

    Args:
        dropout: the name of the config's field; none if it is not given.
    """

    output = QuestionAnsweringOutput
    targets = ("start_positions", "end_positions")

    def __init__(self, config: Config, *, dropout: str = ""):
        super().__init__(config)
        self.dropout = nn.Dropout(getattr(config, dropout) if dropout else 0.0)
        self.out = nn.Linear(config.hidden_size, 2)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        start, end = self.out(self.dropout(body["last_hidden_state"])).unbind(-1)  # (B,T,D) -> 2 x (B,T)
        return {"start_logits": start, "end_logits": end}

    def reads(self, inputs: Mapping[str, Any], targets: Mapping[str, Tensor]) -> None:
        return None  # an answer is chosen among all tokens

    def total_loss(
        self, scores: Mapping[str, Tensor], targets: Mapping[str, Tensor], inputs: Mapping[str, Any]
    ) -> Tensor | None:
        if not targets:
            return None
        if len(targets) < 2:
            raise ValueError(f"{next(iter(targets))} alone makes no loss; give start_positions and end_positions (B,).")
        losses = []
        for side in ("start", "end"):
            logits, position = scores[f"{side}_logits"], targets[f"{side}_positions"]
            if position.numel() != len(logits) or position.is_floating_point():
                raise ValueError(
                    f"{side}_positions must be token indices of shape {(len(logits),)}, integers, got "
                    f"{position.dtype} of shape {tuple(position.shape)}."
                )
            position = position.view(-1).long()
            position = position.clamp(0, logits.shape[1])
            losses.append(F.cross_entropy(logits, position, ignore_index=logits.shape[1]))
        return (losses[0] + losses[1]) / 2


class MaskedLM(TaskHead):
    """a score for each word of the vocabulary at each token (labels: token ids (B,T), -100 where none is asked)."""

    output = MaskedLMOutput
    by_token = True

    def __init__(self, config: Config, *, act: str = ""):
        super().__init__(config)
        width = getattr(config, "embedding_size", None) or config.hidden_size  # that of the table of tokens
        self.dense, self.act = Linear(config.hidden_size, width), activation(act or config.hidden_act)
        self.norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.out = Linear(width, config.vocab_size)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        return self.out(self.norm(self.act(self.dense(body["last_hidden_state"]))))  # (B,T,D) -> (B,T,V)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels, classes="words")


class PreTraining(MaskedLM):
    """the scores of a masked language model, and two for whether the second text follows the first.

    There is a loss if both are given: labels, token ids (B,T), -100 where none is asked, and next_sentence_label, 0 or
    1 (B,).

    Args:
        dropout: the name of the config's field; none if it is not given.
    """

    output = PreTrainingOutput
    names = ("prediction_logits", "seq_relationship_logits")
    targets = ("labels", "next_sentence_label")

    def __init__(self, config: Config, *, act: str = "", dropout: str = ""):
        super().__init__(config, act=act)
        self.dropout = nn.Dropout(getattr(config, dropout) if dropout else 0.0)
        self.order = nn.Linear(config.hidden_size, 2)

    def reads(self, inputs: Mapping[str, Any], targets: Mapping[str, Tensor]) -> Tensor | None:
        words = super().reads(inputs, targets)
        return None if words is None else words | first_tokens(inputs)

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Tensor]:  # type: ignore[override]
        order = self.order(self.dropout(body["pooler_output"]))  # (B,D) -> (B,2)
        return dict(zip(self.names, (super().forward(body, inputs), order), strict=True))

    def total_loss(
        self, scores: Mapping[str, Tensor], targets: Mapping[str, Tensor], inputs: Mapping[str, Any]
    ) -> Tensor | None:
        if len(targets) < 2:
            return None
        words, order = (scores[name] for name in self.names)
        labels, follows = (targets[name] for name in self.targets)
        follows = cross_entropy(order, follows, name=self.targets[1], classes="answers")
        return self.loss(words, labels) + follows


class CausalLM(TaskHead):
    """a score for each word of the vocabulary as the next token (labels: token ids (B,T), -100 where none is asked).

    Args:
        divisor, softcap: names of config fields: scores are divided by the first, and bent into +-the second by tanh.
        width: the name of the config's field for D, hidden_size if that is None.
    """

    output = CausalLMOutput
    generates = True
    by_token = True

    def __init__(
        self, config: Config, *, divisor: str = "", softcap: str = "", bias: bool = False, width: str = "hidden_size"
    ):
        super().__init__(config)
        self.out = Linear(getattr(config, width) or config.hidden_size, config.vocab_size, bias=bias)
        self.divisor = getattr(config, divisor) if divisor else None
        self.softcap = getattr(config, softcap) if softcap else None

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> Tensor:
        return self.scaled(self.out(vars(body)["last_hidden_state"]))  # (B,T,D) -> (B,T,V)

    def scaled(self, logits: Tensor) -> Tensor:
        """What `out` gives, divided and bent."""
        if self.divisor is not None:
            logits = logits / self.divisor
        return logits if self.softcap is None else (logits / self.softcap).tanh() * self.softcap

    def aligned(self, labels: Tensor) -> Tensor:
        """Each token is scored against the one after it."""
        return F.pad(labels[..., 1:], (0, 1), value=IGNORED)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels, classes="words")


class Seq2SeqLM(CausalLM):
    """a score for each word of the vocabulary at each token of the decoder (labels: token ids (B,T), -100 for none)."""

    output = Seq2SeqLMOutput
    reads_labels = True

    def aligned(self, labels: Tensor) -> Tensor:
        """The decoder is fed the token before each."""
        return labels
