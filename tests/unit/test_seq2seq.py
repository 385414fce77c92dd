"""Seq2SeqTrainer: what is written and how it is filled up, options of generate(), decoders alone, bad input."""

import json
import shutil

import numpy as np
import pytest
import torch

from qkv import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    GenerationConfig,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainingArguments,
)
from tiny import GOLDENS
from tiny_text import make_text
from tiny_training import rows


@pytest.fixture(scope="module")
def t5():
    return AutoModelForSeq2SeqLM.from_pretrained(GOLDENS / "t5" / "ForConditionalGeneration", dropout_rate=0.0)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return AutoTokenizer.from_pretrained(
        make_text(tmp_path_factory.mktemp("text"), "t5/Model", max_position_embeddings=40)
    )


def trainer(model, folder, given=(), **more):
    arguments = {"use_cpu": True, "disable_tqdm": True, "predict_with_generate": True, "per_device_eval_batch_size": 2}
    return Seq2SeqTrainer(model, Seq2SeqTrainingArguments(str(folder), **(arguments | dict(given))), **more)


def ragged(count=5):
    """Rows as long as they are: (ids, mask, labels)."""
    for row in rows(count, kind="texts"):
        length = sum(row["attention_mask"])
        labels = [label for label in row["labels"] if label != -100]
        yield {"input_ids": row["input_ids"][:length], "attention_mask": [1] * length, "labels": labels}


def test_rows_end_with_the_pad_token_and_labels_with_what_is_ignored(t5, tokenizer, tmp_path):
    """Batches whose texts differ in length: `batch_decode` reads the predictions as they are."""
    made = trainer(t5, tmp_path, processing_class=tokenizer, data_collator=DataCollatorForSeq2Seq(tokenizer, t5))
    lengths = iter([3, 7, 5])
    generate = t5.generate
    made.model.generate = lambda **given: generate(**(given | {"max_new_tokens": next(lengths)}))
    try:
        found = made.predict(list(ragged()))
    finally:
        del made.model.generate
    assert found.predictions.shape == (5, 8) and found.predictions.dtype == np.int64
    assert (found.predictions[:2, 4:] == tokenizer.pad_token_id).all() and tokenizer.pad_token_id == 1
    assert (found.predictions[2:4, 4:] != tokenizer.pad_token_id).any()
    assert len(tokenizer.batch_decode(found.predictions, skip_special_tokens=True)) == 5
    for row, given in zip(found.label_ids, ragged(), strict=True):
        assert row.tolist() == given["labels"] + [-100] * (len(row) - len(given["labels"]))


def test_each_row_is_what_generate_writes_alone(t5, tokenizer, tmp_path):
    collator = DataCollatorForSeq2Seq(tokenizer, t5)
    made = trainer(t5, tmp_path, processing_class=tokenizer, data_collator=collator)
    found = made.predict(list(ragged()), max_new_tokens=6, num_beams=2).predictions
    for row, given in zip(found, ragged(), strict=True):
        alone = t5.generate(torch.tensor([given["input_ids"]]), max_new_tokens=6, num_beams=2)[0].tolist()
        assert row.tolist()[: len(alone)] == alone


def test_without_labels_it_only_writes(t5, tokenizer, tmp_path):
    data = [{"input_ids": row["input_ids"], "attention_mask": row["attention_mask"]} for row in ragged()]
    collator = DataCollatorForSeq2Seq(tokenizer, t5)
    found = trainer(t5, tmp_path, processing_class=tokenizer, data_collator=collator).predict(data, max_new_tokens=3)
    assert found.predictions.shape == (5, 4) and found.label_ids is None and "test_loss" not in found.metrics


