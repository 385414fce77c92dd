"""Blocks of the lesson, verbatim but for the import, on folders that stand for the names of models."""

import subprocess
import sys

from tiny_text import make_text

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
GENERATION = """
from qkv import GPT2LMHeadModel, GPT2Tokenizer

tokenizer = GPT2Tokenizer.from_pretrained("gpt2")
model = GPT2LMHeadModel.from_pretrained("gpt2")

prompt = "Artificial intelligence will"
inputs = tokenizer(prompt, return_tensors="pt")

# Generation parameters:
# temperature: randomness (0.1=conservative, 1.0=creative)
# top_k: sample from top k tokens, top_p: nucleus sampling
# num_beams: beam search, repetition_penalty: penalize repeats
outputs = model.generate(
    inputs.input_ids,
    max_length=50,
    temperature=0.7,
    top_k=50,
    top_p=0.95,
    repetition_penalty=1.2,
    num_beams=5,
    do_sample=True
)

generated = tokenizer.decode(outputs[0], skip_special_tokens=True)
print(generated)
print(outputs.shape[1])
"""
PIPELINE = """
from qkv import pipeline

# Text generation
generator = pipeline("text-generation", model="gpt2")
result = generator("Once upon a time", max_length=30)
print(result[0]["generated_text"])
print(len(generator("Once upon a time", max_length=30, return_tensors=True)[0]["generated_token_ids"]))
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


def gpt2(folder):
    """A tiny GPT-2 with room for the lesson's 50 tokens."""
    from qkv import GPT2Config, GPT2LMHeadModel, set_seed

    make_text(folder)
    set_seed(0)
    config = GPT2Config(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64, eos_token_id=98)
    GPT2LMHeadModel(config).save_pretrained(folder)


def test_text_generation(tmp_path):
    gpt2(tmp_path / "gpt2")
    *lines, length = run(GENERATION, tmp_path)
    assert "\n".join(lines).startswith("Artificial intelligence will")
    assert 26 < int(length) <= 50  # the prompt and, as it is drawn, a token or more


def test_text_generation_pipeline(tmp_path):
    gpt2(tmp_path / "gpt2")
    *lines, length = run(PIPELINE, tmp_path)
    assert "\n".join(lines).startswith("Once upon a time")
    assert 14 < int(length) <= 30  # of prompt and text together
