"""What test_search_parity.py and tools/golden_search.py share: models, prompts and settings of four searches."""

import json
import random
import re
from pathlib import Path

from safetensors.torch import load_file, save_file

GOLDENS = Path(__file__).parent.parent / "goldens"
FOLDERS = {
    "gpt2": "gpt2/LMHeadModel",
    "llama": "llama/ForCausalLM",
    "t5": "t5/ForConditionalGeneration",
    "gpt2-deep": "gpt2/LMHeadModel",
    "llama-deep": "llama/ForCausalLM",
}
DEEP, EOS, PAD, NEW = 7, 98, 1, 14
BATCHES = (1, 1, 5, 5)  # a dozen prompts

LESS = [[[74], -8.0], [[79], -4.0]]  # of what the models like best, for variety
LIKELY_END = {"sequence_bias": [[[EOS], 5.0], *LESS]}
SURE_END = {"sequence_bias": [[[EOS], 11.0], *LESS]}
SEVERAL_ENDS = {"eos_token_id": [EOS, 5, 17, 40, 62, 35, 53, 23]} | {"sequence_bias": LESS}
ENDLESS = {"suppress_tokens": [EOS]}
SCORED = {"return_dict_in_generate": True, "output_scores": True}
GROUPS = {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.7}
GROUP_BEAM = [
    GROUPS,
    GROUPS | {"num_return_sequences": 4},
    GROUPS | {"num_beam_groups": 4, "diversity_penalty": 1.5, "num_return_sequences": 3},
    {"num_beams": 6, "num_beam_groups": 3, "diversity_penalty": 5.0, "num_return_sequences": 6} | LIKELY_END,
    {"num_beams": 6, "num_beam_groups": 2, "diversity_penalty": 0.2} | LIKELY_END,
    GROUPS | LIKELY_END | {"early_stopping": True, "num_return_sequences": 2},
    GROUPS | LIKELY_END | {"early_stopping": "never", "num_return_sequences": 2},
    GROUPS | LIKELY_END | {"length_penalty": 2.0, "num_return_sequences": 3},
    GROUPS | LIKELY_END | {"length_penalty": -1.0, "early_stopping": "never"},
    GROUPS | LIKELY_END | {"length_penalty": 0.0, "early_stopping": True, "num_return_sequences": 4},
    GROUPS | SEVERAL_ENDS | {"num_return_sequences": 4},
    GROUPS | SEVERAL_ENDS | {"early_stopping": True, "length_penalty": 1.5},
    GROUPS | ENDLESS | SCORED | {"num_return_sequences": 3},
    GROUPS | LIKELY_END | SCORED | {"num_return_sequences": 2},
    GROUPS | {"no_repeat_ngram_size": 2, "bad_words_ids": [[10], [11, 12]], "min_new_tokens": 4} | LIKELY_END,
    GROUPS | {"use_cache": False, "renormalize_logits": True},
    {"num_beams": 2, "num_beam_groups": 2, "diversity_penalty": 0.5, "num_return_sequences": 2} | LIKELY_END,
]
FORCED = {"num_beams": 4, "force_words_ids": [[20, 21]]}
CONSTRAINED = [
    FORCED,
    FORCED | {"force_words_ids": [[33]], "num_return_sequences": 4},
    FORCED | {"force_words_ids": [[20, 21], [40]], "num_beams": 6, "num_return_sequences": 3},
    FORCED | {"force_words_ids": [[[50, 51, 52], [60, 61], [70]]]},
    FORCED | {"force_words_ids": [[[50, 51], [50, 52], [50, 53, 54]]], "num_return_sequences": 4},
    FORCED | {"force_words_ids": [[33], [[50, 51, 52], [60, 61]]], "num_beams": 5} | SURE_END,
    FORCED | SURE_END | {"early_stopping": True, "num_return_sequences": 2},
    FORCED | SURE_END | {"early_stopping": "never", "num_return_sequences": 2},
    FORCED | SURE_END | {"length_penalty": 2.0, "num_return_sequences": 4},
    FORCED | SURE_END | {"length_penalty": -1.0, "early_stopping": "never"},
    FORCED | SURE_END | {"length_penalty": 0.0, "early_stopping": True},
    FORCED | SEVERAL_ENDS | {"num_return_sequences": 2},
    FORCED | ENDLESS | SCORED | {"num_return_sequences": 2},
    FORCED | SURE_END | SCORED | {"num_return_sequences": 2},
    {"num_beams": 3, "constraints": [["Phrasal", [30, 31, 32]], ["Disjunctive", [[41, 42], [43]]]]},
    {"num_beams": 4, "constraints": [["Disjunctive", [[41, 42], [41, 44], [46]]], ["Phrasal", [41]]]} | SURE_END,
    FORCED | {"no_repeat_ngram_size": 2, "bad_words_ids": [[10], [11, 12]], "use_cache": False},
    FORCED | {"force_words_ids": [list(range(20, 38))]} | SURE_END,  # longer than there is room
    FORCED | {"bad_words_ids": [[21]]},  # then what must come wins
    FORCED | {"no_repeat_ngram_size": 1, "force_words_ids": [[20, 21], [[40, 20], [40, 41]]], "num_beams": 6},
]
CONTRAST = {"penalty_alpha": 0.6, "top_k": 4}
CONTRASTIVE = [
    CONTRAST,
    CONTRAST | {"top_k": 2},
    CONTRAST | {"top_k": 8},
    CONTRAST | {"top_k": 20, "penalty_alpha": 0.9},
    CONTRAST | {"penalty_alpha": 0.1},
    CONTRAST | {"penalty_alpha": 0.3},
    CONTRAST | {"penalty_alpha": 1.0},
    CONTRAST | LIKELY_END,
    CONTRAST | SEVERAL_ENDS,
    CONTRAST | SEVERAL_ENDS | {"top_k": 6, "penalty_alpha": 0.4},
    CONTRAST | ENDLESS,
    CONTRAST | {"no_repeat_ngram_size": 2},
    CONTRAST | {"bad_words_ids": [[10], [11, 12]], "min_new_tokens": 5} | SEVERAL_ENDS,
    CONTRAST | SCORED,
    CONTRAST | SCORED | LIKELY_END | {"output_logits": True, "output_hidden_states": True},
    CONTRAST | {"begin_suppress_tokens": [7, 8], "suppress_tokens": [5, 6], "forced_eos_token_id": EOS},
    CONTRAST | {"low_memory": True},
]
SAMPLE = {"do_sample": True}
DOLA = [
    {"dola_layers": "low"},
    {"dola_layers": "high"},
    {"dola_layers": [0]},
    {"dola_layers": [1]},
    {"dola_layers": [0, 1]},
    {"dola_layers": [0, 1, 3, 5, 90]},
    {"dola_layers": "high", "no_repeat_ngram_size": 2},
    {"dola_layers": "low", "no_repeat_ngram_size": 1} | LIKELY_END,
    {"dola_layers": "high"} | LIKELY_END,
    {"dola_layers": [0, 1]} | SEVERAL_ENDS,
    {"dola_layers": "low", "bad_words_ids": [[10], [11, 12]], "min_new_tokens": 5} | SEVERAL_ENDS,
    {"dola_layers": "high"} | SAMPLE,
    {"dola_layers": "low", "temperature": 2.0, "top_k": 10} | SAMPLE,
    {"dola_layers": [0, 1], "temperature": 1.5, "top_p": 0.8} | SAMPLE | SEVERAL_ENDS,
    {"dola_layers": "high", "output_logits": True} | SCORED,
    {"dola_layers": "low"} | SAMPLE | SCORED | LIKELY_END,
    {"dola_layers": "high", "use_cache": False},
]
SEARCHES = {
    "group_beam": (GROUP_BEAM, ("gpt2", "llama", "t5")),
    "constrained": (CONSTRAINED, ("gpt2", "llama", "t5")),
    "contrastive": (CONTRASTIVE, ("gpt2", "llama", "t5")),
    "dola": (DOLA, ("gpt2", "llama", "gpt2-deep", "llama-deep")),
}


