"""What `prepare_training` makes of rows: columns, labels, lengths, the part held out, and ids with their targets."""

import pytest

from qkv import AutoTokenizer, LoraConfig, prepare_training
from qkv.training.data.reading import Rows
from qkv.training.tasks import TASKS, find_task
from qkv.training.tasks.language import assistant_tokens
from tiny import configure, make
from tiny_text import make_text

WORDS = ["the", "film", "was", "great", "good", "bad", "terrible"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return str(make(tmp_path_factory.mktemp("model") / "bert", "bert", "ForMaskedLM"))


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    return str(make_text(tmp_path_factory.mktemp("model") / "llama", "llama/ForCausalLM", chat=True))


def reviews(count=40, **columns):
    rows = [{"text": f"{WORDS[i % 7]} film {WORDS[i % 5]} {i}", "label": "ab"[i % 4 == 0]} for i in range(count)]
    return [row | {name: value(i) for name, value in columns.items()} for i, row in enumerate(rows)]


def classify(bert, rows, *args, **options):
    return prepare_training("text-classification", bert, rows, *args, **options)


# ----------------------------------------------------------------------------------------------------------- labels


def test_classes_are_sorted_and_held_out_alike(bert):
    made = classify(bert, reviews())
    assert made.model.config.id2label == {0: "a", 1: "b"} and made.model.config.label2id == {"a": 0, "b": 1}
    assert (len(made.train_dataset), len(made.eval_dataset)) == (36, 4)
    assert sorted(row["labels"] for row in made.eval_dataset) == [0, 0, 0, 1]  # as many of each as in the whole
    assert [made.tokenizer.decode(row["input_ids"], skip_special_tokens=True) for row in made.eval_dataset] == [
        made.tokenizer.decode(made.tokenizer(row["text"])["input_ids"], skip_special_tokens=True) for row in made.held
    ]
    again = classify(bert, reviews())
    assert again.train_dataset == made.train_dataset and str(again) == str(made)
    assert classify(bert, reviews(), seed=7).held != made.held


def test_numbers_are_classes_in_their_order_or_a_quantity(bert):
    made = classify(bert, reviews(label=lambda i: str((i % 3) * 5)))
    assert made.model.config.id2label == {0: "0", 1: "5", 2: "10"}
    assert classify(bert, reviews(label=lambda i: float(i % 2))).model.config.id2label == {0: "0", 1: "1"}
    made = classify(bert, reviews(label=lambda i: f"{i / 8}"))
    assert made.model.config.problem_type == "regression" and made.model.config.num_labels == 1
    assert {row["labels"] for row in [*made.train_dataset, *made.eval_dataset]} == {i / 8 for i in range(40)}
    made = classify(bert, reviews(label=lambda i: i), problem="regression")
    assert made.task.labels.spread[2] > 30 and made.task.best == "loss"
    with pytest.raises(ValueError, match="300 different numbers.*problem='regression'"):
        classify(bert, reviews(300, label=lambda i: i))


def test_several_labels_of_a_row(bert):
    expected = {0: "good", 1: "kind"}
    for value in (lambda i: ["good", "kind"][: i % 3], lambda i: ["", "good", "good|kind"][i % 3]):
        made = classify(bert, reviews(label=value), problem="multi")
        assert made.model.config.id2label == expected
        assert made.model.config.problem_type == "multi_label_classification"
        assert {tuple(row["labels"]) for row in made.train_dataset} == {(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)}
    rows = reviews(good=lambda i: int(i % 3 > 0), kind=lambda i: str(int(i % 3 > 1)))
    apart = classify(bert, rows, columns={"label": "good,kind"})
    assert apart.model.config.id2label == expected and apart.train_dataset == made.train_dataset
    with pytest.raises(ValueError, match="has 7 as a label of its own column; expected 0 or 1"):
        classify(bert, reviews(good=lambda i: 7, kind=lambda i: 1), columns={"label": "good,kind"})


def test_a_model_that_has_these_labels_keeps_their_order_and_its_head(tmp_path):
    folder = configure(make(tmp_path / "m"), id2label={"0": "pos", "1": "neg", "2": "neutral"})
    rows = reviews(label=lambda i: ["neg", "neutral", "pos"][i % 3])
    made = classify(str(folder), rows, rows)
    assert made.model.config.id2label == {0: "pos", 1: "neg", 2: "neutral"}
    by_number = classify(str(folder), numbers := reviews(label=lambda i: [1, 2, 0][i % 3]), numbers)
    assert by_number.train_dataset == made.train_dataset and by_number.model.config.id2label[0] == "pos"
    other = classify(str(folder), reviews())  # two labels: the head of three is replaced
    assert other.model.config.id2label == {0: "a", 1: "b"} and other.model.classifier.weight.shape == (2, 32)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda i: "a", "has one class, 'a', so there is nothing to tell apart"),
        (lambda i: f"label {i}", "has 36 different labels in 36 rows, first 'label 0'. Is it the right column"),
        (lambda i: None if i == 3 else "ab"[i % 2], "row 3 of the data has no label in 'label'"),
        (lambda i: {"x": 1} if i == 3 else "ab"[i % 2], "row 3 of the data has {'x': 1} in 'label'; expected one"),
    ],
)
def test_labels_that_do_not_do(bert, value, message):
    with pytest.raises(ValueError, match=message.replace("{", r"\{")):
        classify(bert, Rows(reviews(label=value)))


