"""Columns that a model does not read are dropped and said once; a batch without labels is an error."""

import logging
import sys

import pytest
import torch
from torch import nn

from families import tiny_config
from qkv import AutoTokenizer, DataCollatorForLanguageModeling, DataCollatorWithPadding, auto, default_data_collator
from qkv.models import TEXT as FAMILIES
from qkv.training.data.columns import UsedColumns, model_columns
from qkv.training.loss import target_names

TEXT = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds")
TABLES = next(iter(name for name in auto.body_class("tapas").heads if "Question" in name))
ROW = {"input_ids": [2, 5, 3], "text": "a", "idx": 4}


def build(family, head):
    body = auto.body_class(family)
    with torch.device("meta"):
        return getattr(sys.modules[body.__module__], body.class_name(head))(tiny_config(family))


class Own(nn.Module):
    """A model of a user."""

    def forward(self, x, *, weight=None, start_positions=None, label_ids=None):
        return x


class Anything(nn.Module):
    def forward(self, **inputs):
        return inputs


class Wrapped(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.inner = model

    def get_base_model(self):
        return self.inner

    def forward(self, *args, **kwargs):
        return self.inner(*args, **kwargs)


class Table:
    """What `datasets.Dataset` has, for these tests."""

    def __init__(self, rows):
        self.rows, self.column_names = rows, list(rows[0])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]

    def select_columns(self, names):
        return Table([{name: row[name] for name in names} for row in self.rows])


@pytest.mark.parametrize(
    ("family", "head", "own", "targets"),
    [
        ("bert", "ForSequenceClassification", (), ["labels"]),
        ("bert", "ForQuestionAnswering", (), ["start_positions", "end_positions"]),
        ("bert", "ForPreTraining", (), ["labels", "next_sentence_label"]),
        ("layoutlm", "ForTokenClassification", ("bbox",), ["labels"]),
        ("longformer", "ForMaskedLM", ("global_attention_mask",), ["labels"]),
        ("gpt2", "LMHeadModel", (), ["labels"]),
    ],
)
def test_columns_of_our_models(family, head, own, targets):
    model = build(family, head)
    found = model_columns(model)
    assert set(found) >= {*TEXT, *own, *targets}
    assert not set(found) & {"return_dict", "self", "extra", "inputs", "use_cache", "text", "output_attentions"}
    assert target_names(model) == targets
    assert model_columns(Wrapped(model)) == found
    assert target_names(Wrapped(model)) == targets


def test_columns_of_an_encoder_decoder_and_of_others():
    found = model_columns(build("t5", "ForConditionalGeneration"))
    assert set(found) >= {"input_ids", "attention_mask", "decoder_input_ids", "decoder_attention_mask", "labels"}
    assert model_columns(Own()) == ["x", "weight", "start_positions", "label_ids"]
    assert target_names(Own()) == ["start_positions", "label_ids"]
    assert model_columns(Anything()) is None
    assert target_names(Anything()) == []


@pytest.mark.parametrize("model_type", sorted(FAMILIES))
def test_every_model_says_what_it_reads(model_type):
    for head in auto.body_class(model_type).heads:
        model = build(model_type, head)
        assert {"input_ids", "attention_mask", *model.head.targets} <= set(model_columns(model))


def used(collator=default_data_collator, model=None, **options):
    return UsedColumns(collator, model or build("bert", "ForSequenceClassification"), **options)


def test_dropped_columns_are_listed_once(caplog):
    collate = used()
    rows = [{**ROW, "label": 1}] * 2
    with caplog.at_level(logging.WARNING, "qkv"):
        for _ in range(3):
            batch = collate(rows)
    assert list(batch) == ["labels", "input_ids"]
    assert [record.getMessage() for record in caplog.records] == [
        "train_dataset: columns are not read by BertForSequenceClassification and left out: text, idx "
        "(remove_unused_columns=False keeps them)"
    ]
    assert rows[0] == {**ROW, "label": 1}


