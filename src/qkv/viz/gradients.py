"""Which words decide: how much each token adds to a score, by integrated gradients."""

from dataclasses import dataclass
from html import escape
from typing import Any

import torch
from torch import Tensor

from ..errors import nearest, short
from .tokens import Picture, encode, pyplot

FOR, AGAINST = (46, 125, 50), (198, 40, 40)  # colours, red green blue


@dataclass
class Saliency(Picture):
    """What each token adds to the score of a label.

    tokens, scores: as many; a positive score speaks for the label, a negative one against it. They add up to the
        difference between the label's score for the text and for a text of nothing but padding.
    label: what was explained; `probability` is what the model gives it.
    """

    tokens: list[str]
    scores: list[float]
    label: str
    probability: float

    def figure(self) -> Any:
        """A bar for each token."""
        plt = pyplot()
        figure, axes = plt.subplots(
            figsize=(6.4, 0.27 * len(self.tokens) + 1.1), layout="constrained", facecolor="white"
        )
        colours = [tuple(part / 255 for part in (FOR if score >= 0 else AGAINST)) for score in self.scores]
        axes.barh(range(len(self.tokens)), self.scores, color=colours, height=0.72)
        axes.set_yticks(range(len(self.tokens)), self.tokens, fontsize=10, parse_math=False)
        axes.set_ylim(len(self.tokens) - 0.4, -0.6)
        axes.axvline(0, color="#888888", linewidth=0.8)
        axes.set_xlabel("adds to the score")
        axes.set_title(self._title(), fontsize=11, parse_math=False)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        return figure

    def _repr_html_(self) -> str:
        pieces = []
        for token, (colour, strength) in zip(self.tokens, self._shades(), strict=True):
            red, green, blue = colour
            style = f"background:rgba({red},{green},{blue},{strength:.2f});padding:.1em .2em;border-radius:.2em"
            pieces.append(f'<span style="{style}">{escape(token)}</span>')
        return f'<div style="line-height:1.9"><b>{escape(self._title())}</b><br>{" ".join(pieces)}</div>'

    def __rich__(self) -> Any:
        from rich.text import Text

        shown = Text(f"{self._title()}\n", "bold")
        for token, (colour, strength) in zip(self.tokens, self._shades(), strict=True):
            mixed = [round(255 + (part - 255) * strength) for part in colour]  # over white
            shown.append(token, f"black on rgb({mixed[0]},{mixed[1]},{mixed[2]})" if strength > 0.05 else "")
            shown.append(" ")
        return shown

    def _title(self) -> str:
        return f"{self.label} ({self.probability:.4f})"

    def _shades(self) -> list[tuple[tuple[int, int, int], float]]:
        """A colour and how strong it is, 0 to 1, for each token."""
        most = max((abs(score) for score in self.scores), default=0.0) or 1.0
        return [(FOR if score >= 0 else AGAINST, abs(score) / most) for score in self.scores]


def saliency(
    model: Any, tokenizer: Any, text: str, text_pair: str | None = None, *, target: int | str | None = None,
    steps: int = 50,
) -> Saliency:  # fmt: skip
    """How much each token of a text adds to the score of a label: integrated gradients (Sundararajan, Taly and Yan,
    2017, arXiv:1703.01365) on the token vectors, from padding to the text.

    Args:
        model: a sequence classifier, or a model that writes, whose next token is explained.
        target: a label, a class index or, for a model that writes, a token; the likeliest if None.
        steps: points on the way, at least 1; more make the sum of the scores exacter.

    Returns: a `Saliency`: it shows itself in a notebook and with `rich.print`; `.save("saliency.png")`, `.scores`.

    Raises: ValueError for an unknown target, a text too long to be drawn, or a model with another kind of head.
    """
    if steps < 1:
        raise ValueError(f"steps={steps} must be at least 1.")
    inputs, tokens = encode(model, tokenizer, text, text_pair)
    ids = inputs.pop("input_ids")
    with torch.inference_mode():
        logits = _last(model(ids, **inputs), type(model).__name__)
    index, label = _target(model, tokenizer, target, logits)
    vectors = model.get_input_embeddings()(ids).detach()  # (1,T,D)
    start = model.get_input_embeddings()(_blank(tokenizer, ids)).detach()
    total = torch.zeros_like(vectors)
    for step in range(steps):  # the middle of each of `steps` parts of the way
        point = (start + (vectors - start) * ((step + 0.5) / steps)).requires_grad_()
        with torch.enable_grad():
            score = _last(model(inputs_embeds=point, **inputs), type(model).__name__)[index]
            total += torch.autograd.grad(score, point)[0]
    scores = ((vectors - start) * total / steps).sum(-1)[0]  # (T,)
    many = logits.softmax(-1) if len(logits) > 1 else logits.sigmoid()
    return Saliency(tokens, scores.float().tolist(), label, float(many[index]))


def _last(output: Any, name: str) -> Tensor:
    """The scores of labels, or of the next token: (L,) or (V,)"""
    logits = output.get("logits")
    if logits is None or not (logits.dim() == 2 or (logits.dim() == 3 and type(output).__name__ == "CausalLMOutput")):
        raise ValueError(f"saliency explains a sequence classifier or the next token of a decoder, not {name}.")
    return logits[0] if logits.dim() == 2 else logits[0, -1]


def _blank(tokenizer: Any, ids: Tensor) -> Tensor:
    """The ids with every token but the special ones replaced by padding, or by the first id of the vocabulary."""
    blank = next(
        (i for i in (tokenizer.pad_token_id, tokenizer.mask_token_id, tokenizer.unk_token_id) if i is not None), 0
    )
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids, dtype=ids.dtype, device=ids.device))
    return torch.where(special, ids, blank)


def _target(model: Any, tokenizer: Any, target: int | str | None, logits: Tensor) -> tuple[int, str]:
    """The index that is explained, and its name."""
    writes = model.can_generate()
    names = {} if writes else {i: name for i, name in (model.config.id2label or {}).items() if i < len(logits)}
    if target is None:
        index = int(logits.argmax())
    elif isinstance(target, int):
        index = target
    elif writes:
        found = tokenizer(target, add_special_tokens=False)["input_ids"]
        if len(found) != 1:
            raise ValueError(f"target={short(target)} is {len(found)} tokens; name one, with its space, as ' Paris'.")
        index = found[0]
    else:
        labels = {str(name).lower(): i for i, name in names.items()}
        if target.lower() not in labels:
            raise ValueError(f"no label {short(target)}; the nearest are {nearest(target, map(str, names.values()))}.")
        index = labels[target.lower()]
    if not 0 <= index < len(logits):
        raise ValueError(f"target={index}: the model scores 0 to {len(logits) - 1}.")
    name = tokenizer.decode([index]) if writes else names.get(index, f"LABEL_{index}")
    return index, str(name)
