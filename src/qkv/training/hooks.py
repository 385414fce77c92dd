"""What scripts ask a trainer for, and override: loaders of data, samplers, the optimiser's recipe, numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..errors import short
from ..seed import set_seed
from .data.loader import is_map_style
from .data.order import Order
from .fields import Fields
from .optim.choose import get_decay_parameter_names as decayed
from .optim.choose import optimizer_options
from .state_files import rng_state, set_rng_state

LOADERS = ("get_train_dataloader", "get_eval_dataloader", "get_test_dataloader", "_get_train_sampler")


class Hooks(Fields):
    """Mixed into Trainer. A loader or a sampler of a subclass is taken apart into rows, so that a run with it resumes
    exactly, too; it is seeded with the epoch before it draws."""

    # ---------------------------------------------------------------------------------------------- data

    def get_train_dataloader(self) -> DataLoader:
        """Batches of train_dataset; each epoch has its order, which `set_epoch` of its batch_sampler sets."""
        return self._loader_of(self.train_dataset, "train", self.args.per_device_train_batch_size)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """Batches of a dataset in its order; of eval_dataset if None, or of that one of several that is named."""
        if eval_dataset is None or isinstance(eval_dataset, str):
            eval_dataset = self.eval_dataset if eval_dataset is None else self.eval_dataset[eval_dataset]
        return self._loader_of(eval_dataset, "eval", self.args.per_device_eval_batch_size)

    def get_test_dataloader(self, test_dataset: Any) -> DataLoader:
        return self._loader_of(test_dataset, "test", self.args.per_device_eval_batch_size)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """An iterable of row numbers, if a subclass has one of its own."""
        return None

    def _loader_of(self, dataset: Any, what: str, size: int) -> DataLoader:
        if dataset is None:
            raise ValueError(f"Trainer needs {what}_dataset= for a loader of it.")
        options = {"collate_fn": self.collate_for(what), "num_workers": self.args.dataloader_num_workers}
        if what == "train" and is_map_style(dataset):
            return DataLoader(dataset, batch_sampler=Epochs(self._own_order(dataset)), **options)
        last = what == "train" and self.args.dataloader_drop_last
        return DataLoader(dataset, size, shuffle=False, drop_last=last, **options)

    def num_examples(self, dataloader: Any) -> int:
        """Rows of a loader's dataset."""
        dataset: Any = getattr(dataloader, "dataset", None)
        return len(dataset) if is_map_style(dataset) else len(dataloader) * self.args.per_device_train_batch_size

    @staticmethod
    def num_tokens(train_dl: Any, max_steps: int | None = None) -> int:
        """Numbers in the input_ids of all batches; of the first times `max_steps`, if that is given."""
        sizes = (batch["input_ids"].numel() for batch in train_dl)
        return sum(sizes) if max_steps is None else next(sizes) * max_steps

    # ---------------------------------------------------------------------------------------------- numbers

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Published names of the parameters that weight decay makes smaller: neither biases nor those of norms."""
        return decayed(model)

    @staticmethod
    def get_optimizer_cls_and_kwargs(args: Any, model: Any = None) -> tuple[Any, dict[str, Any]]:
        """The class that args.optim names, and its keywords but for the parameters."""
        cls, options, *_ = optimizer_options(args)
        return cls, options

    def get_num_trainable_parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    def get_learning_rates(self) -> list[float]:
        """Of each group of the optimiser. Raises: ValueError before there is one."""
        return [group["lr"] for group in self._groups()]

    def get_optimizer_group(self, param: Any = None) -> Any:
        """The optimiser's group that has a parameter; the parameters of each group if None."""
        if param is None:
            return [group["params"] for group in self._groups()]
        return next((group for group in self._groups() if any(p is param for p in group["params"])), None)

    def _groups(self) -> list[dict[str, Any]]:
        if self.optimizer is None:
            raise ValueError("there is no optimiser yet; train(), or trainer.create_optimizer().")
        return self.optimizer.param_groups

    def get_total_train_batch_size(self, args: Any = None) -> int:
        """Rows of a step of the optimiser, of all processes."""
        args = self.args if args is None else args
        return args.per_device_train_batch_size * args.gradient_accumulation_steps * self.processes.data_count

    def is_world_process_zero(self) -> bool:
        """Whether it is the process that prints, logs and writes."""
        return self.processes.main

    def is_local_process_zero(self) -> bool:
        """Whether it is the first process of its machine."""
        return self.processes.local_rank == 0

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """Of a step with these inputs, about: 6 for each token and weight (Kaplan et al., 2020, section 2.1)."""
        ids = inputs.get("input_ids")
        tokens = ids.numel() if isinstance(ids, Tensor) else 0
        tables = {id(part.weight) for part in self.model.modules() if isinstance(part, nn.Embedding)}
        return 6 * tokens * sum(p.numel() for p in nn.Module.parameters(self.model) if id(p) not in tables)


class Epochs:
    """An `Order` as batch_sampler of a DataLoader."""

    def __init__(self, order: Order):
        self.order, self.epoch = order, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.order.batches(self.epoch))

    def __len__(self) -> int:
        return len(self.order.batches(self.epoch))


class Drawn:
    """The batches of each epoch as a sampler that is not ours draws them: it is seeded with the epoch before, so that
    they are known beforehand, as those of an `Order`.

    Args:
        sampler: of rows, where `size` says how many make a batch; or of batches.
        together: how many batches make one, that several processes share.
    """

    def __init__(self, sampler: Any, seed: int, size: int | None = None, drop_last: bool = False, together: int = 1):
        self.sampler, self.seed, self.size, self.drop_last, self.together = sampler, seed, size, drop_last, together

    def batches(self, epoch: int) -> list[list[int]]:
        for part in (self.sampler, getattr(self.sampler, "sampler", None)):
            if hasattr(part, "set_epoch"):
                part.set_epoch(epoch)  # type: ignore[union-attr]
            if isinstance(generator := getattr(part, "generator", None), torch.Generator):
                generator.manual_seed(self.seed + epoch)
        generators = rng_state()
        set_seed(self.seed + epoch)
        try:
            drawn = list(self.sampler)
        finally:
            set_rng_state(generators)
        if self.size is not None:
            end = len(drawn) // self.size * self.size if self.drop_last else len(drawn)
            drawn = [drawn[start : start + self.size] for start in range(0, end, self.size)]
        parts = [drawn[start : start + self.together] for start in range(0, len(drawn), self.together)]
        return [[int(row) for batch in part for row in batch] for part in parts]


def own(trainer: Any, name: str) -> Any:
    """A method of LOADERS, if a subclass or somebody else has put another in its place; else None."""
    method = getattr(trainer, name)
    return None if getattr(method, "__func__", method) is vars(Hooks)[name] else method


def own_loader(trainer: Any, name: str, *given: Any) -> DataLoader | None:
    """The loader that an overriding method gives. Raises: TypeError if it is none of torch's."""
    method = own(trainer, name)
    loader = None if method is None else method(*given)
    if loader is not None and (not isinstance(loader, DataLoader) or loader.batch_size is loader.batch_sampler is None):
        raise TypeError(
            f"{name} gave {short(loader)}; give a torch.utils.data.DataLoader with a batch_size, which is taken apart "
            "into rows."
        )
    return loader
