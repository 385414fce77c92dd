"""Record what the reference library's pipelines on questions, masks and labels return, on tiny models.

    python tools/golden_questions.py      # with transformers==4.57.6, the last that answers questions

Writes tests/parity/pipelines/questions.json.
"""

import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import transformers

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from tiny_questions import make_questions  # noqa: E402

KINDS = ("wordpiece", "bytes", "pieces")
ASK, TEXT = "good?", "i love this product. The film was terrible, and not very good: no Yes yes"
LONG = " ".join(["the film was not good. i love this and that, very much!"] * 4)
SAME = "good Good GOOD bad, good! "
OTHER = "Ünïcode, 日本 and   spaces\n\nlines; it's a film?"
FOUR = [{"question": ASK, "context": text} for text in (TEXT, LONG, SAME, OTHER)]

ANSWERS = [  # positional arguments, keyword arguments
    *(([], {"question": ASK, "context": text} | options) for text in (TEXT, LONG, SAME, OTHER) for options in (
        {}, {"top_k": 3}, {"topk": 2}, {"align_to_words": False}, {"align_to_words": False, "top_k": 4},
        {"handle_impossible_answer": True}, {"handle_impossible_answer": True, "top_k": 4},
        {"max_answer_len": 1, "top_k": 3}, {"max_answer_len": 3}, {"max_answer_len": 100, "top_k": 2},
    )),
    *(([], {"question": ASK, "context": LONG, "top_k": 3} | options) for options in (
        {"doc_stride": 0}, {"doc_stride": 5}, {"doc_stride": 8, "max_seq_len": 24}, {"max_seq_len": 30},
        {"doc_stride": 4, "max_seq_len": 28, "batch_size": 3}, {"padding": "max_length"}, {"max_question_len": 30},
        {"batch_size": 2, "handle_impossible_answer": True},
    )),
    ([], {"question": [ASK, "why?"], "context": TEXT}),
    ([], {"question": [ASK], "context": TEXT}),
    ([], {"question": [ASK, "why?"], "context": [LONG, OTHER], "top_k": 2}),
    ([ASK, TEXT], {}),
    ([FOUR[0]], {}),
    ([FOUR], {}),
    ([FOUR], {"batch_size": 2, "top_k": 2}),
    ([FOUR], {"batch_size": 4, "handle_impossible_answer": True, "max_seq_len": 32, "doc_stride": 8}),
    ([[FOUR[1]]], {"top_k": 2}),
    ([FOUR[0], FOUR[3]], {}),
    ([], {"data": FOUR[:2]}),
    ([], {"question": "was it good or bad?", "context": LONG}),
    ([], {"question": "?", "context": "a", "align_to_words": False}),
    ([], {"question": "?", "context": "a", "top_k": 1}),
]  # fmt: skip
MASKS = [
    *(([text], options) for text in ("i love this {}.", "{} film was not {} good", "{}") for options in (
        {}, {"top_k": 1}, {"top_k": 9}, {"targets": "good"}, {"targets": ["good", "film", "a", "b"]},
        {"targets": ["a", "b", "a"], "top_k": 2}, {"targets": ["goodness", "bad", " love"]},
        {"tokenizer_kwargs": {"add_special_tokens": False}},
    )),
    *(([["i love this {}.", "the {} was {} and {}", "{} no", "i {}"]], options) for options in (
        {}, {"batch_size": 2}, {"batch_size": 4, "top_k": 2}, {"targets": ["a", "no"]},
    )),
    ([["i love this {}."]], {}),
    ([["i {} this {}."]], {"top_k": 2}),
    (["this {} is " + LONG], {"tokenizer_kwargs": {"truncation": True}}),
    (["this {} is " + LONG], {"tokenizer_kwargs": {"truncation": True, "max_length": 12}}),
]  # fmt: skip
NLI = {"0": "Contradiction", "1": "neutral", "2": "Entailment"}, {"0": "ENTAIL", "1": "neutral", "2": "contradiction"}
LABELS = ["film", "product", "no good"]
HYPOTHESES = [
    *(
        ([text, LABELS], options)
        for text in (TEXT, [TEXT, "no", OTHER])
        for options in (
            {},
            {"multi_label": True},
            {"multi_class": True},
            {"hypothesis_template": "it was {}!"},
            {"batch_size": 2},
            {"hypothesis_template": "{{a}} is {0} and {0}"},
            {"batch_size": 4, "multi_label": True},
        )
    ),
    ([TEXT, ["good"]], {}),
    ([TEXT], {"candidate_labels": "good, bad ,, very {} good,{"}),
    ([["no", "no"], ["a", "b", "a"]], {}),
    ([[TEXT], LABELS], {}),
    ([LONG, LABELS], {"truncation": True}),
    ([[LONG, "no"], LABELS], {"truncation": True, "multi_label": True}),
]


def models() -> list[tuple[str, str, dict, dict, list]]:
    """Task, head, fields of config.json, options of pipeline(), calls."""
    found = [("question-answering", "ForQuestionAnswering", {}, {}, ANSWERS)]
    found += [("question-answering", "ForQuestionAnswering", {}, {"top_k": 2, "max_answer_len": 4}, ANSWERS[:3])]
    found += [("fill-mask", "ForMaskedLM", {}, {}, MASKS), ("fill-mask", "ForMaskedLM", {}, {"top_k": 2}, MASKS[:4])]
    for names in NLI:
        config = {"id2label": names, "label2id": {name: int(i) for i, name in names.items()}}
        found.append(("zero-shot-classification", "ForSequenceClassification", config, {}, HYPOTHESES))
    options = {"candidate_labels": LABELS, "multi_label": True, "hypothesis_template": "{}"}
    found.append(("zero-shot-classification", "ForSequenceClassification", config, options, [([TEXT], {})]))
    found.append(("zero-shot-classification", "ForSequenceClassification", {}, {}, HYPOTHESES[:2]))
    return found


def masked(args: list, mask: str) -> list:
    return json.loads(json.dumps(args).replace("{}", mask))


def result(pipe: transformers.Pipeline, args: list, options: dict) -> object:
    """None where the reference fails: it has windows that do not advance beside a long question."""
    try:
        return pipe(*args, **options)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        print(pipe.task, args, options, repr(error)[:120])
        return None


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable()
    recorded = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            for task, head, config, options, calls in models():
                model = make_questions(Path(folder) / f"{kind}{len(recorded)}", kind, head, **config)
                pipe = transformers.pipeline(task, model=str(model), device="cpu", **options)
                for args, call in calls:
                    given = masked(args, pipe.tokenizer.mask_token) if task == "fill-mask" else args
                    asked = {name: value for name, value in call.items() if name != "truncation"}  # it always cuts
                    recorded.append([task, kind, head, config, options, given, call, result(pipe, given, asked)])
    target = TESTS / "parity" / "pipelines" / "questions.json"
    target.write_text("[\n" + ",\n".join(map(json.dumps, recorded)) + "\n]\n")
    print(f"{len(recorded)} calls by transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
