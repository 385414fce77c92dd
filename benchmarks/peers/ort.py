"""ONNX Runtime, on graphs with its own fusions. Variants: "fp32", "int8" (its dynamic quantisation)."""

from pathlib import Path
from typing import Any

from . import Encoder


def make(spec: dict[str, Any]) -> Any:
    return OnnxRuntime(spec)


class OnnxRuntime(Encoder):
    def __init__(self, spec: dict[str, Any]):
        import onnxruntime

        super().__init__(spec)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = spec["threads"], 1
        name = f"{spec['model']}-{spec['task']}-{spec['variant']}.onnx"
        path = Path(spec["cache"]) / "onnx" / name
        self.session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])

    def threads(self) -> int:
        return self.session.get_session_options().intra_op_num_threads

    def version(self) -> str:
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__}"

    def forward(self, ids: Any, mask: Any) -> Any:
        return self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
