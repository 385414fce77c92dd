"""What a model that generates has beside its forward pass. Light to import: the rest comes with the first call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from .config import GenerationConfig


class GenerationMixin:
    """`generate()` and what belongs to it, for models that score the next token."""

    config: Any
    _generation_config: GenerationConfig | None = None

    @property
    def generation_config(self) -> GenerationConfig:
        """The model's own defaults of `generate()`: generation_config.json, or what config.json says."""
        if self._generation_config is None:
            from .config import GenerationConfig

            self._generation_config = GenerationConfig.from_model_config(self.config)
        return self._generation_config

    @generation_config.setter
    def generation_config(self, value: GenerationConfig) -> None:
        self._generation_config = value

    @classmethod
    def can_generate(cls) -> bool:
        return True

    def generate(  # noqa: PLR0913 (the reference's signature)
        self, inputs: Tensor | None = None, generation_config: GenerationConfig | None = None,
        logits_processor: Sequence[Any] | None = None, stopping_criteria: Sequence[Any] | None = None,
        prefix_allowed_tokens_fn: Callable[[int, Tensor], list[int]] | None = None, synced_gpus: bool | None = None,
        assistant_model: Any = None, streamer: Any = None, negative_prompt_ids: Tensor | None = None,
        negative_prompt_attention_mask: Tensor | None = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        """Continue texts; or, for an encoder-decoder, write an answer to them.

        Rows do not know each other: whichever side they are padded on, each is continued as if it were alone, and what
        can be derived (mask, positions, pad token) is.

        Args:
            inputs: prompt ids (B,T), also as `input_ids=`; or `inputs_embeds=` (B,T,D). None starts with the bos token.
            generation_config: options; by default the model's own, over which keywords go.
            logits_processor: called as processor(input_ids (B,T), scores (B,V)) -> scores, after the library's own.
            stopping_criteria: called as criterion(input_ids, scores) -> (B,) bool; true ends a row.
            prefix_allowed_tokens_fn: called as fn(row, ids (T,)) -> the ids that may come next.
            assistant_model: a smaller model with the same tokenizer, whose guesses this one checks.
            streamer: gets the prompt, then each new id; see `TextStreamer`.
            negative_prompt_ids, negative_prompt_attention_mask: what `guidance_scale` leads away from.
            tokenizer: needed by `stop_strings`, `json_schema`, `regex`, `choice` and `grammar`.
            kwargs: fields of `GenerationConfig` (max_new_tokens=50, do_sample=True ...), and inputs of the model
                (attention_mask, past_key_values ...).

        Returns: ids (B*num_return_sequences, T+new), the prompt first (only new ones for inputs_embeds and
            encoder-decoders); with return_dict_in_generate=True an output that holds them as `sequences`.

        Raises: ValueError for options that contradict each other or are unknown, for prompts that leave no room, and
            when the model's scores are not numbers.
        """
        from .generate import generate

        return generate(
            self, inputs, generation_config, logits_processor, stopping_criteria,
            prefix_allowed_tokens_fn=prefix_allowed_tokens_fn, assistant_model=assistant_model, streamer=streamer,
            negative_prompt_ids=negative_prompt_ids, negative_prompt_attention_mask=negative_prompt_attention_mask,
            **kwargs,
        )  # fmt: skip

    def compute_transition_scores(
        self, sequences: Tensor, scores: tuple[Tensor, ...], beam_indices: Tensor | None = None,
        normalize_logits: bool = False,
    ) -> Tensor:  # fmt: skip
        """The score of each generated token, (B,new).

        Args:
            sequences, scores, beam_indices: of an output of `generate()` with output_scores=True.
            normalize_logits: as log-probabilities.
        """
        from .scores import transition_scores

        return transition_scores(sequences, scores, beam_indices, normalize_logits)
