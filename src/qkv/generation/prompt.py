"""From what a caller gives to a `Prompt`: mask and padding found where they can be, every row moved so that it ends
with its last token, an encoder's texts read once.
"""

from typing import Any

import torch
from torch import Tensor

from ..errors import short
from .runner import Prompt


def decoder_prompt(config: Any, inputs: Tensor | None, given: dict[str, Any], device: torch.device) -> Prompt:
    """The prompt of a decoder without encoder. `given` loses what is used: input_ids, inputs_embeds, attention_mask,
    position_ids, token_type_ids.

    Raises: ValueError for ids that are no (B,T) integers, a mask of another shape, a row without a token.
    """
    ids, embeds = _only(inputs, given.pop("input_ids", None)), given.pop("inputs_embeds", None)
    mask = given.pop("attention_mask", None)
    positions, types = given.pop("position_ids", None), given.pop("token_type_ids", None)
    if ids is None:
        empty = (len(embeds), 0) if embeds is not None else (1, 1)
        ids = torch.full(empty, first_id(config) if embeds is None else 0, device=device)
    ids = checked(ids)
    if embeds is not None and (embeds.dim() != 3 or len(embeds) != len(ids) or embeds.shape[1] == 0):
        raise ValueError(f"inputs_embeds must be (B,T,D), with T of at least 1; got {tuple(embeds.shape)}.")
    count = ids.shape[1] + (0 if embeds is None else embeds.shape[1])
    cached = given.get("past_key_values") is not None
    if mask is None and embeds is None:
        mask = guessed_mask(ids, config)
    if mask is not None:
        mask = checked_mask(mask, len(ids), count)
    if embeds is not None or cached or positions is not None:  # their order is the caller's
        if mask is not None and not bool(mask[:, -1].all()):
            raise ValueError(
                "rows end with padding. Together with inputs_embeds, past_key_values or position_ids, whose places are "
                "fixed, prompts must be padded on the left: padding_side='left'."
            )
        return Prompt(ids, _needed(mask), embeds, position_ids=positions, token_type_ids=types)
    ids, mask, order = aligned(ids, mask, config)
    return Prompt(ids, mask, token_type_ids=types if types is None or order is None else types.gather(1, order))


def first_id(config: Any) -> int:
    """The id that a text starts with. Raises ValueError if the config has none."""
    bos = config.bos_token_id
    bos = bos[0] if isinstance(bos, list) and bos else bos
    if not isinstance(bos, int):
        raise ValueError("the prompt is empty, and the model has no bos_token_id to start from: give a prompt.")
    return bos


def checked(ids: Any) -> Tensor:
    """Ids as (B,T) integers."""
    if isinstance(ids, list | tuple):
        raise ValueError("generate() takes a tensor of ids (B,T): tokenizer(text, return_tensors='pt').input_ids")
    if not isinstance(ids, Tensor):
        hint = " Give its parts: generate(**inputs)." if hasattr(ids, "keys") else ""
        raise ValueError(f"generate() takes a tensor of ids (B,T), got {type(ids).__name__}.{hint}")
    if ids.dim() != 2 or ids.is_floating_point() or len(ids) == 0:
        raise ValueError(f"ids must be integers of shape (B,T), got {ids.dtype} of shape {tuple(ids.shape)}.")
    return ids.long()


def guessed_mask(ids: Tensor, config: Any) -> Tensor | None:
    """A mask from the pad id, where that is no id of a text too."""
    pad = config.pad_token_id
    if pad is None or pad in eos_ids(config) or not (ids == pad).any():
        return None
    return ids != pad


def checked_mask(mask: Any, rows: int, count: int) -> Tensor:
    mask = torch.as_tensor(mask)
    if mask.shape != (rows, count):
        raise ValueError(
            f"attention_mask has the shape {tuple(mask.shape)}, the prompt needs {(rows, count)}: give all ids of the "
            f"text so far, those in past_key_values too."
        )
    return mask.bool()


def _needed(mask: Tensor | None) -> Tensor | None:
    return None if mask is None or bool(mask.all()) else mask


def aligned(ids: Tensor, mask: Tensor | None, config: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Rows with their tokens in order at the end and padding before, (B,T); the mask of that; where each came from.

    A row without a token starts with the bos id. Columns that are padding in every row stay: callers cut by width.
    """
    if ids.shape[1] == 0:
        return ids.new_full((len(ids), 1), first_id(config)), None, None
    mask = _needed(mask)
    if mask is None:
        return ids, None, None
    order = mask.to(torch.uint8).argsort(dim=1, stable=True)
    ids, mask = ids.gather(1, order), mask.gather(1, order)
    empty = ~mask.any(dim=1)
    if empty.any():
        ids[empty, -1], mask[empty, -1] = first_id(config), True
    return ids, mask, order


def encoder_prompt(model: Any, config: Any, inputs: Tensor | None, given: dict[str, Any], observe: dict) -> Prompt:
    """The prompt of an encoder-decoder: its texts read by the encoder, and the ids that the decoder starts with.

    Raises: ValueError if there is nothing for the encoder to read, or no id to start from.
    """
    ids = _only(inputs, given.pop("input_ids", None))
    mask, states = given.pop("attention_mask", None), given.pop("encoder_outputs", None)
    embeds = given.pop("inputs_embeds", None)
    if states is None and ids is None and embeds is None:
        raise ValueError("the encoder has nothing to read: give input_ids (B,S), inputs_embeds or encoder_outputs.")
    if ids is not None:
        ids = checked(ids)
        mask = guessed_mask(ids, config) if mask is None and states is None else mask
    if states is None:
        states = model.get_encoder()(ids, mask, inputs_embeds=embeds, return_dict=True, **observe)
    rows = len(states[0])
    start = config.decoder_start_token_id if config.decoder_start_token_id is not None else config.bos_token_id
    own = given.pop("decoder_input_ids", None)
    if start is None and own is None:
        raise ValueError("decoder_start_token_id is not set: give it, or decoder_input_ids (B,T) to start from.")
    if start is not None:
        first = torch.as_tensor(start, device=states[0].device).expand(rows)[:, None]
        own = first if own is None else checked(own)
        if not torch.equal(own[:, :1], first):
            own = torch.cat([first, own], dim=1)
    given.pop("decoder_attention_mask", None)
    return Prompt(own.long(), encoder={"encoder_outputs": states, "attention_mask": mask})


def eos_ids(config: Any) -> list[int]:
    """The ids that end a text."""
    eos = config.eos_token_id
    return [] if eos is None else [int(i) for i in (eos if isinstance(eos, list | tuple) else [eos])]


def _only(first: Any, second: Any) -> Any:
    if first is not None and second is not None:
        raise ValueError(f"the prompt is given twice: as the first argument and as input_ids {short(second.shape)}.")
    return second if first is None else first
