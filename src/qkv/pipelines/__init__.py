"""Pipelines: one file per task. TASKS says which; `pipeline("task")` makes one."""

from .base import Pipeline
from .factory import ALIASES, TASKS, pipeline

__all__ = ["ALIASES", "TASKS", "Pipeline", "pipeline"]
