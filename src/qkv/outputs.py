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
class _TwoScores(ModelOutput):
    logits: "Tensor | None" = None  # (B,L)
    cls_logits: "Tensor | None" = None
    distillation_logits: "Tensor | None" = None


@dataclass
class _Maps(ModelOutput):
    feature_maps: "tuple[Tensor, ...] | None" = None


@dataclass
class _Pictures(ModelOutput):
    loss: "Tensor | None" = None  # (), of the hidden patches
    reconstruction: "Tensor | None" = None


@dataclass
class _TextEmbeds(ModelOutput):
    text_embeds: "Tensor | None" = None  # (Q,E)


@dataclass
class _ImageEmbeds(ModelOutput):
    image_embeds: "Tensor | None" = None  # (B,E)


@dataclass
class _Depths(ModelOutput):
    loss: "Tensor | None" = None
    predicted_depth: "Tensor | None" = None


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
    there are global_attentions (B,H,T,G), of those G tokens for all, T padded to windows. Where stages work on maps,
    hidden states are also there as these, reshaped_hidden_states (B,D,h,w).
    """

    hidden_states: "tuple[Tensor, ...] | None" = None
    attentions: "tuple[Tensor, ...] | None" = None
    global_attentions: "tuple[Tensor, ...] | None" = None
    reshaped_hidden_states: "tuple[Tensor, ...] | None" = None


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
class _QueryStates(ModelOutput):
    intermediate_hidden_states: "Tensor | None" = None  # after each layer, with auxiliary losses


@dataclass
class _Places(ModelOutput):
    reference_points: "Tensor | None" = None  # (Q,B,2), x and y in parts of the picture


@dataclass
class _FirstPlaces(ModelOutput):
    init_reference_points: "Tensor | None" = None  # (B,Q,2 or 4), where queries begin to look


@dataclass
class _QuerySteps(ModelOutput):
    """After each of N layers of the decoder."""

    intermediate_hidden_states: "Tensor | None" = None  # (B,N,Q,D)
    intermediate_reference_points: "Tensor | None" = None  # (B,N,Q,2 or 4)


@dataclass
class _RefinedSteps(ModelOutput):
    """After each of N layers of the decoder, which are in training first of queries with noise."""

    intermediate_hidden_states: "Tensor | None" = None  # (B,N,Q,D)
    intermediate_logits: "Tensor | None" = None  # (B,N,Q,L)
    intermediate_reference_points: "Tensor | None" = None  # (B,N,Q,4)


@dataclass
class _Best(ModelOutput):
    """Of the places that became queries."""

    enc_topk_logits: "Tensor | None" = None  # (B,Q,L)
    enc_topk_bboxes: "Tensor | None" = None  # (B,Q,4)


@dataclass
class _Noise(ModelOutput):
    denoising_meta_values: "dict[str, Any] | None" = None  # which queries with noise are to find what, in training


@dataclass
class _Proposals(ModelOutput):
    """What each place of the encoder's maps proposes, if there are two stages."""

    enc_outputs_class: "Tensor | None" = None  # (B,S,L)
    enc_outputs_coord_logits: "Tensor | None" = None  # (B,S,4)


@dataclass
class _Boxes(ModelOutput):
    """Q queries; boxes are centre x, centre y, width and height in parts of the picture."""

    loss: "Tensor | None" = None
    loss_dict: "dict[str, Tensor] | None" = None  # its parts
    logits: "Tensor | None" = None  # (B,Q,L), L + 1 where the last is "no object"
    pred_boxes: "Tensor | None" = None  # (B,Q,4)


@dataclass
class _Masks(ModelOutput):
    pred_masks: "Tensor | None" = None  # (B,Q,H/4,W/4), before the sigmoid


@dataclass
class _Auxiliary(ModelOutput):
    auxiliary_outputs: "list[dict[str, Tensor]] | None" = None  # logits and pred_boxes of each layer before the last


@dataclass
class _QueryMasks(ModelOutput):
    loss: "Tensor | None" = None
    class_queries_logits: "Tensor | None" = None  # (B,Q,L+1), the last for "nothing"
    masks_queries_logits: "Tensor | None" = None  # (B,Q,h,w), before the sigmoid
    auxiliary_logits: "list[dict[str, Tensor]] | None" = None  # the same of the steps before, if they are asked for


@dataclass
class _DecoderStates(ModelOutput):
    encoder_last_hidden_state: "Tensor | None" = None  # (B,C,h,w) of the backbone
    pixel_decoder_last_hidden_state: "Tensor | None" = None  # (B,D,h,w), which masks are made of
    transformer_decoder_last_hidden_state: "Tensor | None" = None  # (B,Q,D)
    encoder_hidden_states: "tuple[Tensor, ...] | None" = None
    pixel_decoder_hidden_states: "tuple[Tensor, ...] | None" = None
    transformer_decoder_hidden_states: "tuple[Tensor, ...] | None" = None


@dataclass
class _MaskSteps(ModelOutput):
    transformer_decoder_intermediate_states: "tuple[Tensor, ...] | None" = None  # (Q,B,D), normalised
    masks_queries_logits: "tuple[Tensor, ...] | None" = None


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


@dataclass
class ImageClassifierOutput(_Observed, _Scores):
    """Scores of whole pictures: logits (B,L)."""


@dataclass
class SemanticSegmenterOutput(_Observed, _Scores):
    """Scores of each place of a picture: logits (B,L,h,w)."""


