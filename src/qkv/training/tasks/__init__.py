"""What can be fine-tuned from a file: a class per task, which reads rows and makes a data set of them."""

from ...errors import nearest, short
from .base import Options, Report, Task
from .classes import MultipleChoice, TextClassification
from .language import FillMask, TextGeneration
from .pictures import ImageClassification
from .questions import QuestionAnswering
from .seq2seq import Summarization, Translation
from .tokens import TokenClassification

TASKS: tuple[type[Task], ...] = (
    TextClassification, TokenClassification, QuestionAnswering, TextGeneration, FillMask, Summarization, Translation,
    MultipleChoice, ImageClassification,
)  # fmt: skip
__all__ = ["TASKS", "Options", "Report", "Task", "find_task"]


def find_task(name: str) -> type[Task]:
    """The class of a task or an alias. Raises: ValueError for one that cannot be trained from a file."""
    known = {alias: task for task in TASKS for alias in task.names}
    if name not in known:
        raise ValueError(f"there is no task {short(name)} to train; the nearest are {nearest(name, known)}.")
    return known[name]
