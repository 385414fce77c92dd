"""Heads of detectors whose decoder moves boxes layer by layer. Shapes: B pictures, Q queries, N layers, L labels."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ..config import Config
from ..layers.boxes import shifted
from ..layers.queries import Perceptron
from ..outputs import DeformableObjectDetectionOutput, ModelOutput, RefiningDetectionOutput
from .base import TaskHead
from .denoising import VarifocalLoss
from .detection import ObjectDetector, PriorLinear
from .set_loss import checked_targets


class LayeredDetector(ObjectDetector):
    """a label and a box for each query, from where it looked (labels as for boxes, one a picture).

    Each layer of the decoder has scores of its own where boxes are refined, else all have the same; the last ones are
    of the encoder's proposals if there are two stages.
    """

    output = DeformableObjectDetectionOutput

    def __init__(self, config: Config):
        TaskHead.__init__(self, config)
        width, count = config.hidden_size, config.decoder_layers + config.two_stage if config.with_box_refine else 1
        self.out = nn.ModuleList(nn.Linear(width, config.num_labels) for _ in range(count))
        self.boxes = nn.ModuleList(Perceptron(width, width, 4, 3) for _ in range(count))
        self.focal = True

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.at(self.config.decoder_layers - 1, body), "body": body}

    def at(self, layer: int, body: ModelOutput) -> dict[str, Tensor]:
        """What a layer of the decoder finds."""
        i, x = min(layer, len(self.out) - 1), body["intermediate_hidden_states"][:, layer]
        before = body["intermediate_reference_points"][:, layer - 1] if layer else body["init_reference_points"]
        return {"logits": self.out[i](x), "pred_boxes": shifted(self.boxes[i](x), before)}

    def auxiliary(self, body: ModelOutput) -> list[dict[str, Tensor]]:
        count = self.config.decoder_layers - 1
        return [self.at(layer, body) for layer in range(count)] if self.config.auxiliary_loss else []


class RefiningDetector(ObjectDetector):
    """a label and a box for each query, which each layer of the decoder moves (labels as for boxes, one a picture)."""

    output = RefiningDetectionOutput

    def __init__(self, config: Config):
        TaskHead.__init__(self, config)
        width, count = config.hidden_size, config.decoder_layers
        self.out = nn.ModuleList(PriorLinear(config) for _ in range(count))
        self.boxes = nn.ModuleList(Perceptron(width, width, 4, 3, still=True) for _ in range(count))

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Any]:
        logits, boxes = body["intermediate_logits"][:, -1], body["intermediate_reference_points"][:, -1]
        return {"logits": logits, "pred_boxes": boxes, "body": body}

    def total_loss(self, scores: Any, targets: Mapping[str, Any], inputs: Mapping[str, Any]) -> Tensor | None:
        if "labels" not in targets:
            return None
        body, noise = scores["body"], vars(scores["body"])["scene"].more["noise"]
        labels = checked_targets(targets["labels"], scores["pred_boxes"], self.config.num_labels)
        layers = list(
            zip(body["intermediate_logits"].unbind(1), body["intermediate_reference_points"].unbind(1), strict=True)
        )
        count = 0 if noise is None else noise.labels.shape[1]  # queries with noise, which come first
        *steps, last = ({"logits": logits[:, count:], "pred_boxes": boxes[:, count:]} for logits, boxes in layers)
        noisy = [{"logits": logits[:, :count], "pred_boxes": boxes[:, :count]} for logits, boxes in layers]
        steps.append({"logits": body["enc_topk_logits"], "pred_boxes": body["enc_topk_bboxes"]})
        auxiliary = steps if self.config.auxiliary_loss else []
        noise = noise if auxiliary else None
        loss, scores["loss_dict"] = VarifocalLoss(self.config)(last, auxiliary, labels, noise, noisy)
        if auxiliary:
            scores["auxiliary_outputs"] = auxiliary
        return loss
