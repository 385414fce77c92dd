"""GenerationConfig: the options of `generate()` as an object and as generation_config.json."""

import copy
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import short
from .check import contradictions
from .options import GenerationOptions
from .values import RULES, plain

if TYPE_CHECKING:
    from typing_extensions import Self

FILE = "generation_config.json"
METADATA = "transformers_version"  # kept as it was read; says nothing about the text that is generated
INNER = ("decoder", "generator", "text_config")  # where config.json of a model with several parts has its decoder


class GenerationConfig(GenerationOptions):
    """How text is generated: any of the options of `GenerationOptions`, as keywords.

    Names that are no option are kept as attributes and written back, for models that have options of their own.

    Raises: ValueError for a value that an option cannot have, for options that contradict each other, and for a name
        that is nearly the name of an option.
    """

    def __init__(self, **options: Any) -> None:
        self._set(options)
        self.validate()

    # ---------------------------------------------------------------------------------------------- laying over

    def merged(self, *later: "GenerationConfig | Mapping[str, Any]") -> "Self":
        """A new config with the options of the later ones laid over; None in them changes nothing.

        What was inherited gives way: a min_length above a later max_length is lowered to it, and temperature=0 asks
        for greedy search where the earlier one samples. Raises: ValueError for a bad value or name.
        """
        result = copy.copy(self)
        for config in later:
            if not isinstance(config, GenerationConfig):
                options, config = config, type(self)()
                config._set(options)
            vars(result).update(vars(config))
            result._give_way(vars(config))
        return result

    def _give_way(self, given: Mapping[str, Any]) -> None:
        for low, high in (("min_length", "max_length"), ("min_new_tokens", "max_new_tokens")):
            if given.get(high) is not None and low not in given and (getattr(self, low) or 0) > getattr(self, high):
                setattr(self, low, getattr(self, high))
        if given.get("temperature") is not None and self.temperature == 0 and "do_sample" not in given:
            self.do_sample = False

    def update(self, defaults_only: bool = False, allow_custom_entries: bool = False, **kwargs: Any) -> dict[str, Any]:
        """Set options; gives back the keywords that are none. On an error nothing is changed.

        Args:
            defaults_only: leave alone what is set already.
            allow_custom_entries: keep names that are no option too.

        Raises: ValueError for a bad value, or for options that contradict each other.
        """
        options = {k: v for k, v in kwargs.items() if allow_custom_entries or k in RULES or k in vars(self)}
        changed = copy.copy(self)
        changed._set({k: v for k, v in options.items() if not (defaults_only and k in vars(self))})
        changed._give_way(options)
        changed.validate()
        vars(self).clear()
        vars(self).update(vars(changed))
        return {name: value for name, value in kwargs.items() if name not in options}

    def validate(self, strict: bool = False) -> None:
        """Raises ValueError when options contradict each other. An option that has no effect is no contradiction."""
        if problems := contradictions(self):
            raise ValueError(problems[0])

    def get_generation_mode(self, assistant_model: Any = None) -> str:
        """The decoding method that the options ask for: "greedy_search", "sample", "beam_search", "beam_sample",
        "group_beam_search", "constrained_beam_search", "contrastive_search", "dola_generation", "assisted_generation".
        """
        if self.constraints is not None or self.force_words_ids is not None:
            return "constrained_beam_search"
        if self.num_beams > 1:
            plain_beam = "beam_sample" if self.do_sample else "beam_search"
            return "group_beam_search" if self.num_beam_groups > 1 else plain_beam
        if self.penalty_alpha and self.top_k > 1 and not self.do_sample:
            return "contrastive_search"
        guesses = (assistant_model, self.use_mtp or None, self.prompt_lookup_num_tokens, self.assistant_early_exit)
        if any(guess is not None for guess in guesses):
            return "assisted_generation"
        if self.dola_layers is not None:
            return "dola_generation"
        return "sample" if self.do_sample else "greedy_search"

    # ---------------------------------------------------------------------------------------------- reading

    @classmethod
    def from_pretrained(
        cls, name_or_path: "str | os.PathLike[str]", config_file_name: "str | os.PathLike[str] | None" = None,
        return_unused_kwargs: bool = False, **kwargs: Any,
    ) -> Any:  # fmt: skip
        """Read generation_config.json, or another file, of a folder or Hub repository; other keywords are options.

        Returns: the config; with return_unused_kwargs=True a pair of it and the keywords that are no option.
        Raises: OSError if there is no such repository or file, ValueError for what options cannot be.
        """
        from ..hub import open_with

        name = os.fspath(config_file_name or FILE)
        repo, options = open_with(name_or_path, kwargs)
        raw = repo.json(name)
        if raw is None:
            repo.require(name)  # says what is there instead
            raise OSError(f"{short(repo.name)} has no {short(name)}.")
        try:
            config = cls.from_dict(raw)
        except ValueError as error:
            raise ValueError(f"{short(name)} of {short(str(repo.name))}: {error}") from None
        return config._completed(options, return_unused_kwargs)

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any], return_unused_kwargs: bool = False, **kwargs: Any) -> Any:
        """The config that a parsed generation_config.json describes; other keywords are options laid over it.

        Options that contradict each other are no error before they are used: a call may change them.
        Returns, Raises: as `from_pretrained`.
        """
        if not isinstance(config_dict, Mapping):
            raise ValueError(f"expected a dict of options, got {short(config_dict)}.")
        config = cls()
        for name, value in plain(config_dict).items():
            if name in RULES:
                setattr(config, name, value)
            elif not name.startswith("_") and not hasattr(cls, name) and value is not None:
                vars(config)[name] = value
        return config._completed(kwargs, return_unused_kwargs)

    def _completed(self, kwargs: dict[str, Any], return_unused: bool) -> Any:
        options = {name: value for name, value in kwargs.items() if not name.startswith("_")}
        unused = self.update(allow_custom_entries=not return_unused, **options) if options else {}
        return (self, unused) if return_unused else self

    @classmethod
    def from_model_config(cls, model_config: Any) -> "Self":
        """The options that a model's config holds: special token ids, and what older config.json files say.

        Args: a Config, or a parsed config.json. A decoder's own part of it counts where the whole says nothing.
        Raises: ValueError for a value that an option cannot have.
        """
        found = {}
        whole = _values(model_config)
        for part in (whole, *(_values(whole[name]) for name in INNER if whole.get(name))):
            found = {name: part[name] for name in RULES if part.get(name) is not None} | found
        if whole.get("force_bos_token_to_be_generated"):
            found.setdefault("forced_bos_token_id", found.get("bos_token_id"))
        config = cls.from_dict({name: value for name, value in found.items() if value != getattr(cls, name)})
        if any(getattr(config, name) for name in RULES if name.startswith("output_")):
            config.return_dict_in_generate = True
        return config

    # ---------------------------------------------------------------------------------------------- writing

    def to_dict(self) -> dict[str, Any]:
        """Every option with its value, set or not, and the attributes that are no option."""
        return {name: getattr(self, name) for name in RULES if name != "compile_config"} | self.to_diff_dict()

    def to_diff_dict(self) -> dict[str, Any]:
        """What was set, in the types of JSON; compile_config is not part of it."""
        chosen = {k: v for k, v in vars(self).items() if k != "compile_config" and not k.startswith("_")}
        return plain(chosen)

    def to_json_string(self, use_diff: bool = True, ignore_metadata: bool = False) -> str:
        """The text of generation_config.json.

        Args:
            use_diff: only what was set.
            ignore_metadata: without the version of the library that wrote the file this was read from.

        Raises: ValueError for what JSON cannot hold, such as `constraints`.
        """
        values = self.to_diff_dict() if use_diff else self.to_dict()
        if ignore_metadata:
            values.pop(METADATA, None)
        for name, value in values.items():
            try:
                json.dumps(value, sort_keys=True)
            except (TypeError, ValueError, RecursionError):
                raise ValueError(f"{name}={short(value)} cannot be written as JSON. Set it to None first.") from None
        return json.dumps(values, indent=2, sort_keys=True) + "\n"

    def to_json_file(self, path: "str | os.PathLike[str]", use_diff: bool = True) -> None:
        from ..hub import write_file

        write_file(Path(path).parent, Path(path).name, self.to_json_string(use_diff))

    def save_pretrained(
        self, folder: "str | os.PathLike[str]", config_file_name: "str | os.PathLike[str] | None" = None,
        push_to_hub: bool = False, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Write generation_config.json into `folder`, made if it does not exist.

        Args:
            push_to_hub: send the folder too; keywords are those of `qkv.hub.push_folder`, and repo_id, which is the
                folder's name by default.

        Raises: ValueError when options contradict each other or cannot be written, OSError if the path is a file.
        """
        from ..hub import push_folder

        self.validate()
        folder = Path(folder)
        if folder.is_file():
            raise NotADirectoryError(f"{short(str(folder))} is a file. Pass a folder, which is made if need be.")
        self.to_json_file(folder / (config_file_name or FILE))
        if push_to_hub:
            push_folder(folder, kwargs.pop("repo_id", folder.resolve().name), **kwargs)

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> Any:
        """Save to a temporary folder and upload it; keywords as `qkv.hub.push_folder`."""
        from ..hub import push_folder

        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_folder(folder, repo_id, **kwargs)

    def __eq__(self, other: object) -> bool:
        """Whether the same text is generated: an option that is set to its default counts as not set."""
        if not isinstance(other, GenerationConfig):
            return NotImplemented
        return self.to_dict() | {METADATA: None} == other.to_dict() | {METADATA: None}

    def __repr__(self) -> str:
        chosen = {name: value for name, value in self.to_diff_dict().items() if name != METADATA}
        return f"{type(self).__name__} {json.dumps(chosen, indent=2, sort_keys=True, default=repr)}\n"


def _values(config: Any) -> dict[str, Any]:
    """What a model's config holds, the defaults of its family among it."""
    values = dict(config) if isinstance(config, Mapping) else config.to_dict() if hasattr(config, "to_dict") else {}
    return values | {name: getattr(config, name) for name in RULES if hasattr(type(config), name)}
