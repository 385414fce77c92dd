"""Heads on text: scores of whole texts and of tokens.

A head takes the body's output and the inputs, gives logits, and knows its loss. Shapes: B batch, T tokens, D width,
L labels, V vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..backends.cpu.linear import linear
from ..config import Config
from ..layers import activation
from ..outputs import CausalLMOutput, MaskedLMOutput, ModelOutput, Seq2SeqLMOutput, SequenceClassifierOutput
from .base import TaskHead


class Pooler(nn.Module):
    """First token -> dense -> tanh: (B,T,D) -> (B,D)"""

    def __init__(self, dim: int, act: str = "tanh"):
        super().__init__()
        self.dense, self.act = nn.Linear(dim, dim), activation(act)

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
        self.out = nn.Linear(getattr(config, width) or config.hidden_size, config.num_labels, bias=bias)

    def forward(self, body: ModelOutput, *, input_ids: Tensor | None, attention_mask: Tensor | None) -> Tensor:
        x = self.summary(body, input_ids, attention_mask)  # (B,D)
        if hasattr(self, "dense"):
            x = self.act(self.dense(self.dropout(x) if self.early else x))
        return self.out(self.dropout(x))  # (B,L)

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
        """By `config.problem_type`; if that is None, by the number of labels and the dtype of `labels`."""
        kind = self.config.problem_type or (
            "regression" if self.config.num_labels == 1
            else "multi_label_classification" if labels.is_floating_point()
            else "single_label_classification"
        )  # fmt: skip
        if kind == "regression":
            return F.mse_loss(logits.squeeze(), labels.squeeze().to(logits.dtype))
        if kind == "multi_label_classification":
            return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
        count = logits.shape[-1]
        if labels.numel() and not -100 <= int(labels.min()) <= int(labels.max()) < count:
            raise ValueError(
                f"labels hold {int(labels.min())}…{int(labels.max())}, but the model has {count} labels. "
                f"Load it with num_labels={int(labels.max()) + 1}."
            )
        return F.cross_entropy(logits.view(-1, count), labels.view(-1))


class MaskedLM(TaskHead):
    """a score for each word of the vocabulary at each token (labels: token ids (B,T), -100 where none is asked)."""

    output = MaskedLMOutput

    def __init__(self, config: Config, *, act: str = ""):
        super().__init__(config)
        width = getattr(config, "embedding_size", None) or config.hidden_size  # that of the table of tokens
        self.dense, self.act = nn.Linear(config.hidden_size, width), activation(act or config.hidden_act)
        self.norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.out = nn.Linear(width, config.vocab_size)

    def forward(self, body: ModelOutput, **_: Tensor | None) -> Tensor:
        return linear(self.out, self.norm(self.act(self.dense(body["last_hidden_state"]))))  # (B,T,D) -> (B,T,V)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten())


class CausalLM(TaskHead):
    """a score for each word of the vocabulary as the next token (labels: token ids (B,T), -100 where none is asked).

    Args:
        divisor, softcap: names of config fields: scores are divided by the first, and bent into +-the second by tanh.
        width: the name of the config's field for D, hidden_size if that is None.
    """

    output = CausalLMOutput
    generates = True

    def __init__(
        self, config: Config, *, divisor: str = "", softcap: str = "", bias: bool = False, width: str = "hidden_size"
    ):
        super().__init__(config)
        self.out = nn.Linear(getattr(config, width) or config.hidden_size, config.vocab_size, bias=bias)
        self.divisor = getattr(config, divisor) if divisor else None
        self.softcap = getattr(config, softcap) if softcap else None

    def forward(self, body: ModelOutput, **_: Tensor | None) -> Tensor:
        return self.scaled(linear(self.out, vars(body)["last_hidden_state"]))  # (B,T,D) -> (B,T,V)

    def scaled(self, logits: Tensor) -> Tensor:
        """What `out` gives, divided and bent."""
        if self.divisor is not None:
            logits = logits / self.divisor
        return logits if self.softcap is None else (logits / self.softcap).tanh() * self.softcap

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


class Seq2SeqLM(CausalLM):
    """a score for each word of the vocabulary at each token of the decoder (labels: token ids (B,T), -100 for none)."""

    output = Seq2SeqLMOutput
    reads_labels = True

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten())
