"""A run of a tiny model that is killed again and again, for test_killed.py: `python tests/killed.py folder kills`; or
once before each change that it makes to its files, with "each" for kills.

Prints a JSON line for each run: {"kills", "saving" (kills in saving), "problems": [...]}. torch is imported once;
each life is a fork.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

import qkv.training.checkpoint as checkpoints
from qkv import AutoModelForSequenceClassification
from qkv.training.arguments import TrainingArguments
from qkv.training.trainer import Trainer
from tiny import GOLDENS
from tiny_training import rows

FILES = (
    "model.safetensors",
    "optimizer.safetensors",
    "rng.safetensors",
    "optimizer.json",
    "scheduler.json",
    "rng.json",
)
STEPS = 12
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod")


def train(folder, steps=STEPS):
    """Dropout, shuffling, accumulation, evaluation, the best model, a checkpoint each step, rotation before the end."""
    model = AutoModelForSequenceClassification.from_pretrained(
        GOLDENS / "bert" / "ForSequenceClassification", hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1
    )
    args = TrainingArguments(
        str(folder), max_steps=steps, per_device_train_batch_size=2, gradient_accumulation_steps=2, logging_steps=1,
        save_steps=1, eval_steps=1, eval_strategy="steps", load_best_model_at_end=True,
        save_total_limit=min(2, steps - 1), learning_rate=1e-3, lr_scheduler_type="cosine", warmup_steps=2,
        disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    trainer = Trainer(model, args, train_dataset=rows(15), eval_dataset=rows(4, seed=1))
    trainer.train(resume_from_checkpoint="auto")


def die_before(change, folder):
    """SIGKILL for this process when so many changes to files of a folder were made."""
    count = 0

    def hear(event, arguments):
        nonlocal count
        writes = event in CHANGES or event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes and str(arguments[0]).startswith(str(folder)):
            count += 1
            if count > change:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)


def live(folder, steps=STEPS, changes=None):
    """Start a life, that ends after so many changes to its files if that is given; its process id."""
    child = os.fork()
    if child:
        return child
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(os.open(folder / "errors.txt", os.O_CREAT | os.O_APPEND | os.O_WRONLY), 2)
    code = 1
    try:
        torch.manual_seed(os.getpid())  # nothing of before matters
        if changes is not None:
            die_before(changes, folder)
        train(folder, steps)
        code = 0
    finally:
        os._exit(code)


def kill(child, folder, draw, usual):
    """Kill a life at a random moment, two of three inside of saving. Whether it was; None if the life had ended."""
    inside = draw.random() < 0.67
    step = draw.randrange(1, 5)
    start, seen, saving = time.monotonic(), set(), False
    moment = start + (60 if inside else draw.random() * usual)
    while time.monotonic() < moment:
        if os.waitpid(child, os.WNOHANG)[0]:
            return None
        if inside and not saving:
            seen |= {path.name for path in folder.glob(".checkpoint-*")}
            if len(seen) >= step:
                saving, moment = True, time.monotonic() + draw.random() * 0.02
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return any(folder.glob(".checkpoint-*"))


def log(folder):
    """What was logged, without times."""
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in entry.items() if "runtime" not in k and "per_second" not in k} for entry in entries]


def last_step(folder):
    return max(map(checkpoints.step_of, checkpoints.checkpoints(folder)), default=0)


def torn(folder):
    return [f"torn {path.name}" for path in checkpoints.named(folder) if checkpoints.problem(path, thorough=True)]


def differences(folder, whole, steps=STEPS):
    """What is not as in the run that nobody killed."""
    one, other = folder / f"checkpoint-{steps}", whole / f"checkpoint-{steps}"
    found = [name for name in FILES if (one / name).read_bytes() != (other / name).read_bytes()]
    found += ["log"] if log(folder) != log(whole) else []
    names = [{path.name for path in place.iterdir()} - {"errors.txt"} for place in (folder, whole)]
    return found + (["files"] if names[0] != names[1] else [])


def go_on(folder, whole, steps=STEPS):
    """To the end of the run; what is wrong then."""
    if os.waitstatus_to_exitcode(os.waitpid(live(folder, steps), 0)[1]):
        return [(folder / "errors.txt").read_text()[-2000:]]
    return differences(folder, whole, steps)


def each(home, steps):
    """A run that is killed before its first change, one that is killed before its second, ..."""
    whole, changes, ended = home / "whole", 0, False
    whole.mkdir()
    go_on(whole, whole, steps)
    while not ended:
        folder = home / str(changes)
        folder.mkdir()
        ended = os.waitstatus_to_exitcode(os.waitpid(live(folder, steps, changes), 0)[1]) == 0
        saving = any(folder.glob(".checkpoint-*"))
        problems = [f"{each} before change {changes}" for each in torn(folder) + go_on(folder, whole, steps)]
        print(json.dumps({"kills": int(not ended), "saving": int(saving), "problems": problems}), flush=True)
        changes += 1


def randomly(home, kills):
    whole, draw = home / "whole", random.Random(6)
    whole.mkdir()
    started = time.monotonic()
    os.waitpid(live(whole), 0)
    usual = time.monotonic() - started
    assert last_step(whole) == STEPS, (whole / "errors.txt").read_text()
    done = number = 0
    while done < kills:
        number += 1
        folder, result = home / str(number), {"kills": 0, "saving": 0, "problems": []}
        folder.mkdir()
        for _ in range(4):
            before = last_step(folder)
            saving = kill(live(folder), folder, draw, usual)
            if saving is None:
                break
            result["kills"] += 1
            result["saving"] += saving
            result["problems"] += torn(folder)
            result["problems"] += ["lost"] if last_step(folder) < before else []
        result["problems"] += go_on(folder, whole)
        print(json.dumps(result), flush=True)
        done += result["kills"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    home = Path(sys.argv[1])
    train(home / "warm")  # imports what is imported late
    each(home, 2) if sys.argv[2] == "each" else randomly(home, int(sys.argv[2]))
