"""What tools/golden_smollm2.py records of SmolLM2-135M-Instruct, and test_real_gguf.py compares."""

PROMPTS = [
    "Once upon a time",
    "The capital of France is",
    "def fibonacci(n):\n",
    "Q: What is the tallest mountain?\nA:",
    "In 1969, humans",
]
SETTINGS = {
    "greedy": {"max_new_tokens": 16, "do_sample": False},
    "beam": {"max_new_tokens": 8, "num_beams": 4, "do_sample": False},
    "sample": {"max_new_tokens": 16, "do_sample": True, "temperature": 0.8, "top_p": 0.9},
    "lesson": {
        "max_length": 24, "temperature": 0.7, "top_k": 50, "top_p": 0.95, "repetition_penalty": 1.2, "num_beams": 5,
        "do_sample": True,
    },
}  # fmt: skip


def measure(torch, model, tokenizer) -> dict:
    """Ids that are written after the prompts, padded on the left, and some scores of the first of them."""
    tokenizer.padding_side = "left"
    inputs = tokenizer(PROMPTS, padding=True, return_tensors="pt")
    found = {}
    for name, options in SETTINGS.items():
        torch.manual_seed(0)
        found[name] = model.generate(**inputs, pad_token_id=2, **options).tolist()
    with torch.no_grad():
        logits = [model(**tokenizer(prompt, return_tensors="pt")).logits[0, -1] for prompt in PROMPTS]
    return {"ids": found, "logits": [row[:8].tolist() for row in logits], "best": [int(row.argmax()) for row in logits]}


def renders(tokenizer, conversations: dict) -> dict:
    """What its chat template makes of conversations; None where it refuses one."""
    found = {}
    for name, messages in conversations.items():
        for asked in (False, True):
            try:
                text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asked)
            except Exception:
                text = None
            found[f"{name} {asked}"] = text
    return found
