"""BigBird (Zaheer et al., 2020, arXiv:2007.14062): BERT that reads long texts in blocks, in time linear in length.

A block of tokens sees itself, its neighbours, the first and the last block, and in training a few that are drawn for
each head once and for all; in evaluation the first block stands in their place. The first and the last block see all.
Texts too short for that are read as BERT reads them.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config
from ..heads import MultipleChoice, QuestionAnswering, SequenceClassifier, TokenClassifier
from ..heads.base import Scores
from ..keymap import KeyMap
from ..layers import MLP, Attention, attend
from ..layers.dropout import Dropout
from ..layers.masks import additive, padding_mask
from ..layers.observe import note, observing, wanted
from ..outputs import ModelOutput
from .bert import BertConfig, BertModel
from .task import Head, TaskModel

TYPES = ("block_sparse", "original_full")
PAPER_LENGTHS = (1024, 3072, 4096)  # whose random blocks are drawn in another way


class BigBirdConfig(BertConfig):
    model_type = "big_bird"

    vocab_size: int = 50358
    hidden_act: str = "gelu_new"
    max_position_embeddings: int = 4096
    bos_token_id: int | list | None = 1
    eos_token_id: int | list | None = 2
    sep_token_id: int | None = 66
    attention_type: str = "block_sparse"  # or "original_full"
    use_bias: bool = True  # of queries, keys and values
    rescale_embeddings: bool = False
    block_size: int = 64
    num_random_blocks: int = 3


class BlockAttention(Attention):
    """Attention that reads texts in blocks where it is given `tokens`, (B,T) bool, False for padding."""

    def __init__(self, c: BigBirdConfig, seed: int):
        super().__init__(
            c.hidden_size, c.num_attention_heads, bias=c.use_bias, out_bias=True, dropout=c.attention_probs_dropout_prob
        )
        self.size, self.random, self.longest, self.seed = (
            c.block_size, c.num_random_blocks, c.max_position_embeddings, seed,
        )  # fmt: skip

    def forward(self, x: Tensor, mask: Tensor | None, tokens: Tensor | None) -> Tensor:  # type: ignore[override]
        if tokens is not None:
            return self.in_blocks(x, tokens)
        if mask is None or not torch.is_grad_enabled():
            return super().forward(x, mask)
        with observing("attentions") as notes:  # all scores: torch's fused gradient is wrong where a row sees nothing
            y = super().forward(x, mask)
        note("attentions", notes["attentions"][0])
        return y

    def in_blocks(self, x: Tensor, tokens: Tensor) -> Tensor:
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))  # (B,H,T,C)
        length, within = x.shape[1], torch.arange(self.size, device=x.device)
        count, heads = -(-length // self.size), torch.arange(q.shape[1], device=x.device)[:, None]
        drawn = self.drawn(count, q.shape[1]).to(x.device)  # (1 or H,count-2,R)
        found, seen = [], []
        for i in range(count):
            if i in (0, count - 1):
                place = torch.arange(length, device=x.device)[None]  # (1,S), the keys that the block sees
            else:
                blocks = torch.tensor(sorted({0, i - 1, i, i + 1, count - 1}), device=x.device)
                blocks = torch.cat((blocks.expand(len(drawn), -1), drawn[:, i - 1]), dim=1)
                place = (blocks[..., None] * self.size + within).flatten(1)  # (1 or H,S)
            inside = place.clamp(max=length - 1)  # the last block may be shorter
            mask = additive((tokens[:, inside] & (place < length))[:, :, None], x.new_zeros(()))
            keys, values = (y.index_select(2, inside[0]) if len(inside) == 1 else y[:, heads, inside] for y in (k, v))
            queries = slice(i * self.size, min(length, (i + 1) * self.size))
            with observing(*(["attentions"] if wanted("attentions") else [])) as notes:
                found.append(attend(q[:, :, queries], keys, values, mask))
            for weights in notes["attentions"]:  # a block seen twice is there once, with the weight of one
                whole = weights.new_zeros(*weights.shape[:3], count * self.size)
                index = place[None, :, None].expand(*weights.shape[:2], *weights.shape[2:])
                seen.append((whole.scatter(3, index, weights) * tokens[:, None, queries, None])[..., :length])
        if seen:
            note("attentions", torch.cat(seen, dim=2))
        y = torch.cat(found, dim=2) * tokens[:, None, :, None]
        return self.o_proj(y.transpose(1, 2).flatten(2))  # (B,H,T,C) -> (B,T,H*C) -> (B,T,D)

    def drawn(self, count: int, heads: int) -> Tensor:
        """The random blocks that each block but the first and the last sees, of `count`: (1 or H,count-2,R)."""
        if not self.training:
            return torch.zeros(1, count - 2, self.random, dtype=torch.long, device="cpu")
        return torch.from_numpy(random_blocks(self.seed, heads, count, self.size, self.longest, self.random))


@lru_cache(maxsize=256)
def random_blocks(seed: int, heads: int, count: int, size: int, longest: int, number: int) -> np.ndarray:
    """(heads, count-2, number): the blocks that training adds, drawn in the order of the authors' code.

    Raises: ValueError if there are too few to draw from.
    """
    draw, limit = np.random.RandomState(seed), 2 * number + 5
    found = np.zeros((heads, count, number), np.int64)
    if count * size in PAPER_LENGTHS:
        places = [(head, row) for head in range(heads) for row in range(1, longest // size - 1)]
    else:
        places = [(head, row) for row in range(1, count - 1) for head in range(heads)]
    for head, row in places:
        if count * size in PAPER_LENGTHS:
            chosen = draw.permutation(_paper_choice(row, longest // size, size))
        else:
            barred = {0, row - 1, row, row + 1, limit - 1, {1: limit - 2, limit - 2: 1}.get(row, 0)}
            chosen = [block for block in draw.permutation(limit) if block not in barred]
        if len(chosen) < number:
            raise ValueError(f"blocks of {size} tokens are too few for num_random_blocks={number}; lower either.")
        if row < count - 1:
            found[head, row] = chosen[:number]
    return found[:, 1:-1]


def _paper_choice(row: int, count: int, size: int) -> np.ndarray:
    """The blocks that block `row` of `count` draws from at the paper's lengths: of the first 1024 tokens."""
    middle = np.arange(1, count - 1)
    last = 1024 // size - 1 if 2 * size < 1024 else count - 1
    if row in (1, 2):
        return middle[row + 1 : last]
    if row >= count - 3 or row - 2 > last:
        return middle[:last]
    return middle[: row - 2] if row + 1 == last else np.concatenate((middle[: row - 2], middle[row + 1 : last]))


