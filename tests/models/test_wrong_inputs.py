"""What a model says of inputs and labels that do not fit it: a ValueError of its own, never one from within torch."""

import logging

import pytest
import torch

from families import tiny_config
from qkv import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForNextSentencePrediction,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

IDS = torch.tensor([[5, 6, 7, 8, 9, 3], [9, 3, 4, 4, 6, 7]])
ENCODERS = (
    "albert", "bert", "big_bird", "deberta", "deberta-v2", "distilbert", "electra", "layoutlm", "layoutlmv3", "lilt",
    "longformer", "modernbert", "mpnet", "nomic_bert", "roberta", "tapas",
)  # fmt: skip
WITHOUT_TABLE = ("deberta", "deberta-v2", "modernbert", "nomic_bert", "tapas")  # of absolute positions, or clamped


def refused(match, model, *inputs, **named):
    with pytest.raises(ValueError, match=match) as caught:
        model(*inputs, **named)
    assert len(str(caught.value)) < 400


@pytest.fixture(params=ENCODERS)
def body(request):
    return AutoModel.from_config(tiny_config(request.param)).eval()


def test_inputs(body):
    kind = body.config.model_type
    refused(r"inputs_embeds must have the shape \(B,T,\d+\)", body, inputs_embeds=torch.zeros(2, 6, 7))
    refused(r"inputs_embeds must have the shape \(B,T,\d+\)", body, inputs_embeds=torch.zeros(2, 6))
    refused("must be a tensor", body, IDS.tolist())
    refused("no token", body, IDS[:, :0])
    refused("position_ids", body, IDS, position_ids=IDS[:, :3])
    refused("position_ids must be integers", body, IDS, position_ids=IDS.float())
    if kind not in WITHOUT_TABLE:
        refused(r"position_ids hold 900…900, but this model knows 0…\d+", body, IDS, position_ids=IDS * 0 + 900)
    if kind == "tapas":  # whose types are seven
        return
    refused("token_type_ids must be integers", body, IDS, token_type_ids=IDS[:, :3])
    refused("token_type_ids must be integers", body, IDS, token_type_ids=IDS.float())
    if getattr(body.config, "type_vocab_size", 0):
        refused(r"token_type_ids hold 9…9, but this model knows 0…\d", body, IDS, token_type_ids=IDS * 0 + 9)


@pytest.mark.parametrize("kind", ["big_bird", "longformer", "bert"])
def test_lists_and_no_tokens_with_a_head(kind):
    model = AutoModelForQuestionAnswering.from_config(tiny_config(kind)).eval()
    refused("input_ids must be a tensor", model, IDS.tolist())
    if kind != "longformer":  # whose question is not found
        refused("no token", model, IDS[:, :0])


def test_class_indices():
    model = AutoModelForSequenceClassification.from_config(tiny_config("bert")).eval()
    refused("hold 3, but the model has 3 labels. Load it with num_labels=4", model, IDS, labels=torch.tensor([0, 3]))
    refused("hold -1.*-100 where none", model, IDS, labels=torch.tensor([0, -1]))
    refused(r"of shape \(2,\)", model, IDS, labels=torch.tensor([0, 1, 2]))
    refused(r"must be a tensor.*torch.tensor\(labels\)", model, IDS, labels=[0, 1])
    expected = model(IDS, labels=torch.tensor([0, 1])).loss
    for labels in (torch.tensor([0, 1]).int(), torch.tensor([False, True]), torch.tensor([[0], [1]])):
        assert model(IDS, labels=labels).loss == expected
    refused("multi_label_classification.*Class indices are integers", model, IDS, labels=torch.zeros(2))
    model.config.problem_type = "regression"
    refused(r"labels for regression .*shape \(2, 3\)", model, IDS, labels=torch.zeros(2))
    model.config.problem_type = "multi_label"
    refused("problem_type must be one of.*'multi_label'", model, IDS, labels=torch.tensor([0, 1]))


