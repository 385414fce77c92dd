import copy
import inspect
import json
import subprocess
import sys

import pytest

from qkv import GPT2Config
from qkv.generation.config import GenerationConfig
from qkv.generation.constraints import PhrasalConstraint
from qkv.generation.options import GenerationOptions
from qkv.generation.values import RULES

# What the reference's versions write for the options in EVERYTHING, beside their own version.
EVERYTHING = dict(
    do_sample=True, temperature=0.7, top_k=5, max_new_tokens=9, eos_token_id=[1, 2], bad_words_ids=[[5], [6, 7]],
    sequence_bias={(1, 2): -5.0}, exponential_decay_length_penalty=(5, 1.1), stop_strings=["."],
)  # fmt: skip
WRITTEN = """{"bad_words_ids": [[5], [6, 7]], "do_sample": true, "eos_token_id": [1, 2], "max_new_tokens": 9,
  "exponential_decay_length_penalty": [5, 1.1], "sequence_bias": {"(1, 2)": -5.0}, "stop_strings": ["."],
  "temperature": 0.7, "top_k": 5, "transformers_version": "4.57.6"}"""


def test_every_option_has_a_rule_and_a_default():
    names = set(inspect.get_annotations(GenerationOptions))
    assert names == set(RULES) == set(GenerationConfig.fields())
    assert all(hasattr(GenerationConfig, name) for name in names)
    assert len(names) == 72


def test_defaults():
    config = GenerationConfig()
    assert vars(config) == {}
    assert (config.max_length, config.top_k, config.temperature, config.num_beams) == (20, 50, 1.0, 1)
    for name in GenerationConfig.fields():
        if getattr(config, name) is not None:
            assert RULES[name](name, getattr(config, name)) == getattr(config, name)
    assert GenerationConfig(**dict.fromkeys(RULES)) == config


def test_only_what_was_set_stands_on_the_object():
    config = GenerationConfig(top_k=50, temperature=2, max_length=None, my_own={"a": 1})
    assert vars(config) == {"top_k": 50, "temperature": 2.0, "my_own": {"a": 1}}
    assert isinstance(config.temperature, float)
    config.top_k = None
    assert config.top_k == 50
    assert "top_k" not in vars(config)
    config.pad_token_id = 3
    assert config.to_diff_dict() == {"temperature": 2.0, "my_own": {"a": 1}, "pad_token_id": 3}
    assert config.to_dict()["num_beams"] == 1


def test_numbers_of_other_kinds():
    class Index:
        def __index__(self):
            return 7

    config = GenerationConfig(max_length=20.0, top_k=Index(), do_sample=1, top_p=1)
    assert vars(config) == {"max_length": 20, "top_k": 7, "do_sample": True, "top_p": 1.0}
    assert config.do_sample is True


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_length", -1), ("max_length", True), ("max_length", "20"), ("max_length", 10**30), ("max_length", 2.5),
     ("max_new_tokens", -1), ("max_length", float("inf")), ("num_beams", 0),
     ("num_return_sequences", 0), ("temperature", -1), ("temperature", "hot"), ("temperature", float("nan")),
     ("temperature", float("inf")), ("temperature", 10**400), ("temperature", True), ("temperature", [1]),
     ("top_p", 1.5), ("top_p", -0.1), ("min_p", 2), ("typical_p", 0), ("top_h", 0), ("epsilon_cutoff", 1),
     ("top_k", -1),
     ("repetition_penalty", 0), ("encoder_repetition_penalty", -1), ("do_sample", "yes"), ("do_sample", 2),
     ("do_sample", []), ("early_stopping", "always"), ("early_stopping", []), ("eos_token_id", "</s>"),
     ("eos_token_id", [1, "2"]), ("eos_token_id", {}), ("pad_token_id", -2), ("pad_token_id", [1]),
     ("bad_words_ids", []), ("bad_words_ids", [5]), ("bad_words_ids", [[]]), ("bad_words_ids", [[-1]]),
     ("bad_words_ids", [[0]] * 10**5 + [["x" * 10**6]]), ("force_words_ids", [[]]), ("force_words_ids", 5),
     ("suppress_tokens", 5), ("sequence_bias", [[5, 1.0]]), ("sequence_bias", {(5,): "x"}),
     ("sequence_bias", [1]), ("sequence_bias", {"()": 1.0}), ("exponential_decay_length_penalty", 5),
     ("exponential_decay_length_penalty", [1, 2, 3]), ("exponential_decay_length_penalty", [1, -2]),
     ("cache_implementation", "statik"), ("cache_config", 5),
     ("num_assistant_tokens_schedule", "often"), ("assistant_confidence_threshold", 1.5),
     ("prompt_lookup_num_tokens", 0),
     ("assistant_ensemble_weight", 1), ("watermarking_config", 5), ("constraints", [5]), ("constraints", []),
     ("dola_layers", "middle"), ("dola_layers", []), ("stop_strings", [1]), ("stop_strings", 1), ("max_time", -1)],
)  # fmt: skip
def test_values_that_an_option_cannot_have(name, value):
    config = GenerationConfig()
    calls = (GenerationConfig, config.update, lambda **x: config.merged(x), lambda **x: GenerationConfig.from_dict(x))
    for call in calls:
        with pytest.raises(ValueError, match=name) as error:
            call(**{name: value})
        assert len(str(error.value)) < 400
    assert vars(config) == {}


