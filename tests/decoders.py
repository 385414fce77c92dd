"""The decoders among the goldens, the caches they can have, and texts read in pieces."""

import json
from pathlib import Path

import torch

from qkv import AutoConfig, AutoModel, DynamicCache, StaticCache, auto
from qkv.models.causal import CausalModel

GOLDENS = Path(__file__).parent / "parity" / "goldens"
LENGTH, PADS = 12, (0, 3, 7)


def is_decoder(folder):
    config = json.loads((folder / "config.json").read_text())
    decoder = issubclass(auto.body_class(config["model_type"]), CausalModel)
    return decoder and not config.get("use_bidirectional_attention")


CASES = sorted(path.parent.name for path in GOLDENS.glob("*/Model") if is_decoder(path))
CUTS = {"by token": [1] * LENGTH, "in chunks": [5, 1, 1, 3, 2], "a token after a text": [11, 1], "at once": [LENGTH]}
CACHES = {
    "dynamic, windowed": lambda config: DynamicCache(config),
    "dynamic": lambda config: DynamicCache(),
    "dynamic with room": lambda config: DynamicCache(room=8),
    "static": lambda config: StaticCache(max_cache_len=LENGTH + 3),
}


def load(case, **fields):
    config = AutoConfig.from_pretrained(GOLDENS / case / "Model", **fields)
    if getattr(config, "original_max_position_embeddings", None) == 4:  # LongRoPE turns long texts in another way
        config.original_max_position_embeddings = 40
    return AutoModel.from_pretrained(GOLDENS / case / "Model", config=config)


def read(model, ids, mask, cache, cuts):
    """The hidden states of a text read in pieces."""
    states, start = [], 0
    for size in cuts:
        end = start + size
        out = model(ids[:, start:end], attention_mask=mask[:, :end], past_key_values=cache)
        assert out.past_key_values is cache and cache.get_seq_length() == end
        states.append(out.last_hidden_state)
        start = end
    return torch.cat(states, dim=1)


def differ(found, expected):
    """The largest difference, in units of the largest number if that is above one."""
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1))


def width(model):
    """Numbers that a layer keeps for a token, keys and values together."""
    return 2 * next(p for name, p in torch.nn.Module.named_parameters(model) if "attn.k_proj.weight" in name).shape[0]