def test_a_label_that_only_evaluation_has(bert):
    with pytest.raises(ValueError, match="row 1 of the test has the label 'c', which no row of training has; it has"):
        classify(bert, reviews(), Rows([{"text": "x", "label": "a"}, {"text": "y", "label": "c"}], "the test"))


def test_uneven_classes_and_repeated_rows_are_said(bert):
    rows = [{"text": "good film", "label": "b" if i < 3 else "a"} for i in range(60)]
    made = classify(bert, rows)
    notes = [value for name, value in made.facts if name == "note"]
    assert "'b' has 2 rows, the largest 51" in notes[0] and "are in training too" in notes[1]


# ----------------------------------------------------------------------------------------------------------- columns


def test_columns_are_found_or_named(bert):
    rows = [{"Premise": "a", "Hypothesis": f"b {i}", "gold_label": "xy"[i % 2], "id": i} for i in range(20)]
    made = classify(bert, rows)
    assert made.task.columns == {"text": "Premise", "pair": "Hypothesis", "label": "gold_label"}
    assert any(row["token_type_ids"][-1] == 1 for row in made.train_dataset)  # read as pairs
    odd = [{"foo": f"film {i}", "bar": "xy"[i % 2], "n": i} for i in range(20)]
    with pytest.raises(ValueError, match=r"to be the text by its name \(text.*columns are \['foo', 'bar', 'n'\]"):
        classify(bert, odd)
    assert classify(bert, odd, columns={"text": "foo", "label": "bar"}).task.columns == {"text": "foo", "label": "bar"}
    with pytest.raises(ValueError, match="has no column 'fo' for the text; the nearest are 'foo'"):
        classify(bert, odd, columns={"text": "fo", "label": "bar"})
    with pytest.raises(ValueError, match="reads no 'words' column; it reads text, label, pair"):
        classify(bert, odd, columns={"words": "foo"})
    with pytest.raises(ValueError, match="the test has no column 'text'"):
        classify(bert, reviews(), Rows([{"txt": "a", "label": "b"}], "the test"))
    with pytest.raises(ValueError, match="row 0 of the data has None in 'text'; expected a text"):
        classify(bert, Rows(reviews(text=lambda i: None)))


def test_rows_of_a_group_stay_together(bert):
    made = classify(bert, reviews(80, author=lambda i: i % 10), group_by="author", held_out=0.2)
    authors = {row["author"] for row in made.held}
    assert len(authors) == 2 and len(made.held) == 16
    with pytest.raises(ValueError, match="group_by='auth' is no column"):
        classify(bert, reviews(), group_by="auth")
    for share, what in ((0, "measure"), (40, "train")):
        with pytest.raises(ValueError, match=f"held_out={share} of 40 rows leaves none to {what} on"):
            classify(bert, reviews(), held_out=share)


# ----------------------------------------------------------------------------------------------------------- lengths


