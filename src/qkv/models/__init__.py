"""One file per family. FAMILIES says which file a config.json's model_type is in."""

FAMILIES = {
    "bert": "bert",
}