def prompts(setting: dict) -> list[list[list[int]]]:
    """Batches of ids of different lengths, padded on the left. Each alone where in a batch the reference lets others
    have a say: they decide on DoLa's layer, and their length on padding, whose n-grams it counts."""
    coupled = {"dola_layers", "no_repeat_ngram_size"} & setting.keys()
    draw = random.Random(0)
    made = []
    for size in BATCHES:
        rows = [[draw.randrange(2, 98) for _ in range(draw.randrange(1, 13))] for _ in range(size)]
        for batch in [[row] for row in rows] if coupled else [rows]:
            width = max(map(len, batch))
            made.append([[PAD] * (width - len(row)) + row for row in batch])
    return made


def folder_of(name: str, target: Path) -> Path:
    """The checkpoint of a model; one named -deep is made in `target`, by repeating layers ever stronger."""
    source = GOLDENS / FOLDERS[name]
    if not name.endswith("-deep"):
        return source
    config = json.loads((source / "config.json").read_text())
    depth = next(key for key in ("num_hidden_layers", "n_layer") if key in config)
    deep = {}
    for key, tensor in load_file(source / "model.safetensors").items():
        found = re.search(r"(?<=\.)\d+(?=\.)", key)
        if found is None:
            deep[key] = tensor
            continue
        for layer in range(int(found[0]), DEEP, config[depth]):
            deep[f"{key[: found.start()]}{layer}{key[found.end() :]}"] = tensor * (1 + 0.1 * layer)
    target.mkdir(parents=True, exist_ok=True)
    save_file(deep, target / "model.safetensors", metadata={"format": "pt"})
    (target / "config.json").write_text(json.dumps(config | {depth: DEEP}))
    return target


def options_of(setting: dict, phrasal: type, disjunctive: type) -> dict:
    """Keywords of generate() from a setting, which holds what JSON can."""
    classes = {"Phrasal": phrasal, "Disjunctive": disjunctive}
    options = {"max_new_tokens": NEW} | setting
    if "constraints" in options:
        options["constraints"] = [classes[kind](ids) for kind, ids in options["constraints"]]
    return options
