"""What all decoders without an encoder share: their call, with its checks, its masks and its cache."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import short
from ..layers import Cache, DynamicCache, PerLayer, Rope
from ..layers.masks import causal_mask, padding_mask
from ..layers.observe import observing
from ..outputs import BaseModelOutputWithPast
from .task import BaseModel
from .text import check_inputs, look_up, observed, wished


class CausalModel(BaseModel):
    """A family gives `embed`, `layers`, `norm` and perhaps `rope`, or `decode` if these are not all; `windows` if some
    layers look back only so far; `positions` if it counts its own way; `angles` if they differ by layer."""

    caches = True
    segments_are_tokens: ClassVar[bool] = False  # whether segment ids are looked up in the table of tokens

    def forward(  # noqa: PLR0913 (the reference's signature)
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None, position_ids: Tensor | None = None, inputs_embeds: Tensor | None = None,
        *, past_key_values: Any = None, use_cache: bool | None = None, cache_position: Any = None,
        output_attentions: bool | None = None, output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutputWithPast | tuple[Any, ...]:  # fmt: skip
        """Hidden states of a batch of texts, or of what follows the texts that a cache has read.

        Args:
            input_ids: token ids (B,T), or `inputs_embeds` (B,T,D) in their place.
            attention_mask: (B,S+T), 1 for tokens and 0 for padding, of the S tokens in the cache too; all ones if None.
                Or (B,1 or H,T,S+T) of what each token attends to, in place of all the model's own masks: bool, or
                floats that are added to the scores.
            token_type_ids: segment ids (B,T), where the family has segments.
            position_ids: (B,T) or (1,T); counted by the family if None, by default S...S+T-1.
            past_key_values: a `Cache` of the S tokens before, to which these are added; or ((keys, values), ...).
            use_cache: whether to give a cache back; as the config says if None.
            cache_position: accepted, not needed.
            output_attentions, output_hidden_states, return_dict: as the config says if None.

        Raises: ValueError if the inputs do not fit together or exceed the model.
        """
        cache = self._cache(past_key_values, use_cache)
        past = 0 if cache is None else cache.length
        check_inputs(self, input_ids, inputs_embeds, attention_mask, past=past, positions=position_ids)
        x = look_up(self, input_ids) if inputs_embeds is None else inputs_embeds
        positions = self.positions(x, attention_mask, past) if position_ids is None else position_ids
        with observing(*wished(self.config, output_attentions, output_hidden_states)) as notes:
            x = self.decode(x, self._masks(x, attention_mask, cache), positions, token_type_ids, cache)
        output = BaseModelOutputWithPast(x, past_key_values=cache, **observed(notes, x))
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def decode(
        self, x: Tensor, masks: Any, positions: Tensor, segments: Tensor | None, cache: Cache | None
    ) -> Tensor:  # fmt: skip
        """Token vectors (B,T,D), masks of all layers or of each, position ids and segment ids (B,T) -> (B,T,D)"""
        if segments is not None and self.segments_are_tokens:
            x = x + self.embed.token(segments)
        return self.norm(self.layers(self.embed(x, positions), masks, self.angles(positions), cache))

    def angles(self, positions: Tensor) -> Any:
        """Of all layers, or a `PerLayer` of each, by which queries and keys at positions (B,T) are turned; or None."""
        rope = self._modules.get("rope")
        return None if rope is None else rope(positions)

    @property
    def is_plain_decoder(self) -> bool:
        """Whether a call is `decode` as it stands here, so that a backend may run its parts as one."""
        return type(self).forward is CausalModel.forward and type(self).decode is CausalModel.decode

    def positions(self, x: Tensor, mask: Tensor | None, past: int) -> Tensor:
        """Position ids (1,T) for token vectors (B,T,D) after `past` others, or (B,T) where the mask (B,S+T) counts."""
        return torch.arange(past, past + x.shape[1], device=x.device)[None]

    @property
    def windows(self) -> list[int | None]:
        """How many tokens each layer looks back, the current one included; None for all."""
        return [None] * self.config.num_hidden_layers

    def turns_anew(self, read: int, total: int) -> bool:
        """Whether a cache of `read` tokens is of no use for a text of `total`: its keys stand at other angles."""
        rope = self._modules.get("rope")
        return isinstance(rope, Rope) and rope.turns_anew(read, total)

    def _cache(self, given: Any, wanted: bool | None) -> Cache | None:
        if given is None:
            given = DynamicCache(self.config) if self.wants_cache(wanted) else None
        elif not isinstance(given, Cache):
            given = DynamicCache.from_legacy_cache(given)
        if given is not None and len(given) == 0:
            given.fill(self.windows)
        if given is not None and len(given) != len(self.windows):
            raise ValueError(f"past_key_values holds {len(given)} layers, the model has {len(self.windows)}.")
        return given

    def _masks(self, x: Tensor, mask: Tensor | None, cache: Cache | None) -> Any:
        """One mask for all layers, or one for each where they look back differently far."""
        length, padding, windows = x.shape[1], padding_mask(mask), self.windows
        made: dict[int | None, Tensor | None] = {}
        for window in set(windows):
            keys = length if cache is None else cache[windows.index(window)].reach(length)
            if padding is not None and mask is not None and mask.dim() == 4:
                made[window] = padding[..., -keys:].to(x.dtype if padding.is_floating_point() else torch.bool)
            else:
                made[window] = causal_mask(length, padding, x.device, keys=keys, window=window)
        return made[windows[0]] if len(made) == 1 else PerLayer(made[window] for window in windows)


def windows_by_type(config: Any, default: list[str], window: int | None) -> list[int | None]:
    """The window of each layer by `config.layer_types`, or `default` if that is None: of "sliding_attention" alone.

    Raises: ValueError if the config does not name a type for each layer, or no window where one is needed.
    """
    types = default if config.layer_types is None else config.layer_types
    if len(types) != config.num_hidden_layers or not set(types) <= {"full_attention", "sliding_attention"}:
        raise ValueError(
            f"config.layer_types must name 'full_attention' or 'sliding_attention' for each of "
            f"{config.num_hidden_layers} layers, got {short(types)}. Correct it in config.json."
        )
    if "sliding_attention" in types and window is None:
        raise ValueError("config.layer_types has sliding_attention, but sliding_window is None or switched off.")
    return [window if kind == "sliding_attention" else None for kind in types]
