"""config.json and generation_config.json from the metadata of a GGUF file."""

import math
from collections.abc import Callable
from typing import Any

from ..errors import nearest, short
from .architectures import ARCHITECTURES, Architecture
from .header import Entry, Header

Floats = Callable[[Entry], list[float]]
Settings = dict[str, Any]
# Llama 3.1's way to longer texts, as all its published configs have it; a file keeps only the factors that follow.
LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
SENTENCEPIECE_IDS = {"bos": 1, "eos": 2, "unknown": 0}  # where a file with such a vocabulary does not say
BIASES = {"attention_bias": "attn_output", "mlp_bias": "ffn_gate"}
REQUIRED = ("block_count", "embedding_length", "attention.head_count")


def architecture(header: Header) -> Architecture:
    """The row of a file's architecture. ValueError: not one that qkv knows, or no text model."""
    name = header.get("general.architecture")
    if name is None:
        raise ValueError("the GGUF file does not name its general.architecture, so it is not a model. Name another.")
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise ValueError(
            f"qkv does not read GGUF files of architecture {short(name)}; the nearest are "
            f"{nearest(str(name), ARCHITECTURES)}. Load the original weights instead: pass the folder that holds them."
        )
    if header.get(f"{name}.expert_count"):
        raise ValueError(
            f"the GGUF file holds a mixture of experts, which qkv does not read ({name}.expert_count is not 0)."
        )
    if (parts := header.get("split.count", 1)) not in (0, 1):
        raise ValueError(
            f"the GGUF file is one of {short(parts)} parts. Join them first: llama-gguf-split --merge FIRST_PART OUTPUT"
        )
    return ARCHITECTURES[name]


def config(header: Header, floats: Floats) -> Settings:
    """The config.json that a file stands for, in the published spelling.

    Args:
        floats: reads a short tensor; some files keep the settings of their rotary embedding in one.

    Raises: ValueError for an architecture that qkv does not know, and for metadata that lacks or misstates a size.
    """
    kind = architecture(header)
    said = _Said(header)
    made: Settings = {"model_type": kind.model_type, "architectures": [kind.model]}
    for theirs, ours in kind.keys.items():
        if (value := said.value(theirs)) is not None:
            made[ours] = value
    for theirs, ours in kind.keys.items():
        if theirs in REQUIRED and not (type(made.get(ours)) is int and 0 < made[ours] < 2**31):
            raise ValueError(f"the GGUF file misstates {said.name}.{theirs}: {short(made.get(ours))} is not a size.")
    made |= {f"{role}_token_id": token_id(header, role) for role in ("bos", "eos")}
    made["pad_token_id"] = token_id(header, "padding")
    made["tie_word_embeddings"] = "output.weight" not in header.tensors
    embeddings = header.tensors.get("token_embd.weight")
    made["vocab_size"] = embeddings.shape[0] if embeddings else said.value("vocab_size")
    if "rms_norm_eps" in made:  # older families always have biases
        made |= {name: True for name, part in BIASES.items() if f"blk.0.{part}.bias" in header.tensors}
    made |= EXTRAS.get(said.name, lambda *_: {})(said, made)
    scaling = _scaling(said, made, floats)
    return made | ({"rope_scaling": scaling} if scaling else {})


def generation_config(header: Header) -> Settings:
    """The generation_config.json that a file stands for: every token that ends an answer, not only the first."""
    ends = [token_id(header, role) for role in ("eos", "eot", "eom")]
    ends = list(dict.fromkeys(end for end in ends if end is not None))
    made: Settings = {"bos_token_id": token_id(header, "bos"), "pad_token_id": token_id(header, "padding")}
    made["eos_token_id"] = ends if len(ends) > 1 else ends[0] if ends else None
    return {name: value for name, value in made.items() if value is not None}


def token_id(header: Header, role: str) -> int | None:
    """The id of a role's token: bos, eos, unknown, padding, eot, eom. ValueError if it is none of the vocabulary."""
    tokens = header.get("tokenizer.ggml.tokens")
    default = SENTENCEPIECE_IDS.get(role) if header.get("tokenizer.ggml.model") == "llama" else None
    value = header.get(f"tokenizer.ggml.{role}_token_id", default)
    if value is None or value in (-1, 2**32 - 1):  # what some writers put for none
        return None
    if type(value) is not int or isinstance(tokens, list) and not 0 <= value < len(tokens):
        raise ValueError(f"the GGUF file misstates {role}_token_id: {short(value)} is no id of its vocabulary.")
    return value


class _Said:
    """The metadata of a file's own architecture, by keys without its name."""

    def __init__(self, header: Header):
        self.header, self.name = header, header.get("general.architecture")

    def value(self, key: str, default: Any = None) -> Any:
        return self.header.get(f"{self.name}.{key}", default)

    def number(self, key: str) -> float | None:
        value = self.value(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"the GGUF file misstates {self.name}.{key}: {short(value)} is not a number.")
        return value


