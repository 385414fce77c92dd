"""Record what the reference's logits processors and stopping criteria give, into tests/parity/generation/.

    python tools/golden_logits.py            # in an environment with transformers==5.23.0, sentencepiece and protobuf
    python tools/golden_logits.py hamming    # in one with transformers==4.55.4, the last with group beam search

logits.safetensors holds the steps (ids and scores), what each processor makes of them, and what each list of settings
does; logits.json the classes of each list, what the detectors of watermarks say, and where stop strings stop.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

import torch
import transformers as ref
from safetensors.torch import load_file, save_file

TESTS = Path(__file__).parents[1] / "tests" / "parity"
GOLDENS = TESTS / "generation"
sys.path[:0] = [str(GOLDENS), str(TESTS / "tokenizers")]

from logits_cases import EOS, PROCESSORS, PROMPT, SETTINGS, STOPS  # noqa: E402
from tokenizer_cases import CASES  # noqa: E402
from tokenizer_words import SENTENCES  # noqa: E402

ROWS, VOCAB = 3, 64
LENGTHS = (1, 2, 3, 5, 8, 16)


def steps() -> list[tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)
    ids = torch.randint(5, 10, (ROWS, LENGTHS[-1]))
    ids[1, :9] = 1
    scores = [torch.randn(ROWS, VOCAB) * 3 for _ in LENGTHS]
    scores[1] = (scores[1] / 2).round()  # ties
    scores[2] = scores[2].masked_fill(torch.rand(ROWS, VOCAB) < 0.4, -torch.inf)
    scores[3] = scores[3] * 8
    scores[4][0, 32:] = 1.0
    scores[4][2] = 0.0
    scores[5][1] = scores[5][1].masked_fill(torch.arange(VOCAB) != 3, -torch.inf)
    return [(ids[:, :length].contiguous(), found) for length, found in zip(LENGTHS, scores, strict=True)]


def settings(tensors: dict, found: dict) -> None:
    config = ref.GPT2Config(vocab_size=VOCAB, n_embd=8, n_layer=1, n_head=1, bos_token_id=0, eos_token_id=EOS)
    model = ref.GPT2LMHeadModel(config)
    mask = (torch.arange(5) >= torch.tensor([0, 2, 1])[:, None]).long()
    scores = tensors["scores.3"]
    for name, options in SETTINGS.items():
        made, _ = model._prepare_generation_config(ref.GenerationConfig(eos_token_id=EOS, **options))
        model._prepare_special_tokens(made, device="cpu")
        processors = model._get_logits_processor(
            made, input_ids_seq_length=5, encoder_input_ids=PROMPT, device="cpu", model_kwargs={"attention_mask": mask}
        )
        found[name] = [type(processor).__name__ for processor in processors]
        tensors[f"settings.{name}"] = processors(PROMPT, scores).contiguous().clone()


def detected() -> dict:
    config = ref.GPT2Config(vocab_size=VOCAB, bos_token_id=0, eos_token_id=3)
    torch.manual_seed(3)
    ids = torch.randint(1, VOCAB, (4, 20))
    ids[0] = ids[0, :4].repeat(5)
    found = {"ids": ids.tolist()}
    for scheme, repeated in (("lefthash", False), ("lefthash", True), ("selfhash", False)):
        options = {"greenlist_ratio": 0.25, "seeding_scheme": scheme, "context_width": 1 + (scheme == "selfhash")}
        detector = ref.WatermarkDetector(config, "cpu", ref.WatermarkingConfig(**options), repeated)
        output = detector(ids, z_threshold=0.5, return_dict=True)
        found[f"{scheme}{'-once' * repeated}"] = {name: value.tolist() for name, value in vars(output).items()}
    synthid = PROCESSORS["synthid"](ref)
    found["synthid"] = {
        "g": synthid.compute_g_values(ids).tolist(),
        "new": synthid.compute_context_repetition_mask(ids).tolist(),
        "before-end": synthid.compute_eos_token_mask(ids, 5).long().tolist(),
    }
    return found


def stops() -> dict:
    found = {}
    for name, (case, strings) in STOPS.items():
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = getattr(ref, CASES[case].cls).from_pretrained(CASES[case].folder(Path(folder)))
        pick = random.Random(1)
        rows = [tokenizer(sentence)["input_ids"][:40] for sentence in SENTENCES[:6]]
        rows += [[pick.randrange(len(tokenizer) + 3) for _ in range(40)] for _ in range(4)]
        answers = []
        for stop in strings:
            criterion = ref.generation.StopStringCriteria(tokenizer, stop)
            ends = [[bool(criterion(torch.tensor([row[: n + 1]]), None)) for n in range(len(row))] for row in rows]
            answers.append(["".join("01"[end] for end in row) for row in ends])
        found[name] = {"rows": rows, "answers": answers}
    return found


def hamming() -> None:
    tensors = load_file(GOLDENS / "logits.safetensors")
    processor = ref.HammingDiversityLogitsProcessor(1.5, num_beams=6, num_beam_groups=3)
    torch.manual_seed(5)
    tokens = tensors["hamming.tokens"] = torch.randint(0, 6, (2 * 6,))
    scores = tensors["hamming.scores"] = torch.randn(2 * 2, VOCAB)
    for group in range(3):
        tensors[f"hamming.{group}"] = processor(None, scores, tokens, group).contiguous().clone()
    save_file(tensors, GOLDENS / "logits.safetensors", {"reference": "5.23.0", "hamming": ref.__version__})


def main() -> None:
    tensors, found = {}, {"reference": ref.__version__, "settings": {}, "detected": detected(), "stops": stops()}
    made = steps()
    for at, (ids, scores) in enumerate(made):
        tensors |= {f"ids.{at}": ids, f"scores.{at}": scores}
    for name, make in PROCESSORS.items():
        processor = make(ref)
        for at, (ids, scores) in enumerate(made):
            tensors[f"{name}.{at}"] = processor(ids, scores.clone()).contiguous().clone()
    settings(tensors, found["settings"])
    save_file(tensors, GOLDENS / "logits.safetensors", {"reference": ref.__version__})
    (GOLDENS / "logits.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    hamming() if sys.argv[1:] == ["hamming"] else main()
