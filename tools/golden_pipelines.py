"""Record what the reference library's pipelines return on a tiny model, into tests/parity/pipelines/.

python tools/golden_pipelines.py      # in an environment with transformers==4.57.6, the last that has all spellings
"""

import json
import sys
import tempfile
from pathlib import Path

import transformers

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from tiny import configure, make  # noqa: E402

TEXT = "I love this product!"
LIST = [TEXT, "the film was terrible and not very good", "", "no", "zzz, qqq; yes yes yes ' unknown words"]
PAIR = {"text": TEXT, "text_pair": "it was bad"}
LONG = "good " * 100

# Each case: fields of config.json, options of pipeline(), the input, options of the call.
CLASSIFICATION = [
    ({}, {}, TEXT, {}),
    ({}, {}, LIST, {}),
    ({}, {}, LIST, {"batch_size": 2}),
    ({}, {}, PAIR, {}),
    ({}, {}, [PAIR, {"text": "no"}], {}),
    ({}, {}, PAIR, {"top_k": 2}),
    ({}, {}, [[[TEXT, "it was bad"]]], {}),
    *(({}, {}, given, {"top_k": k}) for given in (TEXT, LIST) for k in (1, 2, 9, None)),
    *(({}, {"top_k": k}, given, {}) for given in (TEXT, LIST) for k in (1, 2, None)),
    *(({}, {"return_all_scores": flag}, given, {}) for given in (TEXT, LIST) for flag in (True, False)),
    *(({}, {}, given, {"return_all_scores": flag}) for given in (TEXT, LIST) for flag in (True, False)),
    *(({}, {}, TEXT, {"function_to_apply": name, "top_k": None}) for name in ("none", "sigmoid", "softmax")),
    ({}, {"function_to_apply": "sigmoid"}, LIST, {}),
    ({"problem_type": "multi_label_classification"}, {}, LIST, {"top_k": None}),
    ({"problem_type": "multi_label_classification"}, {}, TEXT, {}),
    ({"problem_type": "single_label_classification"}, {}, TEXT, {"top_k": None}),
    ({"problem_type": "regression"}, {}, LIST, {"top_k": None}),
    ({"id2label": {"0": "bad", "1": "so-so", "2": "good"}}, {}, LIST, {}),
    ({}, {}, LONG, {"truncation": True, "max_length": 20}),
    ({}, {}, [LONG, TEXT], {"truncation": True, "max_length": 40, "padding": True}),
    ({}, {}, PAIR | {"text": LONG}, {"truncation": "only_first", "max_length": 12}),
]


def main() -> None:
    recorded = []
    with tempfile.TemporaryDirectory() as folder:
        for config, options, given, call in CLASSIFICATION:
            model = configure(make(Path(folder)), **config)
            pipe = transformers.pipeline("text-classification", model=str(model), **options)
            recorded.append([config, options, given, call, pipe(given, **call)])
    target = TESTS / "parity" / "pipelines" / "text_classification.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(recorded, indent=1))
    print(f"{len(recorded)} calls by transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
