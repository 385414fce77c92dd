"""What a Trainer has: the fields that its parts, each a class in a file of its own, read and set."""

from typing import Any

import torch

from .arguments import TrainingArguments
from .callbacks import CallbackHandler
from .distributed.processes import Processes
from .optim.average import WeightAverage
from .precision import Precision
from .state import TrainerControl, TrainerState


class Fields:
    """The base of all parts of Trainer: declarations alone."""

    # What a user gave, or its default.
    args: TrainingArguments
    model: Any
    model_init: Any
    processing_class: Any
    data_collator: Any
    train_dataset: Any
    eval_dataset: Any
    compute_loss_func: Any
    compute_metrics: Any
    preprocess_logits_for_metrics: Any
    optimizer_cls_and_kwargs: Any
    _given: tuple[Any, Any]  # optimizers=

    # What a run is made of.
    processes: Processes
    device: torch.device
    precision: Precision
    callback_handler: CallbackHandler
    state: TrainerState
    control: TrainerControl
    optimizer: Any
    lr_scheduler: Any
    average: WeightAverage | None
    told: set[str]  # data sets whose dropped columns were said
    asked_to_end: bool = False  # by a signal
    terminated: bool = False  # all processes know of it
    _loader: Any = None  # a subclass's own, of train_dataset
    _epoch_generators: Any = None  # as they were when the epoch began
    _grad_norm: float
    _learning_rate: float

    # Methods that one part has and another calls.
    collate_for: Any
    compute_loss: Any
    evaluate: Any
    log: Any
    create_model_card: Any
    save_model: Any
    push_to_hub: Any
    _load_weights: Any
    _own_order: Any
    _push_checkpoint: Any
    _write_card: Any
