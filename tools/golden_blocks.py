"""Record which random blocks the reference's BigBird sees in training: tests/parity/big_bird_blocks.json.

python tools/golden_blocks.py      # in an environment that has torch and transformers==5.23.0
"""

import json
from pathlib import Path

import numpy as np
from transformers import BigBirdConfig
from transformers.models.big_bird.modeling_big_bird import BigBirdBlockSparseAttention

CASES = [  # seed, heads, tokens, block size, longest text, random blocks
    (0, 2, 18, 2, 40, 1), (1, 3, 30, 1, 40, 2), (7, 2, 1088, 64, 4096, 3), (2, 1, 2048, 64, 4096, 3),
    (0, 2, 1024, 64, 4096, 3), (3, 2, 4096, 64, 4096, 3), (5, 1, 3072, 32, 4096, 4), (4, 2, 1024, 64, 1024, 2),
]  # fmt: skip


def drawn(seed: int, heads: int, tokens: int, size: int, longest: int, number: int) -> list:
    config = BigBirdConfig(
        hidden_size=heads, num_attention_heads=heads, block_size=size, num_random_blocks=number,
        max_position_embeddings=longest,
    )  # fmt: skip
    attention = BigBirdBlockSparseAttention(config, seed).train()
    np.random.seed(seed)
    if tokens in (1024, 3072, 4096):
        plans = [
            attention._bigbird_block_rand_mask(longest, longest, size, size, number, last_idx=1024)
            for _ in range(heads)
        ]
        return [plan[: tokens // size - 2].tolist() for plan in plans]
    lengths, counts = attention._get_rand_attn_plan(tokens, size, number)
    plans = attention._bigbird_block_rand_mask_with_head(tokens, tokens, size, size, heads, lengths, counts)
    return [plan.tolist() for plan in plans]


if __name__ == "__main__":
    path = Path(__file__).parent.parent / "tests" / "parity" / "big_bird_blocks.json"
    rows = [json.dumps({"case": case, "blocks": drawn(*case)}, separators=(",", ":")) for case in CASES]
    path.write_text("[\n" + ",\n".join(rows) + "\n]\n")
    print(path, path.stat().st_size)
