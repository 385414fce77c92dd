"""Record what the reference library's pipelines return on a tiny model, into tests/parity/pipelines/.

python tools/golden_pipelines.py      # with transformers==4.57.6, which has all spellings, and again with 5.23.0
"""

import json
import sys
import tempfile
from pathlib import Path

import transformers

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from tiny import configure, make  # noqa: E402
from tiny_text import make_text  # noqa: E402

TEXT = "I love this product!"
LIST = [TEXT, "the film was terrible and not very good", "", "no", "zzz, qqq; yes yes yes ' unknown words"]
PAIR = {"text": TEXT, "text_pair": "it was bad"}
LONG = "good " * 100

# Each case: fields of config.json, options of pipeline(), the input, options of the call.
CLASSIFICATION = [
    ({}, {}, TEXT, {}),
    ({}, {}, LIST, {}),
    ({}, {}, LIST, {"batch_size": 2}),
    ({}, {}, PAIR, {}),
    ({}, {}, [PAIR, {"text": "no"}], {}),
    ({}, {}, PAIR, {"top_k": 2}),
    ({}, {}, [[[TEXT, "it was bad"]]], {}),
    *(({}, {}, given, {"top_k": k}) for given in (TEXT, LIST) for k in (1, 2, 9, None)),
    *(({}, {"top_k": k}, given, {}) for given in (TEXT, LIST) for k in (1, 2, None)),
    *(({}, {"return_all_scores": flag}, given, {}) for given in (TEXT, LIST) for flag in (True, False)),
    *(({}, {}, given, {"return_all_scores": flag}) for given in (TEXT, LIST) for flag in (True, False)),
    *(({}, {}, TEXT, {"function_to_apply": name, "top_k": None}) for name in ("none", "sigmoid", "softmax")),
    ({}, {"function_to_apply": "sigmoid"}, LIST, {}),
    ({"problem_type": "multi_label_classification"}, {}, LIST, {"top_k": None}),
    ({"problem_type": "multi_label_classification"}, {}, TEXT, {}),
    ({"problem_type": "single_label_classification"}, {}, TEXT, {"top_k": None}),
    ({"problem_type": "regression"}, {}, LIST, {"top_k": None}),
    ({"id2label": {"0": "bad", "1": "so-so", "2": "good"}}, {}, LIST, {}),
    ({}, {}, LONG, {"truncation": True, "max_length": 20}),
    ({}, {}, [LONG, TEXT], {"truncation": True, "max_length": 40, "padding": True}),
    ({}, {}, PAIR | {"text": LONG}, {"truncation": "only_first", "max_length": 12}),
]

PROMPT, PROMPTS = "the film", ["hello world", "", "a b c", "the end of it."]
ASK = [{"role": "user", "content": "hi"}]
BEGUN = [{"role": "system", "content": "be"}, *ASK, {"role": "assistant", "content": "I"}]
GREEDY, SHORT, DRAWN = {"do_sample": False}, {"max_new_tokens": 6}, {"do_sample": True, "max_new_tokens": 8}
TOKENS = {"bos_token_id": 2, "eos_token_id": 98, "pad_token_id": 1}
DECODERS = {"gpt2": "gpt2/LMHeadModel", "opt": "opt/ForCausalLM"}

