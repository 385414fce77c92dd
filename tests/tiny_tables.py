"""A tiny TAPAS whose weights are drawn so that it tells cells, questions and operations apart."""

import json
import random
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tiny import WORDS

SOURCE = Path(__file__).parent / "parity" / "goldens" / "tapas" / "ForTableQuestionAnswering"
SCALES = {
    "aggregation_classifier.weight": 6,
    "aggregation_classifier.bias": 0,
    "pooler.dense.weight": 0.3,
    "embeddings": 1,
}
SCALES |= {"attention.output.dense.weight": 2, "output_weights": 1, "bias": 0.3}


def make_tables(folder: Path, **config: object) -> Path:
    """A TapasForQuestionAnswering that knows 8 columns and 8 rows, four operations and 99 words, in `folder`.

    Args:
        config: fields of config.json that are different.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(0).random  # the same on every Python, and with every torch
    weights = {}
    for name, tensor in sorted(load_file(SOURCE / "model.safetensors").items()):
        drawn = torch.tensor([draw() * 2 - 1 for _ in range(tensor.numel())]).view(tensor.shape)
        scale = next((scale for part, scale in SCALES.items() if part in name), 0.6)
        weights[name] = drawn * scale + ("LayerNorm.weight" in name)
    weights["output_bias"] += 3.0  # so that it chooses some cells, not none
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    fields = json.loads((SOURCE / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(fields))
    words = WORDS.split()[:40] + [f"##{x}" for x in "abcdefghijklmnopqrstuvwxyz0123456789"] + [*"0123456789", "[EMPTY]"]
    words += [f"[unused{i}]" for i in range(99 - len(words))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    settings = {"do_lower_case": True, "tokenizer_class": "TapasTokenizer", "model_max_length": 40}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder
