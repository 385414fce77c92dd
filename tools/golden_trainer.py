"""Record 50 steps of the reference library's Trainer on tiny models, into tests/parity/trainer.json.

    python tools/golden_trainer.py      # with transformers==5.23.0

Losses, norms of gradients and learning rates of a sequence classifier and of a tagger, shuffled, without dropout. Two
things are left out, where 5.23.0 has another loss than one big batch has: a language model, whose loss it divides by
the labels before they are shifted, and a classifier of whole texts with accumulation, whose loss it sums.
"""

import json
import sys
import tempfile
from pathlib import Path

import transformers as ref

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from tiny_training import rows  # noqa: E402

ARGUMENTS = {
    "max_steps": 50, "per_device_train_batch_size": 4, "learning_rate": 1e-3, "weight_decay": 0.01, "warmup_steps": 5,
    "logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True, "use_cpu": True,
}  # fmt: skip
CLASSES = ("bert/ForSequenceClassification", "AutoModelForSequenceClassification")
CASES = {
    "classes": (*CLASSES, {}),
    "tags": ("bert/ForTokenClassification", "AutoModelForTokenClassification", {"lr_scheduler_type": "cosine"}),
    "smoothed": (*CLASSES, {"label_smoothing_factor": 0.1}),
    "adafactor": (*CLASSES, {"optim": "adafactor"}),
}  # fmt: skip


def main() -> None:
    recorded = {}
    for name, (folder, cls, options) in CASES.items():
        dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        model = getattr(ref, cls).from_pretrained(TESTS / "parity" / "goldens" / folder, **dropout)
        with tempfile.TemporaryDirectory() as output:
            args = ref.TrainingArguments(output_dir=output, **(ARGUMENTS | options))
            data = rows(64, kind="tags" if name == "tags" else "classes")
            trainer = ref.Trainer(model=model, args=args, train_dataset=data)
            trainer.train()
        logs = [entry for entry in trainer.state.log_history if "loss" in entry]
        recorded[name] = [folder, cls, ARGUMENTS | options]
        recorded[name].append([[entry["loss"], float(entry["grad_norm"]), entry["learning_rate"]] for entry in logs])
    (TESTS / "parity" / "trainer.json").write_text(json.dumps(recorded, indent=None) + "\n")
    print(f"{len(recorded)} runs by transformers {ref.__version__}")


if __name__ == "__main__":
    main()
