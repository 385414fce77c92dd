"""What llama.cpp calls things, and what Hugging Face does: a row for each architecture that a GGUF file can have.

llama.cpp's converter also changes numbers: for some architectures it puts the rows of queries and keys in the order
that its rotary embedding wants, adds one to the norms of Gemma, and turns GPT-2's matrices. A row says what to undo.
"""

from dataclasses import dataclass, field

SIZES = {  # metadata key without the architecture -> key of config.json
    "block_count": "num_hidden_layers",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "context_length": "max_position_embeddings",
    "attention.head_count": "num_attention_heads",
}
DECODER = SIZES | {
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "rope.freq_base": "rope_theta",
}
HEAD = {"attention.key_length": "head_dim"}
GEMMA = DECODER | HEAD
GEMMA2 = GEMMA | {
    "attention.sliding_window": "sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
}
GRANITE = DECODER | {
    "attention.scale": "attention_multiplier",
    "embedding_scale": "embedding_multiplier",
    "residual_scale": "residual_multiplier",
    "logit_scale": "logits_scaling",
}
GPT2 = {
    "block_count": "n_layer",
    "embedding_length": "n_embd",
    "feed_forward_length": "n_inner",
    "context_length": "n_positions",
    "attention.head_count": "n_head",
    "attention.layer_norm_epsilon": "layer_norm_epsilon",
}
NEOX = SIZES | {
    "attention.layer_norm_epsilon": "layer_norm_eps",
    "rope.freq_base": "rotary_emb_base",
    "use_parallel_residual": "use_parallel_residual",
}

_TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_BLOCK = {
    "attn_norm": "input_layernorm",
    **{f"attn_{x}": f"self_attn.{x}_proj" for x in "qkv"},
    **{f"attn_{x}_norm": f"self_attn.{x}_norm" for x in "qk"},
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    **{f"ffn_{x}": f"mlp.{x}_proj" for x in ("gate", "up", "down")},
}
_FOUR_NORMS = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


def _names(block: dict[str, str], top: dict[str, str] | None = None, layers: str = "model.layers.") -> dict[str, str]:
    return (top or _TOP) | {f"blk.{{}}.{theirs}": f"{layers}{{}}.{ours}" for theirs, ours in block.items()}


LLAMA_NAMES = _names(_BLOCK)
GEMMA2_NAMES = _names(_BLOCK | _FOUR_NORMS)
PHI3_NAMES = _names(_BLOCK | {"attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"})
GPT2_NAMES = _names(
    {
        "attn_norm": "ln_1",
        "attn_qkv": "attn.c_attn",
        "attn_output": "attn.c_proj",
        "ffn_norm": "ln_2",
        "ffn_up": "mlp.c_fc",
        "ffn_down": "mlp.c_proj",
    },
    {
        "token_embd": "transformer.wte",
        "position_embd": "transformer.wpe",
        "output_norm": "transformer.ln_f",
        "output": "lm_head",
    },
    "transformer.h.",
)
NEOX_NAMES = _names(
    {
        "attn_norm": "input_layernorm",
        "attn_qkv": "attention.query_key_value",
        "attn_output": "attention.dense",
        "ffn_norm": "post_attention_layernorm",
        "ffn_up": "mlp.dense_h_to_4h",
        "ffn_down": "mlp.dense_4h_to_h",
    },
    {"token_embd": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm", "output": "embed_out"},
    "gpt_neox.layers.",
)
SETTINGS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")  # tensors for config.json


@dataclass(frozen=True)
class Architecture:
    """One row.

    Args:
        model_type, model: of config.json, and the class it names.
        keys: metadata key without the architecture -> key of config.json.
        names: tensor -> published name; `{}` is a layer's index.
        interleaved: tensors whose rows llama.cpp's rotary embedding reordered: queries and keys.
        raised: whether norms are stored plus one.
        turned: tensors that Hugging Face keeps as (in, out).
        grouped: tensors whose rows are all queries, all keys, all values; Hugging Face has them head by head.
    """

    model_type: str
    model: str
    keys: dict[str, str] = field(default_factory=lambda: DECODER)
    names: dict[str, str] = field(default_factory=lambda: LLAMA_NAMES)
    interleaved: tuple[str, ...] = ()
    raised: bool = False
    turned: tuple[str, ...] = ()
    grouped: tuple[str, ...] = ()


_QK = ("attn_q", "attn_k")
ARCHITECTURES = {
    "llama": Architecture("llama", "LlamaForCausalLM", DECODER | HEAD, interleaved=_QK),
    "granite": Architecture("granite", "GraniteForCausalLM", GRANITE, interleaved=_QK),
    "smollm3": Architecture("smollm3", "SmolLM3ForCausalLM", interleaved=_QK),
    "qwen2": Architecture("qwen2", "Qwen2ForCausalLM"),
    "qwen3": Architecture("qwen3", "Qwen3ForCausalLM", DECODER | HEAD),
    "olmo2": Architecture("olmo2", "Olmo2ForCausalLM", names=GEMMA2_NAMES),
    "phi3": Architecture(
        "phi3", "Phi3ForCausalLM", DECODER | {"attention.sliding_window": "sliding_window"}, PHI3_NAMES
    ),
    "gemma": Architecture("gemma", "GemmaForCausalLM", GEMMA, raised=True),
    "gemma2": Architecture("gemma2", "Gemma2ForCausalLM", GEMMA2, GEMMA2_NAMES, raised=True),
    "gemma3": Architecture("gemma3_text", "Gemma3ForCausalLM", GEMMA2, GEMMA2_NAMES, raised=True),
    "gpt2": Architecture(
        "gpt2", "GPT2LMHeadModel", GPT2, GPT2_NAMES, turned=("attn_qkv", "attn_output", "ffn_up", "ffn_down")
    ),
    "gptneox": Architecture("gpt_neox", "GPTNeoXForCausalLM", NEOX, NEOX_NAMES, grouped=("attn_qkv",)),
}
