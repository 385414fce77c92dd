"""ONNX Runtime, on graphs with its own fusions. Variants: "fp32", "int8" (its dynamic quantisation)."""

from pathlib import Path
from typing import Any

from . import Encoder, Viewer


def make(spec: dict[str, Any]) -> Any:
    return Pictures(spec) if spec["task"] == "picture" else Texts(spec)


class OnnxRuntime:
    def __init__(self, spec: dict[str, Any]):
        import onnxruntime

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


class Texts(OnnxRuntime, Encoder):
    def __init__(self, spec: dict[str, Any]):
        Encoder.__init__(self, spec)
        OnnxRuntime.__init__(self, spec)

    def forward(self, ids: Any, mask: Any) -> Any:
        return self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0]


class Pictures(OnnxRuntime, Viewer):
    def __init__(self, spec: dict[str, Any]):
        super().__init__(spec)
        self.choose()

    def forward(self, pixels: Any) -> Any:
        return self.session.run(None, {"pixel_values": pixels})[0]
