"""The random models of the benchmarks: full size, drawn with seed 0 as the reference library draws them."""

import json
import shutil
from pathlib import Path

TOKENIZER = Path(__file__).parent.parent / "src" / "qkv" / "assets" / "sentiment"  # a real one of 30522 word pieces
ENCODERS, DECODERS, PICTURES = ("distilbert", "bert"), ("gpt2", "llama"), ("vit",)
LLAMA = {  # SmolLM2-135M's shape
    "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True, "rope_theta": 100000.0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
PROCESSOR = {  # ViT-B/16's
    "do_normalize": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    "image_processor_type": "ViTImageProcessor", "resample": 2, "size": {"height": 224, "width": 224},
}  # fmt: skip


def make_model(name: str, folder: Path) -> None:
    """A model and its tokenizer or image processor in `folder`, as transformers saves them.

    Raises: KeyError for another name.
    """
    import torch
    import transformers as t

    torch.manual_seed(0)
    model = {
        "distilbert": lambda: t.DistilBertForSequenceClassification(t.DistilBertConfig(num_labels=2)),
        "bert": lambda: t.BertForSequenceClassification(t.BertConfig(num_labels=2)),
        "gpt2": lambda: t.GPT2LMHeadModel(t.GPT2Config()),
        "llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**LLAMA)),
        "vit": lambda: t.ViTForImageClassification(t.ViTConfig(num_labels=1000)),
    }[name]()
    model.save_pretrained(folder)
    if name in PICTURES:
        (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR, indent=2))
        return
    if name in ENCODERS:
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(TOKENIZER / file, folder / file)
        return
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {f"t{i}": i for i in range(model.config.vocab_size)}  # ids are what the peers get; these name them
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="t0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    end = f"t{model.config.eos_token_id}"
    wrapped = t.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="t0", bos_token=end, eos_token=end)
    wrapped.save_pretrained(folder)
