"""HfArgumentParser: dataclasses such as TrainingArguments from a command line, JSON or YAML."""

import dataclasses
import json
import sys
import types
from argparse import SUPPRESS, ArgumentDefaultsHelpFormatter, ArgumentError, ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..errors import nearest, short
from .argument_names import IGNORED, REFUSED, SPELLINGS, Spelled

TRUE, FALSE = ("true", "yes", "t", "y", "1"), ("false", "no", "f", "n", "0")


class HfArgumentParser(ArgumentParser):
    """A flag for each field of one dataclass or several: `--learning_rate 1e-4`, or `--learning-rate`.

    A bool is `--flag`, `--flag true`, or `--no_flag` where it is true by default; a list takes several words; a
    dictionary is JSON. Of TrainingArguments all spellings are known. Fields without a default are required.

        parser = HfArgumentParser((ModelArguments, TrainingArguments))
        model_args, training_args = parser.parse_args_into_dataclasses()

    Raises: TypeError for what is no dataclass, ValueError for a name that two of them have.
    """

    def __init__(self, dataclass_types: type | Iterable[type], **kwargs: Any):
        kwargs.setdefault("usage", "%(prog)s [--flag value ...]")  # or it fills a screen
        kwargs.setdefault("formatter_class", ArgumentDefaultsHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)  # a flag's beginning may be that of another in the next version
        super().__init__(**kwargs)
        self.dataclass_types = [dataclass_types] if isinstance(dataclass_types, type) else list(dataclass_types)
        for kind in self.dataclass_types:
            if not dataclasses.is_dataclass(kind):
                raise TypeError(f"{short(kind)} is no dataclass; put @dataclass above it.")
            hints = get_type_hints(kind)
            for each in dataclasses.fields(kind):
                if each.init:
                    self._add(each.name, hints[each.name], each)
            if isinstance(kind, Spelled):
                self._add_accepted(kind)

    def _add(self, name: str, hint: Any, each: Any) -> None:
        default = each.default_factory() if each.default_factory is not dataclasses.MISSING else each.default
        aliases = each.metadata.get("aliases", [])
        aliases = [aliases] if isinstance(aliases, str) else aliases
        options: dict[str, Any] = {"help": each.metadata.get("help", "(default: %(default)s)"), **reader(hint)}
        if default is dataclasses.MISSING:
            options |= {"required": True, "help": each.metadata.get("help", "(required)")}
        else:
            options["default"] = default
        try:
            self.add_argument(f"--{name}", *aliases, dest=name, **options)
        except ArgumentError:
            raise ValueError(f"two dataclasses have a field {name!r}; rename one of them.") from None
        if default is True and options.get("nargs") == "?":
            self.add_argument(f"--no_{name}", dest=name, action="store_false", default=True, help=SUPPRESS)

    def _add_accepted(self, kind: type) -> None:
        """Other spellings, and what has no effect or is refused: what is said of it is said by the class."""
        hints, beside = get_type_hints(kind), {name: type(default) for name, default in IGNORED.items()}
        beside |= {name: type(nothing) for name, (nothing, _) in REFUSED.items()}
        named = {spelling: (name, hints[name]) for spelling, name in SPELLINGS.items()}
        named |= {name: (name, hint) for name, hint in beside.items() if name not in hints}
        for flag, (name, hint) in named.items():
            self.add_argument(f"--{flag}", dest=name, **{**reader(hint), "default": SUPPRESS, "help": SUPPRESS})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse's; --learning-rate is --learning_rate."""
        known, words = self._option_string_actions, []
        for word in sys.argv[1:] if args is None else args:
            flag, sign, value = word.partition("=")
            ours = "--" + flag[2:].replace("-", "_")
            words.append(ours + sign + value if flag.startswith("--") and flag not in known and ours in known else word)
        return super().parse_known_args(words, namespace)

    def parse_args_into_dataclasses(
        self, args: Sequence[str] | None = None, return_remaining_strings: bool = False,
        look_for_args_file: bool = True, args_filename: str | None = None, args_file_flag: str | None = None,
    ) -> tuple[Any, ...]:  # fmt: skip
        """An object of each dataclass, in their order.

        Args:
            args: words of a command line; those of this process if None.
            return_remaining_strings: also give the words that are no flag of any; else they are an error.
            look_for_args_file: read flags from <script>.args beside the script first, if there is one.
            args_filename, args_file_flag: read them from this file, or from the one that this flag names; what is on
                the command line holds.
        """
        words = list(sys.argv[1:] if args is None else args)
        files = [Path(args_filename)] if args_filename else []
        if look_for_args_file and not files and args is None and sys.argv[0]:
            files = [Path(sys.argv[0]).with_suffix(".args")]
        if args_file_flag is not None:
            own = ArgumentParser(add_help=False, allow_abbrev=False)
            own.add_argument(args_file_flag, action="append", dest="files", default=[])
            found, words = own.parse_known_args(words)
            files += map(Path, found.files)
        words = [word for file in files if file.is_file() for word in file.read_text("utf8").split()] + words
        given, rest = self.parse_known_args(words)
        if rest and not return_remaining_strings:
            known = [flag for action in self._actions for flag in action.option_strings]
            self.error(f"{short(rest[0])} is unknown; the nearest are {nearest(rest[0].partition('=')[0], known)}")
        made = self._made(vars(given), allow_extra_keys=True)
        return (*made, rest) if return_remaining_strings else made

    def parse_dict(self, args: Mapping[str, Any], allow_extra_keys: bool = False) -> tuple[Any, ...]:
        """The same of a dictionary. Raises: ValueError for keys that are no field of any, unless they are allowed."""
        return self._made(dict(args), allow_extra_keys)

    def parse_json_file(self, json_file: str | Path, allow_extra_keys: bool = False) -> tuple[Any, ...]:
        """The same of a JSON file that holds one dictionary."""
        return self.parse_dict(_dictionary(json_file, json.loads), allow_extra_keys)

    def parse_yaml_file(self, yaml_file: str | Path, allow_extra_keys: bool = False) -> tuple[Any, ...]:
        """The same of a YAML file; needs PyYAML."""
        try:
            from yaml import YAMLError, safe_load
        except ImportError:
            raise ImportError("parse_yaml_file needs PyYAML: pip install pyyaml. Or write it as JSON.") from None
        return self.parse_dict(_dictionary(yaml_file, safe_load, YAMLError), allow_extra_keys)

    def _made(self, given: dict[str, Any], allow_extra_keys: bool) -> tuple[Any, ...]:
        made, used = [], set()
        for kind in self.dataclass_types:
            hints = get_type_hints(kind)
            names = {each.name for each in dataclasses.fields(kind) if each.init}
            beside = {*SPELLINGS, *IGNORED, *REFUSED} if isinstance(kind, Spelled) else set()
            own = {name: _number(value, hints.get(name)) for name, value in given.items() if name in names | beside}
            made.append(kind(**own))
            used |= names | beside
        if not allow_extra_keys and (extra := sorted(given.keys() - used)):
            raise ValueError(f"{short(extra[0])} is no field of these; the nearest are {nearest(extra[0], used)}.")
        return tuple(made)