def _llama(said: _Said, made: Settings) -> Settings:
    width = said.number("rope.dimension_count")
    return {"head_dim": width} if width and "head_dim" not in made else {}


def _phi3(said: _Said, made: Settings) -> Settings:
    width, head = said.number("rope.dimension_count"), made["hidden_size"] / made["num_attention_heads"]
    extras: Settings = {"sliding_window": made.get("sliding_window") or None}  # 0 says that there is none
    if width and width != head:
        extras["partial_rotary_factor"] = width / head
    if original := said.number("rope.scaling.original_context_length"):
        extras["original_max_position_embeddings"] = original
    return extras


def _gemma2(said: _Said, made: Settings) -> Settings:
    """The scale of attention is nowhere in a file: the width of a head, but for the 27B models."""
    width = made["hidden_size"] // made["num_attention_heads"]
    largest = made["num_hidden_layers"] == {"gemma2": 46, "gemma3": 62}[said.name]
    return {"query_pre_attn_scalar": width if largest else made.get("head_dim", 256)}


def _gemma3(said: _Said, made: Settings) -> Settings:
    extras = _gemma2(said, made)
    if local := said.number("rope.freq_base_swa"):
        extras["rope_local_base_freq"] = local
    if not made.get("sliding_window"):  # left out where no layer has one
        extras["layer_types"] = ["full_attention"] * made["num_hidden_layers"]
    return extras


def _gpt2(said: _Said, made: Settings) -> Settings:
    return {"n_inner": None} if made.get("n_inner") == 4 * made["n_embd"] else {}


def _neox(said: _Said, made: Settings) -> Settings:
    width = said.number("rope.dimension_count")
    return {"rotary_pct": width * made["num_attention_heads"] / made["hidden_size"]} if width else {}


def _olmo2(said: _Said, made: Settings) -> Settings:
    if said.value("attention.sliding_window"):
        raise ValueError("the GGUF file holds an OLMo 3, which qkv does not read (it has an attention.sliding_window).")
    return {}


EXTRAS: dict[str, Callable[[_Said, Settings], Settings]] = {
    "llama": _llama,
    "olmo2": _olmo2,
    "phi3": _phi3,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "gpt2": _gpt2,
    "gptneox": _neox,
}


def _scaling(said: _Said, made: Settings, floats: Floats) -> Settings | None:
    """The rope_scaling that a file stands for, if any."""
    tensors = said.header.tensors
    if "rope_freqs.weight" in tensors:
        return _from_factors(floats(tensors["rope_freqs.weight"]), said, made)
    if "rope_factors_long.weight" in tensors and "rope_factors_short.weight" in tensors:
        factors = {size: floats(tensors[f"rope_factors_{size}.weight"]) for size in ("short", "long")}
        return {"type": "longrope"} | {f"{size}_factor": numbers for size, numbers in factors.items()}
    kind, factor = said.value("rope.scaling.type"), said.number("rope.scaling.factor")
    if kind not in ("linear", "yarn") or not factor:
        return None
    scaling: Settings = {"rope_type": kind, "factor": factor}
    if kind == "yarn":
        keys = {
            "original_context_length": "original_max_position_embeddings",
            "attn_factor": "attention_factor",
            "yarn_attn_factor": "attention_factor",
            "yarn_beta_fast": "beta_fast",
            "yarn_beta_slow": "beta_slow",
        }
        found = {ours: said.number(f"rope.scaling.{theirs}") for theirs, ours in keys.items()}
        scaling |= {name: value for name, value in found.items() if value is not None}
    return scaling


def _from_factors(factors: list[float], said: _Said, made: Settings) -> Settings | None:
    """One factor for each wave: Llama 3.1's settings if they give these very factors, else the factors themselves."""
    if all(factor == 1 for factor in factors):
        return None
    if not all(0 < factor < math.inf for factor in factors):
        raise ValueError("the GGUF file misstates rope_freqs.weight: it holds factors that are not above 0.")
    theta = said.number("rope.freq_base") or 10000.0
    settings: Settings = {"rope_type": "llama3", "factor": max(factors), **LLAMA3}
    low, high, original = LLAMA3.values()
    for i, factor in enumerate(factors):
        turns = original / (2 * math.pi) * theta ** -(i / len(factors))  # of a wave in the original length
        kept = min(max((turns - low) / (high - low), 0.0), 1.0)
        if not math.isclose(factor, 1 / ((1 - kept) / max(factors) + kept), rel_tol=1e-4):
            break
    else:
        return settings
    both = {"short_factor": factors, "long_factor": factors, "attention_factor": 1.0, "factor": 1.0}
    return {"rope_type": "longrope", **both, "original_max_position_embeddings": made["max_position_embeddings"]}
