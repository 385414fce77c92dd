"""Pictures of what a model does with a text: where it looks, which words decide. They need `pip install qkv[viz]`."""

from .gradients import Saliency, saliency
from .maps import Attention, attention

__all__ = ["Attention", "Saliency", "attention", "saliency"]
