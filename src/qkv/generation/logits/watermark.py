"""Watermarks: a bias that readers do not notice and a test does (Kirchenbauer et al., 2023, 2306.04634).

The tokens before seed a generator, which picks the greenlist: a part of the vocabulary that gets a bias. Text with more
of its tokens in their greenlists than chance explains was generated so.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .base import LogitsProcessor, is_count, is_number, require

SCHEMES = ("lefthash", "selfhash")
TABLE = 1_000_003  # a prime
CANDIDATES = 40  # most likely tokens that "selfhash" looks at


@dataclass
class WatermarkingConfig:
    """How a text is marked; whoever detects it needs the same.

    Args:
        greenlist_ratio: part of the vocabulary that gets the bias, between 0 and 1.
        bias: added to the scores of the greenlist.
        hashing_key: a secret.
        seeding_scheme: "lefthash" (the token before seeds the generator) or "selfhash" (the token itself and those
            before it do; slower, harder to find out).
        context_width: tokens that seed, at least 1; more resist less editing.
    """

    greenlist_ratio: float = 0.25
    bias: float = 2.0
    hashing_key: int = 15485863
    seeding_scheme: str = "lefthash"
    context_width: int = 1

    def validate(self) -> None:
        """Raises: ValueError for a value out of its range."""
        fits = is_number(self.greenlist_ratio) and 0 < self.greenlist_ratio < 1
        require(fits, "greenlist_ratio", self.greenlist_ratio, "a number above 0 and below 1")
        require(is_number(self.bias), "bias", self.bias, "a number")
        require(is_count(self.hashing_key), "hashing_key", self.hashing_key, "an integer of at least 0")
        require(self.seeding_scheme in SCHEMES, "seeding_scheme", self.seeding_scheme, " or ".join(map(repr, SCHEMES)))
        require(is_count(self.context_width, 1), "context_width", self.context_width, "an integer of at least 1")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def construct_processor(self, vocab_size: int, device: Any) -> "WatermarkLogitsProcessor":
        return WatermarkLogitsProcessor(vocab_size, device, **self.to_dict())


class WatermarkLogitsProcessor(LogitsProcessor):
    """Adds a bias to the greenlist of each row. Rows shorter than `context_width` stay unmarked.

    Args:
        vocab_size: of the model.
        device: of the generator; a text is only recognized with a generator of the same kind.
        options: as in WatermarkingConfig.
    """

    def __init__(self, vocab_size: int, device: Any, **options: Any):
        config = WatermarkingConfig(**options)
        config.validate()
        require(is_count(vocab_size, 1), "vocab_size", vocab_size, "an integer of at least 1")
        self.vocab_size = vocab_size
        self.greenlist_size = int(vocab_size * config.greenlist_ratio)
        self.bias = config.bias
        self.hash_key = config.hashing_key
        self.seeding_scheme = config.seeding_scheme
        self.context_width = config.context_width
        self.rng = torch.Generator(device=device)
        if self.seeding_scheme == "selfhash":
            self.rng.manual_seed(config.hashing_key)
            self._table = torch.randperm(TABLE, generator=self.rng, device=device)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if input_ids.shape[1] < self.context_width:
            return scores
        bias = torch.zeros_like(scores)
        for row, ids in enumerate(input_ids.to(self.rng.device)):
            green = self._self_green(ids, scores[row]) if self.seeding_scheme == "selfhash" else self.greenlist(ids)
            bias[row, green.to(scores.device)] = self.bias
        return scores + bias

    def greenlist(self, context: Tensor) -> Tensor:
        """The ids that get the bias, for the ids before (T,): (G,)."""
        context = context[-self.context_width :]
        if self.seeding_scheme == "selfhash":
            hashed = self._table[context % TABLE] + 1
            seed = int((self.hash_key * hashed * (self._table[context[-1] % TABLE] + 1)).min())
        else:
            seed = self.hash_key * int(context[-1])
        self.rng.manual_seed(seed % (2**64 - 1))
        return torch.randperm(self.vocab_size, generator=self.rng, device=self.rng.device)[: self.greenlist_size]

    def _self_green(self, ids: Tensor, scores: Tensor) -> Tensor:
        """Of the likeliest tokens (N,), those that are in the greenlist they would seed themselves."""
        likely = scores.sort(descending=True).indices[:CANDIDATES].to(ids.device)
        return torch.tensor(
            [int(token) for token in likely if (self.greenlist(torch.cat([ids, token[None]])) == token).any()],
            dtype=torch.long, device=ids.device,
        )  # fmt: skip


@dataclass
class WatermarkDetectorOutput:
    """What WatermarkDetector found, an array (B,) each."""

    num_tokens_scored: np.ndarray
    num_green_tokens: np.ndarray
    green_fraction: np.ndarray
    z_score: np.ndarray
    p_value: np.ndarray
    prediction: np.ndarray
    confidence: np.ndarray


class WatermarkDetector:
    """Tells whether texts carry a watermark.

    Args:
        model_config: of the model that would have generated; its vocab_size and bos_token_id count.
        device: of the ids, and of the generation.
        watermarking_config: that of the generation, or its options as a dictionary.
        ignore_repeated_ngrams: count each run of tokens once.
        max_cache_size: accepted for compatibility; each run of tokens in a batch is looked up once.
    """

    def __init__(
        self, model_config: Any, device: Any, watermarking_config: WatermarkingConfig | dict[str, Any],
        ignore_repeated_ngrams: bool = False, max_cache_size: int = 128,
    ):  # fmt: skip
        options = watermarking_config if isinstance(watermarking_config, dict) else watermarking_config.to_dict()
        start = "decoder_start_token_id" if getattr(model_config, "is_encoder_decoder", False) else "bos_token_id"
        self.bos_token_id = getattr(model_config, start, None)
        self.greenlist_ratio = options.get("greenlist_ratio", WatermarkingConfig.greenlist_ratio)
        self.ignore_repeated_ngrams = ignore_repeated_ngrams
        self.processor = WatermarkLogitsProcessor(model_config.vocab_size, device, **options)

    def __call__(
        self, input_ids: Tensor, z_threshold: float = 3.0, return_dict: bool = False
    ) -> WatermarkDetectorOutput | np.ndarray:
        """Whether each text is marked (B,) bool; with return_dict=True also how sure that is.

        Args:
            input_ids: (B,T) int64, the same of padding or none in all rows; a first token that begins every text is
                left out.
            z_threshold: standard deviations above chance.

        Raises: ValueError for rows too short, or of which some begin with the first token and some do not.
        """
        begins = input_ids[:, 0] == (-1 if self.bos_token_id is None else self.bos_token_id)
        if bool(begins.any()) != bool(begins.all()):
            raise ValueError("Some rows begin with the bos token and some do not; tokenize them in the same way.")
        input_ids = input_ids[:, 1:] if bool(begins.all()) else input_ids
        if input_ids.shape[1] <= self.processor.context_width:
            raise ValueError(
                f"input_ids has {input_ids.shape[1]} tokens in a row, and context_width={self.processor.context_width} "
                "of them only seed; at least one more is needed."
            )
        scored, green = self._counts(input_ids)
        ratio = self.greenlist_ratio
        z_score = (green - ratio * scored) / np.sqrt(scored * ratio * (1 - ratio))
        prediction = z_score > z_threshold
        if not return_dict:
            return prediction
        p_value = 0.5 * torch.special.erfc(torch.as_tensor(z_score / np.sqrt(2), device="cpu")).numpy()
        return WatermarkDetectorOutput(scored, green, green / scored, z_score, p_value, prediction, 1 - p_value)

    def _counts(self, input_ids: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """How many tokens of each row were looked at, and how many were in their greenlist."""
        itself = self.processor.seeding_scheme == "selfhash"  # then the token is part of what seeds
        windows = input_ids.unfold(1, self.processor.context_width + (not itself), 1)
        rows = [Counter(map(tuple, row)) for row in windows.tolist()]
        green = {}
        for window in set().union(*rows):
            context = torch.tensor(window if itself else window[:-1], device=self.processor.rng.device)
            green[window] = bool((self.processor.greenlist(context) == window[-1]).any())
        counts = [dict.fromkeys(row, 1) if self.ignore_repeated_ngrams else row for row in rows]
        scored = np.array([float(sum(row.values())) for row in counts])
        return scored, np.array([float(sum(n for window, n in row.items() if green[window])) for row in counts])
