"""Record what the reference's generate() writes, into tests/parity/generation/generate.json.

    .venvs/peer5/bin/python tools/golden_generation.py        # transformers==5.23.0
    .venvs/peer455/bin/python tools/golden_generation.py      # 4.55.4: generate-4.55.json, what 5.x no longer does

Prompts are random ids of different lengths, padded on the left in batches of five, continued by the tiny checkpoints of
tests/parity/goldens, whose weights are wide: their scores lie well apart.
"""

import json
import random
from pathlib import Path

import torch
import transformers as ref

TESTS = Path(__file__).parent.parent / "tests" / "parity"
MODELS = {  # name: golden folder, class, pad, how many batches
    "gpt2": ("gpt2/LMHeadModel", ref.GPT2LMHeadModel, 1, 14),
    "llama": ("llama/ForCausalLM", ref.LlamaForCausalLM, 0, 14),
    "qwen3": ("qwen3/ForCausalLM", ref.Qwen3ForCausalLM, 0, 14),
    "gemma2": ("gemma2/ForCausalLM", ref.Gemma2ForCausalLM, 0, 6),
    "t5": ("t5/ForConditionalGeneration", ref.T5ForConditionalGeneration, 0, 8),
}
SAMPLE, BEAM = {"do_sample": True}, {"num_beams": 4}
SETTINGS = [
    {},
    {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    {"min_new_tokens": 6, "suppress_tokens": [5, 6], "begin_suppress_tokens": [7], "forced_eos_token_id": 98},
    {"bad_words_ids": [[10], [11, 12]], "exponential_decay_length_penalty": [3, 1.5]},
    SAMPLE,
    SAMPLE | {"temperature": 0.7, "top_k": 20, "top_p": 0.9, "num_return_sequences": 2},
    SAMPLE | {"min_p": 0.05, "temperature": 2.0},
    SAMPLE | {"typical_p": 0.8, "temperature": 3.0, "top_k": 0},
    SAMPLE | {"epsilon_cutoff": 0.01, "eta_cutoff": 0.01, "renormalize_logits": True, "temperature": 3.0},
    BEAM,
    BEAM | {"num_return_sequences": 3, "length_penalty": 2.0},
    BEAM | {"early_stopping": True, "length_penalty": 0.0},
    BEAM | {"early_stopping": "never", "length_penalty": -1.0, "repetition_penalty": 1.5},
    BEAM | SAMPLE | {"temperature": 3.0, "num_return_sequences": 2},
    {"temperature": 0.7, "top_k": 50, "top_p": 0.95, "repetition_penalty": 1.2, "num_beams": 5, "do_sample": True},
    {"guidance_scale": 1.5},
    {"use_cache": False},
    {"cache_implementation": "static"},
]
OLDER = [
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5, "num_return_sequences": 2},
    {"penalty_alpha": 0.6, "top_k": 4},
]
ALONE = [{"assisted": True}, {"assisted": True, "do_sample": True}, {"prompt_lookup_num_tokens": 4}]


def prompts(batches: int, pad: int) -> list[list[list[int]]]:
    draw = random.Random(0)
    made = []
    for _ in range(batches):
        rows = [[draw.randrange(2, 98) for _ in range(draw.randrange(1, 13))] for _ in range(5)]
        width = max(map(len, rows))
        made.append([[pad] * (width - len(row)) + row for row in rows])
    return made


def load(cls: type, folder: str) -> ref.PreTrainedModel:
    config = cls.config_class.from_pretrained(TESTS / "goldens" / folder)
    rope = getattr(config, "rope_parameters", None)
    if ref.__version__ < "5" and rope:  # as older versions spell it
        config.rope_theta = rope["rope_theta"]
        config.rope_scaling = None if rope["rope_type"] == "default" else dict(rope)
    return cls.from_pretrained(TESTS / "goldens" / folder, config=config).eval()


def run(model, ids, mask, options, assistant, seed) -> list[list[int]]:
    options = dict(options)
    helper = {"assistant_model": assistant} if options.pop("assisted", False) else {}
    torch.manual_seed(seed)
    options |= {"max_length": 30} if options.get("num_beams") == 5 else {"max_new_tokens": 16}
    return model.generate(ids, attention_mask=mask, **options, **helper).tolist()


def main() -> None:
    recorded, older = {}, ref.__version__ < "5"
    models = {name: MODELS[name] for name in (("gpt2", "llama", "qwen3") if older else MODELS)}
    for name, (folder, cls, pad, batches) in models.items():
        model = load(cls, folder)
        model.generation_config = ref.GenerationConfig(
            pad_token_id=pad, eos_token_id=98, bos_token_id=2, decoder_start_token_id=0 if name == "t5" else None
        )
        assistant = cls(model.config).eval()
        assistant.load_state_dict(model.state_dict())
        for parameter in assistant.parameters():  # guesses right at times; the same change whatever the layout
            parameter.data += 0.1 * torch.sin(7 * parameter.data)
        assistant.generation_config = model.generation_config
        cases = []
        for batch, rows in enumerate(prompts(batches, pad)):
            ids = torch.tensor(rows)
            mask = (ids != pad).long()
            chosen = SETTINGS if batch < 4 else [s for i, s in enumerate(SETTINGS) if i in (0, 4, 9, 13)]
            for options in OLDER if older else chosen:
                if name == "t5" and "guidance_scale" in options:
                    continue
                cases.append([batch, None, options, run(model, ids, mask, options, None, batch)])
            for row in range(0 if older else 5):
                alone = ids[row : row + 1][:, mask[row].bool()]
                for options in ALONE if batch < 4 else ALONE[:1]:
                    if name == "t5" and options != ALONE[0]:
                        continue
                    found = run(model, alone, torch.ones_like(alone), options, assistant, batch)
                    cases.append([batch, row, options, found])
        recorded[name] = {"pad": pad, "prompts": prompts(batches, pad), "cases": cases}
        print(name, len(cases))
    target = TESTS / "generation" / ("generate-4.55.json" if older else "generate.json")
    target.write_text(json.dumps(recorded, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
