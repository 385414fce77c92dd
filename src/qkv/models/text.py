"""What all text encoders and decoders without an encoder share: their call, with its checks and its output."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import short
from ..layers.observe import observing
from ..outputs import BaseModelOutput, BaseModelOutputWithPooling, ModelOutput
from .task import BaseModel


class TextModel(BaseModel):
    """A family gives `encode`, and `positions` if it counts them in its own way.

    What it reads beside tokens, such as boxes on a page, it names in `extra`: `encode` gets it by name, None if it was
    not given.
    """

    extra: ClassVar[tuple[str, ...]] = ()
    encode: Callable[..., Tensor]  # token vectors (B,T,D), mask, position ids, segment ids (B,T) -> states (B,T,D)

    def forward(
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None, position_ids: Tensor | None = None, inputs_embeds: Tensor | None = None,
        *, output_attentions: bool | None = None, output_hidden_states: bool | None = None,
        return_dict: bool | None = None, **extra: Any,
    ) -> ModelOutput | tuple[Any, ...]:  # fmt: skip
        """Hidden states of a batch of texts.

        Args:
            input_ids: token ids (B,T), or `inputs_embeds` (B,T,D) in their place.
            attention_mask: (B,T), 1 for tokens and 0 for padding; all ones if None.
            token_type_ids: segment ids (B,T); zeros if None.
            position_ids: (B,T) or (1,T); counted by the family if None.
            output_attentions, output_hidden_states, return_dict: as the config says if None.

        Raises: ValueError if the inputs do not fit together or exceed the model.
        """
        check_inputs(self, input_ids, inputs_embeds, attention_mask)
        unknown = next((name for name in extra if name not in self.extra), None)
        if unknown is not None:
            raise TypeError(f"{type(self).__name__} has no input {unknown!r}; beside tokens it reads {self.extra}.")
        x = look_up(self, input_ids) if inputs_embeds is None else inputs_embeds
        if not x.shape[1] and all(given is None for given in extra.values()):
            raise ValueError("there is no token to read, in input_ids (B,0); give a text, or its special tokens.")
        self.check_ids(x, position_ids=position_ids, token_type_ids=token_type_ids)
        positions = self.positions(x, input_ids) if position_ids is None else position_ids
        with observing(*wished(self.config, output_attentions, output_hidden_states)) as notes:
            try:
                x = self.encode(
                    x, attention_mask, positions, token_type_ids, **{name: extra.get(name) for name in self.extra}
                )
            except IndexError:
                self.check_rows(position_ids=position_ids, token_type_ids=token_type_ids)
                raise
        output = self.output(x, **observed(notes, x))
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def positions(self, x: Tensor, ids: Tensor | None) -> Tensor | None:
        """Position ids (1,T) for token vectors (B,T,D), or (B,T) where they depend on the token ids (B,T).

        None where they depend on other inputs, so that `encode` counts them.
        """
        return torch.arange(x.shape[1], device=x.device)[None]

    def check_ids(self, x: Tensor, **ids: Tensor | None) -> None:
        """Raise ValueError for ids that are no integers (B,T) or (1,T), as token vectors x (B,T,D) need them."""
        for name, given in ids.items():
            if given is None:
                continue
            shape = tuple(given.shape)
            if shape[:2] not in ((len(x), x.shape[1]), (1, x.shape[1])) or given.is_floating_point():
                raise ValueError(
                    f"{name} must be integers of shape {tuple(x.shape[:2])}, got {given.dtype} of shape {shape}."
                )

    def check_rows(self, **ids: Tensor | None) -> None:
        """Raise ValueError for ids outside the tables of positions and segments."""
        embed: Any = self._modules["embed"]
        for (name, given), table in zip(ids.items(), (embed.position, embed.segment), strict=True):
            rows = getattr(table, "num_embeddings", None)
            if given is not None and rows and not 0 <= int(given.min()) <= int(given.max()) < rows:
                raise ValueError(
                    f"{name} hold {int(given.min())}…{int(given.max())}, but this model knows 0…{rows - 1}. "
                    f"Leave {name} out, or take what this model's tokenizer gives."
                )

    def output(self, x: Tensor, **notes: Any) -> ModelOutput:
        pooler = getattr(self, "pooler", None)
        if pooler is None:
            return BaseModelOutput(x, **notes)
        return BaseModelOutputWithPooling(x, pooler(x), **notes)


def wished(config: Any, attentions: bool | None, hidden_states: bool | None) -> list[str]:
    """The kinds of notes a caller wants, after the config's defaults."""
    asked = {
        "attentions": config.output_attentions if attentions is None else attentions,
        "hidden_states": config.output_hidden_states if hidden_states is None else hidden_states,
    }
    return [kind for kind, wanted in asked.items() if wanted]


