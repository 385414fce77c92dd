"""Record what the reference's TapasTokenizer returns, into tests/parity/tables/tokenizer.json.

    python tools/golden_tables.py                 # with transformers==4.57.6 and pandas<3
    python tools/golden_tables.py narrow KIND I   # print the reference's result for one call

What is kept is a digest for each block of calls.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

DATA = Path(__file__).parents[1] / "tests" / "parity" / "tables"
sys.path.insert(0, str(DATA))

import pandas  # noqa: E402
import transformers  # noqa: E402
from table_cases import BLOCK, KINDS, cases, digest, folder, result  # noqa: E402


def main() -> None:
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    recorded = {}
    with tempfile.TemporaryDirectory() as parent:
        for kind in KINDS:
            tokenizer = transformers.TapasTokenizer.from_pretrained(folder(Path(parent), kind))
            if sys.argv[1:2] == ["narrow"]:
                if sys.argv[2] == kind:
                    table, asked, options = cases(kind)[int(sys.argv[3])]
                    print(json.dumps(result(tokenizer, pandas.DataFrame(table), asked, options)))
                continue
            found = [
                result(tokenizer, pandas.DataFrame(table), asked, options) for table, asked, options in cases(kind)
            ]
            recorded[kind] = [digest(found[start : start + BLOCK]) for start in range(0, len(found), BLOCK)]
            print(kind, len(found), "calls, of which fail", sum(one == "ValueError" for one in found))
    if recorded:
        (DATA / "tokenizer.json").write_text(
            json.dumps({"reference": transformers.__version__, **recorded}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
