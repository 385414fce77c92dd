"""Tables as texts, numbers and dates in them, TAPAS's tokenizer beyond the reference, and questions about tables."""

import json
import math
import threading
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qkv import (
    AutoModelForTableQuestionAnswering,
    AutoTokenizer,
    BertConfig,
    BertTokenizer,
    TapasConfig,
    TapasForQuestionAnswering,
    pipeline,
)
from qkv.preprocessing.tables import Table, column_values, is_empty, numeric_values, ranks, read_table, relations
from qkv.preprocessing.tables.numbers import spans, word_spans
from tiny_tables import make_tables

ROWS = (("yes", "12"), ("no", "3"), ("x", ""))
TABLE = {"film": ["yes", "no", "x"], "1": ["12", "3", ""]}


class Frame:
    """What a pandas DataFrame is asked for."""

    columns = ["film", 1]

    def itertuples(self, index, name):
        assert index is False and name is None
        return iter([("yes", 12), ("no", 3), ("x", float("nan"))])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tables(tmp_path_factory.mktemp("tapas"))


@pytest.fixture(scope="module")
def pipe(folder):
    return pipeline("table-question-answering", model=str(folder))


@pytest.fixture(scope="module")
def tokenizer(folder):
    return AutoTokenizer.from_pretrained(folder)


FORMS = [
    TABLE,
    {"film": ("yes", "no", "x"), 1: [12, 3, None]},
    {"film": {0: "yes", 1: "no", 2: "x"}, "1": {0: 12, 1: 3, 2: float("nan")}},  # DataFrame.to_dict()
    [["film", 1], ["yes", 12], ["no", 3], ["x", None]],
    [("film", "1"), *ROWS],
    [{"film": "yes", "1": 12}, {"1": 3, "film": "no"}, {"film": "x"}],
    Frame(),
    Table(("film", "1"), ROWS),
]


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
def test_a_table_in_each_form_is_the_same(form, pipe):
    assert read_table(form) == Table(("film", "1"), ROWS)
    assert pipe(form, "what 1") == pipe(TABLE, "what 1")


@pytest.mark.parametrize(
    ("given", "error", "say"),
    [
        ("a,b", TypeError, "DataFrame"),
        (7, TypeError, "dictionary of columns"),
        ({"a": "text"}, TypeError, "column 'a'"),
        ({"a": 3}, TypeError, "list of cells"),
        ({"a": [1], "b": [1, 2]}, ValueError, "'b' has 2 cells and 'a' has 1"),
        (["ab", "cd"], TypeError, "row 0"),
        ([["a", "b"], [1], [1, 2]], ValueError, "row 0 of the table has 1 cells"),
    ],
)
def test_what_is_no_table(given, error, say, pipe):
    for call in (read_table, lambda table: pipe(table, "what")):
        with pytest.raises(error, match=say) as caught:
            call(given)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("7 february 1967", [(1967, 2, 7)]), ("Born in May 1990", [(1990, 5, None)]), ("1990s", [(1990, None, None)]),
        ("29 february", [29.0, (None, 2, None)]), ("1,250.5 km", [1250.5]), ("-3 of 4", [-3.0, 4.0]),
        ("the 21st", [21.0]),
        ("1990", [1990.0, (1990, None, None)]), ("2024", [2024.0]), ("third", [3.0]), ("monday, jul 5", [(None, 7, 5)]),
        ("12-24-1999", [(1999, 12, 24)]), ("24.12.1999", [(1999, 12, 24)]), ("nan inf", []), ("", []),
    ],
)  # fmt: skip
def test_numbers_and_dates(text, values):
    assert numeric_values(text) == values


