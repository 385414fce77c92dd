"""Record what the reference gives for tables, into tests/parity/tables/; with transformers==4.57.6 and pandas<3.

python tools/golden_tables.py tokenizer       # ids and types: a digest for each block of calls
python tools/golden_tables.py narrow KIND I   # print them for one call
python tools/golden_tables.py pipeline        # answers
python tools/golden_tables.py loss            # losses of one model and one batch, for many configs
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
DATA = TESTS / "parity" / "tables"
sys.path[:0] = [str(TESTS), str(DATA)]

import pandas  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from table_cases import BLOCK, KINDS, cases, digest, folder, result  # noqa: E402
from table_losses import LOSSES, batch  # noqa: E402
from table_questions import questions  # noqa: E402

from tiny_tables import make_tables  # noqa: E402


def pipeline() -> None:
    recorded = []
    with tempfile.TemporaryDirectory() as parent:
        for config, given, call in questions():
            pipe = transformers.pipeline("table-question-answering", model=str(make_tables(Path(parent), **config)))
            inputs = json.loads(json.dumps(given))  # the reference puts DataFrames into it
            try:
                recorded.append([config, given, call, pipe(inputs, **call)])
            except KeyError:  # a longer question shows less of the table, and the answer before it was there
                continue
    (DATA / "pipeline.json").write_text("[\n" + ",\n".join(map(json.dumps, recorded)) + "\n]\n")
    print(len(recorded), "calls")


def loss() -> None:
    recorded = []
    with tempfile.TemporaryDirectory() as parent:
        for config in LOSSES:
            model = transformers.TapasForQuestionAnswering.from_pretrained(make_tables(Path(parent), **config)).eval()
            out = model(**batch())
            out.loss.backward()
            grads = [float(p.grad.norm()) for _, p in sorted(model.named_parameters()) if p.grad is not None]
            kept = out.logits.double().masked_fill(out.logits < -1000, 0)
            recorded.append([config, float(out.loss), float(kept.sum()), float(torch.tensor(grads).norm())])
    (DATA / "losses.json").write_text("[\n" + ",\n".join(map(json.dumps, recorded)) + "\n]\n")
    print(len(recorded), "losses")


def tokenizer() -> None:
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
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    {"pipeline": pipeline, "loss": loss}.get(sys.argv[1], tokenizer)()
