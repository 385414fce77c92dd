"""Going on from a checkpoint that the reference library's Trainer wrote (tools/golden_resume.py)."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from qkv import AutoModelForSequenceClassification
from qkv.training.arguments import TrainingArguments
from qkv.training.trainer import Trainer
from tiny_training import rows

RESUME = Path(__file__).parent / "resume"
PICKLES = ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth")


class Hostile:
    def __reduce__(self):
        return Path.touch, (Path("ran"),)


@pytest.fixture
def folder(request, tmp_path, monkeypatch):
    """The reference's output folder, with pickles that do something when they are read."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(RESUME / request.param / "checkpoint-8", tmp_path / "out" / "checkpoint-8")
    for name in PICKLES:
        (tmp_path / "out" / "checkpoint-8" / name).write_bytes(pickle.dumps(Hostile()))
    yield tmp_path / "out"
    assert not (tmp_path / "ran").exists()


def trainer(folder, recorded, **options):
    model = AutoModelForSequenceClassification.from_pretrained(
        Path(__file__).parent / "goldens" / "bert" / "ForSequenceClassification",
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    args = TrainingArguments(str(folder), **(recorded["arguments"] | options))
    return Trainer(model, args, train_dataset=rows(22), eval_dataset=rows(6, seed=1))


@pytest.mark.parametrize("folder", ["4.57", "5.23"], indirect=True)
def test_a_run_of_the_reference_goes_on(folder, request, caplog):
    """Weights, schedule, position in the data, log and best model: by SGD, which has no moments, its own losses."""
    version = request.node.callspec.params["folder"]
    recorded = json.loads((RESUME / version / "run.json").read_text())
    run = trainer(folder, recorded)
    torch.manual_seed(1)
    output = run.train(resume_from_checkpoint=True)
    found = [
        [entry["step"], entry["loss"], entry["grad_norm"], entry["learning_rate"]]
        for entry in run.state.log_history if "loss" in entry
    ]  # fmt: skip
    atol = 6e-5 if version == "4.57" else 1e-5  # which logs four digits
    np.testing.assert_allclose(np.array(found), np.array(recorded["losses"]), rtol=1e-5, atol=atol)
    assert [entry[0] for entry in found] == list(range(1, 13))  # 8 of the reference's, 4 of ours
    assert output.training_loss == pytest.approx(np.mean([entry[1] for entry in recorded["losses"]]), abs=atol)
    best = min(entry["eval_loss"] for entry in run.state.log_history if "eval_loss" in entry)
    assert run.evaluate()["eval_loss"] == pytest.approx(best, abs=1e-5)
    assert "begin anew" in caplog.text and "pickle" in caplog.text


@pytest.mark.parametrize("folder", ["5.23"], indirect=True)
def test_what_is_no_checkpoint_of_the_reference(folder, request):
    """Torn weights are an error, not random ones; and without its own files a folder is only incomplete."""
    recorded = json.loads((RESUME / "5.23" / "run.json").read_text())
    weights = folder / "checkpoint-8" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(OSError, match="not a whole safetensors file"):
        trainer(folder, recorded).train(resume_from_checkpoint=True)
    weights.write_bytes(whole)
    for name in PICKLES:
        (folder / "checkpoint-8" / name).unlink()
    with pytest.raises(ValueError, match=r"no whole checkpoint.*manifest\.json"):
        trainer(folder, recorded).train(resume_from_checkpoint=True)
