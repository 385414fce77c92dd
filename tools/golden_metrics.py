"""Record what scikit-learn, scipy, seqeval and SQuAD's evaluation scripts give, into tests/parity/metrics.json.

python tools/golden_metrics.py EVALUATE      # with scikit-learn, scipy, seqeval, and a copy of
                                             # github.com/huggingface/evaluate: metrics/squad* hold the official scripts
"""

import importlib.util
import json
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import seqeval.scheme
from scipy import stats
from seqeval.metrics import accuracy_score as token_accuracy
from seqeval.metrics import f1_score, precision_score, recall_score
from sklearn import metrics

OUT = Path(__file__).parent.parent / "tests" / "parity" / "metrics.json"
AVERAGES = ("binary", "micro", "macro", "weighted")
PREFIXES = {"IOB1": "IB", "IOB2": "IB", "IOE1": "IE", "IOE2": "IE", "IOBES": "IBES", "BILOU": "IBLU"}
WORDS = ["the", "a", "Cat", "dog,", "U.S.", "St. Mary's", "theory", "an apple", "1,000", "日本", "", " ", "café", "The"]


def class_cases() -> list[dict]:
    draw = np.random.default_rng(0)
    pairs = [
        (draw.integers(0, 2, 40), draw.integers(0, 2, 40)),
        (draw.integers(0, 4, 60), draw.integers(0, 4, 60)),
        (draw.integers(0, 3, 30), draw.integers(1, 5, 30)),  # classes that are only predicted, or only true
        (np.zeros(5, int), draw.integers(0, 2, 5)),
        (np.ones(5, int), np.ones(5, int)),
        (np.zeros(5, int), np.zeros(5, int)),
        (np.zeros(5, int), np.ones(5, int)),
        (np.array([7, -1, 7]), np.array([7, 7, -1])),
        (np.array(["b", "a", "c", "a"]), np.array(["b", "b", "c", "a"])),
    ]
    cases = []
    for found, true in pairs:
        case = {"predictions": found.tolist(), "references": true.tolist(), "averages": {}, "labelled": {}}
        for average in AVERAGES:
            if average == "binary" and not set(found) | set(true) <= {0, 1}:
                continue
            scores = metrics.precision_recall_fscore_support(true, found, average=average)
            case["averages"][average] = list(scores[:3])
            if average != "binary" and found.dtype.kind == "i":
                scores = metrics.precision_recall_fscore_support(true, found, average=average, labels=[1, 2, 9])
                case["labelled"][average] = list(scores[:3])
        names = np.unique(np.concatenate([found, true])).tolist()
        rows = zip(*metrics.precision_recall_fscore_support(true, found, labels=names), strict=True)
        case["per_label"] = [list(map(float, row)) for row in rows]
        case["accuracy"] = metrics.accuracy_score(true, found)
        case["matthews"] = metrics.matthews_corrcoef(true, found)
        case["confusion"] = metrics.confusion_matrix(true, found).tolist()
        cases.append(case)
    return cases


def multi_label_cases() -> list[dict]:
    draw = np.random.default_rng(1)
    cases = []
    for share in (0.5, 0.1, 0.0):
        found, true = draw.random((20, 4)) < share, draw.random((20, 4)) < 0.4
        case = {"predictions": found.astype(int).tolist(), "references": true.astype(int).tolist(), "averages": {}}
        for average in AVERAGES[1:]:
            case["averages"][average] = list(metrics.precision_recall_fscore_support(true, found, average=average)[:3])
        cases.append(case | {"accuracy": metrics.accuracy_score(true, found)})
    return cases


def value_cases() -> list[dict]:
    draw = np.random.default_rng(2)
    true = draw.normal(size=50)
    pairs = [
        (true + draw.normal(size=50), true),
        (np.round(true * 2), np.round(true)),  # ties
        (-true, true),
        (1e6 + 1e-3 * draw.normal(size=50), 1e6 + 1e-3 * true),  # large means, small spreads
        (np.array([1, 2]), np.array([5, 3])),
    ]
    return [
        {
            "predictions": found.tolist(),
            "references": true.tolist(),
            "pearson": float(stats.pearsonr(found, true).statistic),
            "spearman": float(stats.spearmanr(found, true).statistic),
            "mse": metrics.mean_squared_error(true, found),
        }
        for found, true in pairs
    ]


def scores(true: list, found: list, **options) -> dict:
    return {
        average: [float(f(true, found, average=average, **options)) for f in (precision_score, recall_score, f1_score)]
        for average in AVERAGES[1:]
    }


