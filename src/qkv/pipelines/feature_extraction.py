"""feature-extraction: what a model makes of a text, as a vector for each token or one for the whole text."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..backends.cpu.stack import steady
from ..errors import short
from ..hub import Repo
from ..models.causal import CausalModel
from .base import Row
from .pooling import find_modes
from .sentence import Sentence, open_sentence
from .steps import Pooling
from .texts import TextOptions, TextPipeline

RETURNED = (None, False, True, "pt", "np")
REFUSED = ("return_tensors", "return_overflowing_tokens", "return_offsets_mapping", "is_split_into_words")


@dataclass(frozen=True)
class Options(TextOptions):
    """
    pooling: None or "none" gives a vector for each token. "mean", "cls", "max", "last", "weighted_mean",
        "mean_sqrt_len", or a list of them, whose vectors are joined, gives one for the text. "auto" does all that the
        model's sentence-transformers folder says: its modules, prompt, longest text; without one, "mean", or "last"
        for a language model.
    normalize: vectors of length 1; as the model's folder says if None.
    prompt: put before each text. prompt_name: the same, by its name in the model's folder.
    truncate_dim: keep so many first numbers of each vector, for models that are trained for it (Kusupati et al., 2022,
        arXiv:2205.13147); vectors that had length 1 get it again.
    return_tensors: lists of floats if False; torch tensors if True or "pt"; numpy arrays if "np".
    tokenize_kwargs: further arguments of the tokenizer, such as {"add_special_tokens": False}.
    """

    counts = ("batch_size", "max_length", "truncate_dim")

    pooling: str | list[str] | tuple[str, ...] | None = None
    normalize: bool | None = None
    prompt: str | None = None
    prompt_name: str | None = None
    truncate_dim: int | None = None
    return_tensors: bool | str | None = None
    tokenize_kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.return_tensors not in RETURNED:
            raise ValueError(f"return_tensors={short(self.return_tensors)} is unknown; say True, 'pt', 'np' or False.")
        if self.pooling not in (None, "none", "auto"):
            find_modes(self.pooling)
        elif self.pooling != "auto" and (self.normalize or self.truncate_dim):
            raise ValueError(
                "normalize and truncate_dim are for a vector of a whole text. Say pooling='auto' or 'mean'."
            )
        if not isinstance(self.prompt, str | None):
            raise TypeError(f"prompt={short(self.prompt)} is not a string.")


class FeatureExtractionPipeline(TextPipeline):
    """Texts -> vectors.

    An input is a string. Without pooling it gives [1][T][D] floats for its T tokens; with it, D floats. With pooling
    and `return_tensors` a list of n texts gives one array (n, D), which is the fast way to embed many.

    Args:
        sentence: what the model's folder says of whole texts, if it is one of sentence-transformers.
    """

    task = "feature-extraction"
    options_class = Options
    needs = ("features",)
    keeps = ("skip",)

    @classmethod
    def opened(cls, repo: Repo) -> tuple[Repo, dict[str, Any]]:
        transformer, sentence = open_sentence(repo)
        return transformer, {"sentence": sentence}

    def __init__(
        self, model: Any, tokenizer: Any = None, *, sentence: Sentence | None = None, device: Any = None, **options: Any
    ):
        super().__init__(model.base_model, tokenizer, device=device, **options)
        self.sentence = (sentence or Sentence()).to(self.model.device)

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """As `Pipeline.__call__`; with pooling and `return_tensors` one array for a list."""
        found, chosen = super().__call__(inputs, **options), self.choose(**options)
        if not isinstance(found, list) or self.is_single(inputs) or not self.joins(chosen):
            return found
        if not found:  # the width is the model's to say
            return self.run([""], chosen)[0][None][:0]
        return torch.stack(found) if isinstance(found[0], Tensor) else np.stack(found)

    def joins(self, options: Any) -> bool:
        """Whether the vectors of a list are rows of one array."""
        return options.pooling not in (None, "none") and bool(options.return_tensors)

    def preprocess(self, inputs: list[Any], options: Any) -> list[list[Row]]:
        for item in inputs:
            if not isinstance(item, str):
                raise TypeError(f"{self.task} takes {self.accepts()}, got {type(item).__name__}: {short(item)}.")
        own, limit = options.pooling == "auto", self.limit
        prompt = self.sentence.prompt(options.prompt, options.prompt_name, default=own)
        texts = [prompt + text for text in inputs] if prompt else inputs
        if own and self.sentence.max_length is not None:
            limit = min(self.sentence.max_length, self.model.max_tokens or self.sentence.max_length)
        if own and self.sentence.lower:
            texts, prompt = [_lower(text) for text in texts], _lower(prompt)
        asked, options = _asked(options, limit)
        rows = self.encode([(text, None) for text in texts], options, limit=limit, **asked)
        skip = self._tokens(prompt, limit) if prompt and own else 0
        return [[row | {"skip": skip}] for row in rows]

    def _tokens(self, prompt: str, limit: int) -> int:
        """How many tokens of a text a prompt before it is, those included that the tokenizer puts first."""
        ids = self.tokenizer(prompt, truncation=True, max_length=limit, verbose=False)["input_ids"]
        return len(ids) - (bool(ids) and ids[-1] in self.tokenizer.all_special_ids)

    def compute(self, inputs: dict[str, Tensor], rows: list[Row], options: Any) -> Mapping[str, Tensor]:
        read = self.model.get_encoder() if self.model.config.is_encoder_decoder else self.model
        more = {"use_cache": False} if isinstance(self.model, CausalModel) else {}
        with steady(padding=(options.tokenize_kwargs or {}).get("padding") == "max_length"):
            x = read(**inputs, **more, return_dict=True)["last_hidden_state"]
        if options.pooling in (None, "none"):
            return {"features": x}
        mask = inputs.get("attention_mask")
        mask = torch.ones(x.shape[:2], dtype=torch.long, device=x.device) if mask is None else mask
        dim, sentence = options.truncate_dim, self._sentence(options.pooling)
        x = sentence.embed(x, mask, rows[0]["skip"], options.normalize, dim or sentence.truncate_dim)
        if dim is not None and dim > x.shape[1]:
            raise ValueError(f"truncate_dim={dim} is more than the {x.shape[1]} numbers that this model gives.")
        return {"features": x}

    def _sentence(self, pooling: Any) -> Sentence:
        """What becomes of the tokens' vectors."""
        if pooling != "auto":
            return Sentence((Pooling({"pooling_mode": pooling}),))
        if self.sentence.steps:
            return self.sentence
        names = self.model.config.architectures or []
        usual = "last" if any(str(name).endswith("ForCausalLM") for name in names) else "mean"
        return replace(self.sentence, steps=(Pooling({"pooling_mode": usual}),))

    def read(self, output: dict[str, Tensor], row: Row, options: Any) -> Tensor:
        x = output["features"]
        if x.dim() == 1:
            return x
        count = len(row["input_ids"])
        return x[-count:] if self.tokenizer.padding_side == "left" else x[:count]  # without padding

    def postprocess(self, outputs: list[Tensor], options: Any) -> Any:
        x = outputs[0] if outputs[0].dim() == 1 else outputs[0][None]
        if options.return_tensors == "np":
            return x.numpy()
        return x if options.return_tensors else x.tolist()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model, its tokenizer and, where there are any, the modules after it into one folder."""
        super().save_pretrained(folder)
        if self.sentence.steps:
            self.sentence.save(folder)


def _lower(text: str) -> str:
    """In lower case letter by letter, as tokenizers do it; for Python a word's last sigma is another letter."""
    return "".join(map(str.lower, text)) if "\u03a3" in text else text.lower()


def _asked(options: Any, limit: int) -> tuple[dict[str, Any], Any]:
    """Arguments of the tokenizer, and the options without those that are about length."""
    asked = dict(options.tokenize_kwargs or {})
    twice = next((name for name in ("truncation", "max_length") if name in asked and getattr(options, name)), None)
    if twice is not None:
        raise ValueError(f"{twice} is given twice, as an argument of the call and in tokenize_kwargs. Leave one out.")
    refused = next((name for name in REFUSED if name in asked), None)
    if refused is not None:
        raise ValueError(f"tokenize_kwargs has {refused}, which the pipeline decides. Leave it out.")
    fixed = asked.pop("padding", None) == "max_length"  # else a batch is padded to its longest, and that cut off again
    lengths = {name: asked.pop(name) for name in ("truncation", "max_length") if name in asked}
    if lengths.get("max_length") is not None and not fixed:
        lengths.setdefault("truncation", True)
    options = replace(options, **lengths)
    return asked | ({"padding": "max_length", "max_length": options.max_length or limit} if fixed else {}), options
