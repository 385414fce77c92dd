"""Record what the reference's generate() writes by diverse, constrained and contrastive search and by DoLa, into
tests/parity/generation/search.json.

    .venvs/peer455/bin/python tools/golden_search.py [SEARCH...]      # transformers==4.55.4, the last that has them all
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
import transformers as ref

TARGET = Path(__file__).parent.parent / "tests" / "parity" / "generation"
sys.path.insert(0, str(TARGET))
from search_cases import EOS, PAD, SEARCHES, folder_of, options_of, prompts  # noqa: E402

CLASSES = {"gpt2": ref.GPT2LMHeadModel, "llama": ref.LlamaForCausalLM, "t5": ref.T5ForConditionalGeneration}


def load(name: str) -> ref.PreTrainedModel:
    with tempfile.TemporaryDirectory() as target:
        folder = folder_of(name, Path(target) / "deep")
        config = ref.AutoConfig.from_pretrained(folder)
        if rope := getattr(config, "rope_parameters", None):  # as older versions spell it
            config.rope_theta, config.rope_scaling = rope["rope_theta"], dict(rope)
        model = CLASSES[name.split("-")[0]].from_pretrained(folder, config=config).eval()
    model.generation_config = ref.GenerationConfig(
        pad_token_id=PAD, eos_token_id=EOS, bos_token_id=2, decoder_start_token_id=0 if name == "t5" else None
    )
    return model


def numbers(output: ref.utils.ModelOutput) -> dict[str, list]:
    """What an output holds beside ids, in few numbers."""
    found = {name: [mean(x) for x in output[name]] for name in ("scores", "logits") if output.get(name) is not None}
    if output.get("sequences_scores") is not None:
        found["sequences_scores"] = output.sequences_scores.tolist()
    if output.get("beam_indices") is not None:
        found["beam_indices"] = output.beam_indices.tolist()
    if output.get("hidden_states") is not None:
        found["hidden_states"] = [
            [round(float(x[:, -1].abs().mean()), 5) for x in step] for step in output.hidden_states
        ]
    return found


def mean(scores: torch.Tensor) -> list[float]:
    """For each row, that of the finite scores."""
    return [round(float(row[row.isfinite()].mean()), 5) for row in scores]


def main() -> None:
    chosen = sys.argv[1:] or list(SEARCHES)
    kept = {} if chosen == list(SEARCHES) else json.loads((TARGET / "search.json").read_text())
    recorded = {search: cases for search, cases in kept.items() if search not in chosen}
    for search, (settings, names) in SEARCHES.items():
        if search not in chosen:
            continue
        for name in names:
            model, cases = load(name), []
            for number, setting in enumerate(settings):
                for batch, rows in enumerate(prompts(setting)):
                    if setting.get("low_memory") and len(rows) > 1:
                        continue  # the reference fails at it
                    ids = torch.tensor(rows)
                    torch.manual_seed(batch)
                    options = options_of(setting, ref.PhrasalConstraint, ref.DisjunctiveConstraint)
                    try:
                        found = model.generate(ids, attention_mask=(ids != PAD).long(), **options)
                    except RuntimeError:  # the reference has no beam_indices for a text that meets no constraint
                        continue
                    more = {} if isinstance(found, torch.Tensor) else numbers(found)
                    sequences = found if isinstance(found, torch.Tensor) else found.sequences
                    cases.append([number, batch, sequences.tolist(), more])
            recorded.setdefault(search, {})[name] = cases
            print(search, name, len(cases))
    (TARGET / "search.json").write_text(json.dumps(recorded, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