def question(ids: Tensor, sep: int | None) -> Tensor:
    """The tokens of [CLS] question [SEP] text [SEP] up to the first [SEP]; the first alone if there is none. (B,T)"""
    end = (ids == (-1 if sep is None else sep)).int().argmax(dim=1, keepdim=True)
    return torch.arange(ids.shape[1], device=ids.device) <= end


class Pooler(nn.Linear):
    """First token -> linear -> tanh: (B,T,D) -> (B,D)"""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input[:, 0]).tanh()


class BigBirdClassifier(SequenceClassifier):
    """a score for each label of a whole text (labels: class indices (B,), or floats for a regression)."""

    def __init__(self, config: BigBirdConfig):
        super().__init__(config, act=config.hidden_act, dropout="classifier_dropout", early=True)


class BigBirdAnswers(QuestionAnswering):
    """scores of each token as the first and as the last of an answer (start_positions, end_positions: indices (B,)).

    Tokens of the question, which are known where `input_ids` are given, are out of question.
    """

    def __init__(self, config: Config):
        super().__init__(config, dropout="hidden_dropout_prob")
        self.mlp = MLP(config.hidden_size, config.intermediate_size, config.hidden_act)
        self.norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, body: ModelOutput, inputs: Any) -> Scores:  # type: ignore[override]
        x, ids = body["last_hidden_state"], inputs.get("input_ids")
        logits = self.out(self.norm(x + self.dropout(self.mlp(self.dropout(x)))))  # (B,T,2)
        if ids is not None:
            barred = question(ids, self.config.sep_token_id) & (torch.arange(ids.shape[1], device=ids.device) > 0)
            logits = torch.where(barred[..., None], logits - 1e6, logits)
        start, end = logits.unbind(-1)
        return {"start_logits": start, "end_logits": end}


