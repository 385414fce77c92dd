"""Record what the reference library's document-question-answering returns on tiny models, into tests/parity/pipelines/.

python tools/golden_documents.py      # with transformers==4.57.6
"""

import json
import sys
import tempfile
from pathlib import Path

import transformers

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from tiny_pages import KINDS, make_pages  # noqa: E402

TEXT = "the film was good , not great . I love it ! it is 1 2 3 a product , very very bad and terrible"
INVOICE = TEXT.split()
LONG = INVOICE * 4


def boxes(words: list[str]) -> list:
    """Words in lines of six."""
    places = [(150 * (i % 6), i // 6 * 40) for i in range(len(words))]
    return [[word, [x, y, x + 12 * len(word), y + 25]] for word, (x, y) in zip(words, places, strict=True)]


INPUTS = {
    "one": {"question": "what is good ?", "word_boxes": boxes(INVOICE[:9])},
    "page": {"question": "is it bad", "word_boxes": boxes(LONG)},
    "odd": {"question": "no", "word_boxes": boxes(["zzz", "product,", "unknown"])},
}
CASES = [  # the input, or a list of them, and options of the call
    *((given, {}) for given in ("one", "page", ["one", "page"], ["one"])),
    *((given, {"top_k": k}) for given in ("one", "page") for k in (2, 5, 20)),
    *((given, {"max_answer_len": n, "top_k": 3}) for given in ("one", "page") for n in (1, 2, 30)),
    *((given, {"handle_impossible_answer": True, "top_k": k}) for given in ("one", "page") for k in (1, 4)),
    *(("page", {"max_seq_len": 24, "doc_stride": n, "top_k": 3}) for n in (0, 2, 6)),
    ("page", {"padding": "max_length", "top_k": 2}),
    ("odd", {"top_k": 4}),
]


def main() -> None:
    calls = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            model = make_pages(Path(folder) / kind, kind)
            pipe = transformers.pipeline("document-question-answering", model=str(model))
            for given, call in CASES:
                taken = [INPUTS[name] for name in given] if isinstance(given, list) else INPUTS[given]
                calls.append([kind, given, call, pipe(taken, **call)])
    target = TESTS / "parity" / "pipelines" / "documents.json"
    rows = ",\n".join(map(json.dumps, calls))
    target.write_text(f'{{"inputs": {json.dumps(INPUTS)},\n"calls": [\n{rows}\n]}}\n')
    print(f"{len(calls)} calls by transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
