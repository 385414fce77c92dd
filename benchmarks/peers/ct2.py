"""CTranslate2. Variants: "fp32", "int8". It has no classification heads: numpy computes those, a row per text."""

import json
from pathlib import Path
from typing import Any

from . import Encoder, folder

COMPUTE = {"fp32": "float32", "int8": "int8"}


def make(spec: dict[str, Any]) -> Any:
    return Generator(spec) if spec["task"] == "generate" else States(spec)


def settings(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "model_path": str(Path(spec["cache"]) / "ct2" / f"{spec['model']}-{spec['variant']}"), "device": "cpu",
        "compute_type": COMPUTE[spec["variant"]], "inter_threads": 1, "intra_threads": spec["threads"],
    }  # fmt: skip


class CTranslate2:
    """What both report: the library tells its workers, not the threads of each, so those are what it was told."""

    engine: Any
    count: int

    def threads(self) -> int:
        workers = "num_encoders" if hasattr(self.engine, "num_encoders") else "num_generators"
        return self.count * getattr(self.engine, workers)

    def version(self) -> str:
        import ctranslate2

        return f"ctranslate2 {ctranslate2.__version__}"


class States(CTranslate2, Encoder):
    """Encoder."""

    def __init__(self, spec: dict[str, Any]):
        import ctranslate2
        from safetensors import safe_open

        super().__init__(spec)
        self.engine, self.count = ctranslate2.Encoder(**settings(spec)), spec["threads"]
        if self.task == "classify":
            kept = ("classifier", "pre_classifier", "bert.pooler")
            with safe_open(folder(spec) / "model.safetensors", "np") as file:
                self.head = {name: file.get_tensor(name) for name in file.keys() if name.startswith(kept)}  # noqa: SIM118
            self.kind = json.loads((folder(spec) / "config.json").read_text())["model_type"]

    def forward(self, ids: Any, mask: Any) -> Any:
        import numpy

        rows = [row[:length].tolist() for row, length in zip(ids, mask.sum(1), strict=True)]
        states = numpy.array(self.engine.forward_batch(rows).last_hidden_state)
        if self.task == "embed":
            return states
        first = self._linear(states[:, 0], "bert.pooler.dense" if self.kind == "bert" else "pre_classifier")
        return self._linear(numpy.tanh(first) if self.kind == "bert" else numpy.maximum(first, 0), "classifier")

    def _linear(self, x: Any, name: str) -> Any:
        return x @ self.head[f"{name}.weight"].T + self.head[f"{name}.bias"]


class Generator(CTranslate2):
    """Greedy or beam search; the words t0, t1, ... stand for the ids."""

    def __init__(self, spec: dict[str, Any]):
        import ctranslate2

        self.engine, self.count = ctranslate2.Generator(**settings(spec)), spec["threads"]

    def run(self, job: dict[str, Any]) -> list[list[int]]:
        found = self.engine.generate_batch(
            [[f"t{i}" for i in row] for row in job["prompts"]], max_batch_size=len(job["prompts"]),
            beam_size=job.get("beams", 1), max_length=job["new"], min_length=job["new"], include_prompt_in_result=False,
            end_token=[],
        )  # fmt: skip
        return [result.sequences_ids[0] for result in found]