def test_length_comes_from_the_data(bert):
    made = classify(bert, reviews(text=lambda i: "film " * (i % 5 + 1)))
    assert "longest 7; none is cut" in dict(made.facts)["lengths"]
    rows = reviews(100, text=lambda i: "film " * (35 if i % 50 == 0 else 3))  # 2 of 100 are long
    made = classify(bert, rows)
    assert made.task.lengths.limit == 8 and made.task.lengths.cut == 2
    assert "cut at 8: 2 rows (2.2 %)" in dict(made.facts)["lengths"]
    assert max(len(row["input_ids"]) for row in made.train_dataset) == 8
    assert made.train_dataset[0]["input_ids"][-1] == made.tokenizer.sep_token_id  # cut, and ended
    assert classify(bert, rows, max_length=6).task.lengths.limit == 6
    with pytest.raises(ValueError, match="max_length=99 is more than the 40 tokens"):
        classify(bert, rows, max_length=99)


# ----------------------------------------------------------------------------------------------------------- tokens


def tagged(made, row=0, part="train_dataset"):
    """(token, tag) of what has one."""
    found = getattr(made, part)[row]
    tokens = made.tokenizer.convert_ids_to_tokens(found["input_ids"])
    pairs = zip(tokens, found["labels"], strict=True)
    return [(token, made.model.config.id2label[tag]) for token, tag in pairs if tag != -100]


def test_tags_are_at_the_first_token_of_each_word(bert):
    rows = [{"tokens": ["filming", "was", "good"], "ner_tags": ["B-X", "I-X", "O"]}] * 8
    made = prepare_training("ner", bert, rows)
    assert made.model.config.id2label[0] == "O"
    assert made.tokenizer.tokenize("filming") == ["film", "##ing"]
    assert tagged(made) == [("film", "B-X"), ("was", "I-X"), ("good", "O")]


def test_spans_of_a_text_are_tags(bert):
    text = "the film was very good"
    rows = [{"text": text, "spans": [{"start": 4, "end": 8, "label": "OBJ"}, [13, 22, "OPINION"]]}] * 8
    made = prepare_training("token-classification", bert, rows)
    expected = ["O", "B-OBJ", "O", "B-OPINION", "I-OPINION"]
    assert tagged(made) == list(zip(text.split(), expected, strict=True))
    cut = [{"text": text, "spans": [[4, 6, "OBJ"]]}] * 8  # ends inside a word
    assert [tag for _, tag in tagged(prepare_training("ner", bert, cut))][:2] == ["O", "B-OBJ"]


def test_a_long_text_of_tags_becomes_several_rows(bert):
    rows = [{"tokens": ["film", "was"] * 50, "tags": ["B-X", "O"] * 50}] * 6
    made = prepare_training("ner", bert, rows, held_out=1)
    assert len(made.train_dataset) == 5 * 3 and all(len(row["input_ids"]) <= 40 for row in made.train_dataset)
    assert sum(tag == "B-X" for row in range(3) for _, tag in tagged(made, row)) == 50


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "row 0 of the data has 2 words and 1 tags"),
        ({"text": "abc", "spans": [[0, 9, "X"]]}, r"has \[0, 9, 'X'\].*characters of a text of 3"),
        ({"text": "abcdef", "spans": [[0, 4, "X"], [2, 5, "Y"]]}, "spans over each other"),
    ],
)
def test_tags_that_do_not_do(bert, row, message):
    with pytest.raises(ValueError, match=message):
        prepare_training("ner", bert, Rows([row] * 4))


# ----------------------------------------------------------------------------------------------------------- answers


def test_answers_are_tokens_and_measured_as_squad_does(bert):
    import numpy as np

    from qkv import EvalPrediction

    rows = [{"question": "was it?", "context": f"the film was {WORDS[i % 7]} and good", "answer": WORDS[i % 7]}
            for i in range(14)]  # fmt: skip
    rows += [{"question": "was it not?", "context": "no film", "answer": None}] * 4
    made = prepare_training("question-answering", bert, rows, rows)
    for row, given in zip(made.train_dataset, rows, strict=True):
        span = row["input_ids"][row["start_positions"] : row["end_positions"] + 1]
        assert made.tokenizer.decode(span) == (given.get("answer") or "[CLS]")
    size = (18, max(len(row["input_ids"]) for row in made.eval_dataset))
    start, end = np.zeros(size), np.zeros(size)
    for i, row in enumerate(made.eval_dataset):
        start[i, row["start_positions"]] = end[i, row["end_positions"]] = 9
    measure = made.task.metrics(made.tokenizer)
    assert measure(EvalPrediction((start, end), None))["f1"] == 100
    start[3], end[3] = -start[3], -end[3]  # one is wrong
    assert 94 < measure(EvalPrediction((start, end), None))["exact_match"] < 95
    with pytest.raises(ValueError, match="row 0 of the data has the answer 'dull', which its context does not"):
        prepare_training("question-answering", bert, Rows([{"question": "?", "context": "a", "answer": "dull"}] * 3))


