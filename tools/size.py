"""Line budgets: the whole of src stays readable in an afternoon.

    python tools/size.py          # a line per folder; exit status 1 if a file or a folder is over its budget

A budget is raised in the commit that needs it, with the reason in that commit's message.
"""

import sys
from pathlib import Path

SRC = Path(__file__).parent.parent / "src" / "qkv"

FOLDERS = {  # lines of Python at most
    ".": 3650,  # with outputs and Auto classes of text, pages, pictures; names of training and adapters; URLs
    "assets": 10,
    "backends": 2160,  # with a step of generate() as one call, training without padding, and products with gradients
    "cli": 3400,  # with training and pictures
    "generation": 4835,
    "gguf": 800,
    "heads": 2100,  # with those of pictures: classes, boxes, masks, depth, and their losses
    "layers": 2200,  # with patches, windows of pictures, queries and boxes on maps
    "models": 10100,  # with the families of pictures
    "pipelines": 4800,  # with those of pictures
    "preprocessing": 8600,  # with pictures, their processors, boxes of words, and tables
    "training": 13050,  # the loop, its data, metrics, optimisers, schedules; adapters; tasks; pictures; processes
    "viz": 900,
}
FILES = {  # where a file may differ from its folder's cap
    "pipelines/factory.py": 340,  # the table of tasks
    "training/adapters/lora.py": 290,  # PEFT's methods, most of them two lines
    "outputs.py": 560,  # a class for each task
    "models/base.py": 275,  # with what fresh weights are drawn from
    "models/deformable_detr.py": 265,  # two ways to begin, and heads that the decoder shares
    "models/rt_detr.py": 275,  # a config of sixty fields, and names of convolutions in five places
    "models/longformer.py": 260,  # two kinds of attention, and what weights of windows mean
    "models/deberta_v2.py": 200,  # the only attention of its kind
    "models/loading.py": 285,  # with adapters, parts of several processes, and parts that a file may lack left out
}
CAPS = {".": 2520, "models": 250, "preprocessing": 310}  # a file's lines at most, by folder
DERIVED = {  # subclasses of another family
    "camembert", "distilbert", "gemma", "granite", "mistral", "mpnet", "olmo2", "phi3", "qwen2", "qwen3", "roberta",
    "smollm3", "xlm_roberta",
}  # fmt: skip
FAMILIES = {"bert": 125, "gpt2": 100, "gpt_neox": 100, "llama": 100, "opt": 100, "t5": 190}
FAMILIES |= {"albert": 140, "electra": 135}  # weights in groups, and its pretraining; two heads of its own
FAMILIES |= {"gemma2": 70, "gemma3": 85}  # windows by layer; two ropes, and EmbeddingGemma's attention both ways
FAMILIES |= dict.fromkeys(DERIVED, 70)


def budget(path: str) -> int:
    """The most lines a file may have."""
    folder, _, name = path.rpartition("/")
    if path in FILES:
        return FILES[path]
    if folder == "models" and name.removesuffix(".py") in FAMILIES:
        return FAMILIES[name.removesuffix(".py")]
    return CAPS.get(folder.split("/")[0] or ".", 250)


def main() -> int:
    totals: dict[str, int] = dict.fromkeys(FOLDERS, 0)
    over = []
    for file in sorted(SRC.rglob("*.py")):
        path = file.relative_to(SRC).as_posix()
        lines = len(file.read_text("utf8").splitlines())
        folder = path.split("/")[0] if "/" in path else "."
        totals[folder] = totals.get(folder, 0) + lines
        if lines > budget(path):
            over.append(f"{path}: {lines} lines, at most {budget(path)}")
    for folder, lines in totals.items():
        print(f"{folder:15} {lines:6} of {FOLDERS.get(folder, 0)}")
        if lines > FOLDERS.get(folder, 0):
            over.append(f"{folder}/: {lines} lines, at most {FOLDERS.get(folder, 0)}")
    print(f"{'total':15} {sum(totals.values()):6}")
    print("\n".join(over), file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
