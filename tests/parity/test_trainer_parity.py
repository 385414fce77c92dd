"""50 steps of training, step by step as the reference library's Trainer made them (tools/golden_trainer.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

import qkv
from qkv.training.arguments import TrainingArguments
from qkv.training.trainer import Trainer
from tiny import GOLDENS
from tiny_training import rows

RECORDED = json.loads((Path(__file__).parent / "trainer.json").read_text())


@pytest.mark.parametrize("name", RECORDED)
def test_steps_are_the_references(name, tmp_path):
    folder, cls, options, expected = RECORDED[name]
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = getattr(qkv, cls).from_pretrained(GOLDENS / folder, **dropout)
    data = rows(64, kind="tags" if name == "tags" else "classes")
    trainer = Trainer(model=model, args=TrainingArguments(str(tmp_path), **options), train_dataset=data)
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    found = [[entry["loss"], entry["grad_norm"], entry["learning_rate"]] for entry in logs]
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-5, atol=1e-5)
