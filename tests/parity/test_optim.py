"""Learning rates, Adafactor and weight-decay groups are the reference's (tools/golden_optim.py)."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from families import FUSED
from qkv import AutoConfig
from qkv.auto import body_class
from qkv.training.optim.adafactor import Adafactor
from qkv.training.optim.choose import decay_groups, get_decay_parameter_names
from qkv.training.optim.schedules import SchedulerType, get_scheduler

PARITY = Path(__file__).parent
GOLDEN = json.loads((PARITY / "training" / "optim.json").read_text())


def sgd():
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (1e-3, 3e-4)]
    return torch.optim.SGD(groups, lr=1e-3)


def wave(shape, shift):
    return torch.sin(torch.arange(math.prod(shape)) * 0.7 + shift).reshape(shape)


def test_every_schedule_is_compared():
    names = {case[0] for case in GOLDEN["schedules"] + GOLDEN["metrics"]}
    assert names == {kind.value for kind in SchedulerType}


@pytest.mark.parametrize("case", GOLDEN["schedules"], ids=lambda case: f"{case[0]}-{case[1]}-{'-'.join(case[3])}")
def test_rates(case):
    name, warmup, total, numbers, expected = case
    optimizer = sgd()
    schedule = get_scheduler(name, optimizer, warmup, total, numbers)
    for rates in expected:
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(rates, rel=1e-12, abs=0)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("case", GOLDEN["metrics"], ids=lambda case: f"{case[0]}-{'-'.join(case[2])}")
def test_rates_that_follow_a_metric(case):
    name, metrics, numbers, expected = case
    optimizer = sgd()
    schedule = get_scheduler(name, optimizer, scheduler_specific_kwargs=numbers)
    for metric, rates in zip(metrics, expected, strict=True):
        schedule.step(metric)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(rates, rel=1e-12, abs=0)
        assert schedule.get_last_lr() == pytest.approx(rates, rel=1e-12, abs=0)


@pytest.mark.parametrize("case", GOLDEN["adafactor"], ids=lambda case: "-".join(case[0]) or "defaults")
def test_adafactor(case):
    numbers, expected = case
    dtype = getattr(torch, numbers.get("dtype", "float32"))
    numbers = {key: value for key, value in numbers.items() if key != "dtype"}
    weights = [nn.Parameter(wave(shape, i).to(dtype)) for i, shape in enumerate([(3, 4), (5,), (2, 3, 4)])]
    optimizer = Adafactor(weights, **numbers)
    for step in range(5):
        for i, weight in enumerate(weights):
            weight.grad = (wave(weight.shape, 1.3 * step + i) * 0.1 ** (step % 3)).to(dtype)
        optimizer.step()
    for weight, numbers in zip(weights, expected, strict=True):
        torch.testing.assert_close(weight.detach().flatten().float(), torch.tensor(numbers), rtol=0, atol=1e-7)


@pytest.mark.parametrize("folder", GOLDEN["undecayed"])
def test_what_is_decayed(folder):
    config = AutoConfig.from_pretrained(PARITY / "goldens" / folder)
    body = body_class(config.model_type)
    head = folder.split("/")[1]
    model = body(config) if head == "Model" else getattr(__import__("qkv"), config.architectures[0])(config)
    decayed, kept = decay_groups(model, 0.01)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.01, 0.0)
    assert len(decayed["params"]) + len(kept["params"]) == len(list(model.parameters()))
    ids = {id(weight) for weight in kept["params"]}
    assert len(get_decay_parameter_names(model)) == len(decayed["params"])
    names = {re.sub(r"\b\d+\b", "{}", name) for name, weight in model.named_parameters() if id(weight) in ids}
    parts = rf"\.({'|'.join(FUSED)})\.\w+\.(weight|bias)$"
    assert sorted({re.sub(parts, r".\1.\2", name) for name in names}) == GOLDEN["undecayed"][folder]
