"""data2vec for pictures (Baevski et al., 2022, arXiv:2202.03555): BEiT's network, taught by a copy of itself."""

from dataclasses import replace

from ..keymap import KeyMap
from .beit import BeitConfig, BeitModel


class Data2VecVisionConfig(BeitConfig):
    model_type = "data2vec-vision"

    out_indices: list | tuple | None = (3, 5, 7, 11)


POOLED = {"add_pooling_layer": True}


class Data2VecVisionModel(BeitModel):
    config_class = Data2VecVisionConfig
    base_model_prefix = "data2vec_vision"
    keys = KeyMap(BeitModel.names, prefix="data2vec_vision.", ignored=BeitModel.ignored)
    heads = {"ForImageClassification": replace(BeitModel.heads["ForImageClassification"], body=POOLED)}

    def __init__(self, config: Data2VecVisionConfig, add_pooling_layer: bool = False, **options: bool):
        super().__init__(config, add_pooling_layer, **options)
