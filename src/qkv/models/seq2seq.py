"""What all encoder-decoders over text share: their call, with its checks and its output."""

from typing import Any

from torch import Tensor

from ..layers.observe import observing
from ..outputs import BaseModelOutput, Seq2SeqModelOutput
from .task import BaseModel, TaskModel
from .text import check_inputs, look_up, observed, wished


class Seq2SeqModel(BaseModel):
    """A family gives `encode` and `decode`."""

    def forward(  # noqa: PLR0913 (the reference's signature)
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None, decoder_attention_mask: Tensor | None = None, *,
        encoder_outputs: Any = None, inputs_embeds: Tensor | None = None, decoder_inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None, output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Seq2SeqModelOutput | tuple[Any, ...]:  # fmt: skip
        """Hidden states of the decoder.

        Args:
            input_ids, attention_mask: of the encoder (B,S); or `inputs_embeds` (B,S,D), or its `encoder_outputs`.
            decoder_input_ids, decoder_attention_mask: of the decoder (B,T); or `decoder_inputs_embeds` (B,T,D).
            output_attentions, output_hidden_states, return_dict: as the config says if None.

        Raises: ValueError if the inputs do not fit together.
        """
        kinds = wished(self.config, output_attentions, output_hidden_states)
        states, seen = self._encoded(input_ids, attention_mask, inputs_embeds, encoder_outputs, kinds)
        check_inputs(self, decoder_input_ids, decoder_inputs_embeds, decoder_attention_mask, "decoder_")
        x = look_up(self, decoder_input_ids) if decoder_inputs_embeds is None else decoder_inputs_embeds
        with observing(*kinds, *(["cross_attentions"] if "attentions" in kinds else [])) as notes:
            x = self.decode(x, decoder_attention_mask, states, attention_mask)
        found = {"decoder_" * (not k.startswith("cross")) + k: v for k, v in observed(notes, x).items()}
        output = Seq2SeqModelOutput(x, encoder_last_hidden_state=states, **found, **seen)
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def _encoded(
        self, ids: Tensor | None, mask: Tensor | None, embeds: Tensor | None, given: Any, kinds: list[str]
    ) -> tuple[Tensor, dict[str, Any]]:
        """The encoder's last states and what was seen of it."""
        if given is not None:
            return given[0], {f"encoder_{k}": v for k, v in BaseModelOutput(*given).items() if k != "last_hidden_state"}
        check_inputs(self, ids, embeds, mask)
        with observing(*kinds) as notes:
            states = self.encode(look_up(self, ids) if embeds is None else embeds, mask)
        return states, {f"encoder_{kind}": value for kind, value in observed(notes, states).items()}

    def encode(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Token vectors (B,S,D), mask (B,S) -> the encoder's states (B,S,D)"""
        raise NotImplementedError

    def decode(self, x: Tensor, mask: Tensor | None, states: Tensor, states_mask: Tensor | None) -> Tensor:
        """Token vectors (B,T,D), mask (B,T), the encoder's states (B,S,D) and mask (B,S) -> (B,T,D)"""
        raise NotImplementedError

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

    def complete(self, inputs: dict[str, Any], ids: Tensor | None, labels: Tensor | None) -> dict[str, Any]:
        """The decoder reads the labels, or the text itself for a head on whole texts, one step behind."""
        if inputs.keys() & {"decoder_input_ids", "decoder_inputs_embeds"}:
            return inputs
        source = labels if self.head.reads_labels else ids
        if source is None:
            raise ValueError("the decoder has nothing to read: give decoder_input_ids (B,T), or labels (B,T).")
        if source is ids:
            check_inputs(self.backbone, ids, None, None)
        return {**inputs, "decoder_input_ids": self.backbone.shift_right(source)}
