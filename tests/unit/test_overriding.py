"""What scripts ask a Trainer for, and what they put in its place: each has its effect, and runs resume exactly."""

import shutil

import pytest
import torch
from test_trainer import arguments, classifier, losses, rows, same, weights
from torch.utils.data import DataLoader, RandomSampler, WeightedRandomSampler

from qkv.training.data.collators import default_data_collator
from qkv.training.trainer import Trainer


class Watching(Trainer):
    """Remembers the first token of each row of each batch, which is its number."""

    def training_step(self, model, inputs, num_items_in_batch=None):
        self.batches = [*getattr(self, "batches", []), inputs["input_ids"][:, 0].tolist()]
        return super().training_step(model, inputs, num_items_in_batch)


def numbered(count=12):
    return [{**row, "input_ids": [5 + i, *row["input_ids"][1:]]} for i, row in enumerate(rows(count))]


class Own(Watching):
    def get_train_dataloader(self):
        return DataLoader(self.train_dataset, batch_size=5, shuffle=True, collate_fn=self.data_collator)


class Changed(Watching):
    def get_train_dataloader(self):
        loader = super().get_train_dataloader()
        inner = loader.collate_fn
        loader.collate_fn = lambda found: {k: v for k, v in inner(found).items() if k != "attention_mask"}
        return loader


class Weighted(Watching):
    def _get_train_sampler(self, train_dataset=None):
        return WeightedRandomSampler([1.0] * 6 + [0.0] * 6, num_samples=10)


class Older(Watching):
    def _get_train_sampler(self):
        return RandomSampler(self.train_dataset, generator=torch.Generator())


@pytest.mark.parametrize("cls", [Own, Changed, Weighted, Older, Watching])
def test_batches_of_ones_own(cls, tmp_path):
    given = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "save_steps": 1}
    one = cls(classifier(), arguments(tmp_path / "a", **given), train_dataset=numbered())
    one.train()
    sizes = {Own: [5, 5, 2], Weighted: [4, 4, 2]}.get(cls, [4, 4, 4])
    assert list(map(len, one.batches)) == sizes * 2
    first, second = one.batches[:3], one.batches[3:]
    assert first != second  # each epoch has an order of its own
    drawn = sorted(x for batch in first for x in batch)
    assert max(drawn) < 11 if cls is Weighted else drawn == list(range(5, 17))
    if cls is Changed:  # but for the collator it is the plain one
        plain = Watching(classifier(), arguments(tmp_path / "b", **given), train_dataset=numbered())
        plain.train()
        assert plain.batches == one.batches
    for step in (1, 4):
        folder = tmp_path / f"from-{step}"
        shutil.copytree(tmp_path / "a" / f"checkpoint-{step}", folder / f"checkpoint-{step}")
        torch.manual_seed(step)
        again = cls(classifier(), arguments(folder, **given), train_dataset=numbered())
        again.train(resume_from_checkpoint=True)
        assert again.batches == one.batches[step:] and losses(again) == losses(one)
        assert same(weights(again.model), weights(one.model))


def test_a_loader_of_a_stream(tmp_path):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(numbered())

    class Streaming(Watching):
        def get_train_dataloader(self):
            return DataLoader(Stream(), batch_size=3, collate_fn=default_data_collator)

    one = Streaming(classifier(), arguments(tmp_path, max_steps=5, save_strategy="no"))  # train_dataset is not needed
    one.train()
    assert list(map(len, one.batches)) == [3, 3, 3, 3, 3] and one.batches[4] == one.batches[0] == [5, 6, 7]


@pytest.mark.parametrize("give", [lambda: [{"input_ids": 1}], lambda: DataLoader(numbered(), batch_size=None)])
def test_a_loader_that_is_none(give, tmp_path):
    one = Trainer(classifier(), arguments(tmp_path))
    one.get_train_dataloader = give
    with pytest.raises(TypeError, match="DataLoader"):
        one.train()