@pytest.mark.parametrize("auto", [AutoModelForTokenClassification, AutoModelForMaskedLM, AutoModelForCausalLM])
def test_a_class_for_each_token(auto):
    model = auto.from_config(tiny_config("gpt2" if auto is AutoModelForCausalLM else "bert")).eval()
    count = 3 if auto is AutoModelForTokenClassification else 50
    labels = IDS % 3
    assert model(IDS, labels=labels.int()).loss == model(IDS, labels=labels).loss
    refused(f"hold 50, but the model has {count}", model, IDS, labels=labels * 0 + 50)
    refused("hold -1", model, IDS, labels=labels * 0 - 1)
    refused(r"of shape \(2, 6\)", model, IDS, labels=labels[:, :3])
    refused(r"of shape \(2, 6\)", model, IDS, labels=labels.T)
    refused(r"integers, got torch.float32", model, IDS, labels=labels.float())


def test_choices_and_sentences():
    model = AutoModelForMultipleChoice.from_config(tiny_config("bert")).eval()
    refused("hold 2, but the model has 2 texts to choose from", model, IDS[None], labels=torch.tensor([2]))
    refused(r"of shape \(1,\)", model, IDS[None], labels=torch.tensor([0, 1]))
    model = AutoModelForNextSentencePrediction.from_config(tiny_config("bert")).eval()
    refused("hold 2", model, IDS, labels=torch.tensor([0, 2]))
    model = AutoModelForPreTraining.from_config(tiny_config("albert")).eval()
    refused("sentence_order_label hold 2", model, IDS, labels=IDS, sentence_order_label=torch.tensor([0, 2]))
    model = AutoModelForPreTraining.from_config(tiny_config("electra")).eval()
    refused("labels must be 0 or 1", model, IDS, labels=IDS)
    refused(r"labels must be 0 or 1 of shape \(2, 6\)", model, IDS, labels=IDS[:, :3] * 0)


def test_places_of_answers():
    model = AutoModelForQuestionAnswering.from_config(tiny_config("bert")).eval()
    place = torch.tensor([1, 2])
    refused("start_positions must be token indices", model, IDS, start_positions=place[:1], end_positions=place)
    refused("end_positions must be token indices", model, IDS, start_positions=place, end_positions=place.float())


@pytest.mark.parametrize("kind", ["albert", "bert", "nomic_bert"])
def test_a_model_of_words_becomes_a_classifier_of_texts(kind, tmp_path, caplog):
    """Files of masked language models have no pooler, which then is drawn with the head."""
    source = AutoModelForMaskedLM.from_config(tiny_config(kind))
    source.save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING, "qkv"):
        model, info = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert len(caplog.records) == 1 and "pooler" in caplog.text and "classifier" in caplog.text
    assert any("pooler" in name for name in info["missing_keys"])
    words = source.base_model.state_dict()
    assert all(
        torch.equal(value, words[name]) for name, value in model.base_model.state_dict().items() if name in words
    )
    with pytest.raises(ValueError, match="pooler"):  # a pipeline takes nothing that was drawn
        AutoModelForSequenceClassification.from_pretrained(tmp_path, complete=True)


def test_new_names_of_labels_are_turned_round(tmp_path):
    AutoModelForSequenceClassification.from_config(tiny_config("bert")).save_pretrained(tmp_path)
    names = {0: "bad", 1: "fair", 2: "good"}
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path, id2label=names)
    assert model.config.label2id == AutoConfig.from_pretrained(tmp_path, id2label=names).label2id
    assert model.config.label2id == {"bad": 0, "fair": 1, "good": 2}
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path, id2label=names, label2id={"x": 0})
    assert model.config.label2id == {"x": 0}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"num_attention_heads": 3}, "16 cannot be divided among 3 heads"),
        ({"num_attention_heads": 32}, "16 cannot be divided among 32 heads"),
        ({"num_attention_heads": 0}, "impossible network: config.num_attention_heads must be at least 1, got 0"),
        ({"vocab_size": 0}, "config.vocab_size must be at least 1"),
        ({"hidden_size": -1}, "config.hidden_size must be at least 1"),
        ({"hidden_dropout_prob": 1.5}, "config.hidden_dropout_prob must be from 0 to 1, got 1.5"),
        ({"attention_probs_dropout_prob": -1}, "config.attention_probs_dropout_prob must be from 0 to 1"),
        ({"pad_token_id": 50}, "pad_token_id=50 is outside a vocabulary of 50"),
    ],
)
def test_networks_that_cannot_be(fields, said):
    config = tiny_config("albert")
    for name, value in fields.items():
        setattr(config, name, value)
    with pytest.raises(ValueError, match=said):
        AutoModel.from_config(config)
