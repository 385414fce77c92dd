"""Record a run of the reference library's Seq2SeqTrainer on a tiny T5, into tests/parity/seq2seq.json.

    python tools/golden_seq2seq.py      # with transformers==5.23.0

With predict_with_generate, the loss, the mean length as compute_metrics sees it, and the ids of each row up to the end,
for greedy search, for beams and for other options of evaluate(); then losses of 50 steps without dropout. What is
written comes first, and Adam does not divide by what is nearly nothing: differences between processors would grow with
each step. Without generation_max_length, 5.23.0 writes 20 tokens in the first batch and 19 in others. Its loss is the
mean over batches, so only that of a single batch is the mean over tokens.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import transformers as ref

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from tiny_training import rows  # noqa: E402

MODEL = "t5/ForConditionalGeneration"
ARGUMENTS = {
    "max_steps": 50, "per_device_train_batch_size": 16, "per_device_eval_batch_size": 5, "learning_rate": 1e-3,
    "adam_epsilon": 1e-5, "logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True,
    "use_cpu": True, "predict_with_generate": True,
}  # fmt: skip
CASES = {
    "greedy": [{"generation_max_length": 20, "per_device_eval_batch_size": 12}, {}],
    "longer": [{"generation_max_length": 12}, {}],
    "beams": [{"generation_max_length": 9, "generation_num_beams": 3}, {}],
    "asked": [{"generation_max_length": 9}, {"max_new_tokens": 4, "num_beams": 2}],
}


def written(row) -> list[int]:
    """Ids up to the padding, which is 0 or -100 by the length of a batch; the decoder begins with a 0."""
    ids = [int(i) for i in row]
    return [0, *np.trim_zeros(np.where(np.array(ids) < 0, 0, ids)).tolist()]


def count(prediction) -> dict[str, float]:
    return {"tokens": float(np.mean([len(written(row)) for row in prediction.predictions]))}


def main() -> None:
    recorded: dict = {"model": MODEL, "arguments": ARGUMENTS, "cases": {}}
    model = ref.AutoModelForSeq2SeqLM.from_pretrained(TESTS / "parity" / "goldens" / MODEL, dropout_rate=0.0)
    data = {"train_dataset": rows(64, kind="texts"), "eval_dataset": rows(12, seed=1, kind="texts")}
    with tempfile.TemporaryDirectory() as folder:
        for name, (options, asked) in CASES.items():
            args = ref.Seq2SeqTrainingArguments(folder, **(ARGUMENTS | options))
            trainer = ref.Seq2SeqTrainer(model, args, **data, compute_metrics=count)
            metrics = trainer.evaluate(**asked)
            found = trainer.predict(data["eval_dataset"], **asked)
            case = {"options": options, "asked": asked, "metrics": [metrics["eval_loss"], metrics["eval_tokens"]]}
            case |= {"labels": [written(row) for row in found.label_ids]}
            recorded["cases"][name] = case | {"ids": [written(row) for row in found.predictions]}
        trainer = ref.Seq2SeqTrainer(model, ref.Seq2SeqTrainingArguments(folder, **ARGUMENTS), **data)
        trainer.train()
        recorded["losses"] = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    (TESTS / "parity" / "seq2seq.json").write_text(json.dumps(recorded) + "\n")
    print(f"{len(CASES)} cases by transformers {ref.__version__}")


if __name__ == "__main__":
    main()
