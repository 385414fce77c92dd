"""Dropout is where the reference has it, in every family (tools/golden_dropout.py recorded what comes out there)."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from qkv.layers import block
from qkv.layers.dropout import Dropout
from tiny import class_of

HERE = Path(__file__).parent
CASES = json.loads((HERE / "dropout.json").read_text())


def steady(x, p=0.5, training=True, inplace=False):
    """Draws nothing, and differs with the chance and the place in a row."""
    return x * (1 + p * torch.cos(torch.arange(x.shape[-1]))) if training else x


def with_chances(case, folder):
    """A golden folder with the chances of `dropout.json` in its config."""
    config = json.loads((HERE / case / "config.json").read_text())
    for path, value in CASES[case]["chances"].items():
        *above, last = path.split(".")
        part = config
        for name in above:
            part = part[name]
        part[last] = value
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copy(HERE / case / "model.safetensors", folder)


@pytest.mark.parametrize("case", CASES)
def test_dropout_is_at_the_same_places(case, tmp_path, monkeypatch):
    monkeypatch.setattr(block.DropPath, "forward", lambda self, x: x * (1 + self.chance))
    with_chances(case, tmp_path)
    model = class_of(HERE / case).from_pretrained(tmp_path).train()
    monkeypatch.setattr(torch.nn.functional, "dropout", steady)
    monkeypatch.setattr(Dropout, "engine", None)  # which loading may have set
    values = load_file(HERE / case / "expected.safetensors")
    given = {name.removeprefix("input."): x for name, x in values.items() if name.startswith("input.")}
    given.pop("larger", None)
    torch.manual_seed(1)
    with torch.no_grad():
        first = next(iter(model(**given).values()))
    first = (first if isinstance(first, torch.Tensor) else first[-1]).flatten()
    found = first[:: max(1, len(first) // 7)].tolist()
    assert found == pytest.approx(CASES[case]["numbers"], rel=1e-4, abs=1e-4)
