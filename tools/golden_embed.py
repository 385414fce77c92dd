"""Record what other libraries make of texts on tiny models, into tests/parity/pipelines/.

python tools/golden_embed.py      # with transformers==4.57.6: feature_extraction.json
python tools/golden_embed.py      # with sentence-transformers==6.2.0 (and 5.23.0): sentence_transformers.json
python tools/golden_embed.py FOLDER   # the same, with MiniLM's real weights: ../real/minilm_cosines.json
"""

import copy
import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
from tiny_sentence import PROMPTS, WIDTH, make_cross_encoder, make_sentence  # noqa: E402
from tiny_text import make_text  # noqa: E402

TEXT = "I love this product!"
LIST = [TEXT, "the film was terrible and not very good", "", "no", "zzz, qqq; yes yes"]
LONG = "good " * 100

# Each case: the model (a family that reads WordPiece, or a decoder), the input, options of the call. None has a
# batch_size: the reference then gives vectors of padding with those of tokens.
FEATURES: list[tuple[str, Any, dict[str, Any]]] = [
    ("bert", TEXT, {}),
    ("bert", LIST, {}),
    ("bert", [TEXT], {}),
    ("bert", "", {}),
    ("distilbert", LIST, {}),
    ("gpt2", TEXT, {}),
    ("gpt2", [TEXT, "no"], {}),
    ("bert", LONG, {"truncation": True, "tokenize_kwargs": {"max_length": 20}}),
    ("bert", [LONG, TEXT], {"tokenize_kwargs": {"truncation": True, "max_length": 6}}),
    ("bert", TEXT, {"tokenize_kwargs": {"max_length": 4}}),
    ("bert", LIST, {"tokenize_kwargs": {"padding": True}}),
    ("bert", TEXT, {"tokenize_kwargs": {"padding": "max_length", "max_length": 12}}),
    ("bert", TEXT, {"tokenize_kwargs": {"add_special_tokens": False}}),
    ("bert", TEXT, {"return_tensors": False}),
]

MEAN = ("Pooling", {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True})
FLAGS = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
NORMALIZE = ("Normalize", {})


