"""ONNX Runtime GenAI. Variants: "fp32", "int4" (its builder's defaults)."""

import json
from pathlib import Path
from typing import Any


def make(spec: dict[str, Any]) -> Any:
    return GenAi(spec)


class GenAi:
    def __init__(self, spec: dict[str, Any]):
        import onnxruntime_genai

        self.genai = onnxruntime_genai
        path = Path(spec["cache"]) / "genai" / f"{spec['model']}-{spec['variant']}"
        threads = {"intra_op_num_threads": spec["threads"], "inter_op_num_threads": 1}
        self.config = onnxruntime_genai.Config(str(path))
        self.config.overlay(json.dumps({"model": {"decoder": {"session_options": threads}}}))
        self.model, self.count = onnxruntime_genai.Model(self.config), spec["threads"]

    def threads(self) -> int:
        return self.count  # the library does not tell: this is what its sessions were told

    def version(self) -> str:
        return f"onnxruntime-genai {self.genai.__version__}"

    def run(self, job: dict[str, Any]) -> list[list[int]]:
        import numpy

        rows, length = len(job["prompts"]), len(job["prompts"][0])
        params = self.genai.GeneratorParams(self.model)
        params.set_search_options(
            max_length=length + job["new"], min_length=length + job["new"], batch_size=rows, do_sample=False,
            num_beams=job.get("beams", 1),
        )  # fmt: skip
        generator = self.genai.Generator(self.model, params)
        generator.append_tokens(numpy.array(job["prompts"], dtype=numpy.int32))
        for _ in range(job["new"]):  # min_length keeps the end-of-text id out
            generator.generate_next_token()
        return [generator.get_sequence(row)[length:].tolist() for row in range(rows)]
