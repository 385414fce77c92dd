"""Record what the reference library draws the weights of fresh models from: tests/parity/fresh.json.

    python tools/golden_fresh.py      # in an environment with torch, transformers==5.23.0, scipy

For each golden folder's config and each published name, layers counted as one: how many numbers of 12 models, their
mean, and the root of their mean square.
"""

import json
import re
import tempfile
from pathlib import Path

import torch
import transformers as ref
from safetensors.torch import load_file

HERE = Path(__file__).parent.parent / "tests" / "parity"
MODELS = 12


def drawn(folder: Path) -> dict[str, list[float]]:
    cls = getattr(ref, json.loads((folder / "config.json").read_text())["architectures"][0])
    config, sums = cls.config_class.from_pretrained(folder), {}
    for seed in range(MODELS):
        torch.manual_seed(seed)
        with tempfile.TemporaryDirectory() as home:
            cls(config).save_pretrained(home)
            written = load_file(Path(home) / "model.safetensors")
        for name, tensor in written.items():
            if tensor.is_floating_point():
                x, name = tensor.double(), re.sub(r"(?<=\.)\d+(?=\.)", "#", name)
                count, total, squares = sums.get(name, (0, 0.0, 0.0))
                sums[name] = count + x.numel(), total + float(x.sum()), squares + float((x**2).sum())
    return {
        name: [n, float(f"{total / n:.3g}"), float(f"{(sq / n) ** 0.5:.4g}")] for name, (n, total, sq) in sums.items()
    }


if __name__ == "__main__":
    ref.logging.set_verbosity_error()
    ref.logging.disable_progress_bar()
    folders = sorted(path for kind in ("goldens", "vision") for path in (HERE / kind).glob("*/*"))
    made = {str(path.relative_to(HERE)): drawn(path) for path in folders if "-by-" not in str(path)}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(values)}" for name, values in made.items())
    (HERE / "fresh.json").write_text(f"{{\n{lines}\n}}\n")
