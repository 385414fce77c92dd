"""Classification of pictures, the whole path: JPEG files in, labels and scores out.

    python benchmarks/vision.py [--rounds 5] [--short] [--json FILE]

ViT-B/16 with random weights (86M), 64 JPEGs of 640 x 480 (16 with --short): read, decoded, resized to 224 x 224,
normalised, computed, the best five labels of 1000. HF is its pipeline at batch 1, 4, 8 and 32, without torchvision.
ONNX Runtime and OpenVINO get the pictures from a program that decodes the next batch meanwhile, and take the batch
size, of 1, 4 and 8, that is fastest when they load. qkv is its pipeline as it comes. same: pictures with the label that
HF gives; differs by: how far scores are from HF's at most, as a share of the best score.
"""

from typing import Any

import data
import table
from harness import measure

PEERS = [
    ("hf", "pipeline-1"), ("hf", "pipeline-4"), ("hf", "pipeline-8"), ("hf", "pipeline-32"), ("ort", "fp32"),
    ("ov", "fp32"), ("ort", "int8"), ("ov", "int8"),
]  # fmt: skip
OURS = [("ours", "fp32"), ("ours", "int8")]


def agree(found: Any, reference: Any) -> float:
    """The share of pictures with the same best label."""
    return sum(a[0][0] == b[0][0] for a, b in zip(found, reference, strict=True)) / len(reference)


def difference(found: Any, reference: Any) -> float:
    """The largest difference of a label's score, as a share of the best score; labels that both have among five."""
    most = 0.0
    for a, b in zip(found, reference, strict=True):
        own = dict(map(tuple, a))
        most = max([most, *(abs(own[label] - score) / b[0][1] for label, score in b if label in own)])
    return most


def run(args: Any) -> list[dict[str, Any]]:
    count = data.PICTURES // (4 if args.short else 1)
    jobs = [{"pictures": [str(path) for path in data.pictures(args.cache)[:count]]}]
    entries = table.entries(PEERS + OURS, "picture", "vit", args)
    [rows] = measure(entries, jobs, rounds=args.rounds, threads=args.threads, cache=args.cache)
    figures = table.rated(rows, count, agree, difference)
    return [table.result("vision vit", f"ViT-B/16, {count} JPEGs of 640 x 480", "pictures/s", figures, args)]


def parser() -> Any:
    return table.arguments(__doc__)


if __name__ == "__main__":
    args = parser().parse_args()
    table.report(run(args), args.json)
