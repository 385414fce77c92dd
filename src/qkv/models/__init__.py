"""One file per family. FAMILIES says which file a config.json's model_type is in."""

FAMILIES = {
    "bert": "bert",
    "camembert": "camembert",
    "deberta-v2": "deberta_v2",
    "distilbert": "distilbert",
    "gpt2": "gpt2",
    "roberta": "roberta",
    "t5": "t5",
    "xlm-roberta": "xlm_roberta",
}
