"""Metrics of texts against their packages, in batches and merged; metrics by the names that `evaluate` has."""

import sys

import jiwer
import numpy as np
import pytest
import sacrebleu
from rouge_score import rouge_scorer

from qkv import AutoTokenizer, EvalPrediction, compute_metrics_for, load_metric
from qkv.training import metrics
from tiny_text import make_text

FOUND = ["the cat sat on a mat .", "", "He said no.\nThen he left.", "ein Haus am See", "the the the"]
TRUE = ["the cat sat on the mat .", "a dog", "Then he went away.\nHe said: no.", "ein Haus am See", "the"]
OTHERS = ["a cat was on the mat .", "a dog", "No, he said.", "das Haus am See", "one"]


def halves(metric, true):
    """Two batches; and each by an object of its own, merged."""
    metric.update(FOUND[:2], true[:2])
    metric.update(FOUND[2:], true[2:])
    parts = [type(metric)(), type(metric)()]
    for part, rows in zip(parts, (slice(2), slice(2, None)), strict=True):
        part.update(FOUND[rows], true[rows])
    parts[0].merge(parts[1])
    assert parts[0].compute() == pytest.approx(metric.compute())
    return metric.compute()


def test_sacrebleu():
    for name in ("BLEU", "CHRF", "TER"):
        scorer = getattr(sacrebleu, name)()
        found = halves(getattr(metrics, name)(), TRUE)
        assert found == {name.lower(): scorer.corpus_score(FOUND, [TRUE]).score}
        several = [[one, other] for one, other in zip(TRUE, OTHERS, strict=True)]
        assert halves(getattr(metrics, name)(), several) == {
            name.lower(): scorer.corpus_score(FOUND, [TRUE, OTHERS]).score
        }
        several[1] = several[1][:1]  # one has fewer
        expected = scorer.corpus_score(FOUND, [TRUE, [OTHERS[0], None, *OTHERS[2:]]]).score
        assert getattr(metrics, name)()(FOUND, several) == {name.lower(): expected}
    assert metrics.BLEU(lowercase=True)(["A B C D"], ["a b c d"])["bleu"] == pytest.approx(100)


def test_rouge():
    for stemmed in (False, True):
        names = ("rouge1", "rouge2", "rougeL", "rougeLsum")
        scorer = rouge_scorer.RougeScorer(names, use_stemmer=stemmed)
        for true in (TRUE, [[one, other] for one, other in zip(TRUE, OTHERS, strict=True)]):
            rows = [scorer.score_multi([t] if isinstance(t, str) else t, f) for f, t in zip(FOUND, true, strict=True)]
            expected = {name: np.mean([row[name].fmeasure for row in rows]) for name in names}
            assert metrics.ROUGE(use_stemmer=stemmed)(FOUND, true) == pytest.approx(expected, rel=1e-12)
    found = halves(metrics.ROUGE(), TRUE)
    assert found["rougeLsum"] != found["rougeL"] and 0 < found["rouge2"] < found["rouge1"] < 1


def test_word_and_character_errors():
    assert halves(metrics.WER(), TRUE) == {"wer": jiwer.wer(TRUE, FOUND)}
    assert halves(metrics.CER(), TRUE) == {"cer": jiwer.cer(TRUE, FOUND)}


