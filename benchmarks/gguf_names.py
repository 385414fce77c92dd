"""Published names and layouts of GPT-2 and Llama -> those of a GGUF file."""

from typing import Any

import numpy
from numpy import ndarray

Result = tuple[str, dict[str, Any], list[tuple[str, ndarray]]]
GPT2 = {
    "ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
}  # fmt: skip
LLAMA = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def translate(config: dict[str, Any], weights: dict[str, ndarray]) -> Result:
    """The architecture, the writer's settings, and the tensors, float32. Raises: KeyError for another family."""
    return {"gpt2": _gpt2, "llama": _llama}[config["model_type"]](config, weights)


def _gpt2(config: dict[str, Any], weights: dict[str, ndarray]) -> Result:
    settings = {
        "block_count": config["n_layer"], "context_length": config["n_positions"],
        "embedding_length": config["n_embd"], "feed_forward_length": 4 * config["n_embd"],
        "head_count": config["n_head"], "layer_norm_eps": config["layer_norm_epsilon"],
    }  # fmt: skip
    tops = {"wte.weight": "token_embd.weight", "wpe.weight": "position_embd.weight",
            "ln_f.weight": "output_norm.weight", "ln_f.bias": "output_norm.bias"}  # fmt: skip
    tensors = []
    for name, tensor in weights.items():
        path = name.removeprefix("transformer.")
        if path in tops:
            tensors.append((tops[path], tensor))
        elif path.startswith("h."):
            layer, module, kind = _parts(path.removeprefix("h."))
            if module in GPT2:
                turned = tensor.T if tensor.ndim == 2 else tensor  # published as (inputs, outputs)
                tensors.append((f"blk.{layer}.{GPT2[module]}.{kind}", numpy.ascontiguousarray(turned)))
    return "gpt2", _with_vocabulary(settings, config), tensors


def _llama(config: dict[str, Any], weights: dict[str, ndarray]) -> Result:
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    width = config["hidden_size"] // heads
    theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
    settings = {
        "block_count": config["num_hidden_layers"], "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"], "feed_forward_length": config["intermediate_size"],
        "head_count": heads, "head_count_kv": groups, "layer_norm_rms_eps": config["rms_norm_eps"],
        "rope_dimension_count": width, "rope_freq_base": theta,
    }  # fmt: skip
    tops = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
    tensors = []
    for name, tensor in weights.items():
        path = name.removeprefix("model.")
        if path in tops:
            tensors.append((tops[path], tensor))
        elif path.startswith("layers."):
            layer, module, kind = _parts(path.removeprefix("layers."))
            if module in ("self_attn.q_proj", "self_attn.k_proj"):  # GGUF has a rotated pair side by side
                rows = tensor.reshape(-1, 2, width // 2, tensor.shape[1])
                tensor = numpy.ascontiguousarray(rows.swapaxes(1, 2).reshape(tensor.shape))
            tensors.append((f"blk.{layer}.{LLAMA[module]}.{kind}", tensor))
    return "llama", _with_vocabulary(settings, config), tensors


def _parts(path: str) -> tuple[str, str, str]:
    """ "3.attn.c_proj.weight" -> ("3", "attn.c_proj", "weight")."""
    layer, _, rest = path.partition(".")
    module, _, kind = rest.rpartition(".")
    return layer, module, kind


def _with_vocabulary(settings: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    return settings | {"vocab_size": config["vocab_size"], "tokenizer_model": "no_vocab"}
