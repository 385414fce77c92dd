"""A config that says nothing means what it means to the reference (tools/golden_defaults.py recorded what)."""

import json
from pathlib import Path

import pytest

from qkv import auto
from qkv.models import FAMILIES

NEW, OLD = (json.loads((Path(__file__).parent / f"defaults-{v}.json").read_text()) for v in ("5.23", "4.57"))
OTHERS = {
    "use_pretrained_backbone": "the weights are those of the file",
    "use_timm_backbone": "what a file names is read without timm",
    "backbone": "none is fetched that nobody named",
}


@pytest.mark.parametrize("family", [family for family in FAMILIES if family in NEW])
def test_defaults(family):
    config = auto.body_class(family).config_class()
    wrong, seen = {}, 0
    for name, value in NEW[family].items():
        ours = getattr(config, name, None)
        if ours is None or name in OTHERS:  # or made from other fields where it is needed
            continue
        seen += 1
        if ours not in (value, OLD.get(family, {}).get(name)):
            wrong[name] = (ours, value)
    assert not wrong and seen > len(NEW[family]) / 2
