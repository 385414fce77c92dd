"""Training: one loop (`trainer.py`), and one file per feature applied to it."""
