"""Record a checkpoint of the reference library's Trainer, and how its run goes on, into tests/parity/resume/.

    python tools/golden_resume.py       # with transformers==5.23.0, and with 4.57.6

Shuffled, two epochs, without dropout and by SGD, which has no moments: whoever goes on from the checkpoint in the
second epoch has the same losses, if weights, schedule and position in the data are right.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import transformers as ref

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from tiny_training import rows  # noqa: E402

ARGUMENTS = {
    "num_train_epochs": 2, "per_device_train_batch_size": 4, "learning_rate": 0.05, "optim": "sgd", "warmup_steps": 2,
    "logging_steps": 1, "eval_strategy": "steps", "eval_steps": 4, "save_steps": 4, "metric_for_best_model": "loss",
    "load_best_model_at_end": True, "report_to": "none", "disable_tqdm": True, "use_cpu": True,
}  # fmt: skip
STEP = 8


def main() -> None:
    model = ref.AutoModelForSequenceClassification.from_pretrained(
        TESTS / "parity" / "goldens" / "bert" / "ForSequenceClassification",
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    target = TESTS / "parity" / "resume" / ref.__version__.rpartition(".")[0]
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # the folder's name is in what is recorded
        output = "results"
        args = ref.TrainingArguments(output_dir=output, **ARGUMENTS)
        trainer = ref.Trainer(model=model, args=args, train_dataset=rows(22), eval_dataset=rows(6, seed=1))
        trainer.train()
        pickles = shutil.ignore_patterns("*.bin", "*.pt", "*.pth")  # which nobody here reads
        shutil.copytree(Path(output) / f"checkpoint-{STEP}", target / f"checkpoint-{STEP}", ignore=pickles)
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    recorded = {
        "arguments": {k: v for k, v in ARGUMENTS.items() if k != "report_to"},
        "losses": [[entry["step"], entry["loss"], float(entry["grad_norm"]), entry["learning_rate"]] for entry in logs],
    }
    (target / "run.json").write_text(json.dumps(recorded, indent=1) + "\n")


if __name__ == "__main__":
    main()
