"""Labels that nobody trained for, and the sentences that they are put into."""

from collections.abc import Iterable
from string import Formatter
from typing import Any

from ..errors import short

EXAMPLE = "This example is {}."


def candidates(given: Any, task: str) -> list[str]:
    """Labels as they are given to a pipeline: a list, or a string with commas between them.

    Raises: TypeError or ValueError for anything but at least one label, none of which is empty.
    """
    labels = given
    if isinstance(given, str):
        labels = [label.strip() for label in given.split(",") if label.strip()]
    how = "candidate_labels=['sports', 'politics'], or 'sports, politics'"
    if labels is None or not isinstance(labels, Iterable):
        raise TypeError(f"{task} needs labels, got {short(given)}: pass {how}.")
    labels = list(labels)
    if wrong := [label for label in labels if not isinstance(label, str)]:
        raise TypeError(f"candidate_labels holds {short(wrong[0])} ({type(wrong[0]).__name__}): pass {how}.")
    if not labels or not all(label.strip() for label in labels):
        raise ValueError(f"candidate_labels={short(given)} has {'an empty' if labels else 'no'} label: pass {how}.")
    return labels


def hypothesis(label: str, template: str) -> str:
    """The template with the label in the place of {} or {0}. The label is not read as a template.

    Raises: TypeError or ValueError for a template without such a place, or with other things in braces.
    """
    if not isinstance(template, str):
        raise TypeError(f"hypothesis_template={short(template)} must be a string, such as {EXAMPLE!r}.")
    try:
        parts = [(text, name, spec or how) for text, name, spec, how in Formatter().parse(template)]
    except ValueError:
        parts = []
    names = {name for _, name, _ in parts if name is not None}
    if not names or names - {"", "0"} or any(more for _, _, more in parts):
        raise ValueError(
            f"hypothesis_template={short(template)} must have {{}} where the label goes, such as {EXAMPLE!r}; write "
            f"{{{{ and }}}} for braces that are text."
        )
    return "".join(text + ("" if name is None else label) for text, name, _ in parts)
