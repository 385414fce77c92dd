"""From a file of labelled rows to a Trainer: `prepare_training`, which `qkv train` is made of."""

import math
from dataclasses import dataclass, field
from typing import Any

from ..errors import nearest, short
from ..seed import set_seed
from .adapters.config import LoraConfig
from .adapters.lora import get_peft_model
from .arguments import TrainingArguments
from .data.held_out import divided, repeated
from .data.reading import Rows, as_rows
from .seq2seq import Seq2SeqTrainer, Seq2SeqTrainingArguments
from .tasks import Options, Report, Task, find_task
from .trainer import Trainer

LORA: dict[str, Any] = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "target_modules": "all-linear"}
KNOWN = 2**60  # a model_max_length above this says that there is none


@dataclass
class Prepared:
    """All that a Trainer needs. `print(prepared)` says what was found in the data.

    facts: (name, value) of what was found. held: the rows behind `eval_dataset`. processing_class: the tokenizer, or
    the image processor.
    """

    task: Task
    model: Any
    processing_class: Any
    train_dataset: Any
    eval_dataset: Any
    held: Rows
    facts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def tokenizer(self) -> Any:
        return self.processing_class

    def arguments(self, output_dir: str, **changes: Any) -> TrainingArguments:
        """TrainingArguments that suit most data: 3 epochs in batches of 16, rate 5e-5 (1e-3 of adapters) after a
        warmup of a tenth, each epoch evaluated and saved, the best one kept. `changes` are further arguments."""
        adapters = hasattr(self.model, "peft_config")
        usual: dict[str, Any] = {
            "per_device_train_batch_size": 16, "per_device_eval_batch_size": 32, "num_train_epochs": 3,
            "learning_rate": 1e-3 if adapters else 5e-5, "warmup_ratio": 0.1, "weight_decay": 0.0 if adapters else 0.01,
            "logging_steps": 0.02, "eval_strategy": "epoch", "save_strategy": "epoch", "save_total_limit": 1,
            "load_best_model_at_end": True, "metric_for_best_model": self.task.best,
            "greater_is_better": self.task.best != "loss",
        }  # fmt: skip
        wanted = Seq2SeqTrainingArguments if self.task.writes else TrainingArguments
        return wanted(output_dir, **usual | self.task.arguments() | changes)

    def trainer(self, args: TrainingArguments, **kwargs: Any) -> Trainer:
        """A Trainer of all this; keywords are its own."""
        given = {
            "data_collator": self.task.collator(self.processing_class, self.model), "train_dataset": self.train_dataset,
            "eval_dataset": self.eval_dataset, "processing_class": self.processing_class,
            "compute_metrics": self.task.metrics(self.processing_class),
        }  # fmt: skip
        if type(self.task).preprocess is not Task.preprocess:
            given["preprocess_logits_for_metrics"] = self.task.preprocess
        wanted = Seq2SeqTrainer if self.task.writes else Trainer
        return wanted(self.model, args, **given | kwargs)

    def report(self, trainer: Trainer) -> Report:
        """How the model does on the rows held out, by class where there are classes."""
        return self.task.report(trainer, self.eval_dataset)

    def __str__(self) -> str:
        width = max((len(name) for name, _ in self.facts), default=0)
        return "\n".join(f"{name:{width}}  {value}" for name, value in self.facts)