@given(st.text(alphabet="0123456789,.+- abcdefmay19stnrdth/:", max_size=40) | st.text(max_size=30))
def test_values_stand_where_they_say(text):
    text = " ".join(text.lower().split())
    found = list(spans(text))
    assert found == sorted(found)
    for (start, end), other in zip(found, found[1:], strict=False):
        assert 0 <= start < end <= len(text) and not (start <= other[0] and other[1] <= end)
    assert all(text[start:end].strip() and len(text[start:end].split()) <= 9 for start, end in word_spans(text, 5))
    assert all(isinstance(value, tuple) or math.isfinite(value) for value in numeric_values(text))


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=9), st.integers(-50, 50))
def test_ranks_are_those_of_sorting(numbers, asked):
    values = column_values([str(n) for n in numbers])
    assert values == {i: float(n) for i, n in enumerate(numbers)}
    order = sorted(set(numbers))
    assert ranks(values) == {i: (order.index(n) + 1, len(order) - order.index(n)) for i, n in enumerate(numbers)}
    compared = {i: 1 if asked == n else 2 if asked < n else 4 for i, n in enumerate(numbers)}
    assert relations([float(asked)], values) == compared


def test_columns_without_a_common_kind():
    assert column_values(["1", "2", "x", "y"]) == {} and column_values([]) == {}
    assert set(column_values(["1990", "2001", "x"] * 1 + ["1985"])) == {0, 1, 3}  # as dates, as many as numbers
    assert ranks({0: (1990, None, None), 1: (None, 5, 1)}) == {} == ranks({})
    assert is_empty(" - ") and is_empty("N/A") and not is_empty("no")


def test_answers_by_their_texts(tokenizer, folder):
    finding = AutoTokenizer.from_pretrained(folder, update_answer_coordinates=True)
    found = finding(TABLE, "what", [(0, 0)], ["no"])
    chosen = [place for place, label in enumerate(found["labels"]) if label]
    assert [found["input_ids"][place] for place in chosen] == finding.convert_tokens_to_ids(finding.tokenize("no"))
    assert {found["token_type_ids"][place][2] for place in chosen} == {2}
    assert not any(finding(TABLE, "what", [(0, 0)], ["good"])["labels"])
    with pytest.raises(ValueError, match=r"\(9, 0\)"):
        tokenizer(TABLE, "what", [(9, 0)], ["no"])


@pytest.mark.parametrize(
    ("call", "say"),
    [
        (lambda t: t(TABLE, ["a"], [[(0, 0)]]), "answer_text"),
        (lambda t: t(TABLE, ["a", "b"], [[(0, 0)]], [["x"]]), "2 questions"),
        (lambda t: t(TABLE, "a", truncation="longest_first"), "drop_rows_to_fit"),
        (lambda t: t(TABLE, "a", max_length=5), "max_length"),
        (lambda t: t(TABLE, "a", max_length=5, truncation=True), "fewer columns"),
        (lambda t: t({"a": ["x"] * 90}, "a"), "90 rows"),
        (lambda t: t(TABLE, "a", return_offsets_mapping=True), "token_type_ids"),
        (lambda t: t("a text"), "DataFrame"),
        (lambda t: t(TABLE, ["a", 3]), r"queries\[1\]"),
        (lambda t: t(TABLE, "a", padded=True), "padding"),
    ],
)
def test_calls_that_cannot_be(call, say, tokenizer):
    with pytest.raises((ValueError, TypeError), match=say) as error:
        call(tokenizer)
    assert len(str(error.value)) < 400


def test_shapes_and_kinds(tokenizer):
    alone = tokenizer(TABLE, "what", return_tensors="pt")
    assert alone["token_type_ids"].shape == (*alone["input_ids"].shape, 7) and alone["input_ids"].shape[0] == 1
    assert tokenizer(TABLE, ["what", "film 1"], padding=True, return_tensors="np")["attention_mask"].shape[0] == 2
    assert tokenizer(TABLE, [])["input_ids"] == []
    assert tokenizer.tokenize("film") == ["f", "##i", "##l", "##m"] and tokenizer.tokenize("-") == ["[EMPTY]"]
    assert tokenizer.encode(TABLE, "what") == tokenizer(TABLE, "what")["input_ids"]
    assert tokenizer.get_special_tokens_mask([5, 6], [7]) == [1, 0, 0, 1, 0]


