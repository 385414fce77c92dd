"""Pictures of what a model does with a text: where it looks, which words decide; and of what a classifier takes for
what. They need `pip install qkv[viz]`."""

from .confusion import Confusion, confusion
from .gradients import Saliency, saliency
from .maps import Attention, attention

__all__ = ["Attention", "Confusion", "Saliency", "attention", "confusion", "saliency"]
