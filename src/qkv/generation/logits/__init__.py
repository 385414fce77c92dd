"""Logits processors: what changes the scores of the next token before one is chosen.

base.py has the protocol; warpers.py what sampling does; repetition.py, sequences.py and length.py the constraints;
guidance.py, watermark.py, synthid.py and grammar.py what their names say; build.py makes a call's list.
"""

from .base import LogitsProcessor, LogitsProcessorList
from .build import build_processors
from .grammar import GRAMMAR_OPTIONS, GrammarLogitsProcessor
from .guidance import ClassifierFreeGuidanceLogitsProcessor, UnbatchedClassifierFreeGuidanceLogitsProcessor
from .length import (
    ExponentialDecayLengthPenalty,
    ForcedBOSTokenLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    InfNanRemoveLogitsProcessor,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
)
from .repetition import (
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    HammingDiversityLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)
from .sequences import NoBadWordsLogitsProcessor, PrefixConstrainedLogitsProcessor, SequenceBiasLogitsProcessor
from .synthid import SynthIDTextWatermarkingConfig, SynthIDTextWatermarkLogitsProcessor
from .warpers import (
    EpsilonLogitsWarper,
    EtaLogitsWarper,
    LogitNormalization,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopHLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)
from .watermark import WatermarkDetector, WatermarkDetectorOutput, WatermarkingConfig, WatermarkLogitsProcessor

__all__ = [
    "GRAMMAR_OPTIONS", "ClassifierFreeGuidanceLogitsProcessor", "EncoderNoRepeatNGramLogitsProcessor",
    "EncoderRepetitionPenaltyLogitsProcessor", "EpsilonLogitsWarper", "EtaLogitsWarper",
    "ExponentialDecayLengthPenalty", "ForcedBOSTokenLogitsProcessor", "ForcedEOSTokenLogitsProcessor",
    "GrammarLogitsProcessor", "HammingDiversityLogitsProcessor", "InfNanRemoveLogitsProcessor",
    "LogitNormalization", "LogitsProcessor", "LogitsProcessorList", "MinLengthLogitsProcessor",
    "MinNewTokensLengthLogitsProcessor", "MinPLogitsWarper", "NoBadWordsLogitsProcessor",
    "NoRepeatNGramLogitsProcessor", "PrefixConstrainedLogitsProcessor", "RepetitionPenaltyLogitsProcessor",
    "SequenceBiasLogitsProcessor", "SuppressTokensAtBeginLogitsProcessor", "SuppressTokensLogitsProcessor",
    "SynthIDTextWatermarkLogitsProcessor", "SynthIDTextWatermarkingConfig", "TemperatureLogitsWarper",
    "TopHLogitsWarper", "TopKLogitsWarper", "TopPLogitsWarper", "TypicalLogitsWarper",
    "UnbatchedClassifierFreeGuidanceLogitsProcessor", "WatermarkDetector", "WatermarkDetectorOutput",
    "WatermarkLogitsProcessor", "WatermarkingConfig", "build_processors",
]  # fmt: skip
