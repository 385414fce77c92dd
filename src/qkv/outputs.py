"""Results of a model: dataclasses that can also be read by key, by index and as a tuple, leaving out what is None.

Shapes: B batch, T tokens (S of an encoder), D width, L labels, V vocabulary, H heads.
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


# Parts of outputs. A dataclass takes the fields of its last base first.


@dataclass
class _Scores(ModelOutput):
    loss: "Tensor | None" = None  # (), if labels were given
    logits: "Tensor | None" = None


@dataclass
class _SpanScores(ModelOutput):
    loss: "Tensor | None" = None  # (), if positions were given
    start_logits: "Tensor | None" = None  # (B,T)
    end_logits: "Tensor | None" = None


@dataclass
class _CellScores(ModelOutput):
    loss: "Tensor | None" = None  # (), if labels were given
    logits: "Tensor | None" = None  # (B,T)
    logits_aggregation: "Tensor | None" = None  # (B,A), if the model aggregates


@dataclass
class _PairScores(ModelOutput):
    loss: "Tensor | None" = None
    prediction_logits: "Tensor | None" = None  # (B,T,V)
    seq_relationship_logits: "Tensor | None" = None  # (B,2)


@dataclass
class _OrderScores(ModelOutput):
    loss: "Tensor | None" = None
    prediction_logits: "Tensor | None" = None  # (B,T,V)
    sop_logits: "Tensor | None" = None  # (B,2)


@dataclass
class _LastState(ModelOutput):
    last_hidden_state: "Tensor | None" = None  # (B,T,D)


@dataclass
class _Cached(ModelOutput):
    past_key_values: "Any" = None  # a Cache, if one was asked for


@dataclass
class _Pooled(ModelOutput):
    pooler_output: "Tensor | None" = None  # (B,D)


@dataclass
class _Observed(ModelOutput):
    """If asked for: hidden states (B,T,D) of all layers, the embeddings first; attention weights (B,H,T,T).

    Where tokens see only those near them, these are (B,H,T,G+window+1), of G tokens that all see and of neighbours, and
    there are global_attentions (B,H,T,G), of those G tokens for all, T padded to windows.
    """

    hidden_states: "tuple[Tensor, ...] | None" = None
    attentions: "tuple[Tensor, ...] | None" = None
    global_attentions: "tuple[Tensor, ...] | None" = None


@dataclass
class _ObservedPair(ModelOutput):
    """The same of an encoder over S tokens and a decoder over T; cross attention weights are (B,H,T,S)."""

    decoder_hidden_states: "tuple[Tensor, ...] | None" = None
    decoder_attentions: "tuple[Tensor, ...] | None" = None
    cross_attentions: "tuple[Tensor, ...] | None" = None
    encoder_last_hidden_state: "Tensor | None" = None
    encoder_hidden_states: "tuple[Tensor, ...] | None" = None
    encoder_attentions: "tuple[Tensor, ...] | None" = None


@dataclass
class BaseModelOutput(_Observed, _LastState):
    """Hidden states of the last layer (B,T,D)."""


@dataclass
class BaseModelOutputWithPast(_Observed, _Cached, _LastState):
    """Hidden states of the last layer (B,T,D), and the cache of what was read."""


@dataclass
class BaseModelOutputWithPooling(_Observed, _Pooled, _LastState):
    """Hidden states of the last layer (B,T,D), and the pooled first token (B,D)."""


@dataclass
class Seq2SeqModelOutput(_ObservedPair, _Cached, _LastState):
    """Decoder states (B,T,D) and the encoder's (B,S,D) they attend to."""


@dataclass
class SequenceClassifierOutput(_ObservedPair, _Observed, _Scores):
    """Scores of whole texts: logits (B,L)."""


@dataclass
class MultipleChoiceOutput(_Observed, _Scores):
    """Scores of texts to choose from: logits (B,C)."""


@dataclass
class NextSentencePredictorOutput(_Observed, _Scores):
    """Scores for whether the second text follows the first: logits (B,2)."""


@dataclass
class TokenClassifierOutput(_Observed, _Scores):
    """Scores of tokens: logits (B,T,L)."""


@dataclass
class QuestionAnsweringOutput(_Observed, _SpanScores):
    """Scores of tokens as the first and the last of an answer: start_logits and end_logits (B,T)."""


@dataclass
class TableQuestionAnsweringOutput(_Observed, _CellScores):
    """Scores of tokens' cells as parts of an answer (B,T), and of operations on the cells (B,A)."""


@dataclass
class PreTrainingOutput(_Observed, _PairScores):
    """Scores of the vocabulary (B,T,V), and for whether the second text follows the first (B,2)."""


@dataclass
class SentenceOrderOutput(_Observed, _OrderScores):
    """Scores of the vocabulary (B,T,V), and for whether two texts are in their order (B,2)."""


@dataclass
class ReplacedTokensOutput(_Observed, _Scores):
    """Scores of tokens for having been replaced: logits (B,T)."""


@dataclass
class MaskedLMOutput(_Observed, _Scores):
    """Scores of the vocabulary at each token: logits (B,T,V)."""


@dataclass
class CausalLMOutput(_Observed, _Cached, _Scores):
    """Scores of the vocabulary for the next token: logits (B,T,V)."""


@dataclass
class Seq2SeqLMOutput(_ObservedPair, _Cached, _Scores):
    """Scores of the vocabulary at each token of the decoder: logits (B,T,V)."""


# Results of generate(). Each field but `sequences` is there if it was asked for; tuples have an element a step.


@dataclass
class _Steps(ModelOutput):
    scores: "tuple[Tensor, ...] | None" = None  # (rows,V), processed
    logits: "tuple[Tensor, ...] | None" = None  # (rows,V), as the model gives them


@dataclass
class _Sequences(ModelOutput):
    sequences: "Tensor | None" = None  # (B,T)


@dataclass
class _BeamScores(ModelOutput):
    sequences_scores: "Tensor | None" = None  # (B,), final scores of the texts


@dataclass
class _BeamIndices(ModelOutput):
    beam_indices: "Tensor | None" = None  # (B,new), the row of a step's scores that an id was chosen from


@dataclass
class _EncoderObserved(ModelOutput):
    encoder_attentions: "tuple[Tensor, ...] | None" = None
    encoder_hidden_states: "tuple[Tensor, ...] | None" = None
    decoder_attentions: "tuple[Any, ...] | None" = None
    cross_attentions: "tuple[Any, ...] | None" = None
    decoder_hidden_states: "tuple[Any, ...] | None" = None


@dataclass
class _DecoderObserved(ModelOutput):
    attentions: "tuple[Any, ...] | None" = None
    hidden_states: "tuple[Any, ...] | None" = None


@dataclass
class GenerateDecoderOnlyOutput(_Cached, _DecoderObserved, _Steps, _Sequences):
    """Texts that a decoder wrote, (B,T) with their prompts."""


@dataclass
class GenerateEncoderDecoderOutput(_Cached, _EncoderObserved, _Steps, _Sequences):
    """Texts that an encoder-decoder wrote, (B,T)."""


@dataclass
class GenerateBeamDecoderOnlyOutput(_Cached, _DecoderObserved, _BeamIndices, _Steps, _BeamScores, _Sequences):
    """The same of a beam search."""


@dataclass
class GenerateBeamEncoderDecoderOutput(_Cached, _EncoderObserved, _BeamIndices, _Steps, _BeamScores, _Sequences):
    """The same of a beam search."""