def entity_cases() -> list[dict]:
    draw, cases = random.Random(3), []
    tables = [(scheme, scheme, prefixes) for scheme, prefixes in PREFIXES.items()]
    for name, scheme, prefixes in [*tables, (None, None, "IBES"), (None, "suffix", "IBES"), (None, "bare", "IBES")]:
        labels = ["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in ("PER", "B-LOC"))]
        if scheme == "suffix":
            labels = ["O", *(f"{kind}-{prefix}" for prefix in prefixes for kind in ("PER", "B-LOC"))]
        if scheme == "bare":
            labels = ["O", *prefixes, "PER", "LOC"]
        for length in (1, 6, 14):
            rows = [[draw.choice(labels) for _ in range(draw.randint(1, length))] for _ in range(12)]
            true = [[label if draw.random() < 0.85 else draw.choice(labels) for label in row] for row in rows]
            options = {"mode": "strict", "scheme": getattr(seqeval.scheme, name)} if name else {}
            if scheme == "suffix":
                options["suffix"] = True
            case = {"scheme": name, "suffix": scheme == "suffix", "predictions": rows, "references": true}
            case |= {"averages": scores(true, rows, **options), "accuracy": token_accuracy(true, rows)}
            cases.append(case)
    return cases


def script(folder: Path, name: str):
    spec = importlib.util.spec_from_file_location(name, folder / "metrics" / name / "compute_score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer_cases(folder: Path) -> dict[str, list]:
    first, second, draw = script(folder, "squad"), script(folder, "squad_v2"), random.Random(4)

    def text(most: int) -> str:
        return " ".join(draw.choice(WORDS) for _ in range(draw.randint(0, most)))

    found: dict[str, list] = {"squad": [], "squad_v2": []}
    for size in (1, 5, 40):
        references = [
            {"id": str(i), "answers": {"text": [text(3) for _ in range(draw.randint(1, 3))]}} for i in range(size)
        ]
        predictions = []
        for row in references:
            near = draw.choice(row["answers"]["text"])
            predictions.append({"id": row["id"], "prediction_text": near if draw.random() < 0.5 else text(3)})
        predictions = predictions[:-1] if size > 5 else predictions  # one has no prediction
        questions = [{"id": r["id"], "answers": [{"text": t} for t in r["answers"]["text"]]} for r in references]
        given = {row["id"]: row["prediction_text"] for row in predictions}
        result = first.compute_score([{"paragraphs": [{"qas": questions}]}], given)
        found["squad"].append({"predictions": predictions, "references": references, "result": result})
    for size, threshold in ((1, 1.0), (6, 1.0), (40, 1.0), (40, 0.5)):
        references, predictions = [], []
        for i in range(size):
            answers = [text(3) for _ in range(draw.randint(1, 3))] if draw.random() < 0.6 else []
            references.append({"id": str(i), "answers": {"text": answers}})
            near = draw.choice(answers or [""])
            row = {"id": str(i), "prediction_text": near if draw.random() < 0.6 else text(2)}
            predictions.append(row | {"no_answer_probability": round(draw.random(), 1)})
        given = {row["id"]: row["prediction_text"] for row in predictions}
        unlikely = {row["id"]: row["no_answer_probability"] for row in predictions}
        dataset = [{"paragraphs": [{"qas": references}]}]
        has = second.make_qid_to_has_ans(dataset)
        exact, f1 = second.get_raw_scores(dataset, given)
        cut = [second.apply_no_ans_threshold(raw, unlikely, has, threshold) for raw in (exact, f1)]
        result = second.make_eval_dict(*cut)
        for prefix, ids in (("HasAns", [k for k in has if has[k]]), ("NoAns", [k for k in has if not has[k]])):
            if ids:
                second.merge_eval(result, second.make_eval_dict(*cut, qid_list=ids), prefix)
        second.find_all_best_thresh(result, given, exact, f1, unlikely, has)
        case = {"predictions": predictions, "references": references, "threshold": threshold, "result": result}
        found["squad_v2"].append(case)
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # scores without a denominator
    goldens = {
        "classes": class_cases(),
        "multi_label": multi_label_cases(),
        "values": value_cases(),
        "entities": entity_cases(),
        **answer_cases(Path(sys.argv[1])),
    }
    lines = [f'"{name}": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]" for name, cases in goldens.items()]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print({name: len(cases) for name, cases in goldens.items()})
