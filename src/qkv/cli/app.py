"""The commands together, and what they share: errors as one line, warnings as one line, exit codes, --debug."""

import io
import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from qkv import __version__

from . import bench, chat, describe, embed, env, run, show, train
from .options import TaskCommand
from .tasks import FORMS
from .terminal import Debug, notices, say

USAGE_ERROR: Any = typer.BadParameter.__base__  # typer itself has no name for it
# What the library raises for what a user can correct.
EXPECTED = (OSError, ValueError, TypeError, KeyError, ImportError)
BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended

HELP = """Transformers, fast on the machine you have.

[bold]Examples[/bold]

  qkv run sentiment-analysis "What a film!"
  qkv chat org/name
  qkv embed reviews.txt -o vectors.npy
  qkv train text-classification -m distilbert-base-uncased --data reviews.csv -o reviews
  qkv describe distilbert/distilbert-base-uncased-finetuned-sst-2-english
  qkv env --json

Exit codes: 0 done, 1 failed (one line on stderr says why), 2 not understood.
"""


class Commands(TyperGroup):
    """Runs a command and turns every failure into one line on stderr and an exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        with notices():
            raise SystemExit(self._run(*args, **{**extra, "standalone_mode": False}))

    def _run(self, *args: Any, **extra: Any) -> int:
        if isinstance(sys.stdout, io.TextIOWrapper):  # whatever a label holds, printing it is no error
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            code = super().main(*args, **extra) or 0
            sys.stdout.flush()
            return code
        except BrokenPipeError:  # the reader, such as `head`, has what it wants
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        except USAGE_ERROR as error:
            command = error.ctx.command_path if error.ctx else "qkv"
            say("error", f"{error.format_message().rstrip('.')}. Type: {command} --help")
            return 2
        except (KeyboardInterrupt, typer.Abort):
            return 130
        except Exception as error:
            if Debug.on:
                traceback.print_exc()
            say("error", described(error))
            return 1

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # before typer makes a failure of it
            raise typer.Exit(BROKEN_PIPE) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in FORMS and args[0] not in self.commands:
            ctx.fail(f"{args[0]!r} is a task. Type: qkv run {args[0]} INPUT")
        return super().resolve_command(ctx, args)


def described(error: Exception) -> str:
    """An exception as one line."""
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, EXPECTED) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error} (type the same with --debug to see where)"


app = typer.Typer(
    cls=Commands, help=HELP, rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        print(f"qkv {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.", callback=_version)] = False,
    debug: Debug.Option = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


app.command("run", cls=TaskCommand)(run.run)
app.command("chat")(chat.chat)
app.command("train")(train.train)
app.command("show")(show.show)
app.command("embed")(embed.embed)
app.command("describe")(describe.describe)
app.command("env")(env.env)
app.command("bench")(bench.bench)