def test_a_long_context_has_windows_and_its_answer_in_one_of_them(bert):
    context = " ".join(["film"] * 60 + ["great"] + ["was"] * 20)
    made = prepare_training("question-answering", bert, [{"question": "?", "context": context, "answer": "great"}] * 2)
    assert len(made.train_dataset) > 2
    words = [made.tokenizer.decode(row["input_ids"][row["start_positions"]]) for row in made.train_dataset]
    assert "great" in words and "[CLS]" in words


def test_questions_of_one_context_stay_together(bert):
    rows = [{"question": f"was it {i}?", "context": f"film {i % 5}", "answer": "film"} for i in range(30)]
    made = prepare_training("question-answering", bert, rows, held_out=0.2)
    assert len(made.held) == 6 and len({row["context"] for row in made.held}) == 1


# ----------------------------------------------------------------------------------------------------------- language


def test_texts_are_packed_with_their_ends(chat):
    rows = [{"text": "was it? "}] * 30
    made = prepare_training("text-generation", chat, rows, max_length=16)
    ids = [token for row in made.train_dataset for token in row["input_ids"]]
    assert all(len(row["input_ids"]) == 16 for row in made.train_dataset[:-1])
    assert made.train_dataset[0]["labels"] == made.train_dataset[0]["input_ids"]
    own = made.tokenizer("was it? ")["input_ids"] + [made.tokenizer.eos_token_id]
    assert ids[: 2 * len(own)] == own * 2 and len(ids) >= 27 * len(own) - 1
    apart = prepare_training("text-generation", chat, rows, packing=False)
    assert apart.train_dataset[0]["input_ids"] == own


def test_only_the_assistants_tokens_are_learnt(chat):
    messages = [{"role": role, "content": text} for role, text in
                (("user", "was it?"), ("assistant", "yes"), ("user", "no?"), ("assistant", "no!"))]  # fmt: skip
    made = prepare_training("text-generation", chat, [{"messages": messages}] * 6)
    row = made.train_dataset[0]
    learnt = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label != -100]
    assert made.tokenizer.decode(learnt) == "yes\nno!\n"
    sharegpt = [{"from": "human", "value": "was it?"}, {"from": "gpt", "value": "yes"}]
    other = prepare_training("text-generation", chat, [{"conversations": sharegpt}] * 6).train_dataset[0]
    assert [label for label in other["labels"] if label != -100] == made.tokenizer("yes\n")["input_ids"]
    with pytest.raises(ValueError, match="row 0 of the data has no message of the assistant"):
        prepare_training("text-generation", chat, Rows([{"messages": messages[:1]}] * 3))
    with pytest.raises(ValueError, match="expected messages such as"):
        prepare_training("text-generation", chat, Rows([{"messages": ["yes"]}] * 3))


