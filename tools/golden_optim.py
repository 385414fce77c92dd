"""Record the reference's learning rates, Adafactor and weight-decay groups into tests/parity/training/optim.json.

python tools/golden_optim.py          # with transformers==5.23.0; with 4.57.6 it compares what both have; they
                                      # differ in inverse_sqrt's timescale, which get_scheduler of 4.57.6 leaves out
"""

import json
import math
import re
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import torch
import transformers
from transformers import Trainer
from transformers.optimization import Adafactor, get_scheduler

PARITY = Path(__file__).parent.parent / "tests" / "parity"
FILE = PARITY / "training" / "optim.json"
RATES = (1e-3, 3e-4)  # of two groups

# name, steps of warmup, steps, the schedule's own numbers
SCHEDULES = [
    *(
        (name, warmup, 12, {})
        for name in ("linear", "cosine", "cosine_with_restarts", "polynomial")
        for warmup in (0, 4)
    ),
    ("linear", 12, 12, {}),
    ("linear", 20, 12, {}),
    ("cosine", 12, 12, {}),
    ("cosine", 3, 12, {"num_cycles": 1.5}),
    ("cosine_with_restarts", 3, 14, {"num_cycles": 3}),
    ("polynomial", 3, 12, {"power": 2.0, "lr_end": 1e-5}),
    ("constant", None, None, {}),
    ("constant_with_warmup", 4, None, {}),
    ("inverse_sqrt", 4, None, {}),
    ("inverse_sqrt", 0, None, {}),
    ("inverse_sqrt", 4, None, {"timescale": 9}),
    ("cosine_with_min_lr", 3, 12, {"min_lr": 1e-4}),
    ("cosine_with_min_lr", 3, 12, {"min_lr_rate": 0.2, "num_cycles": 1}),
    ("cosine_warmup_with_min_lr", 3, 12, {"min_lr_rate": 0.2}),
    ("cosine_warmup_with_min_lr", 4, 12, {"min_lr": 1e-4, "warmup_lr_rate": 0.1}),
    ("warmup_stable_decay", 3, 12, {"num_decay_steps": 4}),
    ("warmup_stable_decay", 3, None, {"num_decay_steps": 4, "num_stable_steps": 2, "min_lr_ratio": 0.1}),
    ("warmup_stable_decay", 4, 12, {"num_decay_steps": 5, "warmup_type": "cosine", "decay_type": "linear"}),
    ("warmup_stable_decay", 4, 12, {"num_decay_steps": 5, "warmup_type": "1-sqrt", "decay_type": "1-sqrt"}),
]
NOISY = [round(2.0 / (i + 1) + 0.3 * math.sin(3 * i), 3) for i in range(25)]
FLAT = [1.0] * 12 + [2.0] * 12
METRICS = [
    ("reduce_lr_on_plateau", NOISY, {"patience": 1, "factor": 0.5}),
    ("reduce_lr_on_plateau", NOISY, {"mode": "max", "patience": 0, "cooldown": 2, "min_lr": 1e-4}),
    ("greedy", NOISY, {"patience": 1, "min_lr": 1e-5}),
    ("greedy", [-x for x in NOISY], {"patience": 0, "min_lr": 1e-5, "factor": 0.5, "cooldown": 1, "warmup": 1}),
    ("greedy", NOISY, {"mode": "max", "patience": 0, "min_lr": [1e-4, 1e-5], "threshold_mode": "rel", "smooth": True}),
    ("greedy", list(range(25)), {"patience": 1, "min_lr": 1e-5, "max_lr": 2e-3, "mode": "max"}),
    (
        "greedy",
        FLAT,
        {"patience": 0, "min_lr": 2e-4, "factor": 0.5, "reset_start": 3, "smooth": True, "window_size": 3},
    ),
]
FIXED = {"lr": 1e-2, "relative_step": False, "scale_parameter": False}
ADAFACTOR = [
    FIXED,
    FIXED | {"weight_decay": 0.1, "beta1": 0.9},
    FIXED | {"scale_parameter": True, "clip_threshold": 0.5, "decay_rate": -0.5, "eps": [1e-8, 2.0]},
    {},
    {"warmup_init": True},
    FIXED | {"beta1": 0.9, "weight_decay": 0.1, "dtype": "bfloat16"},
]


def optimizer():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in RATES]
    return torch.optim.SGD(groups, lr=RATES[0])


def weights(dtype):
    return [torch.nn.Parameter(wave(shape, i).to(dtype)) for i, shape in enumerate([(3, 4), (5,), (2, 3, 4)])]


def wave(shape, shift):
    """Numbers that need no seed."""
    return torch.sin(torch.arange(math.prod(shape)) * 0.7 + shift).reshape(shape)


def rates(name, warmup, total, numbers):
    optim = optimizer()
    schedule, found = get_scheduler(name, optim, warmup, total, dict(numbers)), []
    for _ in range(17):
        found.append([group["lr"] for group in optim.param_groups])
        optim.step()
        schedule.step()
    return found


def rates_of_metrics(name, metrics, numbers):
    optim = optimizer()
    schedule, found = get_scheduler(name, optim, scheduler_specific_kwargs=dict(numbers)), []
    for metric in metrics:
        schedule.step(metric)
        found.append([group["lr"] for group in optim.param_groups])
    return found


def adafactor(numbers):
    dtype = getattr(torch, numbers.get("dtype", "float32"))
    ws = weights(dtype)
    optim = Adafactor(ws, **{key: value for key, value in numbers.items() if key != "dtype"})
    for step in range(5):
        for i, w in enumerate(ws):
            w.grad = (wave(w.shape, 1.3 * step + i) * 0.1 ** (step % 3)).to(dtype)
        optim.step()
    return [w.detach().flatten().tolist() for w in ws]


def undecayed():
    """For each tiny checkpoint of a family, the parameters that are not decayed, layer numbers left out."""
    found = {}
    for folder in sorted(path for path in (PARITY / "goldens").iterdir() if path.is_dir()):
        head = sorted(folder.iterdir())[0]
        config = json.loads((head / "config.json").read_text())
        kind = getattr(transformers, config["architectures"][0], None)
        if kind is None or folder.name.startswith("nomic"):  # whose files have names that are not its classes'
            continue
        with torch.device("meta"):
            model = kind(kind.config_class.from_pretrained(head))
        decayed = set(Trainer.get_decay_parameter_names(SimpleNamespace(), model))
        names = {name for name, _ in model.named_parameters() if name not in decayed}
        found[f"{folder.name}/{head.name}"] = sorted({re.sub(r"\b\d+\b", "{}", name) for name in names})
    return found


def main():
    warnings.simplefilter("ignore")
    has_greedy = transformers.__version__.startswith("5")
    golden = {
        "schedules": [[*case, rates(*case)] for case in SCHEDULES],
        "metrics": [[*case, rates_of_metrics(*case)] for case in METRICS if has_greedy or case[0] != "greedy"],
        "adafactor": [[numbers, adafactor(numbers)] for numbers in ADAFACTOR],
    }
    if has_greedy:
        golden["undecayed"] = undecayed()
        FILE.parent.mkdir(exist_ok=True)
        lines = [f'"{key}": {json.dumps(value)}' for key, value in golden.items()]
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        return
    recorded = json.loads(FILE.read_text())
    for key, rows in golden.items():
        missing = [row for row in json.loads(json.dumps(rows)) if row not in recorded[key]]
        print(f"{key}: {len(rows)} cases, {len(missing)} differ from what is recorded", *missing, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
