"""The lesson's block on named entities, verbatim but for imports that blocks before it have, from a Hub nearby."""

import os
import subprocess
import sys

import pytest

from hub_server import HubServer
from tiny import make
from tiny_ner import BIO, make_ner

BLOCK = """
from qkv import pipeline, AutoTokenizer
import torch

# Using NER pipeline (easiest)
ner = pipeline("ner", model="dbmdz/bert-large-cased-finetuned-conll03-english")
text = "Apple Inc. was founded by Steve Jobs in Cupertino, California."
entities = ner(text)
for entity in entities:
    print(f"{entity['word']}: {entity['entity']} ({entity['score']:.4f})")

# Custom NER model
from qkv import AutoModelForTokenClassification
model = AutoModelForTokenClassification.from_pretrained("bert-base-cased", num_labels=9)
tokenizer = AutoTokenizer.from_pretrained("bert-base-cased")

text = "John works at Google in New York."
inputs = tokenizer(text, return_tensors="pt")
with torch.no_grad():
    predictions = torch.argmax(model(**inputs).logits, dim=2)

# Map predictions to labels
labels = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
tokens = tokenizer.convert_ids_to_tokens(inputs.input_ids[0])
for token, pred in zip(tokens, predictions[0]):
    if token not in ['[CLS]', '[SEP]', '[PAD]']:
        print(f"{token}: {labels[pred]}")
"""
LABELS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
DEFAULT = """
from qkv import pipeline
ner = pipeline("ner")
print(ner.model.config.name_or_path)
"""


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    with HubServer() as hub:
        hub.add("dbmdz/bert-large-cased-finetuned-conll03-english", files(make_ner(folder / "ner")))
        hub.add("bert-base-cased", files(make(folder / "base", "bert", "ForMaskedLM")))
        yield hub


def run(hub, folder, code):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    env |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1"}
    env |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_entities(hub, tmp_path):
    lines, told = run(hub, tmp_path, BLOCK)
    assert len(told) == 1 and "classifier" in told[0]  # the head that is to be trained
    marked, own = lines[:-8], lines[-8:]
    assert marked
    for line in marked:
        word, label, score = line.split(" ")
        assert word[-1] == ":" and word[:-1] in "Apple Inc. was founded by Steve Jobs in Cupertino, California."
        assert label in BIO[1:] and 0 < float(score.strip("()")) < 1
    assert own[-1][:3] == ".: " and all(line.split(": ")[1] in LABELS for line in own)


def test_the_default(hub, tmp_path):
    assert run(hub, tmp_path, DEFAULT) == (["dbmdz/bert-large-cased-finetuned-conll03-english"], [])
