"""A tiny config of each family, for models with random weights."""

import torch

from qkv import AutoConfig

SIZES = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
FUSED = (
    "c_attn",
    "query_key_value",
    "qkv_proj",
    "gate_up_proj",
    "in_proj",
    "Wqkv",
    "Wi",
)  # whose parts are parameters of their own
IDS = torch.tensor([[5, 6, 7, 8], [9, 3, 1, 1]])


def tiny_config(model_type, **fields):
    config = AutoConfig.for_model(model_type, **SIZES, num_labels=3, **fields)
    config.pad_token_id = 1
    if model_type == "t5":
        config.head_dim = 8
        config.eos_token_id = 8
    if model_type == "layoutlmv3":
        config.coordinate_size, config.shape_size, config.input_size = 3, 2, 32
    if model_type == "lilt":
        config.hidden_size = 24  # six numbers say where a box is
    if "max_position_embeddings" in config._fields:
        config.max_position_embeddings = 20
    if "num_key_value_heads" in config._fields:
        config.num_key_value_heads = 1
    return config