def test_nothing_is_said_where_nothing_is_dropped(caplog):
    with caplog.at_level(logging.WARNING, "qkv"):
        used()([{"input_ids": [2, 3], "label_ids": [1.0]}])
        used(model=Anything())([{"x": 1, "text": "a", "labels": 1}])
    assert not caplog.records


def test_a_data_set_drops_them_itself(caplog):
    collate = used()
    with caplog.at_level(logging.WARNING, "qkv"):
        dataset = collate.look(Table([{**ROW, "labels": 1}]))
        assert dataset.column_names == ["input_ids", "labels"]
        collate([dataset[0]])
        plain = [{**ROW, "labels": 1}]
        assert used(name="eval_dataset").look(plain) is plain
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["train_dataset", "eval_dataset"]


def test_workers_say_nothing(caplog):
    rows = [{**ROW, "labels": index} for index in range(4)]
    collate = used()
    with caplog.at_level(logging.WARNING, "qkv"):
        collate.look(rows)
        loader = torch.utils.data.DataLoader(rows, batch_size=2, num_workers=1, collate_fn=collate)
        assert [batch["labels"].tolist() for batch in loader] == [[0, 1], [2, 3]]
    assert len(caplog.records) == 1


def fails(call, *words):
    with pytest.raises(ValueError) as error:
        call()
    assert len(str(error.value)) < 400
    for word in words:
        assert word in str(error.value), str(error.value)


def test_no_label_column():
    rows = [{**ROW, "target_label": 1}]
    words = ("train_dataset", "'labels'", "'input_ids', 'text', 'idx', 'target_label'", "BertForSequenceClassification")
    fails(lambda: used()(rows), *words, "rename_column('target_label', 'labels')")
    collate = used()
    dataset = collate.look(Table(rows))
    fails(lambda: collate([dataset[0]]), *words)
    answers = used(model=build("bert", "ForQuestionAnswering"))
    fails(lambda: answers([{"input_ids": [2, 3], "labels": 1}]), "start_positions", "end_positions")
    fails(lambda: used()([{"input_ids": [2, 3]}]), "['input_ids']", "DataCollatorForLanguageModeling")
    fails(lambda: used(model=build("tapas", TABLES))([{"input_ids": [2, 3]}]), "labels")
    assert list(used(need_labels=False)(rows)) == ["input_ids"]
    fails(lambda: used(name="eval_dataset")(rows), "eval_dataset", "target_label")
    assert "score" in used(label_names=["score"])([{"input_ids": [2, 3], "score": 1.0}])


def test_a_data_set_that_is_not_tokenized():
    words = ("train_dataset", "['text', 'category']", "tokenizer(")
    rows = [{"text": "a", "category": 1}]
    fails(lambda: used()(rows), *words)
    fails(lambda: used().look(rows), *words)
    fails(lambda: used().look(Table(rows)), *words)


def test_collators_keep_what_they_read(tiny_source):
    """Labels that a collator makes are labels, and columns that it reads are not dropped."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_source)
    model = build("bert", "ForMaskedLM")
    rows = [
        dict(tokenizer(text, return_special_tokens_mask=True, return_offsets_mapping=True)) for text in ("a b", "c")
    ]
    rows = [{**row, "text": "x"} for row in rows]
    collate = UsedColumns(DataCollatorForLanguageModeling(tokenizer, whole_word_mask=True, seed=0), model)
    assert collate.kept(rows[0]) == [
        "input_ids",
        "token_type_ids",
        "attention_mask",
        "special_tokens_mask",
        "offset_mapping",
    ]
    assert set(collate(rows)) == {"input_ids", "token_type_ids", "attention_mask", "labels"}
    fails(lambda: UsedColumns(DataCollatorWithPadding(tokenizer), model)([*rows]), "BertForMaskedLM", "'labels'")
