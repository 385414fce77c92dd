"""LayoutLM (Xu et al., 2019, arXiv:1912.13318): BERT that is told where on the page each word stands.

What the box of a word adds to its vector: the vectors of its four sides, its height and its width.
"""

from dataclasses import replace

from torch import Tensor

from ..keymap import KeyMap
from ..layers.box_embeddings import BoxEmbeddings, boxes_or_zeros
from ..layers.masks import spreading_mask
from .bert import BertConfig, BertModel

BOXES = {f"embeddings.{name}_position_embeddings": f"boxes.{name}" for name in "xyhw"}


class LayoutLMConfig(BertConfig):
    model_type = "layoutlm"

    max_2d_position_embeddings: int = 1024


class LayoutLMModel(BertModel):
    config_class = LayoutLMConfig
    base_model_prefix = "layoutlm"
    extra = ("bbox",)
    keys = KeyMap(BertModel.keys.rules | BOXES, prefix="layoutlm.", ignored=BertModel.keys.ignored)
    heads = {
        f"For{task}": replace(BertModel.heads[f"For{task}"], body={})  # its files have the pooler in each
        for task in ("SequenceClassification", "TokenClassification", "QuestionAnswering", "MaskedLM")
    }

    def __init__(self, config: LayoutLMConfig, add_pooling_layer: bool = True):
        super().__init__(config, add_pooling_layer)
        self.boxes = BoxEmbeddings(config.max_2d_position_embeddings, config.hidden_size)

    def encode(  # type: ignore[override]
        self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None, bbox: Tensor | None
    ) -> Tensor:
        for part in self.boxes(boxes_or_zeros(bbox, x)):
            x = x + part
        return self.layers(self.embed(x, positions, segments), spreading_mask(mask, x.dtype))