def test_options_of_generate_come_from_the_call_the_arguments_and_the_config(t5, tmp_path):
    (tmp_path / "config").mkdir()
    GenerationConfig(max_length=6, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0).save_pretrained(
        tmp_path / "config"
    )
    data, own = rows(4, kind="texts"), t5.generation_config

    def width(given=(), **asked):
        return trainer(t5, tmp_path, given).predict(data, **asked).predictions.shape[1]

    try:
        assert width({"generation_max_length": 5}) == 5
        assert width({"generation_max_length": 5}, max_new_tokens=2) == 3
        assert width({"generation_max_length": 5}, max_length=None) == 5
        for config in (tmp_path / "config", str(tmp_path / "config" / "generation_config.json")):
            assert width({"generation_config": config}) == 6
        assert t5.generation_config.max_length == 6  # and is saved with the model
        assert width({"generation_config": GenerationConfig.from_pretrained(tmp_path / "config", max_length=7)}) == 7
    finally:
        t5.generation_config = own


def test_several_datasets_are_evaluated_with_the_options_of_the_call(t5, tmp_path):
    widths = []

    def note(prediction):
        widths.append(prediction.predictions.shape[1])
        return {"rows": len(prediction.label_ids)}

    data = {"few": rows(2, kind="texts"), "more": rows(3, kind="texts")}
    made = trainer(t5, tmp_path, {"generation_max_length": 9}, eval_dataset=data, compute_metrics=note)
    metrics = made.evaluate(max_new_tokens=3)
    assert widths == [4, 4] and (metrics["eval_few_rows"], metrics["eval_more_rows"]) == (2, 3)
    made.evaluate()
    assert widths[2:] == [9, 9]


def test_metrics_of_a_batch_get_tensors_as_it_is_made(t5, tmp_path):
    seen = []

    def note(prediction, compute_result):
        seen.append((prediction.predictions.shape, compute_result))
        assert isinstance(prediction.predictions, torch.Tensor)
        return {"batches": len(seen)} if compute_result else {}

    given = {"batch_eval_metrics": True, "generation_max_length": 4}
    made = trainer(t5, tmp_path, given, eval_dataset=rows(3, kind="texts"), compute_metrics=note)
    assert made.evaluate()["eval_batches"] == 2 and seen == [((2, 4), False), ((1, 4), True)]


def test_a_decoder_writes_from_what_is_before_its_labels(tmp_path):
    model = AutoModelForCausalLM.from_pretrained(GOLDENS / "gpt2" / "LMHeadModel")
    data, prompts = [], [[7, 8, 9], [11], [5, 6]]
    for prompt, pad in zip(prompts, ("right", "left", "right"), strict=True):
        ids, padding = prompt + [20, 21], [0] * (4 - len(prompt))
        sides = (lambda values, fill: [*values, *fill]) if pad == "right" else (lambda values, fill: [*fill, *values])
        labels = sides([-100] * len(prompt) + [20, 21], [-100] * len(padding))
        data.append(
            {"input_ids": sides(ids, padding), "attention_mask": sides([1] * len(ids), padding), "labels": labels}
        )
    found = trainer(model, tmp_path).predict(data, max_new_tokens=4)
    assert found.predictions.shape == (3, 4) and found.metrics["test_loss"] > 0
    for row, prompt in zip(found.predictions, prompts, strict=True):
        assert row.tolist() == model.generate(torch.tensor([prompt]), max_new_tokens=4)[0, len(prompt) :].tolist()
    with pytest.raises(ValueError, match="row 1 of a batch has labels from its first token"):
        trainer(model, tmp_path).predict([data[0], data[1] | {"labels": data[1]["input_ids"]}])


