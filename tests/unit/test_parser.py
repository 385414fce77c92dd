"""HfArgumentParser: flags, JSON and YAML into dataclasses, as scripts of the field call it."""

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Optional

import pytest

from qkv import HfArgumentParser, TrainingArguments


class Kind(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Model:
    model_name_or_path: str = field(metadata={"help": "Where the model is."})
    revision: Optional[str] = None  # noqa: UP045 (as scripts have it)
    fast: bool = True
    frozen: bool = False
    layers: list[int] = field(default_factory=lambda: [1, 2])
    kind: Kind = Kind.SMALL
    mode: Literal["sum", "mean", 3] = "mean"
    options: dict | None = None
    share: float | None = None


def parse(*words, kinds=(Model, TrainingArguments), **given):
    return HfArgumentParser(kinds).parse_args_into_dataclasses(list(words), **given)


def test_flags_of_all_kinds():
    model, args = parse(
        "--model_name_or_path", "bert", "--no_fast", "--frozen", "--layers", "3", "4", "--kind", "large", "--mode", "3",
        "--options", '{"a": 1}', "--share=0.5", "--output_dir", "out", "--learning-rate", "1e-4", "--bf16_full_eval",
        "False", "--num_train_epochs", "2", "--label_names", "labels", "start", "--resume_from_checkpoint", "True",
        "--logging_steps", "10", "--lr_scheduler_kwargs", '{"num_cycles": 2}',
    )  # fmt: skip
    assert (model.model_name_or_path, model.revision, model.fast, model.frozen) == ("bert", None, False, True)
    assert (model.layers, model.kind, model.mode, model.options, model.share) == ([3, 4], "large", 3, {"a": 1}, 0.5)
    assert (args.output_dir, args.learning_rate, args.bf16_full_eval, args.num_train_epochs) == ("out", 1e-4, False, 2)
    assert args.label_names == ["labels", "start"] and args.resume_from_checkpoint is True
    assert args.lr_scheduler_kwargs == {"num_cycles": 2} and args.logging_steps == 10


def test_defaults_are_those_of_the_class():
    model, args = parse("--model_name_or_path", "x")
    assert model == Model("x") and args == TrainingArguments()


def test_older_spellings_and_what_has_no_effect():
    args = parse(
        "--evaluation_strategy", "epoch", "--no_cuda", "--overwrite_output_dir", "--local_rank", "-1",
        "--per_gpu_train_batch_size=4", "--dataloader_pin_memory", "False", kinds=TrainingArguments,
    )[0]  # fmt: skip
    assert (args.eval_strategy, args.use_cpu, args.per_device_train_batch_size) == ("epoch", True, 4)
    assert args.overwrite_output_dir is True and args.dataloader_pin_memory is False
    with pytest.raises(ValueError, match="use_liger_kernel=True is not in qkv"):
        parse("--use_liger_kernel", kinds=TrainingArguments)


def test_of_a_subclass():
    @dataclass
    class Mine(TrainingArguments):
        extra: int = 3

    assert parse("--extra", "5", "--do_train", kinds=Mine)[0].extra == 5


@pytest.mark.parametrize(
    ("words", "say"),
    [
        (["--model_name_or_path", "x", "--learning_rat", "1"], "learning_rate"),
        ([], "model_name_or_path"),
        (["--model_name_or_path", "x", "--frozen", "maybe"], "neither true nor false"),
        (["--model_name_or_path", "x", "--max_steps", "many"], "invalid int"),
        (["--model_name_or_path", "x", "--kind", "huge"], "huge"),
    ],
)
def test_bad_words_are_named(words, say, capsys):
    with pytest.raises(SystemExit):
        parse(*words)
    assert say in capsys.readouterr().err


def test_the_rest_may_be_kept_and_files_read(tmp_path):
    *_, rest = parse("--model_name_or_path", "x", "--other", "y", return_remaining_strings=True)
    assert rest == ["--other", "y"]
    (tmp_path / "flags.args").write_text("--model_name_or_path file --seed 5\n")
    model, args = parse("--seed", "6", args_filename=str(tmp_path / "flags.args"))
    assert (model.model_name_or_path, args.seed) == ("file", 6)
    model, _ = parse("--cfg", str(tmp_path / "flags.args"), args_file_flag="--cfg")
    assert model.model_name_or_path == "file"


def test_json_yaml_and_dictionaries(tmp_path):
    values = {"model_name_or_path": "x", "output_dir": "out", "evaluation_strategy": "epoch", "learning_rate": 1e-4}
    (tmp_path / "a.json").write_text(json.dumps(values))
    parser = HfArgumentParser((Model, TrainingArguments))
    model, args = parser.parse_json_file(str(tmp_path / "a.json"))
    assert (model.model_name_or_path, args.eval_strategy, args.learning_rate) == ("x", "epoch", 1e-4)
    with pytest.raises(ValueError, match="'learning_rat' is no field.*'learning_rate'"):
        parser.parse_dict({**values, "learning_rat": 1})
    assert parser.parse_dict({**values, "other": 1}, allow_extra_keys=True)[1] == args
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(ValueError, match="not a dictionary"):
        parser.parse_json_file(tmp_path / "bad.json")
    pytest.importorskip("yaml")
    (tmp_path / "a.yaml").write_text("model_name_or_path: x\nlearning_rate: 1e-4\nlayers: [7]\n")
    model, args = parser.parse_yaml_file(tmp_path / "a.yaml")
    assert (args.learning_rate, model.layers) == (1e-4, [7])
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ValueError, match="cannot be read"):
        parser.parse_yaml_file(tmp_path / "bad.yaml")


def test_what_cannot_be_parsed():
    with pytest.raises(TypeError, match="@dataclass"):
        HfArgumentParser(int)
    with pytest.raises(ValueError, match="two dataclasses have a field 'model_name_or_path'"):
        HfArgumentParser((Model, Model))


def test_help_shows_defaults(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "Where the model is." in shown and "(default: 5e-05)" in shown and "--evaluation_strategy" not in shown
