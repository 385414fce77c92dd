"""Tiny folders of sentence-transformers and a tiny cross-encoder, from weights that the reference library wrote."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tiny import GOLDENS, configure, make

WIDTH, NARROW = 32, 12  # of the tiny models, and of a Dense
PACKAGE = "sentence_transformers.models."
PROMPTS = {"query": "is it: ", "document": "The film "}


def make_sentence(
    folder: Path, *steps: tuple[str, dict[str, Any]], body: str = "bert", inside: str = "", texts: Any = None,
    settings: Any = None, binary: bool = False,
) -> Path:  # fmt: skip
    """A folder of sentence-transformers with random modules.

    Args:
        steps: kind and config.json of each module; a Pooling alone, of the mean, if none is given.
        body: a family that reads WordPiece.
        inside: the folder of the transformer, as older versions have it: "0_Transformer".
        texts, settings: contents of sentence_bert_config.json and config_sentence_transformers.json.
        binary: weights of modules as pytorch_model.bin.
    """
    transformer = make(folder / inside, body)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(GOLDENS / body / "Model" / name, transformer / name)
    if body == "distilbert":  # which has no segments
        tokens = {"do_lower_case": True, "tokenizer_class": "DistilBertTokenizer"}
        (transformer / "tokenizer_config.json").write_text(json.dumps(tokens))
    steps = steps or (("Pooling", {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True}),)
    modules = [{"idx": 0, "name": "0", "path": inside, "type": f"{PACKAGE}Transformer"}]
    for i, (kind, config) in enumerate(steps, 1):
        path = f"{i}_{kind}"
        modules.append({"idx": i, "name": str(i), "path": path, "type": f"{PACKAGE}{kind}"})
        (folder / path).mkdir(exist_ok=True)
        (folder / path / "config.json").write_text(json.dumps(config))
        weights = _weights(kind, config, torch.Generator().manual_seed(i))
        if weights and binary:
            torch.save(weights, folder / path / "pytorch_model.bin")
        elif weights:
            save_file(weights, folder / path / "model.safetensors")
    (folder / "modules.json").write_text(json.dumps(modules))
    if texts is not None:
        (transformer / "sentence_bert_config.json").write_text(json.dumps(texts))
    if settings is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return folder


def _weights(kind: str, config: dict[str, Any], generator: torch.Generator) -> dict[str, torch.Tensor]:
    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) / 4

    if kind == "LayerNorm":
        return {"norm.weight": draw(config["dimension"]), "norm.bias": draw(config["dimension"])}
    if kind != "Dense":
        return {}
    rows, columns = config["out_features"], config["in_features"]
    found = {"linear.weight": draw(rows, columns)}
    if config.get("bias", True):
        found["linear.bias"] = draw(rows)
    if config.get("use_residual") and rows != columns:
        found["residual.weight"] = draw(rows, columns)
    return found


def make_cross_encoder(folder: Path, **fields: Any) -> Path:
    """A classifier with one label; `fields` of config.json."""
    make(folder)
    weights = load_file(folder / "model.safetensors")
    weights = {
        name: tensor[:1].clone() if name.startswith("classifier.") else tensor for name, tensor in weights.items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    fields |= {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}, "problem_type": None}
    return configure(folder, **fields)
