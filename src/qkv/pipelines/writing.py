"""Writing on from many prompts: which of them share a batch, and each one's sequences, as if it had been alone."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..generation.prompt import eos_ids
from .batching import batches
from .generating import is_of_one, keywords

TOKENS = 4096  # of a batch, those to be written included: what the caches of a small model may hold


def write(model: Any, tokenizer: Any, prompts: Sequence[list[int]], options: Any) -> list[dict[str, Any]]:
    """Continue prompts, lists of ids; an empty one starts with the bos id.

    Args:
        options: `config` (a GenerationConfig), `open_end` (nobody said how many new tokens), `batch_size` and
            `generate_kwargs`, the keywords of generate().

    Returns: for each prompt {"sequences": its R lists of ids, the prompt first, "more": {name: R values}}.
    """
    found: list[dict[str, Any]] = [{}] * len(prompts)
    for batch in _batches(model, [max(1, len(ids)) for ids in prompts], options):
        written = _write(model, tokenizer, [prompts[i] for i in batch], options)
        for i, sequences in zip(batch, written, strict=True):
            found[i] = sequences
    return found


def _batches(model: Any, lengths: list[int], options: Any) -> list[list[int]]:
    """The prompts of each batch, of different lengths only where no bound counts the prompt."""
    config, table = options.config, model.base_model.max_tokens
    if options.batch_size == 1 or is_of_one(options.generate_kwargs, config):
        return [[i] for i in range(len(lengths))]
    new, copies = config.max_new_tokens, max(config.num_beams, config.num_return_sequences)
    full = [config.max_length if new is None else n + new for n in lengths]
    free = new is not None and ("min_length" not in vars(config) or config.min_new_tokens is not None)
    roomy = [i for i, n in enumerate(full) if free and (table is None or n <= table)]
    tight = sorted(set(range(len(lengths))) - set(roomy))
    found = []
    for group, mixed in ((roomy, True), (tight, False)):
        sizes = [(lengths[i] + (new or config.max_length)) * copies for i in group]  # equal for equal lengths
        for batch in batches(sizes, tokens=TOKENS, rows=options.batch_size, padded=mixed):
            found.append([group[i] for i in batch])
    return found


def _write(model: Any, tokenizer: Any, prompts: list[list[int]], options: Any) -> list[dict[str, Any]]:
    config, width, table = options.config, max(map(len, prompts)), model.base_model.max_tokens
    if options.open_end and table is not None:
        config = config.merged({"max_new_tokens": min(config.max_new_tokens, table - max(1, width))})
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, prompt in enumerate(prompts):
        ids[i, width - len(prompt) :], mask[i, width - len(prompt) :] = torch.tensor(prompt), 1
    output = model.generate(
        ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config, tokenizer=tokenizer,
        **keywords(options.generate_kwargs),
    )  # fmt: skip
    sequences = output if isinstance(output, Tensor) else output["sequences"]
    more = {} if isinstance(output, Tensor) else _others(output, len(sequences))
    count = len(sequences) // len(prompts)
    found = []
    for i, prompt in enumerate(prompts):
        part = slice(i * count, (i + 1) * count)
        own = sequences[part, max(1, width) - max(1, len(prompt)) :].tolist()
        values = {name: value[part].tolist() for name, value in more.items()}
        found.append({"sequences": _without_padding(own, max(1, len(prompt)), config), "more": values})
    return found


def _without_padding(sequences: list[list[int]], start: int, config: Any) -> list[list[int]]:
    """The sequences of a prompt, cut to the longest: what other prompts of the batch made them wait is gone.

    Args: start: ids of the prompt.
    """
    ends = eos_ids(config)
    pad = config.pad_token_id if config.pad_token_id is not None else ends[0] if ends else 0
    length = start
    for ids in sequences:
        end = next((i + 1 for i in range(start, len(ids)) if ids[i] in ends), len(ids))
        while start < end == len(ids) and ids[-1] == pad and pad not in ends:
            ids, end = ids[:-1], end - 1
        length = max(length, end)
    return [ids[:length] for ids in sequences]


def _others(output: Any, rows: int) -> dict[str, Tensor]:
    """What an output holds beside ids and cache, a row each: tensors, and those of each step as (rows,steps,...)."""
    found = {}
    for name, value in output.items():
        if isinstance(value, tuple) and value and all(isinstance(x, Tensor) and len(x) == rows for x in value):
            value = torch.stack(value, dim=1)
        if isinstance(value, Tensor) and name != "sequences" and len(value) == rows:
            found[name] = value.cpu()
    return found
