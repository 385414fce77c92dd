"""Record what the reference library's tokenizers return; runs in an environment that has `transformers`.

    python tools/golden_tokenizers.py vocab             train the small vocabularies again (needs sentencepiece)
    python tools/golden_tokenizers.py record [NAME...]  write tests/parity/tokenizers/golden/NAME.json (5.x: compare)
    python tools/golden_tokenizers.py narrow NAME BLOCK print the reference's result for each string of a block

What is kept is a digest of ids, offsets and word ids per block of 250 strings, and one of each of a table of calls.
The version of the reference is written into each file; the test compares without it.
"""

import io
import json
import sys
import tempfile
import warnings
from pathlib import Path

DATA = Path(__file__).parents[1] / "tests" / "parity" / "tokenizers"
sys.path.insert(0, str(DATA))

import tokenizer_digests as digests  # noqa: E402
from tokenizer_cases import CASES, VOCAB  # noqa: E402
from tokenizer_strings import Choice, mixed, sentence, strings, written  # noqa: E402
from tokenizer_words import SENTENCES, WORDS  # noqa: E402


def training_text() -> list[str]:
    pick = Choice(7)
    made = [kind(pick) for kind in (sentence, written, mixed) for _ in range(1500)]
    return [
        line for text in [*made, *SENTENCES * 3, *map(" ".join, WORDS * 3)] for line in text.split("\n") if line.strip()
    ]