# Each case: decoder, fields of generation_config.json, options of pipeline(), the input, options of the call.
GENERATION = [
    *(
        (decoder, {}, {}, given, GREEDY | SHORT | call)
        for decoder in DECODERS
        for given in (PROMPT, PROMPTS, "", [PROMPT], ASK, BEGUN, [ASK, BEGUN])
        for call in ({}, {"return_full_text": False}, {"return_tensors": True})
    ),
    *(
        (decoder, {}, {}, given, DRAWN | call)
        for decoder in DECODERS
        for given in (PROMPT, PROMPTS, ASK)
        for call in ({}, {"temperature": 0.3, "top_k": 5}, {"num_return_sequences": 3}, {"top_p": 0.5, "num_beams": 2})
    ),
    *(
        ("gpt2", {}, {}, given, call)
        for given in (PROMPT, PROMPTS, ASK)
        for call in (
            {"max_new_tokens": 9},
            GREEDY | {"max_length": 18},
            {"max_length": 24},
            GREEDY | SHORT | {"skip_special_tokens": False},
            GREEDY | SHORT | {"clean_up_tokenization_spaces": True},
            GREEDY | SHORT | {"return_text": True},
            GREEDY | SHORT | {"num_beams": 3, "num_return_sequences": 2},
            GREEDY | SHORT | {"num_beams": 3, "num_return_sequences": 2, "return_tensors": True},
        )
    ),
    *(("gpt2", {}, {}, PROMPT, GREEDY | {"prefix": "so ", "max_length": n}) for n in (9, 14)),
    *(("gpt2", {}, {}, PROMPT, GREEDY | SHORT | call) for call in (
        {"prefix": "so ", "return_tensors": True}, {"add_special_tokens": True}, {"truncation": True, "max_length": 4},
        {"repetition_penalty": 1.5}, {"suppress_tokens": [36, 71]}, {"tokenizer_encode_kwargs": {"truncation": True}},
        {"return_dict_in_generate": True},
    )),
    *(("gpt2", {}, {}, PROMPT, GREEDY | {"max_new_tokens": 20, "stop_sequence": stop}) for stop in ("2", "5")),
    ("gpt2", {}, {}, "so " * 30, GREEDY | SHORT | {"handle_long_generation": "hole"}),
    ("gpt2", {}, {}, "so " * 30, GREEDY | SHORT | {"handle_long_generation": "hole", "return_tensors": True}),
    ("gpt2", {}, {}, ASK, GREEDY | SHORT | {"continue_final_message": True}),
    ("gpt2", {}, {}, BEGUN, GREEDY | SHORT | {"continue_final_message": False}),
    ("gpt2", {}, SHORT | GREEDY, PROMPT, {}),
    ("gpt2", {}, SHORT | GREEDY, PROMPT, {"max_new_tokens": 3}),
    ("gpt2", {}, GREEDY | {"max_new_tokens": 4, "return_full_text": False}, PROMPTS, {"batch_size": 1}),
    ("gpt2", {"do_sample": False, "max_new_tokens": 5}, {}, PROMPT, {}),
    ("gpt2", {"do_sample": True, "max_new_tokens": 5}, {}, PROMPT, {}),
    ("gpt2", {"do_sample": True, "temperature": 0.2, "max_length": 20}, {}, PROMPT, {}),
    ("gpt2", {"top_k": 3, "max_length": 20}, {}, PROMPT, {}),
]  # fmt: skip


def main() -> None:
    classification()
    generation()


def generation() -> None:
    """One file for each version, since the two differ."""
    recorded = []
    with tempfile.TemporaryDirectory() as folder:
        for name, defaults, options, given, call in GENERATION:
            model = make_text(Path(folder) / name, DECODERS[name], chat=True)
            (model / "generation_config.json").write_text(json.dumps(TOKENS | defaults))
            pipe = transformers.pipeline("text-generation", model=str(model), **options)
            transformers.set_seed(0)
            try:
                result = pipe(given, **call)
            except (ValueError, IndexError):  # where the other version has a result
                result = None
            recorded.append([name, defaults, options, given, call, result])
    target = TESTS / "parity" / "pipelines" / f"text_generation_{transformers.__version__.split('.')[0]}.json"
    target.write_text("[\n" + ",\n".join(map(json.dumps, recorded)) + "\n]\n")
    print(f"{len(recorded)} calls by transformers {transformers.__version__}")


def classification() -> None:
    """With 4.57.6 only."""
    if not transformers.__version__.startswith("4."):
        return
    recorded = []
    with tempfile.TemporaryDirectory() as folder:
        for config, options, given, call in CLASSIFICATION:
            model = configure(make(Path(folder)), **config)
            pipe = transformers.pipeline("text-classification", model=str(model), **options)
            recorded.append([config, options, given, call, pipe(given, **call)])
    target = TESTS / "parity" / "pipelines" / "text_classification.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(recorded, indent=1))
    print(f"{len(recorded)} calls by transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
