"""qkv show: a picture of where a model looks, of the words that decide what it says, or of how a training went."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .terminal import Debug, clean, console

PICTURES = (".png", ".svg", ".pdf")
KINDS = ("attention", "saliency", "curves")
EMBEDDED = "sentiment-analysis"  # the task whose default model is used where none is named


def _kinds(incomplete: str) -> list[str]:
    return [kind for kind in KINDS if kind.startswith(incomplete)]


def show(  # noqa: PLR0913 - typer makes a parameter an option
    kind: Annotated[str, typer.Argument(metavar="KIND", help="attention, saliency or curves.", autocompletion=_kinds)],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the model reads; of curves, the folder of a run.")],
    pair: Annotated[str | None, typer.Option(metavar="TEXT", help="A second text, for models of pairs.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="Folder, org/name or org/name@revision.")
    ] = None,
    layer: Annotated[int | None, typer.Option(metavar="N", help="Of attention, from 0; -1 is the last.")] = None,
    head: Annotated[int | None, typer.Option(metavar="N", help="Of attention, from 0.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Attention as lines between words.")] = False,
    target: Annotated[str | None, typer.Option(metavar="LABEL", help="What saliency explains; the likeliest.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="A .png, .svg or .pdf file.")
    ] = None,
    debug: Debug.Option = False,
) -> None:
    """Show where a model looks (attention), which words decide what it says (saliency), how a run went (curves).

    Attention is a picture: a map for each head, of all layers or of one; FILE is attention.png if not given. Saliency
    is printed, each word with how much it adds to the score, and drawn if FILE is given; so are curves, as a table of
    the run's evaluations.

    [bold]Examples[/bold]

      qkv show attention "The animal did not cross the street because it was tired." -m bert-base-uncased
      qkv show attention "The cat sat." -m bert-base-uncased --layer 2 --head 3 --lines -o lines.svg
      qkv show saliency "The food was not good, but the people were lovely."
      qkv show curves results -o curves.png
    """
    attention = kind == "attention"
    options = {
        "attention": {"--layer": layer, "--head": head, "--lines": lines or None},
        "saliency": {"--target": target},
    }
    _check_options(kind, options | {"attention saliency": {"--pair": pair, "--model": model}})
    if lines and (layer is None or head is None):
        raise typer.BadParameter("--lines shows one head: give --layer and --head too")
    path = _path(output or "attention.png") if attention or output else None
    if kind == "curves":
        picture: Any = _curves(text)
    else:
        picture = _attention(model, text, pair, layer, head) if attention else _saliency(model, text, pair, target)
    if path is not None:
        figure = picture.lines() if lines else picture.figure()
        figure.savefig(path, dpi=110, facecolor="white")
    if attention:
        print(path)
    elif sys.stdout.isatty():
        console().print(picture)
    elif kind == "curves":
        titles, rows, _ = picture.history.table()
        for row in (titles, *rows):
            print("\t".join(map(clean, row)))
    else:
        for token, score in zip(picture.tokens, picture.scores, strict=True):
            print(f"{score:+.4f}\t{clean(token)}\t{clean(picture.label)}")


def _check_options(kind: str, options: dict[str, dict[str, Any]]) -> None:
    """Raises: a usage error for an unknown kind, and for an option of another one."""
    if kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}")
    others = {
        name: value for kinds, given in options.items() if kind not in kinds.split() for name, value in given.items()
    }
    wrong = next((name for name, value in others.items() if value is not None), None)
    if wrong is not None:
        raise typer.BadParameter(f"{kind} has no {wrong}")


def _path(name: str) -> Path:
    """Where a picture goes. Raises: OSError before any work for a file that cannot be written."""
    path = Path(name)
    if path.suffix.lower() not in PICTURES:
        raise typer.BadParameter(f"{path} should end in {', '.join(PICTURES)}")
    if not path.absolute().parent.is_dir():
        raise OSError(f"{path} cannot be written: the folder it is in does not exist.")
    return path


def _attention(model: str | None, text: str, pair: str | None, layer: int | None, head: int | None) -> Any:
    from qkv import AutoModel, AutoTokenizer
    from qkv.viz import attention

    repo = _repo(model)
    network, tokenizer = AutoModel.from_pretrained(repo, strict=False), AutoTokenizer.from_pretrained(repo)
    return attention(network.eval(), tokenizer, text, pair, layer=layer, head=head)


def _saliency(model: str | None, text: str, pair: str | None, target: str | None) -> Any:
    from qkv import pipeline
    from qkv.viz import saliency

    pipe = pipeline(EMBEDDED if model is None else None, model)
    wanted = int(target) if target is not None and target.isdecimal() else target
    return saliency(pipe.model, pipe.tokenizer, text, pair, target=wanted)


def _curves(folder: str) -> Any:
    from qkv.viz import curves

    return curves(folder)


def _repo(model: str | None) -> Any:
    from qkv.hub import open_repo
    from qkv.pipelines.factory import default_repo, find_task

    return default_repo(find_task(EMBEDDED), {}) if model is None else open_repo(model)
