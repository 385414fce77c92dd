"""Pictures of what a model does with a text: where it looks, which words decide; of what a classifier takes for what;
of how a run of training went, and of the search for a learning rate. They need `pip install qkv[viz]`."""

from .confusion import Confusion, confusion
from .curves import Curves, curves
from .gradients import Saliency, saliency
from .maps import Attention, attention
from .rates import RateCurve, learning_rates

__all__ = [
    "Attention", "Confusion", "Curves", "RateCurve", "Saliency", "attention", "confusion", "curves", "learning_rates",
    "saliency",
]  # fmt: skip
