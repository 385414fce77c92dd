"""Small data to train the tiny golden models on."""

import torch


def rows(count, seed=0, longest=9, kind="classes"):
    """`count` padded rows for a sequence classifier ("classes"), a tagger ("tags") or a language model ("words")."""
    draw = torch.Generator().manual_seed(seed)
    found = []
    for i in range(count):
        length = int(torch.randint(2, longest, (), generator=draw))
        ids = torch.randint(5, 98, (length,), generator=draw).tolist() + [0] * (longest - length)
        mask = [1] * length + [0] * (longest - length)
        pairs = list(zip(ids, mask, strict=True))
        labels = {
            "classes": i % 3,
            "tags": [token % 3 if real else -100 for token, real in pairs],
            "words": [token if real else -100 for token, real in pairs],
        }
        found.append({"input_ids": ids, "attention_mask": mask, "labels": labels[kind]})
    return found
