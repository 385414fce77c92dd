"""Metrics against scikit-learn, scipy, seqeval and SQuAD's own scripts (tools/golden_metrics.py records them)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from qkv.training import metrics

GOLDENS = json.loads((Path(__file__).parent / "metrics.json").read_text())
NAMES = ("precision", "recall", "f1")


def in_batches(metric, predictions, references, size):
    for i in range(0, len(references), size):
        metric.update(predictions[i : i + size], references[i : i + size])
    return metric.compute()


def near(expected, **options):
    return pytest.approx(expected, rel=1e-12, abs=1e-12, **options)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("case", GOLDENS["classes"])
def test_classes(case, size):
    given = case["predictions"], case["references"]
    for average, expected in case["averages"].items():
        found = in_batches(metrics.PrecisionRecallF1(average), *given, size)
        assert list(found) == list(NAMES) and list(found.values()) == near(expected)
    for average, expected in case["labelled"].items():
        found = in_batches(metrics.PrecisionRecallF1(average, labels=[1, 2, 9]), *given, size)
        assert list(found.values()) == near(expected)
    each = metrics.PrecisionRecallF1("macro")
    in_batches(each, *given, size)
    assert [list(values.values()) for values in each.per_label().values()] == [near(row) for row in case["per_label"]]
    assert in_batches(metrics.Accuracy(), *given, size) == near({"accuracy": case["accuracy"]})
    assert in_batches(metrics.Matthews(), *given, size) == near({"matthews_correlation": case["matthews"]})
    matrix = metrics.ConfusionMatrix()
    in_batches(matrix, *given, size)
    assert matrix.matrix.tolist() == case["confusion"]
    assert matrix.names.tolist() == sorted(set(given[0]) | set(given[1]))


@pytest.mark.parametrize("case", GOLDENS["multi_label"])
def test_multi_label(case):
    scores = np.array(case["predictions"]) - 0.5
    for average, expected in case["averages"].items():
        found = in_batches(metrics.MultiLabel(average), scores, case["references"], 6)
        assert list(found) == ["accuracy", *NAMES]
        assert list(found.values()) == near([case["accuracy"], *expected])


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("case", GOLDENS["values"])
def test_values(case, size):
    given = case["predictions"], case["references"]
    # scipy itself loses digits where the mean is a billion times the spread
    exact = {"rel": 1e-12} if abs(given[0][0]) < 1e3 else {"rel": 1e-6}
    for name, metric in (
        ("pearson", metrics.Pearson()), ("spearman", metrics.Spearman()), ("mse", metrics.MeanSquaredError()),
    ):  # fmt: skip
        assert in_batches(metric, *given, size) == {name: pytest.approx(case[name], **exact)}


@pytest.mark.parametrize("case", GOLDENS["entities"], ids=lambda case: f"{case['scheme']}-{case['suffix']}")
def test_entities(case):
    given = case["predictions"], case["references"]
    for average, expected in case["averages"].items():
        metric = metrics.EntityF1(scheme=case["scheme"], suffix=case["suffix"], average=average)
        found = in_batches(metric, *given, 5)
        assert [found[name] for name in NAMES] == near(expected)
        assert found["accuracy"] == near(case["accuracy"])


def test_entities_of_ids_and_scores():
    case = GOLDENS["entities"][5]
    expected = metrics.entity_f1(case["predictions"], case["references"], scheme=case["scheme"])
    names = sorted({label for row in case["references"] + case["predictions"] for label in row})
    ids = {name: i for i, name in enumerate(names)}
    width = max(map(len, case["references"])) + 1
    true, found = np.full((12, width), -100), np.full((12, width), -100)
    for i, (one, other) in enumerate(zip(case["references"], case["predictions"], strict=True)):
        true[i, 1 : 1 + len(one)] = [ids[label] for label in one]  # the first is a special token
        found[i, : 1 + len(one)] = [0, *(ids[label] for label in other)]
    scores = torch.nn.functional.one_hot(torch.tensor(found).clamp(min=0), len(names)).bfloat16()
    for predictions in (found, torch.tensor(found), found.tolist(), scores, scores.float().numpy()):
        for references in (true, torch.tensor(true), true.tolist()):
            assert metrics.entity_f1(predictions, references, dict(enumerate(names)), scheme=case["scheme"]) == expected


@pytest.mark.parametrize("case", GOLDENS["squad"])
def test_squad(case):
    assert metrics.squad(case["predictions"], case["references"]) == near(case["result"])


@pytest.mark.parametrize("case", GOLDENS["squad_v2"])
def test_squad_v2(case):
    found = metrics.squad_v2(case["predictions"], case["references"], case["threshold"])
    assert list(found) == list(case["result"]) and found == near(case["result"])
    halves = metrics.SquadV2(case["threshold"])
    assert in_batches(halves, case["predictions"], case["references"], 7) == near(case["result"])
