"""DeiT (Touvron et al., 2020, arXiv:2012.12877): a ViT with a second token, which learns what a teacher says."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ..config import Config
from ..heads import ImageClassifier, MaskedImageModeling
from ..heads.base import TaskHead
from ..keymap import KeyMap
from ..outputs import DeiTForImageClassificationWithTeacherOutput, ModelOutput
from .task import Head
from .vit import ENCODER, NO_POOLER, PATCHES, ViTConfig, ViTModel


class DeiTConfig(ViTConfig):
    model_type = "deit"


class TwoClassifiers(TaskHead):
    """the mean of the scores of two classifiers, of the picture's token and of the teacher's; for inference only."""

    output = DeiTForImageClassificationWithTeacherOutput
    targets = ()

    def __init__(self, config: Config):
        super().__init__(config)
        self.cls, self.distilled = (nn.Linear(config.hidden_size, config.num_labels) for _ in range(2))

    def forward(self, body: ModelOutput, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        x = body["last_hidden_state"]  # (B,2+N,D)
        one, other = self.cls(x[:, 0]), self.distilled(x[:, 1])  # (B,L)
        return {"logits": (one + other) / 2, "cls_logits": one, "distillation_logits": other}


class DeiTModel(ViTModel):
    config_class = DeiTConfig
    base_model_prefix = "deit"
    draws_vectors = False
    tokens = 2
    keys = KeyMap(
        {**PATCHES, "embeddings.distillation_token": "embed.cls.1", **ENCODER, "pooler.dense": "pooler.dense"},
        prefix="deit.",
    )
    heads = {
        "ForImageClassification": Head(ImageClassifier, {"classifier": "out"}, body=NO_POOLER),
        "ForImageClassificationWithTeacher": Head(
            TwoClassifiers, {"cls_classifier": "cls", "distillation_classifier": "distilled"}, body=NO_POOLER
        ),
        "ForMaskedImageModeling": Head(
            MaskedImageModeling, {"decoder.0": "out"}, {"skipped": 2}, {**NO_POOLER, "use_mask_token": True}
        ),
    }
