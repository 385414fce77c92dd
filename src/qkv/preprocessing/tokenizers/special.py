"""The named special tokens of a tokenizer: `tok.pad_token`, `tok.pad_token_id`, both readable and settable.

Seven roles exist everywhere; `additional_special_tokens` is a list without roles (newer files call the list
`extra_special_tokens`); and a model may name tokens of its own (`image_token`), given as a dict of that name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import AddedToken

from qkv.errors import nearest, short

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
LISTS = ("additional_special_tokens", "extra_special_tokens")

Token = str | AddedToken


class SpecialTokens:
    """Roles and their tokens. Subclasses say how tokens become ids and how tokens are added to the vocabulary."""

    SPECIAL_TOKENS_ATTRIBUTES = [*ROLES, "additional_special_tokens"]

    def __init__(self, roles: Mapping[str, Any], named: Mapping[str, Any], extra: Sequence[Any]):
        self._roles: dict[str, Token | None] = dict.fromkeys(ROLES)
        for role, token in {**roles, **named}.items():
            self._roles[role] = _checked(role, token)
        self._extra: list[Token] = list({str(token): token for token in map(_known, extra)}.values())

    def convert_tokens_to_ids(self, tokens: Any) -> Any:  # overridden
        raise NotImplementedError

    def convert_ids_to_tokens(self, ids: Any) -> Any:  # overridden
        raise NotImplementedError

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:  # overridden
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        roles = self.__dict__.get("_roles", {})
        if name in roles:
            return None if roles[name] is None else str(roles[name])
        if name.endswith("_id") and name[:-3] in roles:
            token = roles[name[:-3]]
            return None if token is None else self.convert_tokens_to_ids(str(token))
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")

    def __setattr__(self, name: str, value: Any) -> None:
        roles = self.__dict__.get("_roles", {})
        if name in roles:
            roles[name] = _checked(name, value)
        elif name.endswith("_id") and name[:-3] in roles:
            roles[name[:-3]] = None if value is None else self.convert_ids_to_tokens(int(value))
        else:
            super().__setattr__(name, value)

    @property
    def additional_special_tokens(self) -> list[str]:
        """The special tokens without a role, as strings."""
        return [str(token) for token in self._extra]

    @additional_special_tokens.setter
    def additional_special_tokens(self, tokens: Sequence[Token] | None) -> None:
        self._extra = [_known(token) for token in tokens or ()]

    extra_special_tokens = additional_special_tokens

    @property
    def additional_special_tokens_ids(self) -> list[int]:
        """Their ids."""
        return self.convert_tokens_to_ids(self.additional_special_tokens)

    extra_special_tokens_ids = additional_special_tokens_ids

    @property
    def special_tokens_map_extended(self) -> dict[str, Any]:
        """Role to token, as AddedToken where it was given as one; roles without a token are left out."""
        found: dict[str, Any] = {role: token for role, token in self._roles.items() if role in ROLES and token}
        if self._extra:
            found["additional_special_tokens"] = list(self._extra)
        return found | {role: token for role, token in self._roles.items() if role not in ROLES and token}

    @property
    def special_tokens_map(self) -> dict[str, Any]:
        """Role to token as str; roles without a token are left out."""
        return {
            role: [str(one) for one in token] if isinstance(token, list) else str(token)
            for role, token in self.special_tokens_map_extended.items()
        }

    @property
    def all_special_tokens_extended(self) -> list[Token]:
        """Every special token once, as AddedToken where it was given as one."""
        found: dict[str, Token] = {}
        for token in self.special_tokens_map_extended.values():
            for one in token if isinstance(token, list) else [token]:
                found.setdefault(str(one), one)
        return list(found.values())

    @property
    def all_special_tokens(self) -> list[str]:
        """Every special token once."""
        return [str(token) for token in self.all_special_tokens_extended]

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of `all_special_tokens`."""
        return self.convert_tokens_to_ids(self.all_special_tokens)

    def add_special_tokens(
        self,
        special_tokens_dict: Mapping[str, Any],
        replace_additional_special_tokens: bool = True,
        replace_extra_special_tokens: bool = True,
    ) -> int:
        """Give tokens to roles, e.g. {"pad_token": "[PAD]"}, adding those the vocabulary lacks; how many it lacked.

        Raises ValueError for an unknown role. If it grew, the model needs `model.resize_token_embeddings(len(tok))`.
        """
        added: list[Token] = []
        replace = replace_additional_special_tokens and replace_extra_special_tokens
        for role, given in special_tokens_dict.items():
            if role in LISTS and isinstance(given, (list, tuple)):
                new: list[Token] = [_special(token) for token in given]
                if not replace:
                    new = [token for token in new if str(token) not in self.additional_special_tokens]
                self._extra = new if replace and new else [*self._extra, *new]
                added += new
            elif role in self._roles:
                token = _special(given)
                setattr(self, role, token)
                added.append(token)
            else:
                allowed = [*self._roles, "additional_special_tokens"]
                raise ValueError(f"{short(role)} is not a special token role. Did you mean {nearest(role, allowed)}?")
        return self.add_tokens(added, special_tokens=True)


def _known(token: Any) -> Token:
    """A token as files write it: str, AddedToken, or the dict of an AddedToken."""
    if isinstance(token, dict) and isinstance(token.get("content"), str):
        flags = {key: bool(token[key]) for key in FLAGS if key in token}
        return AddedToken(token["content"], **flags)
    if not isinstance(token, (str, AddedToken)):
        raise ValueError(f"{short(token)} is not a special token: expected a str or a tokenizers.AddedToken.")
    return token


FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def _checked(role: str, token: Any) -> Token | None:
    if token is not None and not isinstance(token, (str, AddedToken, dict)):
        raise ValueError(f"Cannot set {role} to {short(token)}: expected a str, a tokenizers.AddedToken or None.")
    return None if token is None else _known(token)


def _special(token: Any) -> AddedToken:
    token = _known(token)
    return token if isinstance(token, AddedToken) else AddedToken(token, normalized=False, special=True)