def test_templates_that_mark_or_change_turns(chat):
    tokenizer = AutoTokenizer.from_pretrained(chat)
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    loop = "{% for m in messages %}"
    tokenizer.chat_template = loop + (
        "<{{ m.role[0] }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    ids, mine = assistant_tokens(tokenizer, messages, "row 0")
    assert tokenizer.decode([token for token, own in zip(ids, mine, strict=True) if own]) == "b"
    tokenizer.chat_template = loop + "{% if loop.last %}{{ m.content }}{% else %}x{% endif %}{% endfor %}"
    with pytest.raises(ValueError, match="row 0: the chat template writes earlier turns differently"):
        assistant_tokens(tokenizer, messages, "row 0")


def test_masks_to_measure_on_stay_the_same(bert):
    rows = [{"text": f"the film was {WORDS[i % 7]} and very good"} for i in range(40)]
    made = prepare_training("fill-mask", bert, rows, held_out=0.5)
    collate = made.task.collator(made.tokenizer, made.model)
    first, second = (collate([dict(row) for row in made.eval_dataset[:4]]) for _ in range(2))
    assert (first["input_ids"] == second["input_ids"]).all() and (first["labels"] != -100).any()
    assert "labels" not in made.train_dataset[0]
    drawn = [collate([dict(row) for row in made.train_dataset])["labels"] for _ in range(2)]
    assert (drawn[0] != drawn[1]).any()


# ----------------------------------------------------------------------------------------------------------- the rest


def test_choices(bert):
    rows = [{"question": "was it?", "choices": ["good", "bad"], "answer": "AB"[i % 2]} for i in range(12)]
    made = prepare_training("multiple-choice", bert, rows, rows)
    assert [row["labels"] for row in made.train_dataset] == [0, 1] * 6
    swag = [{"sent1": "was it?", "ending0": "good", "ending1": "bad", "label": i % 2} for i in range(12)]
    assert prepare_training("multiple-choice", bert, swag, swag).train_dataset == made.train_dataset
    with pytest.raises(ValueError, match="has the answer 'C'; expected 0 to 1"):
        prepare_training("multiple-choice", bert, [row | {"answer": "C"} for row in rows])
    with pytest.raises(ValueError, match="no texts to choose from"):
        prepare_training("multiple-choice", bert, reviews())


def test_sources_and_targets(tmp_path):
    t5 = str(make(tmp_path / "t5", "t5", "ForConditionalGeneration"))
    rows = [{"article": "the film was good", "summary": "good film"}] * 6
    made = prepare_training("summarization", t5, rows, prefix="very ")
    row = made.train_dataset[0]
    assert made.tokenizer.decode(row["input_ids"], skip_special_tokens=True) == "very the film was good"
    assert made.tokenizer.decode(row["labels"], skip_special_tokens=True) == "good film"
    pairs = [{"translation": {"en": "the film was good", "de": "good film"}}] * 6
    made = prepare_training("translation", t5, pairs)
    assert made.task.columns == {"source": "en", "target": "de"} and pairs[0]["translation"]


def test_a_tokenizer_without_padding_takes_its_end(tmp_path):
    gpt2 = make_text(tmp_path / "gpt2")
    text = (gpt2 / "tokenizer_config.json").read_text().replace('"pad_token": "<pad>", ', "")
    (gpt2 / "tokenizer_config.json").write_text(text)
    made = classify(str(gpt2), reviews())
    assert made.tokenizer.pad_token == made.tokenizer.eos_token
    assert made.model.config.pad_token_id is not None


def test_what_is_trained(bert):
    def trained(made):
        return {name for name, weight in made.model.named_parameters() if weight.requires_grad}

    every = trained(classify(bert, reviews()))
    assert trained(classify(bert, reviews(), freeze="all")) == {"classifier.weight", "classifier.bias"}
    one = trained(classify(bert, reviews(), freeze=1))
    assert not any(".layer.0." in name or "embeddings" in name for name in one) and any(".layer.1." in n for n in one)
    assert one < every
    with pytest.raises(ValueError, match="freeze=9: give 'all', or 0 to 2 blocks"):
        classify(bert, reviews(), freeze=9)
    lora = classify(bert, reviews(), lora=LoraConfig(r=2, target_modules="all-linear", task_type="SEQ_CLS"))
    assert all("lora_" in name or "classifier" in name for name in trained(lora))
    assert (
        lora.arguments("out").learning_rate == 1e-3 and classify(bert, reviews()).arguments("out").learning_rate == 5e-5
    )
    with pytest.raises(ValueError, match=r"pass lora=True \(--lora\) too"):
        classify(bert, reviews(), quantize="int8")


def test_tasks_and_arguments_by_name(chat, bert):
    with pytest.raises(TypeError, match="prepare_training has no argument 'max_len'; the nearest are 'max_length'"):
        classify(bert, reviews(), max_len=5)
    assert len({name for task in TASKS for name in task.names}) == sum(len(task.names) for task in TASKS)
    with pytest.raises(ValueError, match="no task 'object-detection' to train"):
        find_task("object-detection")
    with pytest.raises(
        ValueError, match="no task 'text-clasification' to train; the nearest are 'text-classification'"
    ):
        find_task("text-clasification")
    with pytest.raises(ValueError, match="'llama' has no such head"):
        prepare_training("fill-mask", chat, [{"text": "a"}] * 4)
