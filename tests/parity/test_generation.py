"""generate() writes the ids that the reference writes (tools/golden_generation.py recorded them).

A difference counts as a tie only where the two best scores are less than 1e-3 apart.
"""

import copy
import json
from pathlib import Path

import pytest
import torch

from qkv import AutoModelForCausalLM, AutoModelForSeq2SeqLM
from qkv.generation.config import GenerationConfig

HERE = Path(__file__).parent
RECORDED = json.loads((HERE / "generation" / "generate.json").read_text())
OLDER = json.loads((HERE / "generation" / "generate-4.55.json").read_text())  # group beams, contrastive search
FOLDERS = {"gpt2": "gpt2/LMHeadModel", "t5": "t5/ForConditionalGeneration"}


@pytest.fixture(scope="module", params=RECORDED)
def recorded(request):
    name = request.param
    cls = AutoModelForSeq2SeqLM if name == "t5" else AutoModelForCausalLM
    model = cls.from_pretrained(HERE / "goldens" / FOLDERS.get(name, f"{name}/ForCausalLM"))
    model.generation_config = GenerationConfig(
        pad_token_id=RECORDED[name]["pad"], eos_token_id=98, bos_token_id=2,
        decoder_start_token_id=0 if name == "t5" else None,
    )  # fmt: skip
    assistant = copy.deepcopy(model)
    for parameter in assistant.parameters():
        parameter.data += 0.1 * torch.sin(7 * parameter.data)
    return name, model, assistant, RECORDED[name]


def test_ids(recorded):
    name, model, assistant, golden = recorded
    wrong = []
    assert golden["prompts"] == OLDER.get(name, golden)["prompts"]
    cases = [*golden["cases"], *OLDER.get(name, {"cases": []})["cases"]]
    for batch, row, options, expected in cases:
        ids = torch.tensor(golden["prompts"][batch])
        mask = ids != golden["pad"]
        if row is not None:
            ids = ids[row : row + 1][:, mask[row]]
            mask = torch.ones_like(ids)
        drawn_ahead = "assisted" in options and "do_sample" in options
        if drawn_ahead and golden["pad"] in expected[0][ids.shape[1] :]:
            continue  # the reference's assistant takes generated ids that equal the pad id for padding
        options = dict(options)
        if options.pop("assisted", False):
            options["assistant_model"] = assistant
        options |= {"max_length": 30} if options.get("num_beams") == 5 else {"max_new_tokens": 16}
        torch.manual_seed(batch)
        found = model.generate(ids, attention_mask=mask, **options)
        start = 1 if name == "t5" else ids.shape[1]
        if not same(found.tolist(), expected, golden["pad"], start):
            wrong.append((batch, row, options, found.tolist(), expected))
    assert not wrong, f"{len(wrong)} of {len(cases)} differ, first {wrong[0]}"


def same(found, expected, pad, start):
    """Equal, and equally long; but the reference fills beams that end early with the end's id where the pad id is 0."""
    return [ended(row, pad, start) for row in found] == [ended(row, pad, start) for row in expected]


def ended(row, pad, start):
    """A row with the same fill after its end."""
    end = row.index(98, start) + 1 if 98 in row[start:] else len(row)
    assert set(row[end:]) <= {pad, 98}
    return row[:end] + [pad] * (len(row) - end)
