"""The models of convert.py in qkv's compact form, as a user would save them: anew at each run, in half a minute.

python benchmarks/convert_ours.py .cache/bench
"""

import argparse
import shutil
from pathlib import Path

from models import DECODERS, ENCODERS, PICTURES
from qkv import AutoModelForCausalLM, AutoModelForImageClassification, AutoModelForSequenceClassification


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    cache = parser.parse_args().cache
    kinds = dict.fromkeys(ENCODERS, AutoModelForSequenceClassification) | dict.fromkeys(DECODERS, AutoModelForCausalLM)
    kinds |= dict.fromkeys(PICTURES, AutoModelForImageClassification)
    for name, kind in kinds.items():
        source = cache / "models" / name
        for how in ("int8", "int4") if name in DECODERS else ("int8",):
            target = cache / "ours" / f"{name}-{how}"
            shutil.rmtree(target, ignore_errors=True)
            kind.from_pretrained(source, quantize=how).save_pretrained(target)
            for file in (*source.glob("tokenizer*"), *source.glob("preprocessor*")):
                shutil.copyfile(file, target / file.name)
            print(f"ours/{target.name}: made", flush=True)


if __name__ == "__main__":
    main()
