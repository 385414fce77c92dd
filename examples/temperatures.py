"""Temperature: one prompt continued at several, and how much the texts vary. Exercise 2 of the lesson.

    python examples/temperatures.py MODEL [--prompt TEXT] [--texts 8] [--tokens 40] [-o docs/temperatures.png]

MODEL is a folder, a GGUF file or a name on the Hub. Two entropies, in bits: of the distribution a token is drawn from
(averaged over the tokens of the texts), and of the words that were written (how often each comes in all texts of a
temperature). Both rise with temperature. The picture needs matplotlib: pip install qkv[viz]
"""

import argparse
import math
import textwrap
from collections import Counter
from pathlib import Path

import torch

from qkv import AutoModelForCausalLM, AutoTokenizer, set_seed

TEMPERATURES = (0.1, 0.7, 1.0, 1.5)


def entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """Of each distribution, in bits: (..., V) -> (...)"""
    return torch.special.entr(probabilities).sum(-1) / math.log(2)


def word_entropy(texts: list[str]) -> float:
    """Of the words of all texts together, in bits."""
    counts = Counter(word for text in texts for word in text.split())
    return float(entropy(torch.tensor([count / counts.total() for count in counts.values()])))


def write(model, tokenizer, prompt: str, temperature: float, texts: int, tokens: int) -> tuple[list[str], float]:
    """Texts at one temperature, and the mean entropy of what their tokens were drawn from."""
    inputs = tokenizer(prompt, return_tensors="pt")
    out = model.generate(
        **inputs, do_sample=True, temperature=temperature, top_k=0, max_new_tokens=tokens, num_return_sequences=texts,
        return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    new = out.sequences[:, inputs["input_ids"].shape[1] :]
    drawn = entropy(torch.stack(out.scores, dim=1).softmax(-1))  # (texts, tokens)
    ends = torch.tensor(model.generation_config.eos_token_id).view(-1)
    before_end = (torch.isin(new, ends).cumsum(1) - torch.isin(new, ends).long()) == 0
    return tokenizer.batch_decode(new, skip_special_tokens=True), float(drawn[before_end].mean())


def draw(rows: list[tuple[float, list[str], float]], prompt: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.2), width_ratios=(1, 1.6), layout="constrained", facecolor="white"
    )
    names = [f"{temperature:g}" for temperature, _, _ in rows]
    left.plot(names, [drawn for _, _, drawn in rows], "o-", color="#1f6fb4", label="of the next token")
    words = [word_entropy(texts) for _, texts, _ in rows]
    left.plot(names, words, "s--", color="#c8501e", label="of the words written")
    left.set(xlabel="temperature", ylabel="entropy, bits", ylim=(0, None))
    left.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False, loc="lower right")
    right.axis("off")
    right.text(0, 1, prompt, va="top", weight="bold", transform=right.transAxes)
    for i, (temperature, texts, _) in enumerate(rows):
        shown = " ".join(texts[0].split()).encode("ascii", "replace").decode()
        lines = textwrap.wrap(shown, 76)[:2]
        right.text(0, 0.84 - 0.23 * i, f"{temperature:g}", va="top", color="#1f6fb4", transform=right.transAxes)
        right.text(
            0.07, 0.84 - 0.23 * i, "\n".join(lines), va="top", parse_math=False, fontsize=9, transform=right.transAxes
        )
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--prompt", default="Once upon a time, in a village by the sea,")
    parser.add_argument("--texts", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    tokenizer, model = AutoTokenizer.from_pretrained(args.model), AutoModelForCausalLM.from_pretrained(args.model)
    set_seed(0)
    rows = []
    print(f"{'temperature':>11} {'next token':>11} {'words':>6}   bits of entropy; then the first text")
    for temperature in TEMPERATURES:
        texts, drawn = write(model, tokenizer, args.prompt, temperature, args.texts, args.tokens)
        rows.append((temperature, texts, drawn))
        print(f"{temperature:11g} {drawn:11.2f} {word_entropy(texts):6.2f}   {' '.join(texts[0].split())[:90]}")
    if args.output:
        draw(rows, args.prompt, args.output)


if __name__ == "__main__":
    main()
