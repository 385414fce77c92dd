"""Seq2SeqTrainer step by step as the reference library's, and what it writes (tools/golden_seq2seq.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from qkv import AutoModelForSeq2SeqLM, Seq2SeqTrainer, Seq2SeqTrainingArguments
from tiny import GOLDENS
from tiny_training import rows

RECORDED = json.loads((Path(__file__).parent / "seq2seq.json").read_text())


def written(row):
    return [0, *np.trim_zeros(np.where(row < 0, 0, row)).tolist()]


def count(prediction):
    return {"tokens": np.mean([len(written(row)) for row in prediction.predictions])}


def model():
    return AutoModelForSeq2SeqLM.from_pretrained(GOLDENS / RECORDED["model"], dropout_rate=0.0)


def test_steps_are_the_references(tmp_path):
    args = Seq2SeqTrainingArguments(tmp_path, **RECORDED["arguments"])
    trainer = Seq2SeqTrainer(model(), args, train_dataset=rows(64, kind="texts"))
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    np.testing.assert_allclose(losses, RECORDED["losses"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", RECORDED["cases"])
def test_what_is_written(name, tmp_path):
    case = RECORDED["cases"][name]
    args = Seq2SeqTrainingArguments(tmp_path, **(RECORDED["arguments"] | case["options"]))
    data = rows(12, seed=1, kind="texts")
    trainer = Seq2SeqTrainer(model(), args, eval_dataset=data, compute_metrics=count)
    metrics, found = trainer.evaluate(**case["asked"]), trainer.predict(data, **case["asked"])
    assert [written(row) for row in found.predictions] == case["ids"]
    assert [written(row) for row in found.label_ids] == case["labels"]
    assert found.predictions.min() >= 0 and found.metrics["test_tokens"] == metrics["eval_tokens"]
    assert metrics["eval_tokens"] == pytest.approx(case["metrics"][1])
    if args.per_device_eval_batch_size == len(data):
        assert metrics["eval_loss"] == pytest.approx(case["metrics"][0], rel=1e-5)
