"""Classifier-free guidance: scores moved away from what the model says without the prompt, or to another one."""

from typing import Any

import torch
from torch import Tensor

from .base import LogitsProcessor, is_number, per_row, require


class ClassifierFreeGuidanceLogitsProcessor(LogitsProcessor):
    """Guidance where one batch holds both: scores (2B,V), the conditional half first -> (B,V), as in MusicGen
    (Copet et al., 2023).

    Args:
        guidance_scale: above 1; higher follows the prompt more closely.
    """

    def __init__(self, guidance_scale: float):
        fits = is_number(guidance_scale) and guidance_scale > 1
        require(fits, "guidance_scale", guidance_scale, "a number above 1")
        self.guidance_scale = guidance_scale

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        rows = input_ids.shape[0]
        if scores.shape[0] != 2 * rows:
            raise ValueError(
                f"Guidance needs scores with and without the prompt, {2 * rows} rows for {rows} rows of ids; "
                f"got {scores.shape[0]}."
            )
        with_prompt, without = scores[:rows], scores[rows:]
        return without + (with_prompt - without) * self.guidance_scale


class UnbatchedClassifierFreeGuidanceLogitsProcessor(LogitsProcessor):
    """Guidance by a second pass of the model at each step, for text (Sanchez et al., 2023).

    Args:
        guidance_scale: above 1 follows the prompt more closely, below 1 less; 1 changes nothing.
        model: the one that generates.
        unconditional_ids: (P,N) int64, a prompt to move away from; None for the last token of each prompt.
        unconditional_attention_mask: (P,N), 0 where unconditional_ids are padding; None for none.
        use_cache: False to compute everything again at each step.
    """

    def __init__(
        self, guidance_scale: float, model: Any, unconditional_ids: Tensor | None = None,
        unconditional_attention_mask: Tensor | None = None, use_cache: bool | None = True,
    ):  # fmt: skip
        require(is_number(guidance_scale), "guidance_scale", guidance_scale, "a number")
        self.guidance_scale = guidance_scale
        self.model = model
        self.use_cache = use_cache is not False
        self._prompt, self._mask = unconditional_ids, unconditional_attention_mask
        self._start = 0  # where the new tokens begin
        self._read: Tensor | None = None  # the ids of the step before
        self._cache: Any = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        with_prompt = scores.log_softmax(dim=-1)
        if self.guidance_scale == 1:
            return with_prompt
        without = self._unconditional(input_ids).to(scores.dtype).log_softmax(dim=-1)
        return self.guidance_scale * (with_prompt - without) + without

    def _unconditional(self, input_ids: Tensor) -> Tensor:
        """The model's scores (B,V) of the next token after the other prompt and the new tokens."""
        if self._read is None:
            self._begin(input_ids)
        new = input_ids[:, self._start :]
        # Beam search moves rows; a cache of what they were is then of no use.
        follows = self._cache is not None and torch.equal(input_ids[:, :-1], self._read)  # type: ignore[arg-type]
        ids = new[:, -1:] if follows else torch.cat([self._prompt, new], dim=1)  # type: ignore[list-item]
        mask = torch.cat([self._mask, torch.ones_like(new)], dim=1)  # type: ignore[list-item]
        output = self.model(
            input_ids=ids, attention_mask=mask, use_cache=self.use_cache,
            past_key_values=self._cache if follows else None,
        )  # fmt: skip
        self._read = input_ids
        self._cache = getattr(output, "past_key_values", None) if self.use_cache else None
        return output.logits[:, -1]

    def _begin(self, input_ids: Tensor) -> None:
        rows, self._start = input_ids.shape
        ids = input_ids[:, -1:] if self._prompt is None else self._prompt
        mask = torch.ones_like(ids) if self._mask is None else self._mask
        self._prompt = per_row(ids, rows, "negative_prompt_ids").to(input_ids.device)
        self._mask = per_row(mask, rows, "negative_prompt_attention_mask").to(input_ids)
