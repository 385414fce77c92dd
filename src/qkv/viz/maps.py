"""Self-attention made visible: which tokens each token looks at, in every layer and head."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .tokens import Picture, encode, pyplot

LABELLED = 14  # tokens; maps in a grid name the tokens up to so many


@dataclass
class Attention(Picture):
    """The attention weights of one text.

    weights: (L,H,T,S), each row a distribution over the keys: how much of each token a token takes in.
    tokens: of the queries; `keys` of what they look at, the same but in cross attention.
    layer, head: which of them the picture shows; all if None.
    """

    weights: Tensor
    tokens: list[str]
    keys: list[str]
    layer: int | None = None
    head: int | None = None

    def figure(self) -> Any:
        """One map if layer and head are given, a grid of heads for a layer, layers by heads for a model."""
        layers = range(len(self.weights)) if self.layer is None else [self.layer]
        heads = range(self.weights.shape[1]) if self.head is None else [self.head]
        if len(layers) == len(heads) == 1:
            return self._map(layers[0], heads[0])
        grid = [[(i, j) for j in heads] for i in layers]
        if len(layers) == 1 or len(heads) == 1:  # a row that would be long becomes a square
            line = [cell for row in grid for cell in row]
            columns = min(len(line), 4)
            grid = [line[i : i + columns] for i in range(0, len(line), columns)]
        return self._grid(grid)

    def lines(self) -> Any:
        """The tokens twice, and lines between them as strong as the attention; of one layer and head.

        Raises: ValueError if the picture is of several.
        """
        if self.layer is None or self.head is None:
            raise ValueError("lines show one head: give layer= and head=.")
        weights, plt = self.weights[self.layer, self.head], pyplot()
        height = 0.28 * max(len(self.tokens), len(self.keys)) + 0.7
        figure, axes = plt.subplots(figsize=(4.6, height), layout="constrained", facecolor="white")
        for i, row in enumerate(weights.tolist()):
            for j, weight in enumerate(row):
                if weight > 0.02:  # less could not be seen
                    axes.plot((0, 1), (i, j), color="#1f6fb4", alpha=min(1.0, weight), linewidth=2.2, zorder=1)
        style = {"va": "center", "fontsize": 10, "parse_math": False}
        for i, token in enumerate(self.tokens):
            axes.text(-0.04, i, token, ha="right", **style)
        for j, token in enumerate(self.keys):
            axes.text(1.04, j, token, ha="left", **style)
        axes.set(xlim=(-0.9, 1.9), ylim=(max(len(self.tokens), len(self.keys)) - 0.4, -0.6))
        axes.set_title(self._name(self.layer, self.head), fontsize=10)
        axes.axis("off")
        return figure

    def _map(self, layer: int, head: int) -> Any:
        plt, side = pyplot(), 0.26 * max(len(self.tokens), len(self.keys)) + 1.8
        figure, axes = plt.subplots(figsize=(side + 0.8, side), layout="constrained", facecolor="white")
        shown = axes.imshow(self.weights[layer, head].numpy(), cmap="Blues", vmin=0, vmax=1)
        self._label(axes, 9)
        axes.set(xlabel="looked at", ylabel="token")
        axes.set_title(self._name(layer, head), fontsize=10)
        bar = figure.colorbar(shown, ax=axes, shrink=0.7, pad=0.02)
        bar.outline.set_visible(False)
        return figure

    def _grid(self, grid: list[list[tuple[int, int]]]) -> Any:
        plt, rows, columns = pyplot(), len(grid), len(grid[0])
        labelled = len(self.tokens) <= LABELLED and columns <= 4
        side = 0.2 * len(self.tokens) + 0.9 if labelled else max(0.9, min(2.2, 14 / columns))
        figure, axes = plt.subplots(
            rows, columns, figsize=(side * columns, side * rows + 0.4), layout="constrained", squeeze=False,
            facecolor="white",
        )  # fmt: skip
        for i, row in enumerate(axes):
            for j, axis in enumerate(row):
                if j >= len(grid[i]):
                    axis.axis("off")
                    continue
                layer, head = grid[i][j]
                axis.imshow(self.weights[layer, head].numpy(), cmap="Blues", vmin=0, vmax=1)
                axis.set_title(self._name(layer, head, short=columns > 4), fontsize=7)
                if labelled:
                    self._label(axis, 7)
                else:
                    axis.set(xticks=[], yticks=[])
                axis.spines[:].set_color("#cccccc")
        figure.supxlabel("each row is a token, each column what it looks at", fontsize=9, color="#555555")
        return figure

    def _label(self, axes: Any, size: int) -> None:
        axes.set_xticks(range(len(self.keys)), self.keys, rotation=90, fontsize=size, parse_math=False)
        axes.set_yticks(range(len(self.tokens)), self.tokens, fontsize=size, parse_math=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    def _name(self, layer: int, head: int, short: bool = False) -> str:
        return f"{layer}·{head}" if short else f"layer {layer}, head {head}"


def attention(
    model: Any, tokenizer: Any, text: str, text_pair: str | None = None, *, layer: int | None = None,
    head: int | None = None,
) -> Attention:  # fmt: skip
    """The self-attention of a model over a text (of an encoder-decoder, that of its encoder).

    Args:
        model: any text model, with or without a head.
        layer, head: which to draw, counted from 0, or from the end if negative; all if None.

    Returns: an `Attention`: `.save("attention.png")`, `.figure()`, `.lines()`, and `.weights` (L,H,T,T).

    Raises: ValueError for a text that is too long to be drawn, or a layer or head that the model has not.
    """
    inputs, tokens = encode(model, tokenizer, text, text_pair)
    run = model.base_model.read if model.config.is_encoder_decoder else model.base_model
    with torch.inference_mode():
        found = run(**inputs, output_attentions=True, return_dict=True)["attentions"]
    found = getattr(model.base_model, "by_pairs", tuple)(found)  # where they are published by distance
    weights = torch.stack([layer_weights[0].float().cpu() for layer_weights in found])  # (L,H,T,T)
    layer, head = _index(layer, weights.shape[0], "layer"), _index(head, weights.shape[1], "head")
    return Attention(weights, tokens, tokens, layer, head)


def _index(given: int | None, count: int, what: str) -> int | None:
    if given is None or -count <= given < count:
        return given if given is None else given % count
    raise ValueError(f"{what}={given}: this model has {what}s 0 to {count - 1}.")
