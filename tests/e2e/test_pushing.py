"""What a run sends to the Hub, with the real client: private, the model alone, while training goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import qkv
from hub_server import HubServer

TESTS = Path(__file__).parent.parent
SCRIPT = """
import json, sys
import torch
from qkv import AutoModelForSequenceClassification
from qkv.training.arguments import TrainingArguments
from qkv.training.trainer import Trainer
from tiny import GOLDENS
from tiny_training import rows
given = {"max_steps": 3, "save_steps": 1, "save_total_limit": 1, "push_to_hub": True, "hub_always_push": True}
given |= {"hub_model_id": "me/tuned", "use_cpu": True, "disable_tqdm": True} | json.loads(sys.argv[2])
model = AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert" / "ForSequenceClassification")
Trainer(model, TrainingArguments(sys.argv[1], **given), train_dataset=rows(8)).train()
"""


def run(hub, folder, **given):
    env = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(Path(qkv.__file__).parent.parent)]),
        "HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_writer",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, "-c", SCRIPT, str(folder / "out"), json.dumps(given)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


MODEL = {"config.json", "model.safetensors", "README.md"}


@pytest.mark.parametrize(
    ("strategy", "commits", "beside"),
    [
        ("end", 1, []),
        ("every_save", 4, []),
        ("checkpoint", 7, ["last-checkpoint"]),
        ("all_checkpoints", 7, ["checkpoint-1", "checkpoint-2", "checkpoint-3"]),
    ],
)
def test_strategies(strategy, commits, beside, tmp_path):
    with HubServer() as hub:
        done = run(hub, tmp_path, hub_strategy=strategy)
        assert done.returncode == 0, done.stderr
        assert hub.private["me/tuned"] == "private"
        assert len(hub.asked("/commit/main")) == commits
        assert set(list(hub.commits.values())[-1]) == MODEL | {f"{place}/{name}" for place in beside for name in MODEL}
        last = hub.commits[hub.refs["me/tuned"]["main"]]
        assert len({files["model.safetensors"] for files in list(hub.commits.values())[1:]}) == min(commits, 3)
    if beside:
        assert last[f"{beside[-1]}/model.safetensors"] == last["model.safetensors"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["checkpoint-3", "log.jsonl"]


def test_a_public_repository_if_told_so(tmp_path):
    with HubServer() as hub:
        assert run(hub, tmp_path, hub_strategy="end", hub_private_repo=False).returncode == 0
        assert hub.private["me/tuned"] != "private"


def test_without_the_right_to_write(tmp_path):
    """Training goes on, and what failed is said; the end raises."""
    with HubServer() as hub:
        done = run(hub, tmp_path, hub_token="hf_reader")
        assert done.returncode == 1 and "was not sent" in done.stderr and "it may not write there" in done.stderr
        assert done.stderr.count("OSError: 'me/tuned' was not pushed") == 1
    assert (tmp_path / "out" / "checkpoint-3").is_dir()
