"""Token healing: a prompt is often cut where the tokenizer would not cut, as in "http:" before "//". Its last token
may become a longer one that begins with it, if the model finds that likelier.
"""

from typing import Any

import torch

from .runner import Prompt, Runner

KEPT = 1.0  # what the token that is there has ahead, in log-probability


def healed(model: Any, prompt: Prompt, tokenizer: Any) -> Prompt:
    """The prompt with the last id of each row replaced by the likeliest whose text begins with that of the old one.

    Rows of a single token, and tokens without longer ones, stay. Raises: ValueError without the tokenizer, or ids.
    """
    if tokenizer is None or prompt.embeds is not None or model.config.is_encoder_decoder:
        raise ValueError("token_healing needs a decoder, input_ids and their tokenizer: generate(..., tokenizer=...).")
    if prompt.ids.shape[1] < 2:
        return prompt
    before, last = prompt.ids[:, :-1], prompt.ids[:, -1]
    mask = None if prompt.mask is None else prompt.mask[:, :-1]
    scores = Runner(model, Prompt(before, mask), None).logits(before)[:, -1].log_softmax(dim=-1)
    alone = torch.zeros_like(last, dtype=torch.bool) if mask is None else ~mask.any(dim=1)
    words, chosen = tokenizer.get_vocab(), last.clone()
    texts = {i: text for text, i in words.items() if i < scores.shape[1]}
    for row, old in enumerate(last.tolist()):
        longer = [i for i, text in texts.items() if old in texts and text.startswith(texts[old])]
        if len(longer) > 1 and not alone[row]:
            allowed = last.new_tensor(longer)
            worth = scores[row, allowed] + KEPT * (allowed == old)
            chosen[row] = allowed[worth.argmax()]
    return Prompt(torch.cat([before, chosen[:, None]], dim=1), prompt.mask, token_type_ids=prompt.token_type_ids)