def _number(value: Any, hint: Any) -> Any:
    """1e-4, which YAML takes for a word, as the number that a field is."""
    read = reader(hint).get("type") if isinstance(value, str) and hint is not None else None
    return read(value) if read in (int, float) else value


def reader(hint: Any) -> dict[str, Any]:
    """How argparse reads a word for a type."""
    kinds = [each for each in get_args(hint) if each is not types.NoneType] if _is_union(hint) else [hint]
    lists = [each for each in kinds if (get_origin(each) or each) in (list, tuple)]
    if lists:
        inner = (get_args(lists[0]) or (str,))[0]
        return {"nargs": "+", "type": reader(inner).get("type", str), "metavar": "VALUE"}
    if kinds == [bool]:
        return {"type": read_bool, "nargs": "?", "const": True, "metavar": "BOOL"}
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        values = {str(value): value for value in get_args(kinds[0])}
        return {"type": lambda word: values.get(word, word), "choices": list(values.values())}
    if len(kinds) == 1 and isinstance(kinds[0], type) and issubclass(kinds[0], Enum):
        return {"type": lambda word: kinds[0](word).value, "choices": [each.value for each in kinds[0]]}
    if any((get_origin(each) or each) is dict for each in kinds):
        return {"type": json.loads, "metavar": "JSON"}
    if bool in kinds:
        return {"type": _read_either, "nargs": "?", "const": True, "metavar": "VALUE"}
    simple = next((each for each in (float, int, str) if each in kinds), str)
    return {"type": simple, "metavar": simple.__name__.upper()}


def read_bool(word: str) -> bool:
    if word.lower() not in TRUE + FALSE:
        raise ArgumentTypeError(f"{short(word)} is neither true nor false")
    return word.lower() in TRUE


def _read_either(word: str) -> bool | str:
    return word.lower() == "true" if word.lower() in ("true", "false") else word


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _dictionary(file: str | Path, read: Any, *errors: type[Exception]) -> dict[str, Any]:
    try:
        found = read(Path(file).read_text("utf8"))
    except (ValueError, *errors) as error:
        raise ValueError(f"{short(str(file))} cannot be read: {short(str(error), 160)}.") from None
    if not isinstance(found, dict):
        raise ValueError(f"{short(str(file))} holds {short(found)}, not a dictionary of fields.")
    return found
