"""Blocks of the lesson, verbatim but for the import, on folders that stand for the names of models."""

import subprocess
import sys

BLOCK = """
from qkv import AutoTokenizer, AutoModelForSequenceClassification
import torch

# Load model and tokenizer
model_name = "distilbert-base-uncased-finetuned-sst-2-english"
tokenizer = AutoTokenizer.from_pretrained(model_name)
model = AutoModelForSequenceClassification.from_pretrained(model_name)

# Single or batch prediction
texts = ["This movie is amazing!", "This is terrible.", "It's okay, I guess."]
inputs = tokenizer(texts, return_tensors="pt", padding=True, truncation=True)

with torch.no_grad():
    outputs = model(**inputs)
    predictions = torch.softmax(outputs.logits, dim=1)

for text, pred in zip(texts, predictions):
    print(f"{text}: Positive={pred[1]:.4f}, Negative={pred[0]:.4f}")
"""
BEST_PRACTICES = """
from qkv import AutoModel, AutoTokenizer
import torch
texts = ["a", "b c"]
model = AutoModel.from_pretrained("bert-base-uncased")  # Use smaller models
model = model.half()  # Half precision (FP16)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = model.to(device)
tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased", use_fast=True)  # Fast tokenizers
tokenizer(texts, padding=True, truncation=True, max_length=128, return_tensors="pt")
try:
    model = AutoModel.from_pretrained("model-name")
except Exception as e:
    print(f"Error: {e}")
    model = AutoModel.from_pretrained("bert-base-uncased")  # Fallback
model.save_pretrained("./my_model")
tokenizer.save_pretrained("./my_model")
model = AutoModel.from_pretrained("./my_model")  # Local
"""


def run(code, folder):
    env = {"HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin", "HF_HOME": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_text_classification(tiny_distilbert, tmp_path):
    tiny_distilbert(tmp_path / "distilbert-base-uncased-finetuned-sst-2-english")
    lines = run(BLOCK, tmp_path)
    assert [line.split(":")[0] for line in lines] == [
        "This movie is amazing!",
        "This is terrible.",
        "It's okay, I guess.",
    ]
    for line in lines:
        positive, negative = (float(part.partition("=")[2]) for part in line.rpartition(": ")[2].split(", "))
        assert 0 < positive < 1 and 0 < negative < 1


def test_best_practices(tiny_distilbert, tmp_path):
    tiny_distilbert(tmp_path / "bert-base-uncased")
    lines = run(BEST_PRACTICES, tmp_path)
    assert len(lines) == 1 and lines[0].startswith("Error: ") and "model-name" in lines[0] and len(lines[0]) < 400