def test_metrics_merge_as_if_they_had_read_all():
    draw = np.random.default_rng(0)
    found, true = draw.integers(0, 4, 60), draw.integers(0, 4, 60)
    makes = [
        metrics.Accuracy, metrics.Matthews, lambda: metrics.PrecisionRecallF1("macro"), metrics.ConfusionMatrix,
        metrics.Pearson, metrics.Spearman, metrics.MeanSquaredError, metrics.Perplexity,
        lambda: metrics.EntityF1(["O", "B-A", "I-A", "B-B"]), metrics.MultiLabel, metrics.Squad, metrics.SquadV2,
    ]  # fmt: skip
    for make in makes:
        metric = make()
        if isinstance(metric, metrics.EntityF1 | metrics.MultiLabel):
            given = found.reshape(15, 4), true.reshape(15, 4) % (2 if isinstance(metric, metrics.MultiLabel) else 4)
        elif isinstance(metric, metrics.Squad | metrics.SquadV2):
            given = [str(i) for i in found], [[str(i)] for i in true]
        else:
            given = found, (true[:, None] if isinstance(metric, metrics.Perplexity) else true)
        whole = metric(*given)
        one, other, empty = make(), make(), make()
        one.update(given[0][:7], given[1][:7])
        other.update(given[0][7:], given[1][7:])
        one.merge(other)
        one.merge(empty)
        empty.merge(one)
        assert one.compute() == empty.compute() == pytest.approx(whole)
        assert make()(*given) == pytest.approx(whole)  # the empty sums of the class are as they were


