"""qkv embed: a vector for each text of a file, a pipe or the command line."""

import os
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from .inputs import Source, read
from .run import check_output, device_of
from .tasks import Form
from .terminal import Debug, progress, say, size
from .vectors import FORMATS, Window, destination, write

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
WINDOW = 1024  # texts between two steps of the bar; sorted by length together


def embed(  # noqa: PLR0913 - typer makes a parameter an option
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE|TEXT...",
            show_default=False,
            help="One file (a text per line, .csv, .tsv or .jsonl; - is stdin), or texts.",
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a .npy, .jsonl or .tsv file.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="npy, jsonl or tsv, if the file's name does not say.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="Folder, org/name or org/name@revision.")
    ] = MODEL,
    column: Annotated[str | None, typer.Option(metavar="NAME", help="Of a table; text if not given.")] = None,
    pooling: Annotated[
        str, typer.Option(metavar="NAME", help="auto (as the model says), mean, cls, max, last, weighted_mean ...")
    ] = "auto",
    normalize: Annotated[
        bool | None, typer.Option("--normalize/--no-normalize", help="Vectors of length 1. Unset: as the model says.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="Put before each text.")] = None,
    prompt_name: Annotated[str | None, typer.Option(metavar="NAME", help="The same, by its name in the model.")] = None,
    truncate_dim: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep so many first numbers of each vector.")
    ] = None,
    truncation: Annotated[
        bool | None, typer.Option("--truncation/--no-truncation", help="Cut long texts silently / fail. Unset: warn.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, metavar="N", help="Texts of a batch at most.")] = None,
    quantize: Annotated[str | None, typer.Option(metavar="NAME", help="int8 or int4: less memory, faster.")] = None,
    revision: Annotated[str | None, typer.Option(metavar="NAME", help="Branch, tag or commit on the Hub.")] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:0, mps or a number.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(metavar="NAME", help="auto, float32, bfloat16 or float16.")] = None,
    debug: Debug.Option = False,
) -> None:
    """Turn texts into vectors, near for texts that mean the same.

    A .npy file is a float32 array with a row for each text, in their order: numpy.load("vectors.npy", mmap_mode="r").
    A .jsonl file, and the output without -o, has {"text": "...", "embedding": [...]} in each line; a .tsv file the
    numbers and then the text. A file of any length is read and written piece by piece.

    [bold]Examples[/bold]

      qkv embed reviews.txt -o vectors.npy
      qkv embed articles.csv --column body -o vectors.npy --quantize int8
      qkv embed "What a film!" "Dull." | jq .embedding[0]
      qkv embed questions.jsonl -m org/name --prompt-name query --truncate-dim 256 -o questions.npy
    """
    texts, file = _split(inputs or [])
    form = _form(form, output)
    check_output(output, file)
    target = destination(output)
    source = read(texts, file, column, Form())
    options: dict[str, Any] = {
        "revision": revision, "dtype": dtype, "quantize": quantize, "batch_size": batch_size, "pooling": pooling,
        "normalize": normalize, "prompt": prompt, "prompt_name": prompt_name, "truncate_dim": truncate_dim,
        "truncation": truncation,
    }  # fmt: skip
    options = {name: value for name, value in options.items() if value is not None}
    if source.count == 0:
        say("warning", "there is no input.")
        write([], form, target)
        return
    from qkv.pipelines import pipeline

    pipe = pipeline("feature-extraction", model, device=device_of(device), return_tensors="np", **options)
    start = time.monotonic()
    with progress(source.count) as advance:
        count, width = write(_windows(pipe, source, advance), form, target)
    if target is not None:
        seconds = time.monotonic() - start
        say(
            "note", f"{count:,} texts as vectors of {width} numbers in {seconds:.1f} s "
            f"({count / max(seconds, 1e-9):,.0f} a second): {output}, {size(target.stat().st_size)}",
        )  # fmt: skip


def _windows(pipe: Any, source: Source, advance: Callable[[int], Any]) -> Iterator[Window]:
    while taken := list(islice(source.items, WINDOW)):
        yield taken, pipe(taken)
        advance(len(taken))


def _split(inputs: list[str]) -> tuple[list[str], str | None]:
    """Texts, or the one file that is named instead. Raises: a usage error for a file among texts."""
    if len(inputs) == 1 and (inputs[0] == "-" or os.path.isfile(inputs[0])):
        return [], inputs[0]
    named = next((name for name in inputs if "." in name and os.path.isfile(name)), None)
    if named is not None:
        raise typer.BadParameter(
            f"{named} is a file: give one file, or texts. For several files: cat FILES | qkv embed"
        )
    lone = inputs[0] if len(inputs) == 1 else ""
    if lone.lower().endswith((".txt", ".csv", ".tsv", ".jsonl", ".ndjson")) and " " not in lone:
        raise OSError(f"{lone} is not there. To embed these words themselves, pipe them in: echo {lone} | qkv embed")
    return inputs, None


def _form(name: str | None, output: str | None) -> str:
    """One of FORMATS. Raises: a usage error for another, or for an array on stdout."""
    known = ", ".join(FORMATS)
    found = name if name is not None else Path(output).suffix.lower()[1:] if output is not None else "jsonl"
    if found not in FORMATS:
        what = (
            f"--format {name}" if name is not None else f"--output {output}: what to write is not clear from its name"
        )
        raise typer.BadParameter(f"{what}; the formats are {known}")
    if found == "npy" and output is None:
        raise typer.BadParameter("an array goes to a file. Type: --output vectors.npy")
    return found
