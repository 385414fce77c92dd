"""Folders of sentence-transformers: what follows the transformer, and how texts are given to it.

    modules.json                        the modules in order, each with its class and its folder
    config_sentence_transformers.json   prompts, the similarity to compare by, how far to cut vectors
    sentence_bert_config.json           beside the transformer's config.json: the longest text, and lower case
    1_Pooling/config.json  2_Dense/{config.json, model.safetensors}  3_Normalize

Classes that these files name are looked up in a table; no code is imported by its name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import nearest, short
from ..files import write_file
from ..hub import Repo
from .steps import STEPS, Normalize, Pooling

MODULES, SETTINGS, TEXTS = "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"
OLDER = ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")  # in place of bert in TEXTS
PACKAGE = "sentence_transformers."


@dataclass(frozen=True)
class Sentence:
    """
    steps: what follows the transformer: a Pooling first; nothing where a folder does not say.
    prompts: name -> what is put before a text.
    default_prompt: the name of the one that is used if the call names none.
    similarity: by which vectors are compared: "cosine", "dot", "euclidean" or "manhattan".
    max_length: tokens of a text at most, if not what the model can read.
    lower: whether texts are read in lower case.
    truncate_dim: numbers of a vector that are kept.
    """

    steps: tuple[Any, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    similarity: str = "cosine"
    max_length: int | None = None
    lower: bool = False
    truncate_dim: int | None = None

    def embed(self, x: Tensor, mask: Tensor, skip: int, normalize: bool | None, dim: int | None) -> Tensor:
        """Vectors of tokens (B,T,D) and their mask (B,T) -> a vector of each text (B,D'), float32.

        Args:
            skip: tokens of the prompt, which some models leave out.
            normalize: to length 1, or not; as the steps do if None.
            dim: keep so many first numbers of each, and give them length 1 again if they had it.
        """
        first, *rest = self.steps
        while normalize is False and rest and isinstance(rest[-1], Normalize):
            rest.pop()
        x = first(x, mask, skip)
        for step in rest:
            x = step(x)
        ends_normal = bool(rest) and isinstance(rest[-1], Normalize)
        x = x if dim is None else x[:, :dim]
        return Normalize()(x) if normalize or (dim is not None and ends_normal) else x

    def prompt(self, prompt: str | None, name: str | None, default: bool) -> str:
        """What is put before a text: `prompt`, or the one of that name, or the default one if that is asked for.

        Raises: ValueError for an unknown name, or for both.
        """
        if prompt is not None and name is not None:
            raise ValueError("give prompt or prompt_name, not both.")
        if prompt is not None:
            return prompt
        if name is not None and name not in self.prompts:
            has = f"the nearest are {nearest(name, self.prompts)}" if self.prompts else "it has no prompts"
            raise ValueError(f"prompt_name={short(name)} is unknown to this model; {has}. Or say prompt='...'.")
        chosen = name if name is not None else self.default_prompt if default else None
        return self.prompts.get(chosen, "") if chosen is not None else ""

    def to(self, device: Any) -> "Sentence":
        for step in self.steps:
            step.weights = {name: tensor.to(device) for name, tensor in step.weights.items()}
        return self

    def save(self, folder: str | Path) -> None:
        """Write what is not the transformer's into the folder that it was saved to, for sentence-transformers too."""
        entries = [{"idx": 0, "name": "0", "path": "", "type": f"{PACKAGE}models.Transformer"}]
        for i, step in enumerate(self.steps, 1):
            path = f"{i}_{step.kind}"
            entries.append({"idx": i, "name": str(i), "path": path, "type": f"{PACKAGE}models.{step.kind}"})
            step.save(Path(folder, path))
        texts = {"max_seq_length": self.max_length, "do_lower_case": self.lower}
        settings = {
            "prompts": dict(self.prompts), "default_prompt_name": self.default_prompt,
            "similarity_fn_name": self.similarity, "truncate_dim": self.truncate_dim,
        }  # fmt: skip
        for name, value in ((TEXTS, texts), (SETTINGS, settings), (MODULES, entries)):
            write_file(folder, name, json.dumps(value, indent=2) + "\n")


def open_sentence(repo: Repo) -> tuple[Repo, Sentence]:
    """The repository of the transformer, which may be a folder of the given one, and what follows it.

    Raises: ValueError for modules that qkv does not have, or paths that lead elsewhere; OSError for damaged files.
    """
    listed = repo.json_list(MODULES)
    if listed is None:
        return repo, Sentence()
    modules = [_module(repo, entry) for entry in listed]
    if not modules or modules[0][0] != "Transformer":
        raise _unfit(repo, f"begins with {short(modules[0][0]) if modules else 'nothing'}")
    kinds = [kind for kind, _ in modules[1:] if kind != "Dropout"]  # which does nothing after training
    if kinds[:1] != ["Pooling"] or "Pooling" in kinds[1:]:
        raise _unfit(repo, f"has {', '.join(kinds) or 'nothing'} after the Transformer")
    transformer = modules[0][1]
    steps = tuple(STEPS[kind].read(place) for kind, place in modules[1:] if kind != "Dropout")
    return transformer, Sentence(steps, **_settings(repo), **_texts(transformer))


def open_cross_encoder(repo: Repo) -> tuple[Repo, str | None]:
    """The repository of a cross-encoder's transformer, and the class that its folder names for the scores, if it does.

    Raises: ValueError for modules after the transformer, or paths that lead elsewhere.
    """
    modules = [_module(repo, entry) for entry in repo.json_list(MODULES) or ()]
    if [kind for kind, _ in modules[:1]] not in ([], ["Transformer"]) or len(modules) > 1:
        names = ", ".join(kind for kind, _ in modules)
        raise ValueError(f"{MODULES} of {short(str(repo.name))} has {names}; a cross-encoder is a Transformer alone.")
    named = (repo.json(SETTINGS) or {}).get("activation_fn")
    return (modules[0][1] if modules else repo), named if isinstance(named, str) else None


def _module(repo: Repo, entry: Any) -> tuple[str, Repo]:
    """A module's kind and folder. Raises: ValueError if it is not one of qkv's, or elsewhere."""
    name, path = (entry.get("type"), entry.get("path")) if isinstance(entry, dict) else (None, None)
    known = ("Transformer", "Dropout", *STEPS)
    kind = name.rpartition(".")[2] if isinstance(name, str) and name.startswith(PACKAGE) else ""
    if kind not in known:
        raise ValueError(
            f"{MODULES} of {short(str(repo.name))} names the module {short(name)}. qkv has {', '.join(known)} of "
            f"sentence-transformers, and never runs code from a repository. pooling='mean' with the transformer's "
            f"own folder may do."
        )
    if not isinstance(path, str):
        raise ValueError(f"{MODULES} of {short(str(repo.name))} gives no path for {kind}. Save the model again.")
    return kind, repo.below(path)


def _unfit(repo: Repo, what: str) -> ValueError:
    return ValueError(
        f"{MODULES} of {short(str(repo.name))} {what}; expected a Transformer, a Pooling, then any of "
        f"{', '.join(kind for kind in STEPS if kind != Pooling.kind)}."
    )


def _settings(repo: Repo) -> dict[str, Any]:
    found = repo.json(SETTINGS) or {}
    prompts = found.get("prompts")
    prompts = prompts if isinstance(prompts, dict) else {}
    default, dim = found.get("default_prompt_name"), found.get("truncate_dim")
    return {
        "prompts": {name: text for name, text in prompts.items() if isinstance(text, str)},
        "default_prompt": default if isinstance(default, str) else None,
        "similarity": str(found.get("similarity_fn_name") or "cosine"),
        "truncate_dim": dim if isinstance(dim, int) and dim > 0 else None,
    }


def _texts(repo: Repo) -> dict[str, Any]:
    """What stands beside the transformer. Raises: ValueError if it is asked for anything but hidden states."""
    names = (TEXTS, *(f"sentence_{kind}_config.json" for kind in OLDER))
    found = next((value for value in map(repo.json, names) if value is not None), {})
    task = found.get("transformer_task", "feature-extraction")
    if task != "feature-extraction" or found.get("module_output_name", "token_embeddings") != "token_embeddings":
        raise ValueError(
            f"{TEXTS} of {short(str(repo.name))} is for {short(task)}, not for vectors of texts. A cross-encoder is "
            f"for pipeline('text-ranking')."
        )
    length = found.get("max_seq_length")
    length = length if isinstance(length, int) and not isinstance(length, bool) and length > 0 else None
    return {"max_length": length, "lower": found.get("do_lower_case") is True}
