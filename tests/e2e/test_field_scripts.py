"""What people write to fine-tune, as notebooks have it, with `datasets`, on tiny models: it runs, and the model learns.

Each script is one function, so that it can be read as one; the names of models are folders.
"""

import collections
import math
import random

import datasets
import numpy as np
import pytest
import torch

import qkv
from qkv import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorForMultipleChoice,
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    Trainer,
    TrainingArguments,
    default_data_collator,
    load_metric,
    pipeline,
)  # fmt: skip
from tiny import make
from tiny_text import make_text
from tiny_translation import make_t5, sentences

OTHERS = ["i", "love", "this", "the", "film", "was", "it", "and", "very", "much", "more", "all", "at"]
QUICK = {"learning_rate": 3e-3, "report_to": "none", "disable_tqdm": True, "logging_steps": 10, "save_strategy": "no"}


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    datasets.disable_progress_bars()


def make_bert(folder, head="ForSequenceClassification"):
    """A BERT as it is before any training, and tokenizer, in a folder."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    rest = {"initializer_range": 0.2, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = qkv.BertConfig(vocab_size=99, max_position_embeddings=40, **sizes, **rest)
    make(folder, head=head)
    getattr(qkv, f"Bert{head}")(config).save_pretrained(folder)
    return str(folder)


def texts(count, words, seed=0):
    """Words in random order, one of `words` among them, which is at a random place."""
    draw = random.Random(seed)
    for i in range(count):
        row = [draw.choice(OTHERS) for _ in range(draw.randint(3, 7))]
        at = draw.randrange(len(row))
        yield i % len(words), at, [*row[:at], words[i % len(words)], *row[at:]]


def test_pairs_of_sentences(tmp_path):
    """A classifier of pairs, with the metric of GLUE: whether both have the same word."""
    checkpoint = make_bert(tmp_path / "bert")
    rows = [
        {"sentence1": " ".join(row), "sentence2": ["bad", "good"][label] + " film", "label": label, "idx": i}
        for i, (label, _, row) in enumerate(texts(96, ["bad", "good"]))
    ]
    raw_datasets = datasets.DatasetDict(
        train=datasets.Dataset.from_list(rows[:64]), validation=datasets.Dataset.from_list(rows[64:])
    )
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def tokenize_function(example):
        return tokenizer(example["sentence1"], example["sentence2"], truncation=True)

    tokenized_datasets = raw_datasets.map(tokenize_function, batched=True)
    data_collator = DataCollatorWithPadding(tokenizer=tokenizer)

    def compute_metrics(eval_preds):
        metric = load_metric("glue", "mrpc")
        logits, labels = eval_preds
        predictions = np.argmax(logits, axis=-1)
        return metric.compute(predictions=predictions, references=labels)

    training_args = TrainingArguments("test-trainer", eval_strategy="epoch", num_train_epochs=5, **QUICK)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2, ignore_mismatched_sizes=True)
    trainer = Trainer(
        model, training_args, train_dataset=tokenized_datasets["train"], eval_dataset=tokenized_datasets["validation"],
        data_collator=data_collator, processing_class=tokenizer, compute_metrics=compute_metrics,
    )  # fmt: skip
    trainer.train()
    predictions = trainer.predict(tokenized_datasets["validation"])
    assert predictions.predictions.shape == (32, 2) and predictions.label_ids.shape == (32,)
    assert trainer.evaluate()["eval_f1"] > 0.95


def test_entities(tmp_path):
    """Labels of words for their tokens, by word_ids(); -100 for further tokens of a word."""
    label_names = ["O", "B-THING", "I-THING"]
    rows = []
    for _, at, row in texts(96, ["films"]):
        row = [*row[: at + 1], "goods", *row[at + 1 :]]  # each of two tokens
        tags = [0] * at + [1, 2] + [0] * (len(row) - at - 2)
        rows.append({"tokens": row, "ner_tags": tags})
    raw_datasets = datasets.Dataset.from_list(rows).train_test_split(test_size=32, seed=0)
    model_checkpoint = make_bert(tmp_path / "bert", "ForMaskedLM")
    tokenizer = AutoTokenizer.from_pretrained(model_checkpoint)

    def align_labels_with_tokens(labels, word_ids):
        new_labels, current_word = [], None
        for word_id in word_ids:
            if word_id != current_word:
                current_word = word_id
                new_labels.append(-100 if word_id is None else labels[word_id])
            elif word_id is None:
                new_labels.append(-100)
            else:
                label = labels[word_id]
                new_labels.append(label + 1 if label % 2 == 1 else label)
        return new_labels

    def tokenize_and_align_labels(examples):
        tokenized_inputs = tokenizer(examples["tokens"], truncation=True, is_split_into_words=True)
        tokenized_inputs["labels"] = [
            align_labels_with_tokens(labels, tokenized_inputs.word_ids(i))
            for i, labels in enumerate(examples["ner_tags"])
        ]
        return tokenized_inputs

    tokenized_datasets = raw_datasets.map(
        tokenize_and_align_labels, batched=True, remove_columns=raw_datasets["train"].column_names
    )
    data_collator = DataCollatorForTokenClassification(tokenizer=tokenizer)
    metric = load_metric("seqeval")

    def compute_metrics(eval_preds):
        logits, labels = eval_preds
        predictions = np.argmax(logits, axis=-1)
        true_labels = [[label_names[i] for i in label if i != -100] for label in labels]
        true_predictions = [
            [label_names[p] for (p, i) in zip(prediction, label, strict=True) if i != -100]
            for prediction, label in zip(predictions, labels, strict=True)
        ]
        all_metrics = metric.compute(predictions=true_predictions, references=true_labels)
        return {name: all_metrics[f"overall_{name}"] for name in ("precision", "recall", "f1", "accuracy")}

    id2label = {i: label for i, label in enumerate(label_names)}
    label2id = {v: k for k, v in id2label.items()}
    model = AutoModelForTokenClassification.from_pretrained(model_checkpoint, id2label=id2label, label2id=label2id)
    args = TrainingArguments("finetuned-ner", evaluation_strategy="epoch", num_train_epochs=10, **QUICK)
    trainer = Trainer(
        model=model, args=args, train_dataset=tokenized_datasets["train"], eval_dataset=tokenized_datasets["test"],
        data_collator=data_collator, compute_metrics=compute_metrics, tokenizer=tokenizer,
    )  # fmt: skip
    trainer.train()
    assert trainer.evaluate()["eval_f1"] > 0.9
    trainer.save_model("saved")
    found = pipeline("token-classification", model="saved", aggregation_strategy="simple")("it was the films goods all")
    assert [entity["entity_group"] for entity in found] == ["THING"] and found[0]["word"] == "films goods"


def test_questions(tmp_path):  # noqa: C901, PLR0915 (as it is written everywhere)
    """Contexts in windows, answers by character; at the end the spans of all windows make an answer."""
    model_checkpoint = make_bert(tmp_path / "bert", "ForQuestionAnswering")
    tokenizer = AutoTokenizer.from_pretrained(model_checkpoint)
    rows = []
    for i, (_, at, row) in enumerate(texts(96, ["great", "terrible"])):
        context = " ".join([*row, *OTHERS])
        start = len(" ".join(row[:at])) + (at > 0)
        answers = {"text": [row[at]], "answer_start": [start]}
        rows.append({"id": str(i), "question": "what is this ?", "context": context, "answers": answers})
    raw_datasets = datasets.Dataset.from_list(rows).train_test_split(test_size=32, seed=0)
    max_length, stride = 22, 6

    def preprocess_training_examples(examples):
        questions = [q.strip() for q in examples["question"]]
        inputs = tokenizer(
            questions, examples["context"], max_length=max_length, truncation="only_second", stride=stride,
            return_overflowing_tokens=True, return_offsets_mapping=True, padding="max_length",
        )  # fmt: skip
        offset_mapping = inputs.pop("offset_mapping")
        sample_map = inputs.pop("overflow_to_sample_mapping")
        answers = examples["answers"]
        start_positions, end_positions = [], []
        for i, offset in enumerate(offset_mapping):
            answer = answers[sample_map[i]]
            start_char = answer["answer_start"][0]
            end_char = answer["answer_start"][0] + len(answer["text"][0])
            sequence_ids = inputs.sequence_ids(i)
            idx = 0
            while sequence_ids[idx] != 1:
                idx += 1
            context_start = idx
            while sequence_ids[idx] == 1:
                idx += 1
            context_end = idx - 1
            if offset[context_start][0] > start_char or offset[context_end][1] < end_char:
                start_positions.append(0)
                end_positions.append(0)
            else:
                idx = context_start
                while idx <= context_end and offset[idx][0] <= start_char:
                    idx += 1
                start_positions.append(idx - 1)
                idx = context_end
                while idx >= context_start and offset[idx][1] >= end_char:
                    idx -= 1
                end_positions.append(idx + 1)
        inputs["start_positions"] = start_positions
        inputs["end_positions"] = end_positions
        return inputs

    def preprocess_validation_examples(examples):
        questions = [q.strip() for q in examples["question"]]
        inputs = tokenizer(
            questions, examples["context"], max_length=max_length, truncation="only_second", stride=stride,
            return_overflowing_tokens=True, return_offsets_mapping=True, padding="max_length",
        )  # fmt: skip
        sample_map = inputs.pop("overflow_to_sample_mapping")
        inputs["example_id"] = [examples["id"][sample_map[i]] for i in range(len(inputs["input_ids"]))]
        for i in range(len(inputs["input_ids"])):
            sequence_ids = inputs.sequence_ids(i)
            offset = inputs["offset_mapping"][i]
            inputs["offset_mapping"][i] = [o if sequence_ids[k] == 1 else None for k, o in enumerate(offset)]
        return inputs

    columns = raw_datasets["train"].column_names
    train_dataset = raw_datasets["train"].map(preprocess_training_examples, batched=True, remove_columns=columns)
    validation_dataset = raw_datasets["test"].map(preprocess_validation_examples, batched=True, remove_columns=columns)
    assert len(train_dataset) > 64  # windows
    metric = load_metric("squad")

    def compute_metrics(start_logits, end_logits, features, examples):
        example_to_features = collections.defaultdict(list)
        for idx, feature in enumerate(features):
            example_to_features[feature["example_id"]].append(idx)
        predicted_answers = []
        for example in examples:
            answers = []
            for feature_index in example_to_features[example["id"]]:
                offsets = features[feature_index]["offset_mapping"]
                start_indexes = np.argsort(start_logits[feature_index])[-1:-6:-1].tolist()
                end_indexes = np.argsort(end_logits[feature_index])[-1:-6:-1].tolist()
                for start in start_indexes:
                    for end in end_indexes:
                        if offsets[start] is None or offsets[end] is None or end < start or end - start + 1 > 5:
                            continue
                        text = example["context"][offsets[start][0] : offsets[end][1]]
                        score = start_logits[feature_index][start] + end_logits[feature_index][end]
                        answers.append({"text": text, "logit_score": score})
            best = max(answers, key=lambda x: x["logit_score"])["text"] if answers else ""
            predicted_answers.append({"id": example["id"], "prediction_text": best})
        theoretical_answers = [{"id": ex["id"], "answers": ex["answers"]} for ex in examples]
        return metric.compute(predictions=predicted_answers, references=theoretical_answers)

    model = AutoModelForQuestionAnswering.from_pretrained(model_checkpoint)
    args = TrainingArguments("finetuned-squad", num_train_epochs=12, **QUICK)
    trainer = Trainer(
        model=model, args=args, train_dataset=train_dataset, eval_dataset=validation_dataset, tokenizer=tokenizer
    )
    trainer.train()
    predictions, _, _ = trainer.predict(validation_dataset)
    start_logits, end_logits = predictions
    found = compute_metrics(start_logits, end_logits, validation_dataset, raw_datasets["test"])
    assert set(found) == {"exact_match", "f1"} and found["exact_match"] > 80


def test_a_causal_language_model_on_packed_blocks(tmp_path):
    checkpoint = str(make_text(tmp_path / "gpt2"))
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    rows = [{"text": " ".join(["the cat and the dog", "a dog and a cat"][i % 2] for _ in range(2))} for i in range(60)]
    raw = datasets.Dataset.from_list(rows).train_test_split(test_size=10, seed=0)
    block_size = 32

    def tokenize_function(examples):
        return tokenizer(examples["text"])

    def group_texts(examples):
        concatenated_examples = {k: sum(examples[k], []) for k in examples}
        total_length = len(concatenated_examples[list(examples.keys())[0]])
        total_length = (total_length // block_size) * block_size
        result = {
            k: [t[i : i + block_size] for i in range(0, total_length, block_size)]
            for k, t in concatenated_examples.items()
        }
        result["labels"] = result["input_ids"].copy()
        return result

    tokenized = raw.map(tokenize_function, batched=True, remove_columns=["text"])
    lm_datasets = tokenized.map(group_texts, batched=True, batch_size=1000)
    assert {len(row["input_ids"]) for row in lm_datasets["train"]} == {block_size}
    for data_collator in (default_data_collator, DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm=False)):
        model = AutoModelForCausalLM.from_pretrained(checkpoint)
        training_args = TrainingArguments("clm", num_train_epochs=4, weight_decay=0.01, **QUICK)
        trainer = Trainer(
            model=model, args=training_args, train_dataset=lm_datasets["train"], eval_dataset=lm_datasets["test"],
            data_collator=data_collator,
        )  # fmt: skip
        before = math.exp(trainer.evaluate()["eval_loss"])
        trainer.train()
        perplexity = math.exp(trainer.evaluate()["eval_loss"])
        assert perplexity < before / 5


def test_a_masked_language_model(tmp_path):
    checkpoint = make_bert(tmp_path / "bert", "ForMaskedLM")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    data = datasets.Dataset.from_list([{"text": " ".join(OTHERS[i % 4 :][:8])} for i in range(64)])
    tokenized = data.map(lambda x: tokenizer(x["text"], return_special_tokens_mask=True), remove_columns=["text"])
    data_collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.15)
    model = AutoModelForMaskedLM.from_pretrained(checkpoint)
    args = TrainingArguments("mlm", num_train_epochs=10, **QUICK)
    trainer = Trainer(model, args, train_dataset=tokenized, eval_dataset=tokenized, data_collator=data_collator)
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before / 2
    trainer.save_model("saved")
    tokenizer.save_pretrained("saved")
    assert pipeline("fill-mask", model="saved")("i love this [MASK] film was it")[0]["token_str"] == "the"


def test_multiple_choice(tmp_path):
    checkpoint = make_bert(tmp_path / "bert", "ForMultipleChoice")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    ending_names = ["ending0", "ending1", "ending2", "ending3"]
    rows, draw = [], random.Random(0)
    for _, _, row in texts(128, ["film", "product"]):
        endings = ["bad", "terrible", "no", "not good"]
        label = draw.randrange(4)
        endings[label] = "great"
        ends = dict(zip(ending_names, endings, strict=True))
        rows.append({"sent1": " ".join(row), "sent2": "it is", **ends, "label": label})
    swag = datasets.Dataset.from_list(rows).train_test_split(test_size=32, seed=0)

    def preprocess_function(examples):
        first_sentences = [[context] * 4 for context in examples["sent1"]]
        question_headers = examples["sent2"]
        second_sentences = [
            [f"{header} {examples[end][i]}" for end in ending_names] for i, header in enumerate(question_headers)
        ]
        first_sentences = sum(first_sentences, [])
        second_sentences = sum(second_sentences, [])
        tokenized_examples = tokenizer(first_sentences, second_sentences, truncation=True)
        return {k: [v[i : i + 4] for i in range(0, len(v), 4)] for k, v in tokenized_examples.items()}

    tokenized_swag = swag.map(preprocess_function, batched=True)
    collator = DataCollatorForMultipleChoice(tokenizer=tokenizer)
    accuracy = load_metric("accuracy")

    def compute_metrics(eval_pred):
        predictions, labels = eval_pred
        predictions = np.argmax(predictions, axis=1)
        return accuracy.compute(predictions=predictions, references=labels)

    model = AutoModelForMultipleChoice.from_pretrained(checkpoint)
    training_args = TrainingArguments(
        output_dir="swag", eval_strategy="epoch", num_train_epochs=6, **(QUICK | {"save_strategy": "epoch"}),
        load_best_model_at_end=True, metric_for_best_model="accuracy",
    )  # fmt: skip
    trainer = Trainer(
        model=model, args=training_args, train_dataset=tokenized_swag["train"], eval_dataset=tokenized_swag["test"],
        processing_class=tokenizer, data_collator=collator, compute_metrics=compute_metrics,
    )  # fmt: skip
    trainer.train()
    assert trainer.evaluate()["eval_accuracy"] > 0.9


def test_translation(tmp_path):
    model_checkpoint = str(make_t5(tmp_path / "t5"))
    tokenizer = AutoTokenizer.from_pretrained(model_checkpoint)
    model = AutoModelForSeq2SeqLM.from_pretrained(model_checkpoint)
    split_datasets = datasets.Dataset.from_list(sentences(416)).train_test_split(test_size=16, seed=20)
    max_length = 16

    def preprocess_function(examples):
        inputs = [ex["en"] for ex in examples["translation"]]
        targets = [ex["de"] for ex in examples["translation"]]
        return tokenizer(inputs, text_target=targets, max_length=max_length, truncation=True)

    tokenized_datasets = split_datasets.map(
        preprocess_function, batched=True, remove_columns=split_datasets["train"].column_names
    )
    data_collator = DataCollatorForSeq2Seq(tokenizer, model=model)
    batch = data_collator([tokenized_datasets["train"][i] for i in range(1, 3)])
    assert batch.keys() == {"input_ids", "attention_mask", "labels", "decoder_input_ids"}
    metric = load_metric("sacrebleu")

    def compute_metrics(eval_preds):
        preds, labels = eval_preds
        if isinstance(preds, tuple):
            preds = preds[0]
        decoded_preds = tokenizer.batch_decode(preds, skip_special_tokens=True)
        labels = np.where(labels != -100, labels, tokenizer.pad_token_id)
        decoded_labels = tokenizer.batch_decode(labels, skip_special_tokens=True)
        decoded_preds = [pred.strip() for pred in decoded_preds]
        decoded_labels = [[label.strip()] for label in decoded_labels]
        result = metric.compute(predictions=decoded_preds, references=decoded_labels)
        return {"bleu": result["score"]}

    args = Seq2SeqTrainingArguments(
        "finetuned-en-to-de", evaluation_strategy="no", save_strategy="no", learning_rate=5e-3,
        per_device_train_batch_size=32, per_device_eval_batch_size=64, weight_decay=0.01, save_total_limit=3,
        num_train_epochs=20, predict_with_generate=True, fp16=False, lr_scheduler_type="linear", report_to="none",
    )  # fmt: skip
    trainer = Seq2SeqTrainer(
        model, args, train_dataset=tokenized_datasets["train"], eval_dataset=tokenized_datasets["test"],
        data_collator=data_collator, tokenizer=tokenizer, compute_metrics=compute_metrics,
    )  # fmt: skip
    before = trainer.evaluate(max_length=max_length)["eval_bleu"]
    trainer.train()
    assert trainer.evaluate(max_length=max_length)["eval_bleu"] > before + 30
    found = trainer.predict(tokenized_datasets["test"], max_length=max_length, num_beams=2, metric_key_prefix="predict")
    assert found.metrics["predict_bleu"] > before + 30
    first = split_datasets["test"][0]["translation"]["en"]
    told = model.generate(**tokenizer(first, return_tensors="pt"), max_length=max_length, num_beams=2)[0]
    predicted = found.predictions[0]
    assert tokenizer.decode(told, skip_special_tokens=True) == tokenizer.decode(
        predicted[predicted >= 0], skip_special_tokens=True
    )


def test_summaries(tmp_path):
    """With a prefix, the older way to tokenize targets, and ROUGE with the mean length."""
    checkpoint = str(make_t5(tmp_path / "t5"))
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    rows = [
        {"document": row["translation"]["en"], "summary": row["translation"]["en"].split()[-2]}
        for row in sentences(416)
    ]
    billsum = datasets.Dataset.from_list(rows).train_test_split(test_size=16, seed=0)
    prefix = "translate: "

    def preprocess_function(examples):
        inputs = [prefix + doc for doc in examples["document"]]
        model_inputs = tokenizer(inputs, max_length=16, truncation=True)
        with tokenizer.as_target_tokenizer():
            labels = tokenizer(examples["summary"], max_length=8, truncation=True)
        model_inputs["labels"] = labels["input_ids"]
        return model_inputs

    tokenized_billsum = billsum.map(preprocess_function, batched=True)
    rouge = load_metric("rouge")

    def compute_metrics(eval_pred):
        predictions, labels = eval_pred
        decoded_preds = tokenizer.batch_decode(predictions, skip_special_tokens=True)
        labels = np.where(labels != -100, labels, tokenizer.pad_token_id)
        decoded_labels = tokenizer.batch_decode(labels, skip_special_tokens=True)
        result = rouge.compute(predictions=decoded_preds, references=decoded_labels, use_stemmer=True)
        prediction_lens = [np.count_nonzero(pred != tokenizer.pad_token_id) for pred in predictions]
        result["gen_len"] = np.mean(prediction_lens)
        return {k: round(v, 4) for k, v in result.items()}

    model = AutoModelForSeq2SeqLM.from_pretrained(checkpoint)
    training_args = Seq2SeqTrainingArguments(
        output_dir="billsum", eval_strategy="epoch", learning_rate=5e-3, per_device_train_batch_size=32,
        per_device_eval_batch_size=16, weight_decay=0.01, save_total_limit=3, num_train_epochs=8,
        predict_with_generate=True, generation_max_length=8, load_best_model_at_end=True, save_strategy="epoch",
        metric_for_best_model="rouge1", group_by_length=True, report_to="none",
    )  # fmt: skip
    trainer = Seq2SeqTrainer(
        model=model, args=training_args, train_dataset=tokenized_billsum["train"],
        eval_dataset=tokenized_billsum["test"], processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer=tokenizer, model=checkpoint), compute_metrics=compute_metrics,
    )  # fmt: skip
    before = trainer.evaluate()["eval_rouge1"]
    trainer.train()
    after = trainer.evaluate()
    assert after["eval_rouge1"] > before + 0.5 and after["eval_gen_len"] == 2


def test_a_loop_of_ones_own(tmp_path):
    """Collators and models in a loop with a DataLoader, as those who want no Trainer write it."""
    from torch.utils.data import DataLoader

    from qkv import get_scheduler

    checkpoint = make_bert(tmp_path / "bert")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    rows = [{"text": " ".join(row), "label": label} for label, _, row in texts(64, ["bad", "good"])]
    data = datasets.Dataset.from_list(rows).map(lambda x: tokenizer(x["text"], truncation=True), batched=True)
    data = data.remove_columns(["text"]).rename_column("label", "labels")
    data.set_format("torch")
    train_dataloader = DataLoader(data, shuffle=True, batch_size=8, collate_fn=DataCollatorWithPadding(tokenizer))
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    num_epochs = 5
    num_training_steps = num_epochs * len(train_dataloader)
    lr_scheduler = get_scheduler("linear", optimizer, num_warmup_steps=0, num_training_steps=num_training_steps)
    model.train()
    for _ in range(num_epochs):
        for batch in train_dataloader:
            outputs = model(**batch)
            outputs.loss.backward()
            optimizer.step()
            lr_scheduler.step()
            optimizer.zero_grad()
    metric = load_metric("accuracy")
    model.eval()
    for batch in DataLoader(data, batch_size=8, collate_fn=DataCollatorWithPadding(tokenizer)):
        with torch.no_grad():
            outputs = model(**batch)
        metric.add_batch(predictions=torch.argmax(outputs.logits, dim=-1), references=batch["labels"])
    assert metric.compute()["accuracy"] > 0.95
