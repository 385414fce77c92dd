"""qkv run: a task on texts or pictures from the command line, a file or a pipe."""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import typer

from .forms import Form
from .inputs import Source, read
from .options import given, with_task_options
from .results import Window, write
from .tasks import FORMS, form_of
from .terminal import Debug, progress, say


def _tasks(incomplete: str) -> list[str]:
    return [name for name in FORMS if name.startswith(incomplete)]


@with_task_options
def run(  # noqa: PLR0913 - typer makes a parameter an option
    task: Annotated[str, typer.Argument(metavar="TASK", help="Such as sentiment-analysis.", autocompletion=_tasks)],
    texts: Annotated[list[str] | None, typer.Argument(metavar="INPUT...", help="Inputs.", show_default=False)] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="Folder, org/name or org/name@revision.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Folder or org/name, if not the model's own.")
    ] = None,
    revision: Annotated[str | None, typer.Option(metavar="NAME", help="Branch, tag or commit on the Hub.")] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:0, mps or a number.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(metavar="NAME", help="auto, float32, bfloat16 or float16.")] = None,
    quantize: Annotated[str | None, typer.Option(metavar="NAME", help="int8 or int4: less memory, faster.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, metavar="N", help="Rows of a batch at most.")] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", "-f", metavar="FILE", help="A text per line, .csv, .tsv or .jsonl; - is stdin."),
    ] = None,
    column: Annotated[str | None, typer.Option(metavar="NAME", help="Of such a table; text if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file; JSON if it ends in .json.")
    ] = None,
    debug: Debug.Option = False,
    **own: Any,
) -> None:
    """Run a task on texts or pictures: from arguments, a file, or a pipe with one text or path per line.

    On a terminal the results are a table; in a pipe, tab-separated lines of what the task gives and the input; with
    --json, a list in the order of the inputs: [{"input": "...", "result": [{"label": "...", "score": 0.99}]}].

    [bold]Examples[/bold]

      qkv run sentiment-analysis "What a film!" "Dull."
      qkv run text-classification -m ./my-model --top-k 0 "What a film!"
      qkv run sentiment-analysis -f reviews.csv --column review -o labels.json
      grep ERROR log.txt | qkv run text-classification -m org/name | sort

      qkv run text-generation -m ./my-model "Once upon a time" --max-new-tokens 40 --stream
      qkv run object-detection -m org/name *.jpg --draw drawn/
    """
    try:
        form = form_of(task)
    except KeyError as error:
        raise typer.BadParameter(error.args[0]) from None
    check_output(output, file)
    flags = given(own, task, form)
    if flags.get("stream") and (as_json or output):
        raise typer.BadParameter("--stream prints text, so leave --json and --output out")
    arguments = form.arguments(flags)
    source = read(texts or ([] if file else form.alone(flags)), file, column, form)
    if source.count != 0:
        first = next(source.items)
        form.asked(first, flags)  # an option that is missing is an error before a model is loaded
        source.items = chain([first], source.items)
    else:
        say("warning", "there is no input.")
        write([], form, output, as_json or _is_json(output))
        return
    options = {"revision": revision, "dtype": dtype, "quantize": quantize, "batch_size": batch_size}
    options = {name: value for name, value in options.items() if value is not None}
    from qkv.pipelines import pipeline
    from qkv.seed import set_seed

    pipe = pipeline(task, model, tokenizer=tokenizer, device=device_of(device), **options, **arguments)
    if "seed" in flags:
        set_seed(flags["seed"])

    if flags.get("stream"):
        from .stream import stream

        stream(pipe, source.items, lambda item: form.asked(item, flags))
        return
    with progress(source.count) as advance:
        write(_windows(pipe, source, form, flags, advance), form, output, as_json or _is_json(output))


def _windows(
    pipe: Any, source: Source, form: Form, flags: dict[str, Any], advance: Callable[[int], Any]
) -> Iterator[Window]:
    while taken := list(islice(source.items, form.window)):
        yield list(zip(taken, form.results(pipe, taken, flags), strict=True))
        advance(len(taken))


def device_of(name: str | None) -> str | int | None:
    """A device as it is typed: a name, or a number."""
    return int(name) if name is not None and name.removeprefix("-").isdecimal() else name


def _is_json(output: str | None) -> bool:
    return output is not None and output.lower().endswith(".json")


def check_output(output: str | None, file: str | None) -> None:
    """Raises OSError before any work for a file that cannot be written, or that is the input."""
    if output is None:
        return
    if file is not None and Path(file).exists() and Path(output).exists() and Path(file).samefile(output):
        raise typer.BadParameter(f"--output {output} is the input file")
    if Path(output).is_dir() or not Path(output).absolute().parent.is_dir():
        raise OSError(f"{output} cannot be written: it is a folder, or the folder it is in does not exist.")