def test_predictions_from_tensors_and_lists(tokenizer):
    data = tokenizer(TABLE, ["what"], return_tensors="pt")
    logits = torch.where(data["token_type_ids"][..., 2] == 2, 3.0, -200.0)
    assert tokenizer.convert_logits_to_predictions(data, logits) == ([[(1, 0), (1, 1)]],)
    lists = {name: value.tolist() for name, value in data.items()}
    found = tokenizer.convert_logits_to_predictions(lists, logits.tolist(), [[0.0, 2.0, 1.0]])
    assert found == ([[(1, 0), (1, 1)]], [1])
    assert tokenizer.convert_logits_to_predictions(data, logits, None, 0.99) == ([[]],)


# ------------------------------------------------------------------------------------------------------ the pipeline


def test_the_task_is_read_from_the_model(folder, pipe):
    assert pipeline(model=str(folder)).task == "table-question-answering"
    assert isinstance(AutoModelForTableQuestionAnswering.from_pretrained(folder), TapasForQuestionAnswering)
    with pytest.raises(ValueError, match="no such head"):
        AutoModelForTableQuestionAnswering.from_config(BertConfig())


def test_a_tokenizer_of_texts_is_refused(folder, pipe):
    with pytest.raises(TypeError, match="TapasTokenizer"):
        pipeline("table-question-answering", model=pipe.model, tokenizer=BertTokenizer(folder / "vocab.txt"))


def test_forms_of_a_call(pipe):
    one = pipe(TABLE, "what 1")
    assert one == pipe(table=TABLE, query="what 1") == pipe({"table": TABLE, "query": "what 1"})
    assert one == pipe([{"table": TABLE, "query": "what 1"}]) == pipe(data={"table": TABLE, "query": ["what 1"]})
    several = pipe(TABLE, ["what 1", "film"])
    assert several[0] == one and len(several) == 2
    items = [{"table": TABLE, "query": "what 1"}, {"table": [["a"], ["b"]], "query": ["film", "x"]}] * 3
    found = pipe(items, batch_size=2)
    assert found == [pipe(item) for item in items] == list(pipe(item for item in items))


@pytest.mark.parametrize(
    ("args", "say"),
    [
        ((TABLE,), "no table and no query"), ((), "needs a table"), ((None, "what"), "needs a table"),
        ((Frame(),), "no table"),
        (({"table": TABLE},), "no query"), (({"table": None, "query": "a"},), "no table"), ((TABLE, ""), "empty"),
        ((TABLE, []), "empty"), ((TABLE, ["a", " "]), "empty"), ((TABLE, 7), "question"), (({}, "what"), "no cells"),
        (({"a": []}, "what"), "0 rows"), (([["a", "b"]], "what"), "0 rows"), (([["film"]],), "no table"),
        (({f"c{i}": ["x"] for i in range(9)}, "what"), "9 columns, and this model reads 8"),
    ],
)  # fmt: skip
def test_calls_without_a_table_or_a_question(args, say, pipe):
    with pytest.raises((ValueError, TypeError), match=say) as error:
        pipe(*args)
    assert len(str(error.value)) < 400


LONG = {"film": ["yes", "no", "x"] * 40, "1": ["12", "3", "film"] * 40}
WIDE = {"film": ["yes no film good bad all at the was it " * 3, "no"], "1": ["12", "3"]}