def test_a_run_is_resumed_and_labels_are_padded_without_a_collator(tokenizer, tmp_path):
    given = {"max_steps": 4, "save_steps": 2, "eval_strategy": "steps", "eval_steps": 2, "generation_max_length": 4}

    def run(folder, **more):
        model = AutoModelForSeq2SeqLM.from_pretrained(GOLDENS / "t5" / "ForConditionalGeneration")
        data = {"train_dataset": list(ragged(8)), "eval_dataset": list(ragged(3))}
        made = trainer(
            model, folder, given, processing_class=tokenizer, compute_metrics=lambda p: {"n": len(p[0])}, **data
        )
        made.train(**more)
        return made

    whole = run(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole" / "checkpoint-2", tmp_path / "again" / "checkpoint-2")
    again = run(tmp_path / "again", resume_from_checkpoint=True)
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert again.state.log_history[-2]["eval_n"] == 3


def test_the_encoder_reads_once(t5, tmp_path, monkeypatch):
    calls, encode = [], type(t5.backbone).encode
    monkeypatch.setattr(
        type(t5.backbone), "encode", lambda self, x, mask: calls.append(len(x)) or encode(self, x, mask)
    )
    trainer(t5, tmp_path).predict(rows(4, kind="texts"), max_new_tokens=3)
    assert calls == [2, 2]


def test_a_prediction_step_of_ones_own_may_give_tensors(t5, tmp_path):
    class Own(Seq2SeqTrainer):
        def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None, **gen_kwargs):
            loss, ids, labels = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys, **gen_kwargs)
            return loss, ids + 1, labels

    args = Seq2SeqTrainingArguments(str(tmp_path), predict_with_generate=True, use_cpu=True, disable_tqdm=True)
    ours = Own(t5, args).predict(rows(3, kind="texts"), max_new_tokens=3).predictions
    theirs = Seq2SeqTrainer(t5, args).predict(rows(3, kind="texts"), max_new_tokens=3).predictions
    assert (ours == theirs + 1).all()


def test_loss_of_ones_own_is_evaluated_too(t5, tmp_path):
    class Own(Seq2SeqTrainer):
        def compute_loss(self, model, inputs, return_outputs=False, **_):
            labels = inputs.pop("labels")
            outputs = model(**inputs, decoder_input_ids=model.prepare_decoder_input_ids_from_labels(labels))
            loss = 0 * outputs["logits"].sum() + 5
            return (loss, outputs) if return_outputs else loss

    for generate in (True, False):
        args = Seq2SeqTrainingArguments(str(tmp_path), predict_with_generate=generate, use_cpu=True, disable_tqdm=True)
        metrics = Own(
            t5, args, eval_dataset=rows(3, kind="texts"), compute_metrics=lambda p: {"n": len(p[1])}
        ).evaluate()
        assert metrics["eval_loss"] == 5 and metrics["eval_n"] == 3


def test_arguments(tmp_path):
    args = Seq2SeqTrainingArguments(
        str(tmp_path),
        sortish_sampler=True,
        evaluation_strategy="epoch",
        generation_config=GenerationConfig(num_beams=4),
    )
    assert args.train_sampling_strategy == "group_by_length" and args.eval_strategy == "epoch"
    assert json.loads(args.to_json_string())["generation_config"]["num_beams"] == 4
    assert json.loads(Seq2SeqTrainingArguments(generation_config="a/b").to_json_string())["generation_config"] == "a/b"
    assert not Seq2SeqTrainingArguments().predict_with_generate


BAD = [
    (lambda: Seq2SeqTrainingArguments(generation_num_beams=0), ValueError, "generation_num_beams=0 must be"),
    (lambda: Seq2SeqTrainingArguments(generation_max_length=2.5), ValueError, "generation_max_length=2.5 must be"),
    (lambda: Seq2SeqTrainingArguments(predict_with_generation=True), TypeError, "predict_with_generate'"),
    (lambda: TrainingArguments(predict_with_generate=True), TypeError, "Seq2SeqTrainingArguments"),
]


@pytest.mark.parametrize(("call", "error", "say"), BAD)
def test_bad_arguments_are_named(call, error, say):
    with pytest.raises(error, match=say):
        call()


def test_models_and_arguments_that_do_not_fit(t5, tmp_path):
    classifier = AutoModelForSequenceClassification.from_pretrained(GOLDENS / "bert" / "ForSequenceClassification")
    with pytest.raises(ValueError, match="BertForSequenceClassification writes no text. .*AutoModelForSeq2SeqLM"):
        trainer(classifier, tmp_path)
    with pytest.raises(TypeError, match="takes Seq2SeqTrainingArguments"):
        Seq2SeqTrainer(t5, TrainingArguments(str(tmp_path)))
    with pytest.raises(ValueError, match="num_bems"):
        trainer(t5, tmp_path).predict(rows(2, kind="texts"), num_bems=2)
