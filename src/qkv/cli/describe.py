"""qkv describe: what a repository holds and whether qkv can load it, before any weights are downloaded or loaded."""

import json
import re
from contextlib import suppress
from typing import Annotated, Any

import typer

from qkv.gguf import GGUFRepo
from qkv.hub import Repo, open_repo

from .terminal import Debug, print_rows, size
from .weights import summarise

SHOWN = 10  # labels
TOKENIZERS = (  # in the order of preference
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
    "spm.model",
)  # fmt: skip
CARD = 2**16  # characters of README.md that are searched


def describe(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder, org/name or org/name@revision.")],
    revision: Annotated[str | None, typer.Option(metavar="NAME", help="Branch, tag or commit on the Hub.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    debug: Debug.Option = False,
) -> None:
    """Say what a model is, before its weights are downloaded or loaded.

    Task, family, size, precision, longest input, labels, license, files, and whether qkv can load it. Of a
    repository on the Hub only the small text files are downloaded.

    [bold]Examples[/bold]

      qkv describe ./my-model
      qkv describe distilbert/distilbert-base-uncased-finetuned-sst-2-english
      qkv describe org/name --revision v1.0 --json
    """
    found = report(open_repo(model, revision=revision), revision)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print_rows(_rows(found))


def report(repo: Repo, revision: str | None = None) -> dict[str, Any]:
    """All of it as plain JSON values; None for what cannot be known before loading."""
    files, problem, whole = repo.files(), None, isinstance(repo, GGUFRepo)
    raw: dict[str, Any] = {}
    try:
        raw = repo.json("config.json") or {}
    except (OSError, ValueError) as error:
        problem = str(error)
    weights = summarise(repo, files, revision)
    card = _card(repo, files)
    config, limit, unfit = _read_config(raw) if raw else (None, None, _no_config(files))
    limits = [n for n in (limit, _tokenizer_limit(repo)) if n is not None]
    reason = problem or unfit or weights.problem
    return {
        "name": str(repo.name),
        "tasks": _tasks(raw, card),
        "model_type": _if(str, raw.get("model_type")),
        "architectures": _names(raw),
        "parameters": weights.parameters,
        "dtype": weights.dtype or _if(str, raw.get("dtype", raw.get("torch_dtype"))),
        "bytes": weights.bytes,
        "max_length": min(limits, default=None),
        "vocab_size": _if(int, getattr(getattr(config, "text_config", config), "vocab_size", raw.get("vocab_size"))),
        "labels": _labels(config, raw),
        "tokenizer": files[0] if whole else next((name for name in TOKENIZERS if name in files), None),
        "image_processor": _image_processor(repo),
        "license": card.get("license") or _license_file(files),
        "loads": reason is None,
        "reason": reason,
        "files": [{"name": name, "bytes": weights.sizes.get(name)} for name in files],
    }


def _rows(found: dict[str, Any]) -> list[tuple[str, object]]:
    labels = found["labels"]
    classifies = any(re.search("Classification|Detection|Segmentation", name) for name in found["architectures"])
    if not classifies and all(re.fullmatch(r"LABEL_\d+", name) for name in labels):
        labels = []  # a config has these whether its model classifies or not
    pictures = found["image_processor"]
    names = ", ".join(labels[:SHOWN])
    more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
    rows: list[tuple[str, object]] = [
        ("model", found["name"]),
        ("task", ", ".join(found["tasks"]) or "?"),
        ("family", found["model_type"] or "?"),
        ("architecture", ", ".join(found["architectures"]) or "?"),
        ("parameters", "?" if found["parameters"] is None else f"{found['parameters']:,}"),
        ("dtype", found["dtype"] or "?"),
        ("size", size(found["bytes"])),
        ("labels", f"{len(labels)}: {names}{more}" if labels else "none"),
        ("license", found["license"] or "not stated"),
        ("qkv loads it", "yes" if found["loads"] else f"no: {found['reason']}"),
    ]
    if found["tokenizer"] or not pictures:
        rows[7:7] = [
            ("max length", "?" if found["max_length"] is None else f"{found['max_length']:,} tokens"),
            ("vocabulary", "?" if found["vocab_size"] is None else f"{found['vocab_size']:,}"),
            ("tokenizer", found["tokenizer"] or "none"),
        ]
    rows[7:7] = [("image processor", pictures)] if pictures else []
    return rows + [("files", f"{size(file['bytes']):>8}  {file['name']}") for file in found["files"]]


def _read_config(raw: dict[str, Any]) -> tuple[Any, int | None, str | None]:
    """The family's view of config.json, the tokens its position table has, and why qkv cannot load it, if so."""
    from qkv import auto

    model_type = raw.get("model_type")
    if not isinstance(model_type, str):
        return None, None, "config.json has no 'model_type', so it is not a model that Transformers wrote."
    try:
        body = auto.body_class(model_type)
        config = body.config_class.from_dict(raw)
    except (ValueError, TypeError) as error:
        return None, None, str(error)
    table = getattr(getattr(config, "text_config", config), "max_position_embeddings", None)
    limit = table - getattr(body, "reserved_positions", 0) if isinstance(table, int) else None
    names = _names(raw)
    if names and not any(hasattr(auto.family(model_type), name) for name in names):
        return config, limit, f"qkv's {model_type} has no {names[0]}; AutoModel loads its body without the head."
    return config, limit, None


def _no_config(files: list[str]) -> str:
    return "it has no config.json." if files else "it is empty."


def _tasks(raw: dict[str, Any], card: dict[str, str]) -> list[str]:
    """The tasks that the architecture was made for; else the one that the card claims."""
    claimed = [card["pipeline_tag"]] if "pipeline_tag" in card else []
    if not (names := _names(raw)):
        return claimed
    from qkv import auto
    from qkv.pipelines.factory import tasks_of

    found = tasks_of(names)
    if found == ["feature-extraction"]:
        with suppress(ValueError, TypeError):
            if auto.body_class(raw.get("model_type", "")).main_input_name == "pixel_values":
                return ["image-feature-extraction"]
    return [task for task in found if task != "feature-extraction"] or found or claimed


def _names(raw: dict[str, Any]) -> list[str]:
    return [str(name) for name in _if(list, raw.get("architectures")) or []]


def _if(kind: type, value: Any) -> Any:
    """A value that config.json gives if it is of the kind that it should be."""
    return value if isinstance(value, kind) else None


def _labels(config: Any, raw: dict[str, Any]) -> list[str]:
    table = config.id2label if config is not None else raw.get("id2label")
    return [str(name) for name in table.values()] if isinstance(table, dict) else []


def _tokenizer_limit(repo: Repo) -> int | None:
    with suppress(OSError, ValueError):
        limit = (repo.json("tokenizer_config.json") or {}).get("model_max_length")
        return limit if isinstance(limit, int) and 0 < limit < 10**9 else None
    return None


def _image_processor(repo: Repo) -> str | None:
    """What reads the pictures of the model, if it reads any, and the size that it makes of them."""
    from qkv.preprocessing.image_processor import TYPES, stored

    with suppress(OSError, ValueError):
        if fields := stored(repo):
            name = next((fields[key] for key in TYPES if isinstance(fields.get(key), str)), "?")
            return f"{name}, size {json.dumps(fields['size'])}" if "size" in fields else name
    return None


def _card(repo: Repo, files: list[str]) -> dict[str, str]:
    """The license and the task that the front matter of README.md states."""
    path = repo.file("README.md") if "README.md" in files else None
    if path is None:
        return {}
    with open(path, encoding="utf-8", errors="replace") as file:
        matter = re.match(r"---\s*\n(.*?)\n---", file.read(CARD), re.DOTALL)
    stated = re.findall(
        r"^(license|pipeline_tag):\s*(?:-\s*)?[\"']?([\w.+-]+)", matter.group(1) if matter else "", re.M
    )
    return dict(stated)


def _license_file(files: list[str]) -> str | None:
    return next((name for name in files if re.match(r"(?i)(licen[cs]e|copying)", name)), None)
