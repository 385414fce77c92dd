"""Results of a model: dataclasses that can also be read by key, by index and as a tuple, leaving out what is None.

Shapes: B batch, T tokens, D width, L labels, V vocabulary, H heads.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class ModelOutput:
    """Base of all results: `out.logits`, `out["logits"]`, `out[0]`, `out.to_tuple()`, `loss, logits = out[:2]`."""

    def keys(self) -> list[str]:
        return [f.name for f in fields(self) if getattr(self, f.name) is not None]

    def values(self) -> list[Any]:
        return [getattr(self, name) for name in self.keys()]

    def items(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.keys()]

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name) if name in self.keys() else default

    def to_tuple(self) -> tuple[Any, ...]:
        return tuple(self.values())

    def __getitem__(self, key: "str | int | slice") -> Any:
        if not isinstance(key, str):
            return self.to_tuple()[key]
        if key not in self.keys():
            raise KeyError(f"{key!r} is not in this result, which holds {self.keys()}")
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()


@dataclass
class BaseModelOutput(ModelOutput):
    """Hidden states of the last layer (B,T,D); if asked for, those of all layers as a tuple of (B,T,D), the embeddings
    first, and attention weights as a tuple of (B,H,T,T)."""

    last_hidden_state: "Tensor | None" = None
    hidden_states: "tuple[Tensor, ...] | None" = None
    attentions: "tuple[Tensor, ...] | None" = None


@dataclass
class BaseModelOutputWithPooling(ModelOutput):
    """As BaseModelOutput, with the pooled first token (B,D)."""

    last_hidden_state: "Tensor | None" = None
    pooler_output: "Tensor | None" = None
    hidden_states: "tuple[Tensor, ...] | None" = None
    attentions: "tuple[Tensor, ...] | None" = None


@dataclass
class Seq2SeqModelOutput(ModelOutput):
    """Decoder states (B,T,D) and the encoder's (B,S,D) they attend to."""

    last_hidden_state: "Tensor | None" = None
    decoder_hidden_states: "tuple[Tensor, ...] | None" = None
    decoder_attentions: "tuple[Tensor, ...] | None" = None
    cross_attentions: "tuple[Tensor, ...] | None" = None
    encoder_last_hidden_state: "Tensor | None" = None
    encoder_hidden_states: "tuple[Tensor, ...] | None" = None
    encoder_attentions: "tuple[Tensor, ...] | None" = None


@dataclass
class SequenceClassifierOutput(ModelOutput):
    """Scores of whole texts: loss () if labels were given, logits (B,L)."""

    loss: "Tensor | None" = None
    logits: "Tensor | None" = None
    hidden_states: "tuple[Tensor, ...] | None" = None
    attentions: "tuple[Tensor, ...] | None" = None
    decoder_hidden_states: "tuple[Tensor, ...] | None" = None
    decoder_attentions: "tuple[Tensor, ...] | None" = None
    cross_attentions: "tuple[Tensor, ...] | None" = None
    encoder_last_hidden_state: "Tensor | None" = None
    encoder_hidden_states: "tuple[Tensor, ...] | None" = None
    encoder_attentions: "tuple[Tensor, ...] | None" = None


@dataclass
class MaskedLMOutput(ModelOutput):
    """Scores of the vocabulary at each token: loss (), logits (B,T,V)."""

    loss: "Tensor | None" = None
    logits: "Tensor | None" = None
    hidden_states: "tuple[Tensor, ...] | None" = None
    attentions: "tuple[Tensor, ...] | None" = None


@dataclass
class CausalLMOutput(MaskedLMOutput):
    """Scores of the vocabulary for the next token: loss (), logits (B,T,V)."""


@dataclass
class Seq2SeqLMOutput(ModelOutput):
    """Scores of the vocabulary at each token of the decoder: loss (), logits (B,T,V)."""

    loss: "Tensor | None" = None
    logits: "Tensor | None" = None
    decoder_hidden_states: "tuple[Tensor, ...] | None" = None
    decoder_attentions: "tuple[Tensor, ...] | None" = None
    cross_attentions: "tuple[Tensor, ...] | None" = None
    encoder_last_hidden_state: "Tensor | None" = None
    encoder_hidden_states: "tuple[Tensor, ...] | None" = None
    encoder_attentions: "tuple[Tensor, ...] | None" = None