def test_evaluation_of_ones_own(tmp_path):
    class Half(Trainer):
        def get_eval_dataloader(self, eval_dataset=None):
            return DataLoader(numbered()[:6], batch_size=4, collate_fn=self.data_collator)

        def get_test_dataloader(self, test_dataset):
            return DataLoader(test_dataset, batch_size=4, collate_fn=self.data_collator, sampler=range(11, -1, -1))

    args = arguments(tmp_path, max_steps=1, save_strategy="no", eval_strategy="steps")
    half = Half(classifier(0.0), args, train_dataset=numbered())
    half.train()
    whole = Trainer(half.model, arguments(tmp_path), eval_dataset=numbered()[:6])
    assert half.evaluate()["eval_loss"] == pytest.approx(whole.evaluate()["eval_loss"], abs=1e-6)
    ours, theirs = half.predict(numbered()).predictions, whole.predict(numbered()).predictions[::-1]
    assert ours == pytest.approx(theirs, abs=1e-6)  # rows have other places in their batches


def test_steps_and_logs_of_ones_own(tmp_path):
    class Mine(Trainer):
        told = ()

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
            return (2 * loss, outputs) if return_outputs else 2 * loss

        def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
            loss, logits, labels = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
            return loss, None if logits is None else torch.ones_like(logits), labels

        def log(self, logs, start_time=None):
            logs["mine"] = 1.0
            super().log(logs)

        def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
            return super().evaluate(eval_dataset, ignore_keys, metric_key_prefix) | {"eval_own": 3.0}

        def create_optimizer(self):
            decay = self.get_decay_parameter_names(self.model)
            named = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
            groups = [
                {"params": [p for n, p in named if n in decay], "weight_decay": 0.1},
                {"params": [p for n, p in named if n not in decay], "weight_decay": 0.0},
            ]
            cls, options = Trainer.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = cls(groups, **options | {"lr": 3e-4})
            return self.optimizer

        def create_scheduler(self, num_training_steps, optimizer=None):
            self.lr_scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer or self.optimizer, 1.0)
            return self.lr_scheduler

    args = arguments(
        tmp_path, max_steps=2, eval_strategy="steps", eval_steps=1, metric_for_best_model="own", save_strategy="best"
    )
    mine = Mine(classifier(0.0), args, train_dataset=rows(8), eval_dataset=rows(6, seed=2))
    mine.train()
    entries = mine.state.log_history
    assert all(entry["mine"] == 1.0 for entry in entries) and mine.state.best_metric == 3.0
    assert [entry["learning_rate"] for entry in entries if "learning_rate" in entry] == [3e-4, 3e-4]
    plain = Trainer(mine.model, arguments(tmp_path), eval_dataset=rows(6, seed=2)).evaluate()
    assert mine.evaluate()["eval_loss"] == pytest.approx(2 * plain["eval_loss"], rel=1e-6)
    assert (mine.predict(rows(6)).predictions == 1).all()
    assert [group["weight_decay"] for group in mine.optimizer.param_groups] == [0.1, 0.0]


def test_what_is_asked(tmp_path):
    one = Trainer(
        classifier(), arguments(tmp_path, max_steps=1, per_device_train_batch_size=4, gradient_accumulation_steps=3),
        train_dataset=rows(10), eval_dataset={"a": rows(6)},
    )  # fmt: skip
    batches = list(one.get_train_dataloader())
    assert (
        [len(batch["labels"]) for batch in batches]
        == [4, 4, 2]
        == [len(b["labels"]) for b in one.get_train_dataloader()]
    )
    assert len(list(one.get_eval_dataloader("a"))) == 1 and len(one.get_test_dataloader(rows(9))) == 2
    assert one.num_examples(one.get_train_dataloader()) == 10
    assert one.num_tokens(one.get_train_dataloader()) == 90 and one.num_tokens(one.get_train_dataloader(), 5) == 180
    assert one.get_num_trainable_parameters() == one.model.num_parameters()
    assert one.get_total_train_batch_size(one.args) == 12
    with pytest.raises(ValueError, match="no optimiser"):
        one.get_learning_rates()
    one.create_optimizer()
    assert one.get_learning_rates() == [1e-3, 1e-3] and len(one.get_optimizer_group()) == 2
    bias = one.model.get_parameter("classifier.bias")
    assert one.get_optimizer_group(bias) is one.optimizer.param_groups[1]
    assert "classifier.bias" not in one.get_decay_parameter_names(one.model)
    tables = sum(m.weight.numel() for m in one.model.modules() if isinstance(m, torch.nn.Embedding))
    assert one.floating_point_ops(batches[0]) == 6 * 36 * (one.model.num_parameters() - tables)
    assert one.is_world_process_zero() and one.is_local_process_zero()
    with pytest.raises(ValueError, match="test_dataset"):
        one.get_test_dataloader(None)
