"""The lesson's block on fine-tuning, verbatim but for the import, on a folder that stands for the model's name."""

import os
import subprocess
import sys

from qkv import AutoModelForSequenceClassification
from tiny import make

BLOCK = """
from qkv import AutoTokenizer, AutoModelForSequenceClassification, Trainer, TrainingArguments
from torch.utils.data import Dataset, DataLoader

# Prepare dataset
class TextDataset(Dataset):
    def __init__(self, texts, labels, tokenizer, max_length=128):
        self.encodings = tokenizer(texts, truncation=True, padding=True, max_length=max_length, return_tensors="pt")
        self.labels = labels
    
    def __len__(self): return len(self.labels)
    def __getitem__(self, idx):
        item = {key: val[idx] for key, val in self.encodings.items()}
        item['labels'] = self.labels[idx]
        return item

texts = ["Great product!", "Terrible service.", "It's okay."]
labels = [1, 0, 1]  # 1=positive, 0=negative
tokenizer = AutoTokenizer.from_pretrained("distilbert-base-uncased")
dataset = TextDataset(texts, labels, tokenizer)

# Fine-tune with Trainer API (recommended)
model = AutoModelForSequenceClassification.from_pretrained("distilbert-base-uncased", num_labels=2)
training_args = TrainingArguments(output_dir="./results", num_train_epochs=3, 
                                  per_device_train_batch_size=8, learning_rate=5e-5)
trainer = Trainer(model=model, args=training_args, train_dataset=dataset)
trainer.train()
"""  # noqa: W291, W293 (as it is printed)


def test_fine_tuning(tmp_path):
    make(tmp_path / "distilbert-base-uncased", "distilbert", "ForMaskedLM")
    env = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ} | {"HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "error", "-c", BLOCK]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    notice = done.stderr.splitlines()
    assert len(notice) == 1 and "drawn at random" in notice[0]  # the new head
    assert "train_loss" in done.stdout
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "results" / "checkpoint-3")
    assert model.config.num_labels == 2
