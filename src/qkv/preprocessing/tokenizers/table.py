"""Which class a repository means: by the `tokenizer_class` it names, or by its `model_type`."""

from __future__ import annotations

from . import families, layout, tapas
from . import sentencepiece_families as pieces
from .base import PreTrainedTokenizer


class NoTypesTokenizer(PreTrainedTokenizer):
    """A family that is fully told by its tokenizer.json and takes no token types."""

    model_input_names = families.NO_TYPES
    saved_class = PreTrainedTokenizer.saved_class


class LeftPaddedTokenizer(NoTypesTokenizer):
    """The same, padded on the left: decoders that generate."""

    padding_side = "left"
    saved_class = PreTrainedTokenizer.saved_class


# names whose defaults are those of another class; a class whose defaults differ must not stand here, for the special
# tokens a class knows and a vocabulary lacks are added to it
_LIKE: dict[type[PreTrainedTokenizer], str] = {
    families.BertTokenizer: "LayoutLM MobileBert Lxmert ConvBert SqueezeBert",
    families.RobertaTokenizer: "Bart Longformer Blenderbot LED MVP",
    pieces.T5Tokenizer: "MT5 UMT5",
    NoTypesTokenizer: "Whisper Qwen2 MBart MBart50 NLLB Pegasus Cohere GPTNeoX Barthez Nougat",
    LeftPaddedTokenizer: "Bloom CodeLlama",
}
GENERAL: dict[str, type[PreTrainedTokenizer]] = {
    **dict.fromkeys(("PreTrainedTokenizer", "PreTrainedTokenizerFast", "PreTrainedTokenizerBase"), PreTrainedTokenizer),
    "TokenizersBackend": NoTypesTokenizer,  # the general class of 5.x
}
_OWN: tuple[type[PreTrainedTokenizer], ...] = (
    *(families.BertTokenizer, families.DistilBertTokenizer, families.ElectraTokenizer, families.MPNetTokenizer),
    *(families.GPT2Tokenizer, families.RobertaTokenizer, pieces.XLMRobertaTokenizer, pieces.CamembertTokenizer),
    *(pieces.T5Tokenizer, pieces.AlbertTokenizer, pieces.DebertaV2Tokenizer, pieces.LlamaTokenizer),
    *(pieces.GemmaTokenizer, families.DebertaTokenizer, pieces.BigBirdTokenizer, families.CLIPTokenizer),
    pieces.SiglipTokenizer,
    *(layout.LayoutLMv2Tokenizer, layout.LayoutLMv3Tokenizer, layout.LayoutXLMTokenizer),
    tapas.TapasTokenizer,
)
_NAMED: dict[str, type[PreTrainedTokenizer]] = {cls.__name__: cls for cls in _OWN} | {
    f"{name}Tokenizer": cls for cls, names in _LIKE.items() for name in names.split()
}
CLASSES: dict[str, type[PreTrainedTokenizer]] = GENERAL | _NAMED | {f"{name}Fast": cls for name, cls in _NAMED.items()}

BY_MODEL_TYPE: dict[str, type[PreTrainedTokenizer]] = {
    model_type: CLASSES[f"{name}Tokenizer"]
    for name, model_types in {
        "Bert": "bert nomic_bert mobilebert layoutlm lxmert convbert squeezebert visual_bert vilt blip",
        "DistilBert": "distilbert",
        "Electra": "electra",
        "MPNet": "mpnet",
        "GPT2": "gpt2 gpt_neo gptj opt",
        "Roberta": "roberta bart longformer blenderbot led mvp",
        "XLMRoberta": "xlm-roberta xlm-roberta-xl",
        "Camembert": "camembert",
        "T5": "t5 mt5 umt5",
        "Albert": "albert",
        "Deberta": "deberta",
        "BigBird": "big_bird",
        "DebertaV2": "deberta-v2",
        "Llama": "llama mistral mixtral phi3",
        "Gemma": "gemma gemma2 gemma3 gemma3_text",
        "Bloom": "bloom",
        "Qwen2": "qwen2 qwen3 qwen2_vl qwen2_5_vl whisper mbart pegasus gpt_neox smollm3 modernbert",
        "CLIP": "clip clip_text_model clip_vision_model owlvit owlv2",
        "Siglip": "siglip siglip_text_model siglip_vision_model",
        "LayoutLMv2": "layoutlmv2",
        "LayoutLMv3": "layoutlmv3 lilt",
        "LayoutXLM": "layoutxlm",
        "Tapas": "tapas",
    }.items()
    for model_type in model_types.split()
}


def tokenizer_class(name: object, model_type: object) -> type[PreTrainedTokenizer]:
    """The class for a `tokenizer_class` of tokenizer_config.json, else for a `model_type`, else the general one."""
    if isinstance(name, str) and name in CLASSES:
        return CLASSES[name]
    if isinstance(model_type, str) and model_type in BY_MODEL_TYPE:
        return BY_MODEL_TYPE[model_type]
    return PreTrainedTokenizer