def observed(notes: dict[str, list[Tensor]], x: Tensor) -> dict[str, tuple[Tensor, ...]]:
    """Notes as outputs: the last hidden state is the one after the final norm."""
    found = {kind: tuple(tensors) for kind, tensors in notes.items()}
    if "hidden_states" in found:
        found["hidden_states"] = (*found["hidden_states"][:-1], x)
    return found


def check_inputs(
    model: BaseModel, ids: Tensor | None, embeds: Tensor | None, mask: Tensor | None, side: str = "", *,
    past: int = 0, positions: Tensor | None = None,
) -> None:  # fmt: skip
    """Raise ValueError for what would fail deep inside torch; `side` begins the names of the inputs.

    Args:
        past: tokens in the cache, which the mask covers too.
        positions: their largest counts in place of the number of tokens.
    """
    given = ids if ids is not None else embeds
    if given is None or (ids is not None and embeds is not None):
        raise ValueError(f"give either {side}input_ids (B,T) or {side}inputs_embeds (B,T,D), and not both.")
    if not isinstance(given, Tensor):
        raise ValueError(f"{side}input_ids must be a tensor (B,T), got {short(given)}; give it as torch.tensor(...).")
    width = getattr(model.get_input_embeddings(), "embedding_dim", None)
    if embeds is not None and (embeds.dim() != 3 or width not in (None, embeds.shape[2])):
        raise ValueError(f"{side}inputs_embeds must have the shape (B,T,{width}), got {tuple(embeds.shape)}.")
    if ids is not None and (ids.dim() != 2 or ids.is_floating_point()):
        hint = "; add a batch dimension with input_ids[None]" if ids.dim() == 1 else ""
        got = f"{ids.dtype} of shape {tuple(ids.shape)}"
        raise ValueError(f"{side}input_ids must be integers of shape (B,T), got {got}{hint}.")
    expected = (given.shape[0], past + given.shape[1])
    _check_shapes(mask, positions, expected, given.shape[1], side)
    if model.max_tokens is None:
        return
    length = expected[1] if positions is None else int(positions.max()) + 1 if positions.numel() else 0
    if length > model.max_tokens:
        raise ValueError(
            f"{length} tokens are more than the {model.max_tokens} this model can read. "
            f"Tokenize with truncation=True, or cut the text."
        )


def _check_shapes(
    mask: Tensor | None, positions: Tensor | None, expected: tuple[int, int], length: int, side: str
) -> None:  # fmt: skip
    """Whether mask and position ids fit `expected`, rows and tokens with those in the cache, and `length`, without."""
    rows, keys = expected
    shapes = {2: [(rows, keys)], 3: [(rows, length, keys), (rows, 1, keys)]}
    if mask is not None and mask.dim() == 4:
        fits = mask.shape[0] in (1, rows) and mask.shape[2] in (1, length) and mask.shape[3] == keys
    else:
        fits = mask is None or tuple(mask.shape) in shapes.get(mask.dim(), [])
    if mask is not None and not fits:
        cached = f" and the {keys - length} cached tokens" if keys > length else ""
        raise ValueError(
            f"{side}attention_mask {tuple(mask.shape)} must have the shape of {side}input_ids{cached}, {expected}."
        )
    if positions is not None and (positions.dim() != 2 or positions.shape not in ((1, length), (rows, length))):
        raise ValueError(
            f"position_ids {tuple(positions.shape)} must have the shape {(rows, length)} or {(1, length)}."
        )


def look_up(model: BaseModel, ids: Tensor | None) -> Tensor:
    """Token vectors (B,T,D) of token ids (B,T). Raises ValueError for an id outside the table."""
    table = model.get_input_embeddings()
    try:
        return table(ids)
    except IndexError:
        ids = torch.as_tensor(ids)
        raise ValueError(
            f"input_ids holds {int(ids.min())}…{int(ids.max())}, outside the {table.num_embeddings} rows of the token "
            f"table. Is the tokenizer this model's? If you added tokens, model.resize_token_embeddings(len(tokenizer))."
        ) from None
