"""The options of `qkv run` that only some tasks have. A task's form names those it has; --help shows whose they are."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from .forms import Form
from .tasks import FORMS

Command = Callable[..., Any]


@dataclass(frozen=True)
class Option:
    """An option that is None if it is not given.

    flags: if they are not the name's; "--yes/--no" for a bool.
    extra: further arguments of typer.Option.
    """

    kind: Any
    help: str
    flags: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)


OPTIONS = {
    "top_k": Option(int, "Results per input, best first, 0 for all labels; or tokens to draw from.", extra={"min": 0}),
    "aggregation": Option(
        str,
        "none, simple, first, average or max: how tokens become entities; simple if not given.",
        extra={"metavar": "NAME"},
    ),
    "question": Option(str, "What each INPUT is asked.", extra={"metavar": "TEXT"}),
    "context": Option(str, "Where the answers to the questions in INPUT are.", extra={"metavar": "TEXT"}),
    "labels": Option(str, "To choose from, with commas between them.", extra={"metavar": "A,B,C"}),
    "multi_label": Option(bool, "Each label by itself: several may be right.", ("--multi-label",)),
    "template": Option(str, "With {} for a label, such as 'This example is {}.'", extra={"metavar": "TEXT"}),
    "targets": Option(str, "Only these words, with commas between them.", extra={"metavar": "A,B,C"}),
    "source": Option(str, "The text that each INPUT is compared with.", extra={"metavar": "TEXT"}),
    "query": Option(str, "What is looked for in each INPUT.", extra={"metavar": "TEXT"}),
    "table": Option(str, "A .csv or .tsv file that the questions in INPUT are about.", extra={"metavar": "FILE"}),
    "boxes": Option(str, "Words of the page: a JSON list of \\[word, \\[x0,y0,x1,y1]].", extra={"metavar": "FILE"}),
    "draw": Option(
        str, "Draw the result on its picture, into this file; into a folder for several.", extra={"metavar": "PATH"}
    ),
    "threshold": Option(float, "Leave out what is less certain.", extra={"min": 0, "max": 1}),
    "subtask": Option(str, "panoptic, instance or semantic: which parts of a picture.", extra={"metavar": "NAME"}),
    "truncation": Option(
        bool, "Cut long texts silently / fail. Unset: labels cut and warn.", ("--truncation/--no-truncation",)
    ),
    "function_to_apply": Option(str, "softmax, sigmoid or none, on the scores.", extra={"metavar": "NAME"}),
    "max_new_tokens": Option(int, "Tokens to write at most; 256 if not given.", extra={"min": 1}),
    "sample": Option(bool, "Draw each token / take the likeliest.", ("--sample/--greedy",)),
    "temperature": Option(float, "Below 1 likelier tokens, above 1 rarer ones; 0.7 if not given.", extra={"min": 0}),
    "top_p": Option(float, "Draw from the likeliest that have this probability.", extra={"min": 0, "max": 1}),
    "num_return_sequences": Option(int, "Texts for each input.", extra={"min": 1}),
    "seed": Option(int, "The same seed draws the same texts.", extra={"min": 0}),
    "stop": Option(list[str], "End after this text; may be given several times.", extra={"metavar": "TEXT"}),
    "json_schema": Option(str, "Write JSON that this schema allows.", extra={"metavar": "FILE"}),
    "full_text": Option(bool, "With the input before it / without.", ("--full-text/--new-text",)),
    "chat": Option(bool, "Ask as in a chat, with the model's template.", ("--chat",)),
    "system": Option(str, "Instructions before a chat; implies --chat.", extra={"metavar": "TEXT"}),
    "stream": Option(bool, "Print the text while it is written.", ("--stream",)),
}


def with_task_options(command: Command) -> Command:
    """Let a command with **own take all of OPTIONS."""
    signature = inspect.signature(command)
    shared = [entry for entry in signature.parameters.values() if entry.kind is not entry.VAR_KEYWORD]
    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(name, option))
        for name, option in OPTIONS.items()
    ]
    command.__signature__ = signature.replace(parameters=[*shared, *own])
    return command


class TaskCommand(TyperCommand):
    """A command whose help shows the options of the task that is named; if none is, those of all."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        task = next((word for word in args if word in FORMS), None)
        for option in self.params:
            if (name := option.name) in OPTIONS:
                option.hidden = task is not None and name not in FORMS[task].options  # type: ignore[attr-defined]
                option.rich_help_panel = _panel(str(name)) if task is None else f"Options of {task}"  # type: ignore[attr-defined]
        return super().parse_args(ctx, args)


def given(own: dict[str, Any], task: str, form: Form) -> dict[str, Any]:
    """The task's own options that were given. Raises: a usage error for one that the task does not have."""
    found = {name: value for name, value in own.items() if value is not None and value != []}
    wrong = next((name for name in found if name not in form.options), None)
    if wrong is not None:
        has = ", ".join(flag(name) for name in form.options) or "none"
        raise typer.BadParameter(f"{task} has no {flag(wrong)}. Its own options: {has}")
    return found


def flag(name: str) -> str:
    """How an option is typed."""
    flags = OPTIONS[name].flags if name in OPTIONS else ()
    return flags[0] if flags else f"--{name.replace('_', '-')}"


def _annotation(name: str, option: Option) -> Any:
    shown: dict[str, Any] = {"help": option.help, "rich_help_panel": _panel(name)}
    if option.kind is not bool:
        shown["metavar"] = "N" if option.kind in (int, float) else "TEXT"
    return Annotated[option.kind | None, typer.Option(*(option.flags or (flag(name),)), **shown | option.extra)]


def _panel(name: str) -> str:
    forms = {id(form): task for task, form in reversed(FORMS.items()) if name in form.options}
    return shorten(f"Options of {', '.join(sorted(forms.values()))}", 70, placeholder=" …")
