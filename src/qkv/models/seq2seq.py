"""What all encoder-decoders over text share: their call, with its checks and its output."""

from typing import Any

from torch import Tensor

from ..layers import DynamicCache, EncoderDecoderCache
from ..layers.observe import observing
from ..outputs import BaseModelOutput, ModelOutput, Seq2SeqModelOutput
from .task import BaseModel, TaskModel
from .text import check_inputs, look_up, observed, wished


class Seq2SeqModel(BaseModel):
    """A family gives `encode` and `decode`."""

    caches = True

    def forward(  # noqa: PLR0913 (the reference's signature)
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None, decoder_attention_mask: Tensor | None = None, *,
        encoder_outputs: Any = None, inputs_embeds: Tensor | None = None, decoder_inputs_embeds: Tensor | None = None,
        past_key_values: EncoderDecoderCache | None = None, use_cache: bool | None = None, cache_position: Any = None,
        output_attentions: bool | None = None, output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Seq2SeqModelOutput | tuple[Any, ...]:  # fmt: skip
        """Hidden states of the decoder.

        Args:
            input_ids, attention_mask: of the encoder (B,S); or `inputs_embeds` (B,S,D), or its `encoder_outputs`.
            decoder_input_ids, decoder_attention_mask: of the decoder (B,T); or `decoder_inputs_embeds` (B,T,D).
            past_key_values: of the decoder's tokens before and of the encoder's states; these are added to it.
            use_cache: whether to give a cache back; as the config says if None.
            cache_position: accepted, not needed.
            output_attentions, output_hidden_states, return_dict: as the config says if None.

        Raises: ValueError if the inputs do not fit together.
        """
        kinds = wished(self.config, output_attentions, output_hidden_states)
        if encoder_outputs is None:
            asked = {f"output_{kind}": kind in kinds for kind in ("attentions", "hidden_states")}
            encoder_outputs = self.read(input_ids, attention_mask, inputs_embeds, **asked)
        elif not isinstance(encoder_outputs, ModelOutput):
            encoder_outputs = BaseModelOutput(*encoder_outputs)
        states = encoder_outputs["last_hidden_state"]
        seen = {f"encoder_{name}": value for name, value in encoder_outputs.items() if name != "last_hidden_state"}
        cache = self._cache(past_key_values, use_cache)
        past = 0 if cache is None else cache.length
        check_inputs(self, decoder_input_ids, decoder_inputs_embeds, decoder_attention_mask, "decoder_", past=past)
        x = look_up(self, decoder_input_ids) if decoder_inputs_embeds is None else decoder_inputs_embeds
        with observing(*kinds, *(["cross_attentions"] if "attentions" in kinds else [])) as notes:
            x = self.decode(x, decoder_attention_mask, states, attention_mask, cache)
        found = {"decoder_" * (not k.startswith("cross")) + k: v for k, v in observed(notes, x).items()}
        output = Seq2SeqModelOutput(x, cache, encoder_last_hidden_state=states, **found, **seen)
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def read(
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None, *, output_attentions: bool | None = None,
        output_hidden_states: bool | None = None, return_dict: bool | None = None,
    ) -> Any:  # fmt: skip
        """The encoder's states of ids (B,S) or vectors (B,S,D), to be given as `encoder_outputs`."""
        check_inputs(self, input_ids, inputs_embeds, attention_mask)
        with observing(*wished(self.config, output_attentions, output_hidden_states)) as notes:
            x = look_up(self, input_ids) if inputs_embeds is None else inputs_embeds
            states = self.encode(x, attention_mask)
        output = BaseModelOutput(states, **observed(notes, states))
        return output.to_tuple() if return_dict is False else output

    def get_encoder(self) -> Any:
        """The encoder as a function of ids (B,S)."""
        return self.read

    def encode(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Token vectors (B,S,D), mask (B,S) -> the encoder's states (B,S,D)"""
        raise NotImplementedError

    def decode(
        self, x: Tensor, mask: Tensor | None, states: Tensor, states_mask: Tensor | None, cache: Any = None
    ) -> Tensor:
        """Token vectors (B,T,D), mask (B,T), the encoder's states (B,S,D), mask (B,S) and the cache -> (B,T,D)"""
        raise NotImplementedError

    @property
    def decoder_layers(self) -> int:
        count = getattr(self.config, "num_decoder_layers", None)
        return self.config.num_hidden_layers if count is None else count

    def _cache(self, given: EncoderDecoderCache | None, wanted: bool | None) -> EncoderDecoderCache | None:
        if given is None and self.wants_cache(wanted):
            given = EncoderDecoderCache(DynamicCache(), DynamicCache())
        if given is not None and not isinstance(given, EncoderDecoderCache):
            raise ValueError("past_key_values of an encoder-decoder must be an EncoderDecoderCache of two caches.")
        if given is not None and len(given) == 0:
            given.fill([None] * self.decoder_layers)
        return given

    def shift_right(self, ids: Tensor) -> Tensor:
        """Labels (B,T) as the decoder's inputs: the start token first, padding in place of -100."""
        pad = self.config.pad_token_id or 0
        start = self.config.decoder_start_token_id
        shifted = ids.roll(1, dims=1)
        shifted[:, 0] = pad if start is None else start
        return shifted.masked_fill(shifted == -100, pad)

    @classmethod
    def task_model(cls) -> type[TaskModel]:
        return Seq2SeqTaskModel


class Seq2SeqTaskModel(TaskModel):
    """An encoder-decoder and the head of a task."""

    def get_encoder(self) -> Any:
        """The encoder as a function of ids (B,S)."""
        return self.backbone.read

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """What the decoder reads where it is to give the labels (B,T)."""
        return self.backbone.shift_right(labels)

    def complete(self, inputs: dict[str, Any], targets: dict[str, Tensor]) -> dict[str, Any]:
        """The decoder reads the labels, or the text itself for a head on whole texts, one step behind."""
        inputs = super().complete(inputs, targets)
        if inputs.keys() & {"decoder_input_ids", "decoder_inputs_embeds"}:
            return inputs
        ids = inputs["input_ids"]
        source = targets.get("labels") if self.head.reads_labels else ids
        if source is None:
            raise ValueError("the decoder has nothing to read: give decoder_input_ids (B,T), or labels (B,T).")
        if source is ids:
            check_inputs(self.backbone, ids, None, None)
        return {**inputs, "decoder_input_ids": self.backbone.shift_right(source)}
