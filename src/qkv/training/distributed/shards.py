"""Checkpoints that all processes write: of slices each keeps some blocks, whole, and no process has all of them.

The files are those of the Hub's sharded format: <name>-00001-of-00002.safetensors and an index.
"""

import re
import shutil
from itertools import groupby
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...checkpoint import write_tensors
from ...files import write_json
from ..checkpoint import SHARDS
from ..state_files import write_part
from .parted import Sharded


class ShardedCheckpoints(Sharded):
    """`Sharded`, for `fsdp_config={"state_dict_type": "SHARDED_STATE_DICT"}`."""

    def keepers(self, tensors: dict[Any, Tensor]) -> dict[Any, int]:
        """All keep about as much; a block is kept by one, as a published tensor may be made of several of its."""
        kept, found = [0] * self.count, {}
        for _, group in groupby(tensors, key=_block):
            names, least = list(group), kept.index(min(kept))
            kept[least] += sum(tensors[name].numel() for name in names)
            found |= dict.fromkeys(names, least)
        return found

    def whole(self, model: nn.Module) -> Any:
        state, keys, shared = super().whole(model), getattr(model, "keys", None), getattr(model, "_shared", dict)()
        twice = {name if keys is None else keys.published_name(name) for name in shared}
        return state and {name: tensor for name, tensor in state.items() if name not in twice}

    def write_shards(self, folder: Path, weights: Any, moments: Any = None) -> Path | None:
        if weights is None:
            return None
        place, end, error = folder / SHARDS, f"{self.rank + 1:05}-of-{self.count:05}.safetensors", None
        self.first(lambda: shutil.rmtree(place, ignore_errors=True))
        try:
            place.mkdir(parents=True, exist_ok=True)
            write_tensors(place, f"model-{end}", weights)
            if moments is not None:
                write_part(place, "optimizer", moments, f"optimizer-{end}")
        except OSError as raised:
            error = raised
        own = {name: f"model-{end}" for name in weights}
        sizes = sum(tensor.nbytes for tensor in weights.values())
        told = self.gather((error and str(error), own, sizes))

        def index() -> None:
            """Raises: OSError if something is missing."""
            files = {name: file for _, names, _ in told for name, file in names.items()}
            wrong = [why for why, _, _ in told if why]
            lost = [file for file in files.values() if not (place / file).is_file()]
            if wrong or lost:
                shutil.rmtree(place, ignore_errors=True)
                raise OSError(
                    f"a process did not write its part: {wrong[0]}" if wrong else
                    f"{lost[0]} of another process is not in {place}: its host has another disk. Leave out "
                    "state_dict_type, and the first process writes all."
                )  # fmt: skip
            about = {"metadata": {"total_size": sum(size for *_, size in told)}, "weight_map": files}
            write_json(place, "model.safetensors.index.json", about, sort_keys=True)

        self.first(index)
        return place


def _block(name: Any) -> Any:
    """The block of a tensor's name, or what holds its module; a number is itself."""
    found = re.match(r".*?\.\d+(?=\.)", name) if isinstance(name, str) else None
    return found[0] if found else name.rsplit(".", 2)[0] if isinstance(name, str) else name
