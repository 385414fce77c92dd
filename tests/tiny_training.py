"""Small data to train the tiny golden models on."""

import torch


def rows(count, seed=0, longest=9, kind="classes"):
    """`count` padded rows for a sequence classifier ("classes"), a tagger ("tags"), a language model ("words") or
    an encoder-decoder that is to write one of five words for each word, and id 1 at the end ("texts")."""
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
            "texts": [*(5 + ids[j] % 5 for j in range(length)), 1, *[-100] * (longest - length)],
        }
        found.append({"input_ids": ids, "attention_mask": mask, "labels": labels[kind]})
    return found
