"""tokenizer_config.json from the metadata of a GGUF file."""

from typing import Any

from .config import token_id
from .header import Header

ROLES = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
CLASSES = {  # architecture -> the class of its original tokenizer, where the kind of vocabulary does not tell
    "gpt2": {"qwen2": "Qwen2Tokenizer", "qwen3": "Qwen2Tokenizer", "gptneox": "GPTNeoXTokenizer"},
    "llama": {"gemma": "GemmaTokenizer", "gemma2": "GemmaTokenizer", "gemma3": "GemmaTokenizer"},
}
GENERAL = {"gpt2": "PreTrainedTokenizerFast", "llama": "LlamaTokenizer"}


def tokenizer_config(header: Header) -> dict[str, Any]:
    """The tokenizer_config.json that a file stands for. ValueError: the file holds no vocabulary."""
    tokens, kind = header.get("tokenizer.ggml.tokens"), header.get("tokenizer.ggml.model")
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) for token in tokens):
        raise ValueError("the GGUF file holds no vocabulary (tokenizer.ggml.tokens). Pass another file or folder.")
    ids = {ours: token_id(header, theirs) for theirs, ours in ROLES.items()}
    architecture = header.get("general.architecture")
    made: dict[str, Any] = {role: None if index is None else tokens[index] for role, index in ids.items()}
    made["tokenizer_class"] = CLASSES.get(str(kind), {}).get(str(architecture)) or GENERAL.get(str(kind))
    made["model_input_names"] = ["input_ids", "attention_mask"]
    made["clean_up_tokenization_spaces"] = False
    for name in ("add_bos_token", "add_eos_token"):
        value = header.get(f"tokenizer.ggml.{name}")
        if isinstance(value, bool):
            made[name] = value
    if type(length := header.get(f"{architecture}.context_length")) is int and length > 0:
        made["model_max_length"] = length
    return made | ({"chat_template": template} if (template := _chat_template(header)) else {})


def _chat_template(header: Header) -> Any:
    """One template, or several by name."""
    default, names = header.get("tokenizer.chat_template"), header.get("tokenizer.chat_templates")
    found = {"default": default} if default is not None else {}
    for name in names if isinstance(names, list) else ():
        if (template := header.get(f"tokenizer.chat_template.{name}")) is not None:
            found[str(name)] = template
    if found.keys() <= {"default"}:
        return default
    return [{"name": name, "template": template} for name, template in found.items()]
