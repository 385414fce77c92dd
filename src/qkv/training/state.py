"""What a run knows of itself: TrainerState is kept in checkpoints, TrainerControl is what callbacks may ask for."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass
class TrainerState:
    """Where a run stands. `log_history` has everything that was logged, a dictionary each, with its step and epoch."""

    epoch: float = 0.0
    global_step: int = 0
    max_steps: int = 0
    num_train_epochs: int = 0
    logging_steps: int = 500
    eval_steps: int = 500
    save_steps: int = 500
    train_batch_size: int | None = None
    num_input_tokens_seen: int = 0
    total_flos: float = 0.0
    log_history: list[dict[str, Any]] = field(default_factory=list)
    best_metric: float | None = None
    best_global_step: int | None = None
    best_model_checkpoint: str | None = None
    is_local_process_zero: bool = True
    is_world_process_zero: bool = True
    loss_sum: float = 0.0  # of the steps since the last log
    loss_total: float = 0.0  # of those before that
    logged_step: int = 0
    callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)  # what callbacks keep: class name -> its state

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainerState":
        """From a checkpoint's JSON; names that are not known, such as another library's, are left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


@dataclass
class TrainerControl:
    """What happens next; a callback sets a field to True, and it is done once."""

    should_training_stop: bool = False
    should_epoch_stop: bool = False
    should_save: bool = False
    should_evaluate: bool = False
    should_log: bool = False

    def new_step(self) -> None:
        self.should_save = self.should_evaluate = self.should_log = False
