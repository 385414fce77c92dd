"""What the pictures share: a text as tokens that can be read, and matplotlib."""

from typing import Any

from torch import Tensor

LONGEST = 128  # tokens; more could not be read


def encode(model: Any, tokenizer: Any, text: str, pair: str | None) -> tuple[dict[str, Tensor], list[str]]:
    """The model's inputs (1,T) for a text, and its tokens as they are shown.

    Raises: TypeError for another kind of text, ValueError if it has more than LONGEST tokens, or none.
    """
    if not isinstance(text, str) or not (pair is None or isinstance(pair, str)):
        raise TypeError(f"a picture is of one text, a string, and maybe a second; got {type(text).__name__}.")
    inputs = tokenizer(text, pair, return_tensors="pt", verbose=False)
    count = inputs["input_ids"].shape[1]
    if not 0 < count <= LONGEST:
        raise ValueError(f"the text has {count} tokens; a picture shows 1 to {LONGEST}. Give a part of it.")
    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist())
    return {name: tensor.to(model.device) for name, tensor in inputs.items()}, readable(tokens, tokenizer)


def readable(tokens: list[str], tokenizer: Any) -> list[str]:
    """Tokens without what a vocabulary marks the start of a word with."""
    shown = []
    for token in tokens:
        text = tokenizer.convert_tokens_to_string([token]) if token not in tokenizer.all_special_tokens else token
        text = token if "\ufffd" in text else text.removeprefix("##").strip()
        shown.append(text or token.replace("Ġ", "␣").replace("▁", "␣").replace("Ċ", "↵"))
    return shown


def pyplot() -> Any:
    """matplotlib's pyplot. Raises: ImportError that says how to get it."""
    try:
        from matplotlib import pyplot as found
    except ImportError:
        raise ImportError("pictures need matplotlib; type: pip install qkv[viz]") from None
    return found


class Picture:
    """Something that can be drawn: `figure()` gives a matplotlib Figure, `save(path)` writes .png, .svg or .pdf, and a
    notebook shows it."""

    def figure(self) -> Any:
        raise NotImplementedError

    def save(self, path: Any, dpi: int = 110) -> None:
        """Raises: ValueError for a kind of file that matplotlib does not write."""
        figure = self.figure()
        try:
            figure.savefig(path, dpi=dpi, facecolor="white")
        finally:
            pyplot().close(figure)

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        stream = BytesIO()
        self.save(stream)
        return stream.getvalue()