def train() -> None:
    import sentencepiece
    from tokenizers import (
        BertWordPieceTokenizer,
        ByteLevelBPETokenizer,
        Regex,
        Tokenizer,
        models,
        normalizers,
        pre_tokenizers,
        trainers,
    )

    VOCAB.mkdir(exist_ok=True)
    text = training_text()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    piece = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    piece.train_from_iterator(text, vocab_size=1500, min_frequency=1, special_tokens=specials, show_progress=False)
    piece.save_model(str(VOCAB))
    lines = (VOCAB / "vocab.txt").read_text().split("\n")
    (VOCAB / "mpnet.txt").write_text("\n".join(["<s>", "<pad>", "</s>", "<unk>", "[UNK]", *lines[5:-1], "<mask>", ""]))
    level = ByteLevelBPETokenizer()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"]
    level.train_from_iterator(text, vocab_size=1200, min_frequency=2, special_tokens=specials, show_progress=False)
    level.save_model(str(VOCAB))
    words = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    words.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    parts = pre_tokenizers.Split(Regex(r"'s|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True)
    words.pre_tokenizer = pre_tokenizers.Sequence([parts, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = [*alphabet, *(f"{one}</w>" for one in alphabet), "<|startoftext|>", "<|endoftext|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=1300, end_of_word_suffix="</w>", special_tokens=specials, show_progress=False
    )
    words.train_from_iterator(text, trainer)
    for made, name in zip(words.model.save(tempfile.mkdtemp()), ("clip.json", "clip.txt"), strict=True):
        (VOCAB / name).write_text(Path(made).read_text())
    rules = VOCAB / "rules.tsv"  # a small character map of our own, tab-separated code points in hexadecimal
    rules.write_text("2019\t27\n201C\t22\n201D\t22\nFB01\t66 69\n3000\t20\n200B\t\n2026\t2E 2E 2E\nE9\t65 301\n")
    kinds = {
        "unigram": {},
        "t5": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
        "albert": {
            "pad_id": 0,
            "unk_id": 1,
            "bos_id": -1,
            "eos_id": -1,
            "control_symbols": "[CLS],[SEP],[MASK]",
            "user_defined_symbols": "(,),–,£",
            "normalization_rule_tsv": rules,
        },
        "big_bird": {"unk_id": 0, "bos_id": -1, "eos_id": -1, "pad_id": -1, "normalization_rule_name": "identity"},
        "deberta": {
            "pad_id": 0,
            "bos_id": 1,
            "eos_id": 2,
            "unk_id": 3,
            "pad_piece": "[PAD]",
            "bos_piece": "[CLS]",
            "eos_piece": "[SEP]",
            "unk_piece": "[UNK]",
            "normalization_rule_tsv": rules,
        },
        "llama": {
            "model_type": "bpe",
            "byte_fallback": True,
            "normalization_rule_name": "identity",
            "split_digits": True,
            "remove_extra_whitespaces": False,
            "user_defined_symbols": "<sep>,▁▁▁▁",
        },
        "gemma": {
            "pad_id": 0,
            "eos_id": 1,
            "bos_id": 2,
            "unk_id": 3,
            "bos_piece": "<bos>",
            "eos_piece": "<eos>",
            "model_type": "bpe",
            "byte_fallback": True,
            "normalization_rule_name": "identity",
            "split_digits": True,
            "add_dummy_prefix": False,
            "remove_extra_whitespaces": False,
            "allow_whitespace_only_pieces": True,
            "user_defined_symbols": "<mask>,<start_of_turn>,<end_of_turn>,▁▁,▁▁▁▁",
        },
    }
    for name, options in kinds.items():
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(text),
            model_writer=out,
            hard_vocab_limit=False,
            num_threads=1,
            minloglevel=2,
            **{"vocab_size": 1100, "character_coverage": 0.995}
            | {k: str(v) if isinstance(v, Path) else v for k, v in options.items()},
        )
        (VOCAB / f"{name}.model").write_bytes(out.getvalue())
    rules.unlink()


def record(names: list[str]) -> None:
    import transformers

    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    (DATA / "golden").mkdir(exist_ok=True)
    texts = strings()
    for name in names or CASES:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as parent:
            cls = case.cls if case.slow else case.cls.removesuffix("Fast") + "Fast"
            loaded = getattr(transformers, cls).from_pretrained(case.folder(Path(parent)))
        if case.slow:
            golden = {"reference": transformers.__version__, "ids": digests.of_ids(loaded, texts[:: case.step])}
            golden["padded"] = digests.of_padded(loaded)
            (DATA / "golden" / f"{name}.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
            continue
        golden = {"reference": transformers.__version__, "strings": digests.of_strings(loaded, texts[:: case.step])}
        golden["facts"] = json.loads(json.dumps(digests.of_facts(loaded)))
        golden["calls"] = digests.of_calls(loaded)  # sets a pad token where there is none, so it comes last
        path = DATA / "golden" / f"{name}.json"
        if transformers.__version__.startswith("4."):
            path.write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")
            print(name, len(golden["strings"]), "blocks", path.stat().st_size, "bytes")
            continue
        before = json.loads(path.read_text())
        for part in ("strings", "calls", "facts"):
            pairs = zip(before[part], golden[part], strict=True)
            if part == "facts":
                pairs = [(before[part].get(key), value) for key, value in golden[part].items()]
            print(
                name,
                part,
                "differing from",
                before["reference"],
                sum(a != b for a, b in pairs),
                "of",
                len(golden[part]),
            )


def narrow(name: str, block: str) -> None:
    import transformers

    case = CASES[name]
    with tempfile.TemporaryDirectory() as parent:
        loaded = getattr(transformers, case.cls.removesuffix("Fast") + "Fast").from_pretrained(
            case.folder(Path(parent))
        )
    start = int(block) * digests.BLOCK
    for text in strings()[:: case.step][start : start + digests.BLOCK]:
        encoding = loaded(text).encodings[0]
        print(json.dumps([text, encoding.ids, encoding.offsets, encoding.word_ids]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["narrow"] and len(sys.argv) == 4:
        narrow(*sys.argv[2:])
    elif sys.argv[1:2] == ["vocab"]:
        train()
    elif sys.argv[1:2] == ["record"]:
        record(sys.argv[2:])
    else:
        sys.exit(__doc__)