ERRORS = [
    (lambda: metrics.BLEU()("a b", ["a b"]), "give lists of texts"),
    (lambda: metrics.BLEU()(["a"], ["a", "b"]), "1 rows of predictions for 2 rows"),
    (lambda: metrics.ROUGE()([[1, 2]], ["a"]), r"got \[1, 2\]. Decode ids first"),
    (lambda: metrics.BLEU()(["a"], [[]]), "no text that is right"),
    (lambda: metrics.WER()(["a"], [["a", "b"]]), "WER takes one reference"),
    (lambda: metrics.BLEU().compute(), "nothing to measure"),
    (lambda: metrics.ROUGE().compute(), "nothing to measure"),
    (lambda: metrics.CER()([""], [""]), "nothing to measure"),
    (lambda: load_metric("acuracy"), "no metric is called 'acuracy'; the nearest are 'accuracy'"),
    (lambda: load_metric("bleu"), "'sacrebleu'"),
    (lambda: load_metric("glue", "mprc"), "no metric is called 'mprc'; the nearest are 'mrpc'"),
    (lambda: load_metric("f1").compute(predictions=[1]), "give both predictions= and references="),
    (lambda: load_metric("f1").compute(), "nothing to measure"),
    (lambda: load_metric("f1").compute(predictions=[1], references=[1], avrage="macro"), "avrage"),
    (lambda: load_metric("accuracy").compute(predictions=[1], references=[1], average="macro"), "average"),
    (lambda: compute_metrics_for("rouge"), r"type compute_metrics_for\('rouge', tokenizer\)"),
    (lambda: compute_metrics_for("ner", id2label={0: "O"}, lowercase=True), "ner takes no 'lowercase'"),
    (lambda: compute_metrics_for("sumarization"), "the nearest are 'summarization'"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS, ids=[message for _, message in ERRORS])
def test_errors(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        call()
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(("package", "make"), [("sacrebleu", "BLEU"), ("rouge_score", "ROUGE"), ("jiwer", "WER")])
def test_a_package_that_is_not_there(package, make, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package] + [package]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf'{make} is measured by {package[:5]}.*pip install "qkv\[metrics\]"'):
        getattr(metrics, make)()(["a"], ["a"])


def test_names_of_the_field():
    """What `evaluate.load(name).compute` gives, by its documentation."""
    two = {"predictions": [0, 1, 1, 0], "references": [0, 1, 0, 0]}
    assert load_metric("accuracy").compute(**two) == {"accuracy": 0.75}
    assert load_metric("f1").compute(**two) == {"f1": pytest.approx(2 / 3)}
    assert load_metric("f1").compute(**two, pos_label=0) == {"f1": pytest.approx(0.8)}
    assert load_metric("precision").compute(**two, average="macro") == {"precision": 0.75}
    assert load_metric("recall").compute(**two, average=None)["recall"].tolist() == [pytest.approx(2 / 3), 1.0]
    assert load_metric("glue", "mrpc").compute(**two) == {"accuracy": 0.75, "f1": pytest.approx(2 / 3)}
    assert load_metric("glue", "cola").compute(**two) == load_metric("matthews_correlation").compute(**two)
    numbers = {"predictions": [1.0, 2, 4], "references": [1.0, 3, 2]}
    both = load_metric("glue", "stsb").compute(**numbers)
    assert both["pearson"] == load_metric("pearsonr").compute(**numbers)["pearsonr"] and both[
        "spearmanr"
    ] == pytest.approx(0.5)
    assert load_metric("mse").compute(**numbers) == {"mse": pytest.approx(5 / 3)}
    assert load_metric("confusion_matrix").compute(**two)["confusion_matrix"].tolist() == [[2, 1], [0, 1]]
    tags = {"predictions": [["B-PER", "I-PER", "O"]], "references": [["B-PER", "I-PER", "B-LOC"]]}
    found = load_metric("seqeval").compute(**tags)
    assert found["PER"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "number": 1} and found["LOC"]["number"] == 1
    assert (found["overall_precision"], found["overall_recall"], found["overall_accuracy"]) == (1.0, 0.5, 2 / 3)
    answers = (
        [{"id": "1", "prediction_text": "The end"}],
        [{"id": "1", "answers": {"text": ["end"], "answer_start": [0]}}],
    )
    assert load_metric("squad").compute(predictions=answers[0], references=answers[1]) == {
        "exact_match": 100,
        "f1": 100,
    }
    texts = {"predictions": FOUND, "references": [[text] for text in TRUE]}
    assert load_metric("sacrebleu").compute(**texts)["score"] == sacrebleu.corpus_bleu(FOUND, [TRUE]).score
    assert list(load_metric("sacrebleu").compute(**texts, use_effective_order=True)) == [
        "score", "counts", "totals", "precisions", "bp", "sys_len", "ref_len",
    ]  # fmt: skip
    assert load_metric("chrf").compute(**texts, word_order=2)["word_order"] == 2
    assert load_metric("ter").compute(**texts)["num_edits"] > 0
    assert load_metric("rouge").compute(**texts, use_stemmer=True) == metrics.ROUGE(use_stemmer=True)(FOUND, TRUE)
    assert load_metric("wer").compute(predictions=FOUND, references=TRUE) == jiwer.wer(TRUE, FOUND)


def test_batches_are_kept_until_they_are_computed():
    metric = load_metric("accuracy")
    for found, true in (([0, 1], [0, 0]), ([1], [1])):
        metric.add_batch(predictions=np.array(found), references=np.array(true))
    metric.add(prediction=1, reference=1)
    assert metric.compute() == {"accuracy": 0.75}
    assert metric.compute(predictions=[1], references=[0]) == {"accuracy": 0.0}


def test_compute_metrics_of_texts(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(make_text(tmp_path))
    texts = ["ab. cd", "the cat"], ["ab. ce", "the cat sat"]
    found, true = (tokenizer(list(side), padding=True, return_tensors="np")["input_ids"] for side in texts)
    true = np.where(true == tokenizer.pad_token_id, -100, true)
    compute = compute_metrics_for("translation", tokenizer)
    lengths = (found != tokenizer.pad_token_id).sum(1).mean()
    expected = {name: getattr(metrics, name.upper())()(*texts)[name] for name in ("bleu", "chrf")} | {
        "gen_len": lengths
    }
    assert compute(EvalPrediction(found, true)) == expected
    assert compute(EvalPrediction(found[:1], true[:1]), compute_result=False) == {}
    assert compute(EvalPrediction(found[1:], true[1:]), compute_result=True) == expected
    lines = metrics.ROUGE()(["ab.\ncd", "the cat"], ["ab.\nce", "the cat sat"])
    assert compute_metrics_for("summarization", tokenizer)(EvalPrediction(found, true)) == lines | {"gen_len": lengths}
    assert set(compute_metrics_for("wer", tokenizer)(EvalPrediction((found, None), true))) == {"wer", "gen_len"}
    with pytest.raises(ValueError, match="predict_with_generate=True"):
        compute(EvalPrediction(np.zeros((2, 3, 9)), true))
