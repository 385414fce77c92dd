"""Record what the configs of the reference library say by default: tests/parity/defaults-<version>.json.

python tools/golden_defaults.py MODEL_TYPE...      # in environments with transformers==5.23.0 and ==4.57.6
"""

import json
import sys
from pathlib import Path

import transformers as ref

HERE = Path(__file__).parent.parent / "tests" / "parity"
# Of a class, of how it is used, or of generation, not of the network.
OTHER = set(ref.PretrainedConfig().to_dict()) - {"tie_word_embeddings", "is_encoder_decoder"}


def defaults(kind: str) -> dict[str, object]:
    values = ref.CONFIG_MAPPING[kind]().to_dict()
    kept = {name: value for name, value in values.items() if name not in OTHER}
    return {name: value for name, value in kept.items() if isinstance(value, str | int | float)}


if __name__ == "__main__":
    ref.logging.set_verbosity_error()
    made = {kind: defaults(kind) for kind in sorted(sys.argv[1:]) if kind in ref.CONFIG_MAPPING}
    lines = ",\n".join(f" {json.dumps(kind)}: {json.dumps(values)}" for kind, values in made.items())
    (HERE / f"defaults-{ref.__version__.rpartition('.')[0]}.json").write_text(f"{{\n{lines}\n}}\n")
