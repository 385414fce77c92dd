"""The code blocks of README and docs run as they stand; names of models are folders that stand for them."""

import re
from pathlib import Path

import pytest

from tiny import configure, make
from tiny_depth import make_depth, make_sam
from tiny_matching import make_clip, make_owlvit
from tiny_pictures import make_detr, make_dinov2, make_segformer, make_vit, pictures
from tiny_sentence import make_cross_encoder, make_sentence
from tiny_text import make_text
from tiny_translation import make_t5

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{i}")
    for page in PAGES
    for i, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text("utf8"), re.DOTALL))
]

HEADS = {  # names in docs/understanding.md: the head of the tiny BERT that stands for them
    "dslim/bert-base-NER": "ForTokenClassification",
    "deepset/bert-base-cased-squad2": "ForQuestionAnswering",
    "bert-base-uncased": "ForMaskedLM",
}


MODELS = {
    "gpt2": make_text,
    "SmolLM2-135M-Instruct": lambda folder: make_text(folder, "llama/ForCausalLM", chat=True),
    "t5-small": make_t5,
    "depth-anything/Depth-Anything-V2-Small-hf": make_depth,
    "facebook/detr-resnet-50": make_detr,
    "facebook/dinov2-small": make_dinov2,
    "facebook/sam-vit-base": make_sam,
    "google/vit-base-patch16-224": make_vit,
    "nvidia/segformer-b0-finetuned-ade-512-512": make_segformer,
    "openai/clip-vit-base-patch32": make_clip,
    "google/owlvit-base-patch32": make_owlvit,
}


@pytest.mark.parametrize("block", BLOCKS)
def test_block(block, tmp_path, monkeypatch, tiny_distilbert):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for name, head in HEADS.items():
        if f'"{name}"' in block:
            make(tmp_path / name, head=head)
    monkeypatch.setattr("qkv.pipelines.factory.is_cached", lambda name: False)
    monkeypatch.setattr("qkv.pipelines.factory.reachable", lambda: False)
    for name in re.findall(r'"((?:[\w-]+/)?distilbert-[\w-]+)"', block):
        if name == "distilbert-base-uncased":  # a base model, whose head is to be trained
            make(tmp_path / name, "distilbert", "ForMaskedLM")
        else:
            tiny_distilbert(tmp_path / name)
    for name in re.findall(r'"([\w-]+/all-MiniLM-L6-v2)"', block):
        make_sentence(tmp_path / name)
    for name in re.findall(r'"([\w-]+/ms-marco-MiniLM-L6-v2)"', block):
        make_cross_encoder(tmp_path / name)
    if '"cross-encoder/nli-MiniLM2-L6-H768"' in block:
        labels = {"entailment": 0, "neutral": 1, "contradiction": 2}
        configure(make(tmp_path / "cross-encoder/nli-MiniLM2-L6-H768"), label2id=labels)
    for name, make_one in MODELS.items():
        if f'"{name}"' in block:
            make_one(tmp_path / name)
    pictures()[0].save(tmp_path / "cat.jpg")
    exec(compile(block, "README", "exec"), {})


def test_every_link_to_a_file_is_there():
    for page in [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text("utf8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_names_every_family_and_task():
    from qkv.models import FAMILIES
    from qkv.pipelines import ALIASES, TASKS

    text = (ROOT / "README.md").read_text("utf8")
    for name in [*FAMILIES, *TASKS, *ALIASES]:
        assert name in text, name


def test_every_make_target_in_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text("utf8")
    for target in re.findall(r"`make (\w+)`", (ROOT / "README.md").read_text("utf8")):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
