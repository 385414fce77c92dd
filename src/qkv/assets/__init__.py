"""Models that come with qkv, each a folder as `save_pretrained` writes it but for its compact weights."""
