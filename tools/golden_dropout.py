"""Record where the reference library's models have dropout: tests/parity/dropout.json.

    python tools/golden_dropout.py      # in an environment with torch, transformers==5.23.0, safetensors, scipy

For each golden folder the model computes in training, with a chance of its own for each dropout that its config names,
and with a dropout that draws nothing: it multiplies by numbers that depend on the chance and on the place in a row.
What comes out is the same for another model only if its dropouts are at the same places, with the same chances.
"""

import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
import transformers as ref
from safetensors.torch import load_file
from torch import Tensor

HERE = Path(__file__).parent.parent / "tests" / "parity"


def steady(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout for this purpose."""
    return x * (1 + p * torch.cos(torch.arange(x.shape[-1]))) if training else x


def chances(config: dict, above: str = "") -> Iterator[str]:
    """The paths of a config's chances, such as "vision_config.dropout"."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from chances(value, f"{above}{name}.")
        elif "drop" in str(name) and "layerdrop" not in name and isinstance(value, int | float) and value is not True:
            yield above + name


def put(config: dict, path: str, value: float) -> None:
    *above, last = path.split(".")
    for name in above:
        config = config[name]
    config[last] = value


def recorded(folder: Path) -> dict | None:
    """The chances, the loss, and some of the first output; None if the config names no chance."""
    config = json.loads((folder / "config.json").read_text())
    cls = getattr(ref, config["architectures"][0])
    whole = cls.config_class.from_pretrained(folder).to_dict()
    found = {path: round(0.04 * place, 2) for place, path in enumerate(chances(whole), 2)}
    found = {path: value for path, value in found.items() if known(config, path)}
    if config["model_type"] == "longformer":  # whose rows of weights are laid out in another way
        found["attention_probs_dropout_prob"] = 0.0
    if config["model_type"] == "maskformer" and "backbone_config.drop_path_rate" in found:  # its own Swin takes one for
        found["backbone_config.attention_probs_dropout_prob"] = found[
            "backbone_config.hidden_dropout_prob"
        ]  # the other
    for path, value in found.items():
        put(config, path, value)
    if not found:
        return None
    values = load_file(folder / "expected.safetensors")
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "config.json").write_text(json.dumps(config))
        (Path(home) / "model.safetensors").symlink_to(folder / "model.safetensors")
        model: torch.nn.Module = cls.from_pretrained(home, attn_implementation="eager").train()
    for module in model.modules():
        if type(module).__name__.endswith("DropPath"):
            module.forward = partial(torch.mul, other=1 + float(module.drop_prob))
    given = {name.removeprefix("input."): x for name, x in values.items() if name.startswith("input.")}
    given.pop("larger", None)
    torch.manual_seed(1)
    with torch.no_grad():
        out = model(**given)
    first = next(iter(out.values()))
    first = (first if isinstance(first, Tensor) else first[-1]).flatten()
    return {"chances": found, "numbers": [round(float(x), 6) for x in first[:: max(1, len(first) // 7)]]}


def known(config: dict, path: str) -> bool:
    *above, _ = path.split(".")
    for name in above:
        if not isinstance(config.get(name), dict):
            return False
        config = config[name]
    return True


if __name__ == "__main__":
    torch.nn.functional.dropout = steady
    ref.logging.set_verbosity_error()
    ref.logging.disable_progress_bar()
    folders = sorted(path for kind in ("goldens", "vision") for path in (HERE / kind).glob("*/*"))
    made = {str(path.relative_to(HERE)): recorded(path) for path in folders if "-by-" not in str(path)}
    made = {name: result for name, result in made.items() if result is not None}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(result)}" for name, result in made.items())
    (HERE / "dropout.json").write_text(f"{{\n{lines}\n}}\n")
