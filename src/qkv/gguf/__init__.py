"""GGUF, the file format of llama.cpp: one file holds weights, mostly packed, the tokenizer and the settings.

    from_pretrained("model.gguf") -> GGUFRepo -> json("config.json"), json("tokenizer_config.json") ...
                                              -> weights(): (published name, tensor) pairs in the published layout

header.py reads a file's front part; architectures.py is the table of what llama.cpp calls things; config.py makes the
settings, vocabulary.py those of the tokenizer, weights.py the tensors. The tokenizer itself is built in
preprocessing/tokenizers/gguf.py.
"""

import math
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ..errors import short
from ..files import MAX_JSON
from ..hub import Repo
from . import config, vocabulary
from .header import Header, read_floats, read_header

__all__ = ["GGUFRepo"]


class GGUFRepo(Repo):
    """A GGUF file where a folder would be: it answers for the files that a folder would hold.

    Raises: OSError for a file that is damaged, ValueError for one that holds something qkv does not read.
    """

    def __init__(self, name: str, path: Path):
        super().__init__(name, path.parent)
        self.path = path

    @classmethod
    def inside(cls, repo: Repo, name: str) -> "GGUFRepo":
        """A GGUF file of a folder or a Hub repository. ValueError: another kind of file; OSError: there is none."""
        if not isinstance(name, str) or not name.lower().endswith(".gguf"):
            raise ValueError(f"gguf_file={short(name)} is not a GGUF file: expected a name such as 'model.gguf'.")
        path = repo.require(name)
        return cls(str(path) if repo.is_local else repo.name, path)

    @cached_property
    def header(self) -> Header:
        return read_header(self.path)

    @property
    def metadata(self) -> dict[str, Any]:
        return self.header.metadata

    @property
    def parameters(self) -> int:
        return sum(math.prod(entry.shape) for entry in self.header.tensors.values())

    def json(self, name: str, limit: int = MAX_JSON) -> dict[str, Any] | None:
        """What a file of settings in the published form would hold; None for one that is not in a GGUF file."""
        if name == "config.json":
            return config.config(self.header, partial(read_floats, self.path))
        if name == "generation_config.json":
            return config.generation_config(self.header)
        return vocabulary.tokenizer_config(self.header) if name == "tokenizer_config.json" else None

    def weights(self) -> Iterator[tuple[str, Any]]:
        from .weights import read_weights

        return read_weights(self.path, self.header)

    def files(self, inside: str = "") -> list[str]:
        return [] if inside else [self.path.name]

    def _locate(self, name: str) -> Path | None:
        return None

    def hint(self) -> str:
        return "A GGUF file stands alone: other files beside it are not read."