def prepare_training(  # noqa: PLR0913 (each is a choice of the user's)
    task: str, model: str, data: Any, eval_data: Any = None, *, tokenizer: str | None = None, held_out: float = 0.1,
    group_by: str | None = None, seed: int = 42, lora: bool | LoraConfig = False, quantize: str | None = None,
    freeze: int | str | None = None, revision: str | None = None, **options: Any,
) -> Prepared:  # fmt: skip
    """Read labelled rows, divide them, load the model with their labels, and tokenize.

    Args:
        task: "text-classification" (one label, several, a quantity; texts or pairs), "token-classification",
            "question-answering", "text-generation" (texts or chats), "fill-mask", "summarization", "translation",
            "multiple-choice", "image-classification".
        model: folder or org/name; with a head of another task, that is replaced by a fresh one.
        data: a file or a folder (see `read_rows`), a list of dictionaries, or a data set of the `datasets` library.
        eval_data: the same, to measure on; a part of `data` is held out if None.
        held_out: that part: below 1 a share, else a number of rows. Drawn with `seed`, as much of each class;
            questions about one context, and lines of one text, stay together.
        group_by: a column; rows with equal values in it, such as those of one author, stay on one side.
        lora: train adapters in place of all weights: True for r=8 in all linear layers, or a LoraConfig.
        quantize: "int8" or "int4": the base of adapters, which is frozen.
        freeze: train the head alone ("all"), or leave the embeddings and so many lowest blocks as they are.
        options: columns={"text": "body", "label": "stars"}; problem="single", "multi" or "regression"; max_length;
            prefix, before each source of a summary or translation; packing=False for a row per text;
            mlm_probability; of pictures crop and flip, how they are changed while training (see `Pictures`).

    Returns: a Prepared; `prepared.trainer(prepared.arguments("out")).train()` trains.
    Raises: ValueError for data that does not do, with its line, or a model that is not for the task; OSError for files.
    """
    from .. import auto

    rows, wanted = as_rows(data, "data"), find_task(task)
    unknown = next((name for name in options if name not in Options.__dataclass_fields__), None)
    if unknown is not None:
        near = nearest(unknown, Options.__dataclass_fields__)
        raise TypeError(f"prepare_training has no argument {short(unknown)}; the nearest are {near}.")
    job = wanted(Options(**options), rows)
    train, held, how = divided(job, rows, eval_data, held_out, group_by, seed)
    config = auto.AutoConfig.from_pretrained(model, **({"revision": revision} if revision else {}))
    loading = job.look(train, held, config)
    set_seed(seed)
    network, processor = _load(job, model, config, loading, tokenizer, {"quantize": quantize, "revision": revision})
    trained = _trained(network, job, lora, freeze, quantize)
    limit = _limit(network, processor)
    encoded = job.varied(job.encode(train, processor, limit), seed)
    kept = job.encode(held, processor, limit)
    facts = [("data", f"{rows.name}: {how}"), *job.facts(), ("model", f"{model}: {trained}")]
    if (twice := repeated(job, train, held)) is not None:
        facts.append(("note", twice))
    return Prepared(job, network, processor, encoded, kept, held, facts)


# -------------------------------------------------------------------------------------------------- the model


def _load(
    job: Task, name: str, config: Any, loading: dict[str, Any], tokenizer: str | None, options: dict[str, Any]
) -> tuple[Any, Any]:
    """The model, and what makes its inputs."""
    from .. import auto

    options = {key: value for key, value in options.items() if value is not None}
    revision = {} if tokenizer else {key: options[key] for key in ("revision",) if key in options}
    processor = getattr(auto, job.reader).from_pretrained(tokenizer or name, **revision)
    cls = getattr(auto, job.auto)
    cls.for_config(config)  # an error for another task comes before any weight is read
    other = {"ignore_mismatched_sizes": True} if loading else {}
    model = cls.from_pretrained(name, **loading, **other, **options)
    job.fit(processor, model)
    return model, processor


def _trained(model: Any, job: Task, lora: bool | LoraConfig, freeze: int | str | None, quantize: str | None) -> str:
    """Freeze, or put adapters in; how many numbers are trained."""
    if quantize is not None and not lora:
        raise ValueError(f"quantize={short(quantize)} is for the base of adapters: pass lora=True (--lora) too.")
    if lora and freeze is not None:
        raise ValueError("lora and freeze exclude each other: adapters freeze all other weights.")
    if lora:
        get_peft_model(model, lora if isinstance(lora, LoraConfig) else LoraConfig(task_type=job.lora, **LORA))
    elif freeze is not None:
        freeze_blocks(model, freeze)
    total, count = model.num_parameters(), model.num_parameters(only_trainable=True)
    return f"{total:,} parameters, {count:,} of them trained ({100 * count / total:.2f} %)"


def freeze_blocks(model: Any, count: int | str) -> None:
    """Leave the embeddings and the `count` lowest blocks as they are; "all" of the body, so that the head is trained.

    Raises: ValueError for more blocks than there are.
    """
    body = model.base_model
    if count == "all":
        body.requires_grad_(False)
        return
    stacks = [getattr(part, "layers", part) for name, part in body.named_children() if name in ("layers", "encoder")]
    blocks = list(stacks[0]) if stacks else []
    number = int(count) if str(count).isdecimal() else -1
    if not 0 <= number <= len(blocks):
        raise ValueError(f"freeze={short(count)}: give 'all', or 0 to {len(blocks)} blocks of this model.")
    for part in (body.embed, *blocks[:number]):
        part.requires_grad_(False)


def _limit(model: Any, processor: Any) -> int | None:
    """The most tokens that the model reads; None if nothing says."""
    known = [getattr(processor, "model_max_length", None), model.base_model.max_tokens]
    known.append(getattr(model.config, "max_position_embeddings", None) if known[1] is None else None)
    found = [int(limit) for limit in known if limit is not None and 0 < limit < KNOWN and not math.isinf(limit)]
    return min(found, default=None)
