"""Processors of pictures and words for the tiny models of tests/parity/vision, over the vocabularies of the tokenizers'
tests."""

import json
import shutil
from pathlib import Path

PARITY = Path(__file__).parent / "parity"
VOCAB, VISION = PARITY / "tokenizers" / "vocab", PARITY / "vision"
LABELS = ["cat", "dog", "two people", "naïve car"]
TEXTS = ["A photo of 2 cats!", "dog"]
BYTES = {"vocab.json": "clip.json", "merges.txt": "clip.txt"}
SMALL = {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}}
PARTS = {  # name: (stem of the classes, fields of the image processor, files of the tokenizer)
    "clip": ("CLIP", SMALL, BYTES),
    "owlvit": ("OwlViT", {"size": {"height": 16, "width": 16}}, BYTES),
    "siglip": ("Siglip", {"size": {"height": 16, "width": 16}}, {"spiece.model": "t5.model"}),
}


def parts(library, name, folder):
    """The image processor and the tokenizer, of qkv or of the reference, whose files are put into `folder`."""
    kind, fields, names = PARTS[name]
    for file, source in names.items():
        shutil.copyfile(VOCAB / source, folder / file)
    words = "CLIP" if kind == "OwlViT" else kind
    limit = {"model_max_length": 30, "pad_token": "!"} if kind == "OwlViT" else {}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": f"{words}Tokenizer"} | limit))
    pictures = getattr(library, f"{kind}ImageProcessorPil", None) or getattr(library, f"{kind}ImageProcessor")
    return pictures(**fields), getattr(library, f"{words}Tokenizer").from_pretrained(folder)


def made(name, kind, head, folder):
    import qkv  # not where the reference is recorded

    folder.mkdir(parents=True, exist_ok=True)
    getattr(qkv, f"{kind}{head}").from_pretrained(VISION / name / head).save_pretrained(folder)
    getattr(qkv, f"{kind}Processor")(*parts(qkv, name, folder)).save_pretrained(folder)
    return folder


def make_clip(folder):
    """A CLIP with its processor, in `folder`."""
    return made("clip", "CLIP", "Model", folder)


def make_owlvit(folder):
    """An OWL-ViT with its processor, in `folder`."""
    return made("owlvit", "OwlViT", "ForObjectDetection", folder)
