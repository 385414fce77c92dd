"""Seq2SeqTrainer: a Trainer that evaluates what a model writes, not only what it would have scored."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..generation.config import GenerationConfig
from ..heads.base import IGNORED
from ..outputs import BaseModelOutput
from .argument_names import MOST, check_ranges
from .arguments import TrainingArguments
from .data.collators import DataCollatorForSeq2Seq
from .results import PredictionOutput
from .trainer import Trainer


@dataclass
class Seq2SeqTrainingArguments(TrainingArguments):
    """TrainingArguments, and what is for texts that a model writes.

    sortish_sampler: rows of like length together in training, as train_sampling_strategy="group_by_length".
    predict_with_generate: evaluation and prediction give the ids that `generate()` writes, not logits.
    generation_max_length, generation_num_beams: `max_length` and `num_beams` of it; those of the model's
        generation_config if None.
    generation_config: a GenerationConfig, or the folder, file or repository of one, in place of the model's.
    """

    sortish_sampler: bool = False
    predict_with_generate: bool = False
    generation_max_length: int | None = None
    generation_num_beams: int | None = None
    generation_config: GenerationConfig | str | PathLike[str] | None = None

    def __post_init__(self) -> None:
        self.group_by_length |= self.sortish_sampler
        super().__post_init__()
        names = ("generation_max_length", "generation_num_beams")
        check_ranges(self, dict.fromkeys(names, (int, 1, MOST)), names)

    def to_dict(self) -> dict[str, Any]:
        given = self.generation_config
        plain = given.to_dict() if isinstance(given, GenerationConfig) else given and str(given)
        return super().to_dict() | {"generation_config": plain}


class Seq2SeqTrainer(Trainer):
    """A Trainer for models that write: with `predict_with_generate`, compute_metrics gets the ids that they wrote.

    Predictions are ids (N,T), rows filled up with the pad token, so that `tokenizer.batch_decode(predictions)` reads
    them; label_ids are filled up with -100. An encoder-decoder writes from its inputs. A decoder alone writes from what
    comes before the first label of a row (labels are -100 there), and its predictions are the new ids only.

    Args: as Trainer, with args a Seq2SeqTrainingArguments. Where there is a tokenizer and no data_collator, labels are
        padded too.

    Raises: TypeError for other arguments, ValueError for a model that does not write.
    """

    def __init__(self, model: Any = None, args: TrainingArguments | None = None, *rest: Any, **given: Any):
        args = Seq2SeqTrainingArguments() if args is None else args
        if not isinstance(args, Seq2SeqTrainingArguments):
            raise TypeError(f"args are {type(args).__name__}; Seq2SeqTrainer takes Seq2SeqTrainingArguments.")
        super().__init__(model, args, *rest, **given)
        if not rest and given.get("data_collator") is None and hasattr(self.processing_class, "pad"):
            self.data_collator = DataCollatorForSeq2Seq(self.processing_class, self.model)
        self.args: Seq2SeqTrainingArguments = args
        self._asked: dict[str, Any] = {}
        if args.generation_config is not None:  # saved with the model
            self.model.generation_config = self.load_generation_config(args.generation_config)
        if args.predict_with_generate:
            if not hasattr(self.model, "generate"):
                raise ValueError(
                    f"predict_with_generate=True, and {type(self.model).__name__} writes no text. Load the model with "
                    f"AutoModelForSeq2SeqLM or AutoModelForCausalLM."
                )
            self.prediction_padding = self._pad_token()

    @staticmethod
    def load_generation_config(gen_config_arg: GenerationConfig | str | PathLike[str]) -> GenerationConfig:
        """A copy of a config, or one that is read. Raises: ValueError for options that contradict each other."""
        if isinstance(gen_config_arg, GenerationConfig):
            config = gen_config_arg.merged()
        else:
            path, name = Path(gen_config_arg), None
            if path.is_file():
                path, name = path.parent, path.name
            config = GenerationConfig.from_pretrained(path if path.exists() else gen_config_arg, name)
        config.validate(strict=True)
        return config

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval",
        **gen_kwargs: Any,
    ) -> dict[str, float]:  # fmt: skip
        """As Trainer's; further keywords are options of `generate()`, such as max_new_tokens=60, num_beams=4."""
        with self._generating(gen_kwargs):
            return super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)

    def predict(
        self, test_dataset: Any, ignore_keys: list[str] | None = None, metric_key_prefix: str = "test",
        **gen_kwargs: Any,
    ) -> PredictionOutput:  # fmt: skip
        """As Trainer's; further keywords are options of `generate()`."""
        with self._generating(gen_kwargs):
            return super().predict(test_dataset, ignore_keys, metric_key_prefix)

    @contextmanager
    def _generating(self, given: dict[str, Any]) -> Iterator[None]:
        before = self._asked
        self._asked = given or before  # several datasets are evaluated by a call for each, within the one
        try:
            yield
        finally:
            self._asked = before

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        options = {name: value for name, value in given.items() if value is not None}
        if not options.keys() & {"max_length", "max_new_tokens"}:
            options["max_length"] = self.args.generation_max_length
        options.setdefault("num_beams", self.args.generation_num_beams)
        return {name: value for name, value in options.items() if value is not None}

    @torch.no_grad()
    def prediction_step(
        self, model: Any, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: list[str] | None = None,
        **gen_kwargs: Any,
    ) -> tuple[Tensor | None, Any, Any]:  # fmt: skip
        """(loss, ids that were written, labels) of a batch, each None where there is none."""
        if not self.args.predict_with_generate or prediction_loss_only:
            return super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        inputs = self._prepare(inputs)
        labels, loss, states = inputs.get("labels"), None, None
        if labels is not None:
            loss, outputs = self._loss_and_outputs(model, inputs, targets=True)
            states = getattr(outputs, "encoder_last_hidden_state", None)
        left = {"labels"}
        fed = inputs.get("decoder_input_ids")
        if fed is not None and labels is not None and fed.shape == labels.shape:  # made of the labels
            left |= {"decoder_input_ids", "decoder_attention_mask"}
        prompt = {name: x for name, x in inputs.items() if name not in left}
        options = self._options(gen_kwargs or self._asked)
        if not getattr(self.model.config, "is_encoder_decoder", False):
            prompt = prompt if labels is None else before_labels(prompt, labels)
            return loss, self.model.generate(**prompt, **options)[:, prompt["input_ids"].shape[1] :], labels
        if states is not None and "attention_mask" in prompt:  # the encoder has read it once
            prompt["encoder_outputs"] = BaseModelOutput(states)
        return loss, self.model.generate(**prompt, **options), labels

    def _pad_token(self) -> int:
        for owner in (self.processing_class, self.model.config, getattr(self.model, "generation_config", None)):
            for name in ("pad_token_id", "eos_token_id"):
                found = getattr(owner, name, None)
                if isinstance(found, int):
                    return found
        raise ValueError("predict_with_generate=True needs a pad token: give processing_class=tokenizer.")


def before_labels(inputs: dict[str, Any], labels: Tensor) -> dict[str, Any]:
    """Inputs (B,T) of a decoder up to the first label of each row, where labels (B,T) are of the same tokens.

    Raises: ValueError for a row whose first token has a label.
    """
    ids = inputs["input_ids"]
    if ids.shape != labels.shape:
        return inputs
    mask = inputs.get("attention_mask", torch.ones_like(ids)) * ((labels != IGNORED).cumsum(1) == 0)
    empty = (mask.sum(1) == 0).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f"predict_with_generate=True: row {empty[0]} of a batch has labels from its first token, so there is "
            f"nothing to write from. Give {IGNORED} as the labels of the prompt."
        )
    used = mask.any(0)  # or what is padding in all rows would count as length
    return {**inputs, "input_ids": ids[:, used], "attention_mask": mask[:, used]}
