"""Metrics: kinds of input, batches, what is ignored, errors; and compute_metrics for Trainer."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qkv import EvalPrediction, compute_metrics_for
from qkv.training import metrics

PAIRS = st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([-100, -3, 0, 1, 3])), min_size=2, max_size=30)


@given(PAIRS, st.integers(1, 9))
def test_batches_do_not_matter_and_ignored_ones_are_not_there(pairs, size):
    kept = [pair for pair in pairs if pair[1] != -100]
    for make in (
        metrics.Accuracy,
        metrics.Matthews,
        lambda: metrics.PrecisionRecallF1("macro"),
        lambda: metrics.PrecisionRecallF1("weighted", labels=[3, 9, -3]),
    ):
        metric = make()
        for i in range(0, len(pairs), size):
            metric.update(*(list(side) for side in zip(*pairs[i : i + size], strict=True)))
        if kept:
            assert metric.compute() == make()(*(np.array(side) for side in zip(*kept, strict=True)))
        else:
            with pytest.raises(ValueError, match="nothing to measure"):
                metric.compute()


@given(st.lists(st.tuples(*[st.floats(-1e3, 1e3, width=32)] * 2), min_size=3, max_size=30), st.integers(1, 9))
def test_correlations_in_batches(pairs, size):
    found, true = np.array(pairs).T
    for make in (metrics.Pearson, metrics.Spearman):
        metric = make()
        for i in range(0, len(pairs), size):
            metric.update(found[i : i + size], true[i : i + size])
        (value,), (whole,) = metric.compute().values(), make()(found, true).values()
        assert -1 <= value <= 1
        if min(found.std(), true.std()) > 1e-3:
            assert value == pytest.approx(whole, abs=1e-9)
    assert metrics.pearson(found, np.full(len(found), 0.1)) == metrics.spearman(found, np.full(len(found), 0.1)) == 0


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_kinds_of_input(kind):
    true, scores = [[1, -100, 0], [2, 2, -100]], [[[0, 1, 0]] * 3, [[0.25, 0.5, 1]] * 3]
    assert metrics.accuracy(kind(scores), kind(true)) == 3 / 4
    assert metrics.accuracy(torch.tensor(scores).bfloat16(), kind(true)) == 3 / 4
    assert metrics.accuracy([[1, 1, 1], [2, 2, 2]], kind(true)) == 3 / 4
    assert metrics.confusion_matrix(kind([0, 1, 1]), kind([0, 0, 5])).tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_rows_of_unequal_length():
    assert metrics.accuracy([[1, 2], [0]], [[1, 0], [0]]) == 2 / 3
    assert metrics.accuracy([np.eye(3)[:2], np.eye(3)[:1]], [[0, 0], [0]]) == 2 / 3
    with pytest.raises(ValueError, match="1 rows of predictions for 2 rows of references"):
        metrics.accuracy([[1, 2]], [[1, 0], [0]])


def test_tensors_that_need_gradients_are_read():
    scores = torch.eye(2, requires_grad=True)
    assert metrics.accuracy(scores, torch.tensor([0, 1])) == 1
    assert metrics.pearson([scores[0, 0], scores[0, 1]], [1, 0]) == pytest.approx(1)


def test_state_does_not_grow_with_what_was_read():
    everything = [
        metrics.Accuracy(), metrics.PrecisionRecallF1("macro"), metrics.Matthews(), metrics.ConfusionMatrix(),
        metrics.Pearson(), metrics.MeanSquaredError(), metrics.Squad(),
    ]  # fmt: skip
    for metric in everything:
        sizes = []
        for _ in range(3):
            if isinstance(metric, metrics.Squad):
                metric.update(["a"] * 100, [["a"]] * 100)
            else:
                metric.update(np.arange(500) % 3, np.arange(500) % 2)
            sizes.append(sum(np.size(value) for value in vars(metric).values()))
        assert sizes[0] == sizes[2] < 50


def test_a_class_seen_late_joins_the_counts():
    metric = metrics.ConfusionMatrix()
    metric.update([5], [5])
    metric.update([1], [5])
    metric.update(["7"][:0], [])
    assert metric.names.tolist() == [1, 5] and metric.matrix.tolist() == [[0, 0], [1, 1]]
    assert metric.compute() == {"5 -> 1": 1, "5 -> 5": 1}
    assert metrics.confusion_matrix(["b", "a", "z"], ["b", "b", "a"], labels=["b", "a"]).tolist() == [[1, 1], [0, 0]]


ERRORS = [
    (lambda: metrics.accuracy([1, 2], [1]), r"shape \(2,\) do not fit references of shape \(1,\)"),
    (lambda: metrics.accuracy([0.3, 0.7], [0, 1]), "predictions are not classes: .*Pearson"),
    (lambda: metrics.accuracy([[0.3, math.nan]], [0]), "a prediction is NaN"),
    (lambda: metrics.accuracy(["a"], [0]), "both as ids or as names"),
    (lambda: metrics.accuracy([], []), "nothing to measure"),
    (lambda: metrics.precision_recall_f1([0, 1, 2], [0, 1, 2]), "found \\[0, 1, 2\\]. Give average='macro'"),
    (lambda: metrics.precision_recall_f1(["a", "b"], ["a", "b"]), "positive="),
    (lambda: metrics.PrecisionRecallF1("makro"), "average='makro'; the nearest are 'macro'"),
    (lambda: metrics.MultiLabel("binary"), "the nearest are"),
    (lambda: metrics.MultiLabel()([1, 0], [1, 0]), r"must both be \(N,L\)"),
    (lambda: metrics.pearson([1], [2]), "two pairs of numbers at least; got 1"),
    (lambda: metrics.spearman([], []), "two pairs of numbers at least; got 0"),
    (lambda: metrics.Spearman().compute(), "two pairs of numbers at least; got 0"),
    (lambda: metrics.pearson([1, math.nan], [2, 3]), "a prediction is no finite number"),
    (lambda: metrics.pearson([1, 2], [2, 3, 4]), "do not fit"),
    (lambda: metrics.EntityF1(scheme="IOB"), "scheme='IOB'; the nearest are 'IOB2'"),
    (lambda: metrics.EntityF1(average="binary"), "average='binary'; the nearest are"),
    (lambda: metrics.entity_f1([[0]], [[1]], {0: "O"}), "no name for label 1; id2label has 1 names"),
    (lambda: metrics.entity_f1([[0]], [[0]]), "id2label=model.config.id2label"),
    (lambda: metrics.entity_f1([["U-PER"]], [["O"]]), "'U-PER' is of the scheme BILOU"),
    (lambda: metrics.entity_f1([["E-PER"]], [["O"]], scheme="IOB2"), "is not of the scheme IOB2, whose prefixes are"),
    (lambda: metrics.entity_f1([["O"]], [["O"], ["O"]]), "1 rows of predictions for 2 rows"),
    (lambda: metrics.entity_f1([["O", "O"]], [["O"]]), "a row of 2 predictions for 1 references"),
    (lambda: metrics.squad(["a"], [[]]), "SquadV2"),
    (lambda: metrics.squad(["a"], ["a"]), "a list of strings; got 'a'"),
    (lambda: metrics.squad([3], [["a"]]), "an answer is a string; got 3"),
    (lambda: metrics.squad(["a"], [["a"], ["b"]]), "1 predictions for 2 references"),
    (lambda: metrics.squad(["a"], [{"id": 1, "answers": ["a"]}]), "all as dictionaries"),
    (lambda: metrics.squad([{"prediction_text": "a"}], [{"id": 1, "answers": ["a"]}]), "has no 'id'"),
    (lambda: metrics.squad_v2([], [{"id": 1, "answers": ["a"]}]), "1 is only in the references"),
    (lambda: metrics.perplexity(np.zeros((2, 3))), "neither losses"),
    (lambda: metrics.perplexity(np.zeros((2, 3, 4)), np.zeros((2, 2), int)), "do not fit labels"),
    (lambda: metrics.perplexity([1.0, 2.0], np.zeros((3, 2), int)), "2 losses do not fit 3 rows"),
    (lambda: compute_metrics_for("text-clasification"), "the nearest are 'text-classification'"),
    (lambda: compute_metrics_for("ner"), "id2label=model.config.id2label"),
    (lambda: compute_metrics_for("causal-lm")(EvalPrediction(None, np.zeros((1, 2)))), "include_for_metrics"),
    (lambda: compute_metrics_for("ner", id2label={0: "O"})(EvalPrediction(None, None)), "prediction_loss_only"),
    (lambda: compute_metrics_for("text-classification")(EvalPrediction(None, None)), "prediction_loss_only"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS, ids=[message for _, message in ERRORS])
def test_errors(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        call()
    assert len(str(error.value)) < 400 and "training" in error.traceback[-1].path.parts


def test_no_entities_is_nothing_found_but_no_error():
    for average in ("micro", "macro", "weighted"):
        found = metrics.entity_f1([["O", "O"], ["O"]], [["O", "O"], ["O"]], average=average)
        assert found == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "accuracy": 1.0}


def test_schemes_by_their_other_names():
    rows = [["B-PER", "E-PER", "S-LOC"]], [["B-PER", "E-PER", "B-LOC"]]
    assert metrics.entity_f1(*rows, scheme="BIOES") == metrics.entity_f1(*rows, scheme="IOBES")
    assert metrics.EntityF1(scheme="BIO").entities(["I-PER", "B-PER", "I-PER"]) == [("PER", 1, 3)]


def test_entities_by_type():
    metric = metrics.EntityF1({"0": "O", "1": "B-PER", "2": "I-PER", "3": "B-LOC"})
    metric.update(np.array([[1, 2, 3]]), np.array([[1, 2, 0]]))
    assert metric.per_label() == {
        "LOC": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
        "PER": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
    }
    assert metric.entities(["B-PER", "I-PER", "B-LOC"]) == [("PER", 0, 2), ("LOC", 2, 3)]
    metric.reset()
    metric.update([1, 2], [1, 2])  # one row
    assert metric.compute()["f1"] == 1.0


@pytest.mark.parametrize("shift", [False, True])
def test_perplexity_of_logits_is_torchs_loss(shift):
    torch.manual_seed(0)
    logits, labels = torch.randn(4, 6, 11), torch.randint(0, 11, (4, 6))
    labels[0, 2:] = labels[3, 0] = -100
    labels[2] = -100
    ours, targets = (logits[:, :-1], labels[:, 1:]) if shift else (logits, labels)
    each = torch.nn.functional.cross_entropy(ours.transpose(1, 2), targets, reduction="none")
    expected = float(torch.exp(each.sum() / (targets != -100).sum()))
    assert metrics.perplexity(logits, labels, shift) == pytest.approx(expected, rel=1e-6)
    metric = metrics.Perplexity(shift)  # from the mean loss of each batch, repeated for its rows
    for part in (slice(0, 1), slice(1, 4)):
        count = (targets[part] != -100).sum()
        metric.update((each[part].sum() / count).repeat(len(labels[part])), labels[part])
    assert metric.compute()["perplexity"] == pytest.approx(expected, rel=1e-6)
    one = metrics.Perplexity(shift)
    one.update(each.sum() / (targets != -100).sum(), labels)
    assert one.compute()["perplexity"] == pytest.approx(expected, rel=1e-6)


def test_perplexity_of_losses():
    assert metrics.perplexity([1.0, 3.0]) == pytest.approx(math.exp(2))
    assert metrics.perplexity(2000.0) == math.inf
    assert math.isnan(metrics.perplexity(math.nan))
    assert metrics.perplexity([math.nan, 1.0], [[-100, -100], [3, -100]]) == pytest.approx(math.e)  # no target, no loss


def halves(prediction):
    """The same rows as two batches."""
    cut = len(prediction.label_ids) // 2
    for part in (slice(None, cut), slice(cut, None)):
        losses = None if prediction.losses is None else prediction.losses[part]
        yield EvalPrediction(prediction.predictions[part], prediction.label_ids[part], losses=losses)


def check(task, prediction, expected, **options):
    """All at once, as a list of batches, and batch by batch; the function keeps nothing of the time before."""
    compute = compute_metrics_for(task, **options)
    first, second = halves(prediction)
    assert compute(prediction) == pytest.approx(expected)
    losses = None if prediction.losses is None else [first.losses, second.losses]
    lists = [first.predictions, second.predictions], [first.label_ids, second.label_ids]
    assert compute(EvalPrediction(*lists, losses=losses)) == pytest.approx(expected)
    assert compute(first, compute_result=False) == {}
    assert compute(second, compute_result=True) == pytest.approx(expected)
    several = EvalPrediction((prediction.predictions, "hidden"), prediction.label_ids, losses=prediction.losses)
    assert compute(several) == pytest.approx(expected)
    with pytest.raises(ValueError, match="nothing to measure|two pairs"):
        compute(EvalPrediction(prediction.predictions[:0], prediction.label_ids[:0], losses=np.zeros(0)))


def test_compute_metrics_of_two_classes():
    found, true = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
    expected = {"accuracy": 3 / 4, "f1": 2 / 3}
    check("text-classification", EvalPrediction(np.eye(2)[found], true), expected)
    check("text-classification", EvalPrediction(found, true), expected)
    macro = {"accuracy": 3 / 4, "f1": (2 / 3 + 4 / 5) / 2}
    check("text-classification", EvalPrediction(np.eye(2)[found], true), macro, average="macro")


def test_compute_metrics_of_three_classes():
    found, true = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
    check("text-classification", EvalPrediction(np.eye(3)[found], true), {"accuracy": 3 / 4, "f1": (2 / 3 + 4 / 5) / 2})


def test_compute_metrics_of_many_labels_and_of_numbers():
    true = np.array([[1.0, 0, 1], [0, 0, 1]], np.float32)
    scores = np.array([[3.0, -1, -1], [-3, -1, 0.1]], np.float32)
    expected = {"accuracy": 1 / 2, "precision": 1.0, "recall": 2 / 3, "f1": 4 / 5}
    check("text-classification", EvalPrediction(scores, true), expected)
    numbers = np.array([1.0, 2, 3, 5], np.float32)
    expected = {"mse": 1.0, "pearson": 1.0, "spearman": 1.0}
    check("text-classification", EvalPrediction(numbers[:, None] + 1, numbers), expected)
    check("text-classification", EvalPrediction(numbers + 1, numbers[:, None]), expected)


def test_compute_metrics_of_tokens():
    names = {0: "O", 1: "B-PER", 2: "I-PER"}
    true = np.array([[-100, 1, 2, -100], [-100, 0, 1, 2]])
    found = np.array([[0, 1, 2, 2], [1, 0, 1, 0]])
    scores = np.where(true[..., None] == -100, -100, np.eye(3)[found])  # as Trainer fills up
    expected = {"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "accuracy": 4 / 5}
    check("token-classification", EvalPrediction(scores, true), expected, id2label=names)
    check("ner", EvalPrediction(found, true), expected, id2label=names, scheme="IOB2", average="macro")


def test_compute_metrics_of_language_models():
    logits, labels = np.zeros((2, 3, 7)), np.array([[1, 2, -100], [4, 5, 6]])
    check("text-generation", EvalPrediction(logits, labels), {"perplexity": 7.0})
    check("fill-mask", EvalPrediction(logits, labels), {"perplexity": 7.0})
    losses = np.array([1.0, 2.0])
    expected = {"perplexity": math.exp((1 * 1 + 2 * 2) / 3)}
    check("causal-lm", EvalPrediction(logits, labels, losses=losses), expected)
    check("masked-lm", EvalPrediction(logits, labels, losses=losses), {"perplexity": math.exp((1 * 2 + 2 * 3) / 5)})


def test_an_eval_prediction_is_taken_apart():
    predictions, labels = EvalPrediction("p", "l")
    assert (predictions, labels) == ("p", "l")
    assert list(EvalPrediction("p", "l", losses="x")) == ["p", "l", "x"]
    found = EvalPrediction("p", "l", "i", "x")
    assert found[2] == "i" and found[-1] == found.losses == "x" and len(found) == 4
    with pytest.raises(IndexError):
        EvalPrediction("p", "l")[2]
    assert metrics.TrainOutput(3, 0.5, {}).global_step == 3
    assert metrics.EvalLoopOutput(1, 2, {}, 4)._fields == ("predictions", "label_ids", "metrics", "num_samples")
    assert metrics.PredictionOutput(1, 2, {})._fields == ("predictions", "label_ids", "metrics")