class BigBirdTask(TaskModel):
    def complete(self, inputs: dict[str, Any], targets: dict[str, Tensor]) -> dict[str, Any]:
        """For an answer, the text is another segment than the question."""
        ids = inputs["input_ids"]
        wanted = isinstance(self.head, BigBirdAnswers) and inputs.get("token_type_ids") is None
        if not wanted or ids is None or ids.dim() != 2 or not ids.shape[1]:
            return inputs
        return {**inputs, "token_type_ids": (~question(ids, self.config.sep_token_id)).long()}


class BigBirdModel(BertModel):
    config_class = BigBirdConfig
    keys = KeyMap(
        {**{k: v for k, v in BertModel.keys.rules.items() if k != "pooler.dense"}, "pooler": "pooler"},
        prefix="bert.",
        ignored=BertModel.keys.ignored,
    )
    heads = {
        "ForSequenceClassification": Head(
            BigBirdClassifier, {"classifier.dense": "dense", "classifier.out_proj": "out"}
        ),
        "ForTokenClassification": Head(TokenClassifier, {"classifier": "out"}, {"dropout": "classifier_dropout"}),
        "ForQuestionAnswering": Head(
            BigBirdAnswers,
            {
                "qa_classifier.intermediate.dense": "mlp.up_proj",
                "qa_classifier.output.dense": "mlp.down_proj",
                "qa_classifier.output.LayerNorm": "norm",
                "qa_classifier.qa_outputs": "out",
            },
            body={"add_pooling_layer": False},
        ),
        "ForMultipleChoice": Head(
            MultipleChoice, {"classifier": "out"}, {"token": "pooled", "dropout": "hidden_dropout_prob"}
        ),
        "ForMaskedLM": replace(BertModel.heads["ForMaskedLM"], body={}),
    }

    @classmethod
    def task_model(cls) -> type[TaskModel]:
        return BigBirdTask

    def __init__(self, config: BigBirdConfig, add_pooling_layer: bool = True):
        c = config
        super().__init__(c, add_pooling_layer=False)
        self.set_attention_type(c.attention_type)
        self.embed.proj, self.embed.dropout = Dropout(c.hidden_dropout_prob), Dropout(0.0)  # before the norm
        self.pooler = Pooler(c.hidden_size, c.hidden_size) if add_pooling_layer else None
        for i, block in enumerate(self.layers):
            block.attn = BlockAttention(c, seed=i)

    def set_attention_type(self, value: str) -> None:
        """ "block_sparse" or "original_full", whatever the config says. Raises ValueError for another."""
        if value not in TYPES:
            raise ValueError(f"attention_type={value!r} is unknown; say one of {', '.join(TYPES)}.")
        self.attention_type = value

    def encode(self, x: Tensor, mask: Tensor | None, positions: Tensor, segments: Tensor | None) -> Tensor:
        c = self.config
        x = self.embed(x * c.hidden_size**0.5 if c.rescale_embeddings else x, positions, segments)
        if self.attention_type == "original_full" or x.shape[1] <= (5 + 2 * c.num_random_blocks) * c.block_size:
            seen = padding_mask(mask)
            return self.layers(x, None if seen is None else additive(seen, x.new_zeros(1, 1, 1, 1)), None)
        if mask is not None and mask.dim() != 2:
            raise ValueError(f"attention_mask {tuple(mask.shape)} must have the shape {tuple(x.shape[:2])}, (B,T).")
        tokens = torch.ones_like(x[..., 0], dtype=torch.bool) if mask is None else mask.bool()
        return self.layers(x, None, tokens)
