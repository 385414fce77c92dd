"""A small ViT from nothing on Fashion-MNIST (Xiao et al., 2017, arXiv:1708.07747): 60,000 pictures of ten garments.

    apt download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb .cache/fashion       # or apt install it
    python examples/fashion_mnist.py .cache/fashion/run --data .cache/fashion

Patches of 7 x 7, 6 blocks of width 128, 1.2 million weights; half of the pictures are shown mirrored. A run that was
killed goes on exactly with the same command. Settings were chosen on 3,000 pictures of training; figures are those of
the last step on the 10,000 of the test, by which nothing was chosen. The folder gets the model, curves.png and
confusion.png.
"""

import argparse
import gzip
import time
from pathlib import Path
from typing import Any

import numpy as np

from qkv import ViTConfig, ViTForImageClassification, ViTImageProcessor, prepare_training, set_seed
from qkv.viz import confusion, curves

NAMES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
MEAN, DEVIATION = [0.286], [0.353]  # of the pixels of training, in 0..1


def read(folder: Path, part: str) -> list[dict[str, Any]]:
    """Rows {"image": (28,28) bytes, "label": name} of "train" or "t10k"."""
    first = next(folder.rglob(f"{part}-images-idx3-ubyte.gz"), None)
    if first is None:
        raise SystemExit(
            f"{folder} has no {part}-images-idx3-ubyte.gz: apt install dataset-fashion-mnist, or see above."
        )
    pixels, labels = (
        np.frombuffer(gzip.decompress((first.parent / f"{part}-{kind}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for kind, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    return [
        {"image": image, "label": NAMES[label]} for image, label in zip(pixels.reshape(-1, 28, 28), labels, strict=True)
    ]


def make(folder: Path, seed: int) -> None:
    """A model with fresh weights, and its image processor: 28 x 28 greys, not resized."""
    set_seed(seed)
    config = ViTConfig(
        image_size=28, patch_size=7, num_channels=1, hidden_size=128, num_hidden_layers=6, num_attention_heads=4,
        intermediate_size=512, id2label=dict(enumerate(NAMES)), label2id={name: i for i, name in enumerate(NAMES)},
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    processor = ViTImageProcessor(size={"height": 28, "width": 28}, image_mean=MEAN, image_std=DEVIATION)
    processor.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a small ViT on Fashion-MNIST.")
    parser.add_argument("out", type=Path, help="folder of the model and the pictures of the run")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--epochs", type=float, default=12)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.monotonic()
    make(asked.out / "fresh", asked.seed)
    train, test = read(asked.data, "train"), read(asked.data, "t10k")
    prepared = prepare_training("image-classification", str(asked.out / "fresh"), train, test, crop=1, seed=asked.seed)
    print(prepared)
    args = prepared.arguments(
        str(asked.out), num_train_epochs=asked.epochs, per_device_train_batch_size=64, per_device_eval_batch_size=250,
        learning_rate=1e-3, lr_scheduler_type="cosine", weight_decay=0.05, load_best_model_at_end=False,
        seed=asked.seed,
    )  # fmt: skip
    trainer = prepared.trainer(args)
    trainer.train(resume_from_checkpoint="auto")
    report = prepared.report(trainer)
    trainer.save_model()
    curves(trainer).save(asked.out / "curves.png")
    confusion(report.matrix, report.labels).save(asked.out / "confusion.png")
    for name, of in (report.classes or {}).items():
        print(f"{name:12} precision {of['precision']:.3f}  recall {of['recall']:.3f}  F1 {of['f1']:.3f}")
    print(f"accuracy on {len(test):,} pictures of the test: {report.metrics['accuracy']:.2%}")
    print(f"{(time.monotonic() - started) / 60:.1f} minutes in all")


if __name__ == "__main__":
    main()
