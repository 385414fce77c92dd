"""OpenVINO. Variants: "fp32", "int8" (nncf, weights and activations)."""

from pathlib import Path
from typing import Any

from . import Encoder, Viewer


def make(spec: dict[str, Any]) -> Any:
    return Pictures(spec) if spec["task"] == "picture" else Texts(spec)


class OpenVino:
    def __init__(self, spec: dict[str, Any]):
        import openvino

        path = Path(spec["cache"]) / "ov" / f"{spec['model']}-{spec['task']}-{spec['variant']}.xml"
        settings = {"INFERENCE_NUM_THREADS": spec["threads"], "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        self.model = openvino.Core().compile_model(path, "CPU", settings)

    def threads(self) -> int:
        return int(self.model.get_property("INFERENCE_NUM_THREADS"))

    def version(self) -> str:
        import openvino

        return f"openvino {openvino.__version__.partition('-')[0]}"


class Texts(OpenVino, Encoder):
    def __init__(self, spec: dict[str, Any]):
        Encoder.__init__(self, spec)
        OpenVino.__init__(self, spec)

    def forward(self, ids: Any, mask: Any) -> Any:
        return self.model({"input_ids": ids, "attention_mask": mask})[0]


class Pictures(OpenVino, Viewer):
    def __init__(self, spec: dict[str, Any]):
        super().__init__(spec)
        self.choose()

    def forward(self, pixels: Any) -> Any:
        return self.model({"pixel_values": pixels})[0]