def flagged(*names: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """A pooling config with all its flags, as older versions write it."""
    flags = {f"pooling_mode_{name}": name in names for name in FLAGS}
    return "Pooling", {"word_embedding_dimension": WIDTH, **flags, **more}


def dense(columns: int, rows: int, act: str = "activation.Tanh", **more: Any) -> tuple[str, dict[str, Any]]:
    name = f"torch.nn.modules.{act}"
    return "Dense", {"in_features": columns, "out_features": rows, "bias": True, "activation_function": name, **more}


# Each case: the folder's modules, further arguments of make_sentence, options of encode().
FOLDERS: list[tuple[list[Any], dict[str, Any], dict[str, Any]]] = [
    *(([flagged(name)], {}, {}) for name in FLAGS),
    ([flagged()], {}, {}),
    ([flagged(*FLAGS)], {}, {}),
    ([("Pooling", {"embedding_dimension": WIDTH, "pooling_mode": "lasttoken", "include_prompt": True})], {}, {}),
    ([("Pooling", {"embedding_dimension": WIDTH, "pooling_mode": ["mean", "cls"]}), NORMALIZE], {}, {}),
    ([MEAN, NORMALIZE], {"inside": "0_Transformer", "body": "distilbert"}, {}),
    ([MEAN, ("Dropout", {"dropout": 0.1}), dense(WIDTH, 12)], {}, {}),
    ([MEAN, dense(WIDTH, 12, "linear.Identity", bias=False), NORMALIZE], {"binary": True}, {}),
    ([MEAN, dense(WIDTH, 48, "activation.GELU"), dense(48, 12, "activation.ReLU")], {"inside": "0_Transformer"}, {}),
    ([MEAN, dense(WIDTH, WIDTH, use_residual=True), ("LayerNorm", {"dimension": WIDTH})], {}, {}),
    ([MEAN, dense(WIDTH, 12, use_residual=True)], {}, {"normalize_embeddings": True}),
    ([MEAN], {}, {"normalize_embeddings": True, "truncate_dim": 8}),
    ([MEAN], {"settings": {"truncate_dim": 5}}, {}),
    ([MEAN], {"texts": {"max_seq_length": 7, "do_lower_case": False}}, {}),
    ([MEAN], {"texts": {"max_seq_length": 20, "do_lower_case": True}}, {}),
    ([MEAN], {"settings": {"prompts": PROMPTS, "default_prompt_name": "query"}}, {}),
    ([MEAN], {"settings": {"prompts": PROMPTS, "default_prompt_name": "query"}}, {"prompt": ""}),
    ([MEAN], {"settings": {"prompts": PROMPTS}}, {"prompt_name": "document"}),
    *(
        ([flagged(*names, include_prompt=False)], {"settings": {"prompts": PROMPTS}}, {"prompt_name": "query"})
        for names in (("cls_token",), ("mean_tokens", "max_tokens"), ("weightedmean_tokens", "lasttoken"))
    ),
    ([flagged("mean_tokens", include_prompt=False)], {}, {"prompt": "love it, love it: "}),
]
SIMILAR = ("cosine", "dot", "euclidean", "manhattan")
DOCUMENTS = ["the film was great and good", "no", "", "bad product, bad film, " * 20, "not at all"]
RANKED: list[dict[str, Any]] = [  # fields of a cross-encoder's config.json
    {},
    {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"},
    {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid", "version": "4.1.0"}},
    {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "4.1.0"}},
]


PARAPHRASES = [
    ("A man is playing a guitar.", "Someone plays the guitar."),
    ("The stock market fell sharply on Monday.", "Shares dropped a lot at the start of the week."),
    ("How do I reset my password?", "I forgot my password and need a new one."),
    ("The cat sleeps on the sofa.", "A cat is sleeping on the couch."),
]


def features() -> list[Any]:
    import transformers

    recorded = []
    for name, given, call in FEATURES:
        with tempfile.TemporaryDirectory() as folder:
            model = make_text(Path(folder), "gpt2/Model") if name == "gpt2" else make_sentence(Path(folder), body=name)
            pipe = transformers.pipeline("feature-extraction", model=str(model))
            own = copy.deepcopy(call)  # which the reference writes into
            recorded.append([name, given, call, rounded(pipe(given, **own))])
    return recorded


def sentences() -> dict[str, list[Any]]:
    from sentence_transformers import CrossEncoder, SentenceTransformer

    recorded: dict[str, list[Any]] = {"folders": [], "similar": [], "ranked": []}
    for steps, how, call in FOLDERS:
        with tempfile.TemporaryDirectory() as folder:
            model = SentenceTransformer(str(make_sentence(Path(folder), *steps, **how)), device="cpu")
            found = model.encode([*LIST, LONG], **call)
            recorded["folders"].append([steps, how, call, rounded(found.tolist())])
    for name in SIMILAR:
        with tempfile.TemporaryDirectory() as folder:
            folder = make_sentence(Path(folder), settings={"similarity_fn_name": name})
            model = SentenceTransformer(str(folder), device="cpu")
            found = model.similarity(model.encode(TEXT), model.encode(LIST))[0]
            recorded["similar"].append([name, rounded(found.tolist())])
    for fields in RANKED:
        with tempfile.TemporaryDirectory() as folder:
            model = CrossEncoder(str(make_cross_encoder(Path(folder), **fields)), device="cpu")
            found = model.rank(TEXT, DOCUMENTS)
            recorded["ranked"].append([fields, [[entry["corpus_id"], float(entry["score"])] for entry in found]])
    return recorded


def real(folder: str) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu")
    texts = [text for pair in PARAPHRASES for text in pair]
    vectors = model.encode(texts)
    found = {"texts": texts, "cosines": rounded(model.similarity(vectors, vectors).tolist())}
    (TESTS / "parity" / "real" / "minilm_cosines.json").write_text(json.dumps(found, indent=1) + "\n")


def rounded(value: Any) -> Any:
    """Lists of floats with what float32 holds of them."""
    return [rounded(part) for part in value] if isinstance(value, list) else float(f"{value:.8g}")


def main() -> None:
    with_sentences = find_spec("sentence_transformers") is not None
    name, found = ("sentence_transformers", sentences()) if with_sentences else ("feature_extraction", features())
    target = TESTS / "parity" / "pipelines" / f"{name}.json"
    groups = found.items() if isinstance(found, dict) else [("", found)]
    parts = [(f'"{key}": ' if key else "") + "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]" for key, rows in groups]
    text = ",\n".join(parts)
    target.write_text(f"{{{text}}}\n" if with_sentences else f"{text}\n")
    print(f"{target.name}: {sum(len(rows) for _, rows in groups)} cases")


if __name__ == "__main__":
    real(sys.argv[1]) if len(sys.argv) > 1 else main()