@pytest.mark.parametrize(("table", "say"), [(LONG, "the first 6 rows"), (WIDE, "the beginnings of its cells")])
def test_a_table_that_is_too_long_is_cut_and_says_so(table, say, pipe):
    with pytest.warns(UserWarning, match=f"{say}.*truncation=True") as caught:
        found = pipe(table, "what 1")
    assert caught[0].filename == __file__ and len(str(caught[0].message)) < 400
    for options in ({"truncation": True}, {"truncation": "drop_rows_to_fit"}):
        assert pipe(table, "what 1", **options) == found
    for options in ({"truncation": False}, {"truncation": "error"}, {"truncation": "do_not_truncate"}):
        with pytest.raises(ValueError, match="too long for this model"):
            pipe(table, "what 1", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe(TABLE, "what 1", truncation=False)


def test_a_conversation_waits_for_answers(pipe):
    asked = ["what 1", "film yes", "x"]
    told = pipe(TABLE, asked, sequential=True)
    assert told[0] == pipe(TABLE, asked)[0] and len(told) == 3
    tokenizer, model = pipe.tokenizer, pipe.model
    before: set = set()
    for question, expected in zip(asked, told, strict=True):
        inputs = tokenizer(TABLE, question, return_tensors="pt")
        for types in inputs["token_type_ids"][0]:
            types[3] = int((int(types[2]) - 1, int(types[1]) - 1) in before)
        with torch.inference_mode():
            cells = tokenizer.convert_logits_to_predictions(inputs, model(**inputs).logits)[0][0]
        assert cells == expected["coordinates"]
        before = set(cells)
    assert before or any(one["coordinates"] for one in told)


def test_threads_share_a_pipeline(pipe):
    tables = [{"film": ["yes", "no"][: 1 + i % 2], "1": [str(i), "3"][: 1 + i % 2]} for i in range(12)]
    expected = [pipe(table, "what 1") for table in tables]
    found: list = [None] * len(tables)

    def work(start):
        for i in range(start, len(tables), 4):
            found[i] = pipe(tables[i], "what 1")

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == expected


# --------------------------------------------------------------------------------------------------------- the model


def test_inputs_that_do_not_fit(folder, tokenizer):
    model = TapasForQuestionAnswering.from_pretrained(folder)
    inputs = tokenizer(TABLE, "what", return_tensors="pt")
    types = inputs.pop("token_type_ids")
    for wrong, say in (
        (types[..., 0], "integers of shape"),
        (types.float(), "float32"),
        (types + 20, "20…2. as tokens' segment"),
    ):
        with pytest.raises(ValueError, match=say) as error:
            model(**inputs, token_type_ids=wrong)
        assert len(str(error.value)) < 400
    labels = torch.zeros_like(inputs["input_ids"])
    with pytest.raises(ValueError, match="aggregation_labels"):
        model(**inputs, token_type_ids=types, labels=labels)
    with pytest.raises(ValueError, match="type_vocab_sizes"):
        TapasForQuestionAnswering(TapasConfig(type_vocab_sizes=[3, 3]))


def test_settings_of_the_config(folder):
    config = json.loads((folder / "config.json").read_text())
    assert TapasConfig.from_pretrained(folder).aggregation_labels == {0: "NONE", 1: "SUM", 2: "AVERAGE", 3: "COUNT"}
    assert TapasConfig.from_pretrained(folder).to_dict()["aggregation_labels"] is not None
    assert json.loads(TapasConfig.from_pretrained(folder).to_json_string()) == config
    older = TapasConfig.from_dict({"type_vocab_size": [3, 256, 256, 2, 256, 256, 10], "vocab_size": 9})
    assert older.type_vocab_sizes[1] == 256
    small = {
        "vocab_size": 9,
        "hidden_size": 8,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "intermediate_size": 8,
    }
    fresh = TapasForQuestionAnswering(TapasConfig(**small, init_cell_selection_weights_to_zero=True))
    assert not fresh.output_weights.any() and not fresh.column_output_bias.any() and fresh.head.out is None
    assert TapasForQuestionAnswering(TapasConfig(**small)).output_weights.any()


def test_gumbel_noise_is_drawn_from_the_seed(folder, tokenizer):
    model = TapasForQuestionAnswering.from_pretrained(
        folder, use_answer_as_supervision=True, cell_selection_preference=0.0, use_gumbel_for_cells=True,
        use_gumbel_for_aggregation=True, huber_loss_delta=9.0,
    )  # fmt: skip
    inputs = tokenizer(TABLE, "what", [(0, 0)], ["yes"], return_tensors="pt")
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(model(**inputs, float_answer=torch.tensor([7.0])).loss)
    assert losses[0] == losses[1] != losses[2] and all(map(torch.isfinite, losses))


def test_eight_bits_answer_alike(folder, pipe):
    few = pipeline("table-question-answering", model=str(folder), quantize="int8")
    tables = [{"film": ["yes", "no", "x"], "1": [str(i), "3", "12"]} for i in range(10)]
    pairs = [(few(table, "what 1"), pipe(table, "what 1")) for table in tables]
    assert sum(a == b for a, b in pairs) >= 7