@dataclass
class DeiTForImageClassificationWithTeacherOutput(_Observed, _TwoScores):
    """Scores of whole pictures, from the picture's token and from the teacher's: logits (B,L), their mean."""


@dataclass
class DetectorOutput(_QueryStates, _ObservedPair, _LastState):
    """States of the queries (B,Q,D), and the encoder's (B,S,D) they attend to."""


@dataclass
class PlacedDetectorOutput(_Places, _QueryStates, _ObservedPair, _LastState):
    """The same, and from where each query looks."""


@dataclass
class DeformableDetectorOutput(_Proposals, _ObservedPair, _QuerySteps, _LastState, _FirstPlaces):
    """The same, and where queries looked."""


@dataclass
class DeformableObjectDetectionOutput(
    _Proposals, _QuerySteps, _FirstPlaces, _ObservedPair, _LastState, _Auxiliary, _Boxes
):
    """Scores of queries for labels, their boxes, and where they looked."""


@dataclass
class RefiningDetectorOutput(_Noise, _Proposals, _Best, _FirstPlaces, _ObservedPair, _RefinedSteps, _LastState):
    """The same of RT-DETR; encoder_last_hidden_state is a list of maps (B,D,H,W)."""


@dataclass
class RefiningDetectionOutput(
    _Noise, _Proposals, _Best, _FirstPlaces, _ObservedPair, _RefinedSteps, _LastState, _Auxiliary, _Boxes
):
    """Scores of queries for labels, and their boxes, layer by layer."""


@dataclass
class ObjectDetectionOutput(_ObservedPair, _Observed, _LastState, _Auxiliary, _Boxes):
    """Scores of queries for labels, and their boxes."""


@dataclass
class ObjectMasksOutput(_ObservedPair, _Observed, _LastState, _Auxiliary, _Masks, _Boxes):
    """Scores of queries for labels, their boxes and their masks."""


@dataclass
class MaskFormerModelOutput(_Observed, _DecoderStates):
    """Maps of the backbone and of the decoder of pixels, and states of the queries."""


@dataclass
class Mask2FormerModelOutput(_Observed, _MaskSteps, _DecoderStates):
    """The same, and the masks of each step of the decoder (B,Q,h,w)."""


@dataclass
class MaskQueriesOutput(_Observed, _DecoderStates, _QueryMasks):
    """Classes and masks of queries."""


@dataclass
class DepthEstimatorOutput(_Observed, _Depths):
    """How near each place of a picture is, or how far in metres if the model says so: predicted_depth (B,H,W)."""


@dataclass
class BackboneOutput(_Observed, _Maps):
    """Maps of the chosen stages of a backbone, (B,C,H,W) each."""


@dataclass
class TextEmbedsOutput(_Observed, _LastState, _TextEmbeds):
    """Vectors of texts, to be compared with those of pictures."""


@dataclass
class ImageEmbedsOutput(_Observed, _LastState, _ImageEmbeds):
    """Vectors of pictures, to be compared with those of texts."""


@dataclass
class ImageTextOutput(ModelOutput):
    """How well B pictures and Q texts fit: scores, and the vectors of length 1 that they are made of."""

    loss: "Tensor | None" = None  # (), if it was asked for
    logits_per_image: "Tensor | None" = None  # (B,Q)
    logits_per_text: "Tensor | None" = None  # (Q,B)
    text_embeds: "Tensor | None" = None  # (Q,E)
    image_embeds: "Tensor | None" = None  # (B,E)
    text_model_output: BaseModelOutputWithPooling | None = None
    vision_model_output: BaseModelOutputWithPooling | None = None

    def to_tuple(self) -> tuple[Any, ...]:
        return tuple(value.to_tuple() if isinstance(value, ModelOutput) else value for value in self.values())


@dataclass
class GroundedObjectDetectionOutput(ModelOutput):
    """What Q texts ask for at each of N = h*w patches; boxes are centre x, centre y, width, height in parts."""

    loss: "Tensor | None" = None
    logits: "Tensor | None" = None  # (B,N,Q)
    pred_boxes: "Tensor | None" = None  # (B,N,4)
    text_embeds: "Tensor | None" = None  # (B,Q,E)
    image_embeds: "Tensor | None" = None  # (B,h,w,D)
    class_embeds: "Tensor | None" = None  # (B,N,E)
    text_model_output: BaseModelOutputWithPooling | None = None
    vision_model_output: BaseModelOutputWithPooling | None = None

    to_tuple = ImageTextOutput.to_tuple


@dataclass
class ImageGuidedObjectDetectionOutput(ModelOutput):
    """The same for what a picture of an object asks for."""

    logits: "Tensor | None" = None  # (B,N,1)
    image_embeds: "Tensor | None" = None  # (B,h,w,D)
    query_image_embeds: "Tensor | None" = None
    target_pred_boxes: "Tensor | None" = None  # (B,N,4)
    query_pred_boxes: "Tensor | None" = None
    class_embeds: "Tensor | None" = None  # (B,N,E)
    text_model_output: BaseModelOutputWithPooling | None = None
    vision_model_output: BaseModelOutputWithPooling | None = None

    to_tuple = ImageTextOutput.to_tuple


@dataclass
class MaskedImageModelingOutput(_Observed, _Pictures):
    """Pictures with their hidden patches filled in: reconstruction (B,C,H,W)."""

    @property
    def logits(self) -> "Tensor | None":
        return self.reconstruction


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
