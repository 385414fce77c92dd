"""Runner: a model that is handed all ids so far, reads those it has not read, and scores what comes next.

It keeps what belongs to reading (cache, mask, positions, the encoder's states), so that decoding methods only deal with
ids and scores. Shapes: B rows, T ids so far, V vocabulary.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..backends.cpu.step import Step, make_step
from ..outputs import ModelOutput


@dataclass
class Prompt:
    """What a generation starts from, every row ending with its last token.

    ids: (B,T), of the decoder; empty if `embeds` (B,S,D) take their place.
    mask: (B,T) or (B,S) bool; None if nothing is padding.
    encoder: keywords of the model that stay the same in all steps, such as encoder_outputs; a row of each a row.
    position_ids, token_type_ids: (B,T) if the caller gave them.
    """

    ids: Tensor
    mask: Tensor | None = None
    embeds: Tensor | None = None
    encoder: dict[str, Any] = field(default_factory=dict)
    position_ids: Tensor | None = None
    token_type_ids: Tensor | None = None

    @property
    def length(self) -> int:
        """Tokens that the decoder reads before it writes."""
        return self.ids.shape[1] if self.embeds is None else self.embeds.shape[1] + self.ids.shape[1]


class Runner:
    """See above.

    Args:
        cache: what is kept of the ids read, and may already hold some; None reads all ids anew at each step.
        copies: how many equal rows each row of the prompt stands for; it is read once all the same.
        observe: "output_attentions", "output_hidden_states" if they are wanted.
        chunk: so many tokens of a long prompt are read at once, which takes less memory; all if None.

    `output` is the model's last output, or None where nothing is observed.
    """

    def __init__(  # noqa: PLR0913 (what reading depends on)
        self, model: Any, prompt: Prompt, cache: Any, copies: int = 1, observe: tuple[str, ...] = (),
        chunk: int | None = None,
    ):  # fmt: skip
        self.model, self.prompt, self.cache, self._copies, self._chunk = model, prompt, cache, copies, chunk
        self.output: ModelOutput | None = None
        self._device = model.device
        self._observe = dict.fromkeys(observe, True)
        self._encoder = dict(prompt.encoder)
        self._mask, self._embeds = prompt.mask, prompt.embeds
        self._padding = None if prompt.mask is None else (~prompt.mask).sum(dim=1, keepdim=True)  # (B,1)
        self._leads = {0} if self._padding is None else set(self._padding[:, 0].tolist())
        self._positions, self._types = prompt.position_ids, prompt.token_type_ids
        self._step: Step | Literal[False] | None = None  # False once it is known that there is none

    def observe(self, *names: str) -> None:
        """Let the model show these in `output` too."""
        self._observe |= dict.fromkeys(names, True)

    @property
    def states(self) -> tuple[Tensor, ...]:
        """Of the last call, if observed: hidden states (B,T,D) of the tokens read, before and after each layer."""
        side = "decoder_" if self.model.config.is_encoder_decoder else ""
        return (self.output or {})[f"{side}hidden_states"]

    def output_of(self, rows: Tensor) -> ModelOutput | None:
        """The model's last output, of these rows (B')."""
        return _rows(self.output, rows)

    @property
    def read(self) -> int:
        """How many tokens need not be read again."""
        return 0 if self.cache is None else self.cache.length

    def logits(self, ids: Tensor, keep: int = 1) -> Tensor:
        """Scores after the last `keep` of all ids (B,T) so far: (B,keep,V) float32.

        Ids may differ from those of the last call behind what `crop` left.
        """
        scores = self._stepped(ids) if keep == 1 and self._copies == 1 else None
        if scores is not None:
            return scores
        copies, self._copies = self._copies, 1
        if copies > 1 and (self.cache is None or self._observe):
            self.select(torch.arange(len(ids) // copies).repeat_interleave(copies))
            copies = 1
        while self.cache is not None and self._chunk and ids.shape[1] - self.read > max(self._chunk, keep):
            if self._observe or any(x is not None for x in (self._embeds, self._positions, self._types)):
                break  # what is observed is of the whole prompt
            self._call(ids[::copies, : self.read + self._chunk], 1)
        output = self.output = self._call(ids[::copies], keep)
        logits = output["logits"].float().to(ids.device)
        if copies > 1:
            rows = torch.arange(len(ids) // copies, device=ids.device).repeat_interleave(copies)
            self.select(rows)
            logits = logits.index_select(0, rows)
        return logits

    def _stepped(self, ids: Tensor) -> Tensor | None:
        """Scores (B,1,V) by the native library, where one new token of each row is all there is to read; else None."""
        if self._step is None and self.cache is not None and self.cache.length:
            self._step = make_step(self.model, self.cache) if self._is_plain() else False
        if not self._step or self._observe or ids.shape[1] != self.read + 1:
            return None
        self.output = None
        return self._step(ids[:, -1], self._padding)

    def _is_plain(self) -> bool:
        """Whether ids, and padding before them, are all that the model reads."""
        given = self._encoder or any(x is not None for x in (self._embeds, self._positions, self._types))
        return not given and (self._mask is None or bool((self._mask[:, 1:] >= self._mask[:, :-1]).all()))

    def _call(self, ids: Tensor, keep: int) -> ModelOutput:
        return self.model(
            **self._inputs(ids), **self._encoder, **self._observe, past_key_values=self.cache,
            use_cache=self.cache is not None, logits_to_keep=keep, return_dict=True,
        )  # fmt: skip

    def crop(self, length: int) -> None:
        """Forget the tokens from number `length` on."""
        if self.cache is not None:
            self.cache.crop(length)

    def select(self, rows: Tensor, start: int = 0) -> None:
        """Go on with these rows (B',) in place of the present ones, which are the same up to token number `start`."""
        if self.cache is not None:
            self.cache.reorder_cache(rows, start)
        if start:
            return
        self._mask, self._padding, self._embeds, self._positions, self._types = (
            None if x is None else x.index_select(0, rows.to(x.device))
            for x in (self._mask, self._padding, self._embeds, self._positions, self._types)
        )
        self._encoder = {name: _rows(value, rows) for name, value in self._encoder.items()}

    def _inputs(self, ids: Tensor) -> dict[str, Any]:
        device = self._device
        if self.model.config.is_encoder_decoder:
            return {"decoder_input_ids": ids[:, self.read :].to(device)}
        before = 0 if self._embeds is None else self._embeds.shape[1]  # tokens that have no ids
        total = before + ids.shape[1]
        read, turns_anew = self.read, self.model.base_model.turns_anew
        if self.cache is not None and any(turns_anew(read - lead, total - lead) for lead in self._leads):
            self.cache.reset()
            read = 0
        inputs: dict[str, Any] = {}
        if read < before and self._embeds is not None:
            vectors = self.model.get_input_embeddings()(ids.to(device)) if ids.shape[1] else None
            inputs["inputs_embeds"] = self._embeds if vectors is None else torch.cat([self._embeds, vectors], dim=1)
        else:
            inputs["input_ids"] = ids[:, read - before :].to(device)
        if self._mask is not None and self._padding is not None:
            if self._mask.shape[1] < total:  # and some room for further tokens
                self._mask = F.pad(self._mask, (0, total), value=True)
            inputs["attention_mask"] = self._mask[:, :total]
            inputs["position_ids"] = (torch.arange(read, total, device=device) - self._padding).clamp(min=0)
        if self._positions is not None:
            count = torch.arange(1, total - self._positions.shape[1] + 1, device=device)
            inputs["position_ids"] = torch.cat([self._positions, self._positions[:, -1:] + count], dim=1)[:, read:]
        if self._types is not None:
            last = self._types[:, -1:].expand(-1, total - self._types.shape[1])
            inputs["token_type_ids"] = torch.cat([self._types, last], dim=1)[:, read:]
        return inputs


def _rows(value: Any, rows: Tensor) -> Any:
    """The rows of a tensor, or of all tensors that an encoder's output holds."""
    if isinstance(value, ModelOutput):
        return type(value)(**{name: _rows(part, rows) for name, part in value.items()})
    if isinstance(value, tuple):
        return tuple(_rows(part, rows) for part in value)
    return value.index_select(0, rows.to(value.device)) if isinstance(value, Tensor) else value
