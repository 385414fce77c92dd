"""What a run knows of itself: TrainerState is kept in checkpoints, TrainerControl is what callbacks may ask for."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..errors import short


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
    train_batch_size: int | None = None  # of a process
    gradient_accumulation_steps: int | None = None
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
    epochs_done: int = 0  # with what follows their end
    rows_done: int = 0  # of the epoch after them
    epoch_cut: bool = False  # a callback ended that epoch
    step_rows: int = 0  # of a step of the optimiser
    train_rows: int = 0  # 0 if the dataset does not say
    callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)  # what callbacks keep: class name -> its state
    saved: list[int] = field(
        default_factory=list
    )  # steps of this run's checkpoints, those that were removed among them

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainerState":
        """From a checkpoint's JSON; names that are not known, such as another library's, are left out.

        Raises: ValueError for a value that is none of its kind.
        """
        made = cls(**{each.name: values[each.name] for each in fields(cls) if each.name in values})
        for name, usual in asdict(cls()).items():
            kind = (int, float) if isinstance(usual, int | float) else type(usual)
            if usual is not None and not isinstance(getattr(made, name), kind):
                raise ValueError(f"{name} is {short(getattr(made, name))}")
        if "global_step" not in values:
            raise ValueError("it has no global_step")
        return made


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
