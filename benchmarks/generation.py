"""Decoding: what generate() costs beside the model's own forward passes, and its time per token against the reference.

    python benchmarks/generation.py [--runs 5] [--tokens 64] [--threads 2] [--peer PYTHON] [--json FILE]

Networks of GPT-2's and SmolLM2-135M's size with random weights, batch 1, prompt of 32 ids, greedy. Each program is a
process of its own that stays; they take turns, so that a busy machine slows all of them alike. `overhead` is measured
within one call: the time of generate() over the time inside the model's forward, minus one. --peer names the python of
an environment with the reference library, which gets the same shapes and as many threads.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

SHAPES = {
    "gpt2-124M": ("GPT2", "GPT2LMHeadModel", {}),
    "llama-135M": (
        "Llama", "LlamaForCausalLM",
        dict(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
             num_key_value_heads=3, max_position_embeddings=2048, tie_word_embeddings=True, rms_norm_eps=1e-5),
    ),
}  # fmt: skip
WORKER = """
import json, sys, time, torch
import {package} as package
torch.set_num_threads({threads})
torch.manual_seed(0)
model = package.{model}(package.{config}Config(**{fields})).eval()
model.generation_config.eos_token_id = None
ids, spent = torch.randint(5, 1000, (1, 32)), []
plain = model.forward
def timed(*args, **kwargs):
    start = time.perf_counter()
    try:
        return plain(*args, **kwargs)
    finally:
        spent.append(time.perf_counter() - start)
model.forward = timed
print(torch.get_num_threads(), flush=True)
for _ in sys.stdin:
    spent.clear()
    start = time.perf_counter()
    model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens={tokens}, pad_token_id=0)
    total = time.perf_counter() - start
    print(json.dumps([total, sum(spent), len(spent)]), flush=True)
"""


class Program:
    """A process that generates once for each line it gets."""

    def __init__(self, python: str, package: str, shape: str, threads: int, tokens: int):
        config, model, fields = SHAPES[shape]
        code = WORKER.format(package=package, model=model, config=config, fields=fields, threads=threads, tokens=tokens)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self.process = subprocess.Popen([python, "-c", code], **pipes)
        if int(self._line()) != threads:
            sys.exit(f"{package} does not run with {threads} threads: the comparison would be void")

    def _line(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a program of the benchmark ended early; run its code by hand to see why")
        return line

    def run(self) -> tuple[float, float, int]:
        """Seconds of a call, seconds of these inside forward, and how many forward passes there were."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return tuple(json.loads(self._line()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", help="python of an environment with transformers")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    packages = {"qkv": sys.executable} | ({"transformers": args.peer} if args.peer else {})
    results = {}
    for shape in SHAPES:
        programs = {name: Program(python, name, shape, args.threads, args.tokens) for name, python in packages.items()}
        measured: dict[str, list[tuple[float, float, int]]] = {name: [] for name in programs}
        for _ in range(args.runs + 1):
            for name, program in programs.items():
                measured[name].append(program.run())
        for program in programs.values():
            program.process.kill()
        for name, runs in measured.items():
            calls = runs[1:]  # the first fills caches
            results[f"{shape} {name}"] = {
                "ms_per_token": round(1000 * statistics.median(total for total, _, _ in calls) / args.tokens, 2),
                "overhead": round(statistics.median(total / inside - 1 for total, inside, _ in calls), 4),
                "forward_passes": calls[0][2],
            }
    print(f"{'':28}{'overhead':>10}{'time per token, qkv = 1':>26}   (medians of {args.runs} interleaved runs, "
          f"{args.threads} threads)")  # fmt: skip
    for name, row in results.items():
        base = results[f"{name.split()[0]} qkv"]["ms_per_token"]
        print(f"{name:28}{row['overhead']:10.1%}{row['ms_per_token'] / base:26.2f}")
    if args.json:
        args.json.write_text(json.dumps({"results": results, **vars(args), "json": str(args.json)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
