"""Record what the reference's token-classification pipeline returns on tiny models, into tests/parity/pipelines/.

python tools/golden_ner.py      # with transformers==4.57.6, which has all spellings
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import transformers

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from tiny_ner import BIO, make_ner  # noqa: E402

HYPHENS = ["O", "B-A-B", "I-A-B", "B-C", "I-C"]
PLAIN = ["O", "PER", "LOC"]
STRATEGIES = ("none", "simple", "first", "average", "max")
TEXTS = {
    "wordpiece": [
        "The films was great, loving it's endings.",
        "I love this product!",
        "",
        "   ",
        "zzz, qqq; Yes yes [yes]",
        "a\tb\r\nc  d",
        "films goodly, badly verys lovely greats.",
        "Fïlms greatly 日本 good productly",
        "😀 love 😀s\u200b shalom שלום film",
    ],
    "bytes": ["the films was in new york", "", "jean in paris loved films", "an café inn", "x"],
    "unigram": ["the films was in new york", "", "jean-paris loved, the film.", " good film", "lovepa, the-film in!"],
}
TEXTS["bytes-with-spaces"], TEXTS["unigram-with-spaces"] = TEXTS["bytes"], TEXTS["unigram"]
FIRST = TEXTS["wordpiece"][0]
WORDS = [["the", "films", "was", "in"], ["new", "york"]]
PLACES = [[i, i + 1] for i in range(14)]

# Each case: kind of tokenizer, labels, options of pipeline(), the input, options of the call.
CASES = [
    *(
        (kind, labels, {}, given, {"aggregation_strategy": strategy})
        for kind, texts in TEXTS.items()
        for labels in (BIO, HYPHENS, PLAIN)
        for strategy in STRATEGIES
        for given in (texts,)
    ),
    *(("wordpiece", BIO, {"aggregation_strategy": strategy}, FIRST, {}) for strategy in ("SIMPLE", "Max")),
    *(("wordpiece", BIO, {}, FIRST, {"grouped_entities": grouped}) for grouped in (True, False)),
    *(
        ("wordpiece", BIO, {}, FIRST, {"grouped_entities": grouped, "ignore_subwords": words})
        for grouped in (True, False)
        for words in (True, False)
    ),
    ("wordpiece", BIO, {"aggregation_strategy": "max"}, FIRST, {"ignore_subwords": True}),
    ("wordpiece", BIO, {"grouped_entities": True}, FIRST, {"aggregation_strategy": "average"}),
    ("wordpiece", BIO, {}, FIRST, {"ignore_labels": []}),
    ("wordpiece", BIO, {}, FIRST, {"ignore_labels": ["O", "I-LOC"]}),
    ("wordpiece", BIO, {"ignore_labels": ["LOC"]}, FIRST, {"aggregation_strategy": "simple"}),
    *(("wordpiece", BIO, {}, FIRST, {"aggregation_strategy": s, "ignore_labels": []}) for s in STRATEGIES),
    ("wordpiece", BIO, {}, FIRST, {"aggregation_strategy": "simple", "stride": 3}),
    ("wordpiece", BIO, {"aggregation_strategy": "simple", "batch_size": 4}, TEXTS["wordpiece"], {}),
    *(
        (kind, BIO, {}, given, {"aggregation_strategy": strategy, "is_split_into_words": True} | more)
        for kind in ("wordpiece", "unigram")
        for given in (WORDS[0], WORDS, [WORDS[1]])
        for strategy in STRATEGIES
        for more in ({}, {"delimiter": "_/"} if kind == "wordpiece" else {})
    ),
    ("wordpiece", BIO, {}, FIRST, {"offset_mapping": PLACES}),
    ("wordpiece", BIO, {}, [FIRST], {"offset_mapping": [PLACES]}),
]


def main() -> None:
    warnings.simplefilter("ignore")
    recorded = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, labels, options, given, call in CASES:
            model = make_ner(Path(folder) / kind / labels[1], kind, labels)
            pipe = transformers.pipeline("ner", model=str(model), **options)
            places = call.get("offset_mapping")
            if places is not None:  # there, pairs have to be tuples
                pairs = list(map(tuple, places)) if isinstance(given, str) else [list(map(tuple, p)) for p in places]
                found = pipe(given, **call | {"offset_mapping": pairs})
            else:
                found = pipe(given, **call)
            recorded.append([kind, labels, options, given, call, found])
    target = TESTS / "parity" / "pipelines" / "token_classification.json"
    lines = [json.dumps(case, ensure_ascii=False, default=lambda score: round(float(score), 7)) for case in recorded]
    target.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    print(f"{len(recorded)} calls by transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
