"""One file per family. FAMILIES says which file a config.json's model_type is in."""

FAMILIES = {
    "bert": "bert",
    "camembert": "camembert",
    "deberta-v2": "deberta_v2",
    "distilbert": "distilbert",
    "gpt2": "gpt2",
    "granite": "granite",
    "llama": "llama",
    "mistral": "mistral",
    "olmo2": "olmo2",
    "phi3": "phi3",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "roberta": "roberta",
    "smollm3": "smollm3",
    "t5": "t5",
    "xlm-roberta": "xlm_roberta",
}
