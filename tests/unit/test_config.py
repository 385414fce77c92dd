import json

import pytest

from qkv import AutoConfig, BertConfig, BertModel, DistilBertConfig, GPT2Config
from qkv.models import FAMILIES


def test_defaults_and_aliases():
    assert BertConfig().hidden_size == 768
    config = DistilBertConfig(dim=32, n_layers=2)
    assert (config.hidden_size, config.dim, config.num_hidden_layers, config.n_layers) == (32, 32, 2, 2)
    config.dim = 64
    assert config.hidden_size == 64
    assert GPT2Config(n_positions=40).max_position_embeddings == 40


@pytest.mark.parametrize("model_type", FAMILIES)
def test_written_in_the_familys_spelling_and_read_back(model_type):
    config = AutoConfig.for_model(model_type, num_labels=3, pad_token_id=7)
    written = json.loads(config.to_json_string())
    assert not set(written) & set(type(config).aliases.values()) - set(type(config).aliases) - {"dtype"}
    again = type(config).from_dict(written)
    assert again == config
    assert (again.num_labels, again.pad_token_id) == (3, 7)


def test_published_keys_survive_and_underscores_do_not():
    raw = {"model_type": "bert", "hidden_size": 8, "my_key": {"a": [1]}, "_name_or_path": "x", "torch_dtype": "float32"}
    config = BertConfig.from_dict(raw)
    assert config.my_key == {"a": [1]}
    assert config.to_dict() == {key: value for key, value in raw.items() if key != "_name_or_path"}
    config.hidden_size = 9
    assert config.to_dict()["hidden_size"] == 9


def test_labels():
    config = BertConfig.from_dict({"model_type": "bert", "id2label": {"0": "no", "1": "yes"}})
    assert (config.id2label, config.num_labels) == ({0: "no", 1: "yes"}, 2)
    config.num_labels = 2
    assert config.id2label == {0: "no", 1: "yes"}
    config.num_labels = 3
    assert config.label2id == {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}
    assert BertConfig().num_labels == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("hidden_size", "8"), ("hidden_size", 8.5), ("hidden_size", True), ("hidden_dropout_prob", "x"), ("id2label", [1]),
     ("hidden_act", ["gelu"]), ("id2label", {"a": 1}), ("architectures", "Bert")],
)  # fmt: skip
def test_wrong_types_are_named(field, value):
    with pytest.raises((TypeError, ValueError), match=f"config.{field} must"):
        BertConfig(**{field: value})


def test_unknown_attribute_suggests():
    with pytest.raises(AttributeError, match="hidden_size"):
        BertConfig().hiden_size  # noqa: B018


def test_from_pretrained(tiny):
    config = AutoConfig.from_pretrained(tiny, num_labels=5, hidden_dropout_prob=0)
    assert (type(config), config.num_labels, config.hidden_dropout_prob) == (BertConfig, 5, 0.0)
    assert BertConfig.from_pretrained(tiny).num_labels == 3
    with pytest.raises(ValueError, match="BertConfig or AutoConfig"):
        GPT2Config.from_pretrained(tiny)


@pytest.mark.parametrize(
    ("text", "kind", "say"),
    [("", OSError, "config.json"), ("[1]", OSError, "config.json"), ("{", OSError, "config.json"),
     ("\x00\xff", OSError, "config.json"), ("{}", ValueError, "model_type"),
     ('{"model_type": 3}', ValueError, "model_type"),
     ('{"model_type": "brt"}', ValueError, "'bert'"), ('{"model_type": "../bert"}', ValueError, "no family"),
     ('{"model_type": "bert", "hidden_size": "big"}', TypeError, "hidden_size")],
)  # fmt: skip
def test_broken_config(tiny, text, kind, say):
    (tiny / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(kind, match=say) as error:
        AutoConfig.from_pretrained(tiny)
    assert len(str(error.value)) < 400


def test_a_config_of_no_model_type_is_that_of_the_class_it_is_loaded_with(tiny):
    raw = json.loads((tiny / "config.json").read_text())
    del raw["model_type"]
    (tiny / "config.json").write_text(json.dumps(raw))
    config = BertConfig.from_pretrained(tiny)
    assert type(config) is BertConfig and config.hidden_size == raw["hidden_size"]
    assert config.to_dict()["model_type"] == "bert"
    assert type(BertModel.from_pretrained(tiny).config) is BertConfig
    with pytest.raises(ValueError, match="its own class, such as BertModel"):
        AutoConfig.from_pretrained(tiny)


def test_no_config(tmp_path):
    with pytest.raises(OSError, match="config.json"):
        AutoConfig.from_pretrained(tmp_path)
    with pytest.raises(OSError, match="no folder|folder"):
        AutoConfig.from_pretrained(tmp_path / "nowhere")