def test_huge_values():
    for options in (
        {"max_new_tokens": 10**5000}, {"cache_implementation": "x" * 10**6}, {"top_p": 10**5000}, {"x" * 10**6: 1},
        {"eos_token_id": [10**5000]}, {"stop_strings": [["x"] * 10**5]},
    ):  # fmt: skip
        try:
            GenerationConfig(**options)
        except ValueError as error:
            assert len(str(error)) < 400
        else:
            assert options == {"x" * 10**6: 1}  # a name that is no option


def test_the_nearest_are_named():
    with pytest.raises(ValueError, match="'static'"):
        GenerationConfig(cache_implementation="statik")
    for name, right in (
        ("max_new_token", "max_new_tokens"), ("temprature", "temperature"), ("topk", "top_k"),
        ("max_tokens", "max_new"),
        ("eos_token", "eos_token_id"), ("repitition_penalty", "repetition_penalty"), ("bad_words", "bad_words_ids"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"no option '{name}'.*'{right}"):
            GenerationConfig(**{name: 1})
        with pytest.raises(ValueError, match=right):
            setattr(GenerationConfig(), name, 1)
        assert getattr(GenerationConfig.from_dict({name: 1}), name) == 1  # a file of another version


def test_names_that_are_no_option():
    names = ("boi_token_id", "stop_words_ids", "lang_to_id", "no_timestamps_token_id", "x" * 10**5)
    config = GenerationConfig(**dict.fromkeys(names, 1))
    assert set(vars(config)) == set(names)
    with pytest.raises(ValueError, match="argument of generate"):
        GenerationConfig(streamer=1)
    with pytest.raises(ValueError, match="method"):
        config.validate = 1


@pytest.mark.parametrize(
    ("options", "message"),
    [(dict(num_beam_groups=2, diversity_penalty=0.5), "num_beams=2"),
     (dict(num_beams=3, num_beam_groups=2, diversity_penalty=0.5), "not a multiple"),
     (dict(num_beams=4, num_beam_groups=2), "diversity_penalty above 0"),
     (dict(num_beams=4, num_beam_groups=2, diversity_penalty=0.5, do_sample=True), "do_sample"),
     (dict(num_return_sequences=3), "do_sample=True, or num_beams=3"),
     (dict(num_return_sequences=3, num_beams=2), "more than num_beams=2"),
     (dict(num_return_sequences=3, num_beams=2, do_sample=True), "more than num_beams=2"),
     (dict(force_words_ids=[[1]]), "num_beams=4"), (dict(constraints=[PhrasalConstraint([1])]), "num_beams=4"),
     (dict(force_words_ids=[[1]], num_beams=2, do_sample=True), "do_sample"),
     (dict(force_words_ids=[[[1, 2], [3]], [4]], num_beams=2, num_beam_groups=2, diversity_penalty=1), "beam_groups"),
     (dict(penalty_alpha=0.6, top_k=1), "top_k of 2"), (dict(penalty_alpha=0.6, num_beams=2), "num_beams=1"),
     (dict(penalty_alpha=0.6, do_sample=True), "penalty_alpha=0"),
     (dict(dola_layers="low", num_beams=2), "dola_layers"),
     (dict(dola_layers=[1, 2], penalty_alpha=0.6), "dola_layers"),
     (dict(do_sample=True, temperature=0), "temperature=0"),
     (dict(min_length=30, max_length=20), "min_length=30"),
     (dict(min_new_tokens=3, max_new_tokens=2), "max_new_tokens=2"),
     (dict(forced_eos_token_id=[2], suppress_tokens=[1, 2]), "suppress_tokens")],
)  # fmt: skip
def test_contradictions(options, message):
    with pytest.raises(ValueError, match=message) as error:
        GenerationConfig(**options)
    assert len(str(error.value)) < 400
    config = GenerationConfig()
    with pytest.raises(ValueError, match=message):
        config.update(**options)
    assert vars(config) == {}
    with pytest.raises(ValueError, match=message):
        config.merged(options).validate()


@pytest.mark.parametrize(
    "options",
    [dict(temperature=0.5, top_k=5, top_p=0.9), dict(temperature=0), dict(max_new_tokens=5, max_length=50),
     dict(min_length=30), dict(min_length=30, max_length=20, max_new_tokens=40), dict(output_scores=True),
     dict(early_stopping=True), dict(early_stopping="never"), dict(length_penalty=-2.0), dict(diversity_penalty=0.5),
     dict(top_k=0, do_sample=True), dict(use_cache=False, cache_implementation="static"), dict(pad_token_id=-1),
     dict(num_return_sequences=4, num_beams=4), dict(num_return_sequences=4, do_sample=True), dict(max_new_tokens=0),
     dict(prompt_lookup_num_tokens=3, num_beams=2), dict(suppress_tokens=[]), dict(penalty_alpha=0, do_sample=True)],
)  # fmt: skip
def test_options_without_effect_are_no_contradiction(options):
    assert vars(GenerationConfig(**options)) == options


@pytest.mark.parametrize(
    ("options", "mode"),
    [({}, "greedy_search"), (dict(do_sample=True), "sample"),
     (dict(num_beams=2), "beam_search"), (dict(num_beams=2, do_sample=True), "beam_sample"),
     (dict(num_beams=2, num_beam_groups=2, diversity_penalty=1), "group_beam_search"),
     (dict(penalty_alpha=0.6), "contrastive_search"),
     (dict(num_beams=2, force_words_ids=[[5]]), "constrained_beam_search"),
     (dict(dola_layers="high", do_sample=True), "dola_generation"),
     (dict(prompt_lookup_num_tokens=2), "assisted_generation"),
     (dict(use_mtp=False), "greedy_search"),
     (dict(assistant_early_exit=2, do_sample=True), "assisted_generation"),
     (dict(prompt_lookup_num_tokens=2, num_beams=2), "beam_search")],
)  # fmt: skip
def test_modes(options, mode):
    config = GenerationConfig(**options)
    assert config.get_generation_mode() == mode
    alone = ("greedy_search", "sample", "dola_generation", "assisted_generation")
    helped = config.get_generation_mode(assistant_model=object())
    assert helped == ("assisted_generation" if mode in alone else mode)


def test_merging():
    model = GenerationConfig(max_length=100, min_length=56, top_k=7, do_sample=True, eos_token_id=2)
    merged = model.merged(GenerationConfig(top_k=50), {"max_length": 30, "eos_token_id": None}, {"mine": 1})
    assert (merged.top_k, merged.max_length, merged.eos_token_id, merged.mine) == (50, 30, 2, 1)
    assert merged.min_length == 30  # an inherited bound gives way
    assert model.top_k == 7
    assert not model.merged({"temperature": 0}).do_sample
    assert model.merged({"temperature": 0.0, "do_sample": True}).do_sample
    with pytest.raises(ValueError, match="min_length=200"):
        model.merged({"min_length": 200}).validate()
    with pytest.raises(ValueError, match="temperature"):
        model.merged({"temprature": 1})


def test_update_gives_back_what_is_no_option():
    config = GenerationConfig(mine=1)
    assert config.update(top_k=3, mine=2, input_ids=[1], max_new_token=4) == {"input_ids": [1], "max_new_token": 4}
    assert vars(config) == {"mine": 2, "top_k": 3}
    assert config.update(defaults_only=True, top_k=9, top_p=0.5) == {}
    assert (config.top_k, config.top_p) == (3, 0.5)
    assert config.update(allow_custom_entries=True, other=5, top_k=None) == {}
    assert (config.other, config.top_k) == (5, 50)


def test_equality_and_copies():
    config = GenerationConfig(**EVERYTHING)
    assert config == GenerationConfig(**EVERYTHING) != GenerationConfig()
    assert GenerationConfig(top_k=50, transformers_version="5.0.0") == GenerationConfig()
    assert config != EVERYTHING
    for copied in (copy.copy(config), copy.deepcopy(config), GenerationConfig.from_dict(config.to_dict())):
        assert copied == config
        copied.top_k = 9
        assert config.top_k == 5
    with pytest.raises(TypeError, match="unhashable"):
        hash(config)
    assert repr(GenerationConfig(top_k=3, transformers_version="5")) == 'GenerationConfig {\n  "top_k": 3\n}\n'
    assert "PhrasalConstraint" in repr(GenerationConfig(constraints=[PhrasalConstraint([1])], num_beams=2))


def test_files(tmp_path):
    config = GenerationConfig(**EVERYTHING, compile_config={"mode": "default"}, mine=[1])
    config.save_pretrained(tmp_path / "new")
    written = json.loads((tmp_path / "new" / "generation_config.json").read_text())
    assert set(written) == {*EVERYTHING, "mine"}
    assert written["sequence_bias"] == [[[1, 2], -5.0]]
    read = GenerationConfig.from_pretrained(tmp_path / "new")
    config.compile_config = None
    assert read == config
    assert vars(read) == vars(config)
    changed, unused = GenerationConfig.from_pretrained(
        str(tmp_path / "new"), top_k=1, foo=False, _from_auto=True, return_unused_kwargs=True
    )
    assert (changed.top_k, unused) == (1, {"foo": False})
    assert GenerationConfig.from_pretrained(tmp_path / "new", foo=False).foo is False
    config.save_pretrained(tmp_path, "other.json")
    assert GenerationConfig.from_pretrained(tmp_path, "other.json") == config
    with pytest.raises(OSError, match="no file 'generation_config.json'"):
        GenerationConfig.from_pretrained(tmp_path)
    with pytest.raises(OSError, match="is a file"):
        config.save_pretrained(tmp_path / "other.json")


def test_files_of_the_reference(tmp_path):
    (tmp_path / "generation_config.json").write_text(WRITTEN)
    config = GenerationConfig.from_pretrained(tmp_path)
    assert config == GenerationConfig(**EVERYTHING)
    assert config.to_diff_dict()["transformers_version"] == "4.57.6"
    assert "transformers_version" not in config.to_json_string(ignore_metadata=True)


def test_hostile_files(tmp_path):
    deep = [1]
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        GenerationConfig.from_dict({"x": deep})
    with pytest.raises(ValueError, match="expected a dict"):
        GenerationConfig.from_dict([1])
    raw = {"to_dict": 5, "get_generation_mode": 6, "streamer": 7, "_private": 8, "__class__": 9, "validate": {},
           "temprature": [None], "x": {"y": [1, {"z": "?"}]}, "num_return_sequences": 5, "top_k": None,
           "nothing": None}  # fmt: skip
    (tmp_path / "generation_config.json").write_text(json.dumps(raw))
    config = GenerationConfig.from_pretrained(tmp_path)
    assert set(vars(config)) == {"streamer", "temprature", "x", "num_return_sequences"}
    assert config.get_generation_mode() == "greedy_search"
    assert config.merged({"do_sample": True}).to_dict()["x"] == raw["x"]
    assert GenerationConfig().merged(config) == config
    with pytest.raises(ValueError, match="num_return_sequences"):  # when it is used, not when it is read
        config.validate()
    (tmp_path / "generation_config.json").write_text('{"top_k": "' + "x" * 1000 + '"}')
    with pytest.raises(ValueError, match="generation_config.json.*top_k") as error:
        GenerationConfig.from_pretrained(tmp_path)
    assert len(str(error.value)) < 400


def test_what_json_cannot_hold(tmp_path):
    for options in (dict(constraints=[PhrasalConstraint([1])], num_beams=2), dict(mine=object()), dict(mine={1j})):
        with pytest.raises(ValueError, match="cannot be written as JSON"):
            GenerationConfig(**options).save_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_config_objects_are_written_as_dicts(tmp_path):
    class Watermark:
        def to_dict(self):
            return {"bias": 2.0}

    GenerationConfig(watermarking_config=Watermark()).save_pretrained(tmp_path)
    assert GenerationConfig.from_pretrained(tmp_path).watermarking_config == {"bias": 2.0}


def test_from_a_models_config():
    config = GPT2Config.from_dict(
        {"model_type": "gpt2", "max_length": 50, "num_beams": 1, "task_specific_params": {"a": 1}}
    )
    assert vars(GenerationConfig.from_model_config(config)) == {
        "bos_token_id": 50256, "eos_token_id": 50256, "max_length": 50,
    }  # fmt: skip
    old = {"force_bos_token_to_be_generated": True, "bos_token_id": 0, "no_repeat_ngram_size": 3, "top_p": None}
    read = GenerationConfig.from_model_config(old)
    assert (read.forced_bos_token_id, read.no_repeat_ngram_size, "top_p" in vars(read)) == (0, 3, False)
    parts = {"pad_token_id": 5, "text_config": {"eos_token_id": 7, "pad_token_id": 6}, "output_attentions": True}
    assert vars(GenerationConfig.from_model_config(parts)) == {
        "pad_token_id": 5, "eos_token_id": 7, "output_attentions": True, "return_dict_in_generate": True,
    }  # fmt: skip
    assert vars(GenerationConfig.from_model_config({"decoder": 5, "generator": [], "hidden_size": 4})) == {}


def test_push(tmp_path, monkeypatch):
    pushed = []
    monkeypatch.setattr("qkv.hub.push_folder", lambda folder, repo_id, **kw: pushed.append((repo_id, kw)))
    GenerationConfig().save_pretrained(tmp_path / "mine", push_to_hub=True, token="t")
    GenerationConfig().push_to_hub("me/other", private=True)
    assert pushed == [("mine", {"token": "t"}), ("me/other", {"private": True})]


def test_imports_no_torch():
    code = "import sys, qkv.generation.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
