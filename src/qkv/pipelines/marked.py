"""Results that are spans of a text, shown as the text with the spans marked: in a notebook, and by rich on a terminal.

They are the lists and dictionaries that they always were; only how they are displayed differs.
"""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, ClassVar

# Of labels in the order of their first appearance; readable on light and on dark ground. HTML background, rich style.
COLOURS = (
    ("#9ad1f5", "black on #9ad1f5"), ("#f7c59f", "black on #f7c59f"), ("#b8e0a4", "black on #b8e0a4"),
    ("#e3b7eb", "black on #e3b7eb"), ("#f5e08a", "black on #f5e08a"), ("#f4a6a6", "black on #f4a6a6"),
    ("#a8e0d8", "black on #a8e0d8"), ("#c9c5f2", "black on #c9c5f2"),
)  # fmt: skip
STYLE = "color:#111;border-radius:.3em;padding:.1em .3em;box-decoration-break:clone;-webkit-box-decoration-break:clone"
CONTEXT = 300  # characters shown before the first and after the last mark of a long text
Mark = tuple[int, int, str, float]  # first character, the one after the last, label, score


class Marked:
    """Mixed into a list or a dictionary of spans: gives `_repr_html_` and `__rich__` over `text`."""

    text: str
    label: ClassVar[str] = ""  # of a span that has none

    def marks(self) -> list[Mark]:
        """The spans of the text in order, without those that overlap one before."""
        found, end = [], 0
        for span in sorted(self.spans(), key=lambda span: (span["start"], -span["end"])):
            if end <= span["start"] < span["end"]:
                label = span.get("entity_group") or span.get("entity") or self.label
                found.append((span["start"], span["end"], str(label), float(span["score"])))
                end = span["end"]
        return found

    def spans(self) -> Iterable[Mapping[str, Any]]:
        raise NotImplementedError

    def parts(self) -> Iterator[tuple[str, Mark | None]]:
        """The text in pieces, each with its mark or None; a long text is cut where nothing is marked."""
        marks, at = self.marks(), 0
        first, last = (marks[0][0], marks[-1][1]) if marks else (0, 0)
        start, end = max(0, first - CONTEXT), min(len(self.text), last + CONTEXT)
        at = start
        if start:
            yield "…", None
        for mark in marks:
            yield self.text[at : mark[0]], None
            yield self.text[mark[0] : mark[1]], mark
            at = mark[1]
        yield self.text[at:end], None
        if end < len(self.text):
            yield "…", None

    def _repr_html_(self) -> str:
        colours = self._colours()
        pieces = []
        for text, mark in self.parts():
            if mark is None:
                pieces.append(escape(text))
                continue
            style = f"background:{colours[mark[2]][0]};{STYLE}"
            name = f' <small style="font-weight:600">{escape(mark[2])}</small>' if mark[2] else ""
            pieces.append(f'<mark style="{style}" title="{mark[3]:.4f}">{escape(text)}{name}</mark>')
        return f'<div style="line-height:1.9;white-space:pre-wrap">{"".join(pieces)}</div>'

    def __rich__(self) -> Any:
        from rich.text import Text

        colours, shown = self._colours(), Text()
        for piece, mark in self.parts():
            text = "".join(c if c.isprintable() or c in "\n\t" else " " for c in piece)  # nothing steers the terminal
            shown.append(text, "" if mark is None else colours[mark[2]][1])
            if mark is not None and mark[2]:
                shown.append(f" {mark[2]}", f"bold {colours[mark[2]][1]}")
        return shown

    def _colours(self) -> dict[str, tuple[str, str]]:
        labels = dict.fromkeys(mark[2] for mark in self.marks())
        return {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}


class Entities(Marked, list):
    """Entities of a text: a list of {"entity" or "entity_group", "score", "word", "start", "end"}."""

    def __init__(self, entities: Iterable[dict[str, Any]], text: str):
        super().__init__(entities)
        self.text = text

    def spans(self) -> Iterable[Mapping[str, Any]]:
        return (span for span in self if span["start"] is not None)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self), self.text)


class Answer(Marked, dict):
    """An answer in its context: {"score", "start", "end", "answer"}."""

    def __init__(self, answer: Mapping[str, Any], text: str):
        super().__init__(answer)
        self.text = text

    def spans(self) -> Iterable[Mapping[str, Any]]:
        return [self]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self), self.text)
