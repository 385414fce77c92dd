"""What is compared of a tokenizer, written down in one way for the reference and for qkv."""

import hashlib
import re
from array import array

BLOCK = 250
SPECIAL = re.compile(
    r"</s>|<unk>|[\x00-\x1f\x7f-\x9f\u034f\u200b-\u200f\u2060-\u206f\ue000-\uf8ff\ufdd0-\ufdef\ufe0f\ufeff\uff61-\uff9f"
    r"\ufffe\uffff\U0010ffff]"
)
LONG = "One two three four five six seven eight nine ten, eleven twelve."
SHORT = "Ein kurzer Satz über Æpfel."
WORDS = ["Hello", "wörld", "again", "(really)", "unbelievable", "一日"]


def of_strings(tokenizer, texts: list[str]) -> list[str]:
    """A digest of ids, offsets and word ids for each block of strings."""
    found = []
    for start in range(0, len(texts), BLOCK):
        block = tokenizer(texts[start : start + BLOCK])
        digest = hashlib.blake2b(digest_size=6)
        for encoding in block.encodings:
            numbers = [len(encoding), *encoding.ids, *(place for span in encoding.offsets for place in span)]
            numbers += [-1 if word is None else word for word in encoding.word_ids]
            digest.update(array("i", numbers).tobytes())
        found.append(digest.hexdigest())
    return found


def of_ids(tokenizer, texts: list[str]) -> list[str]:
    """A digest of ids for each block of strings, those left out that hold special tokens, control characters, joiners
    or narrow katakana: text around these is cut otherwise."""
    found, texts = [], [text for text in texts if not SPECIAL.search(text)]
    for start in range(0, len(texts), BLOCK):
        rows = tokenizer(texts[start : start + BLOCK])["input_ids"]
        numbers = array("i", (number for row in rows for number in (len(row), *row)))
        found.append(hashlib.blake2b(numbers.tobytes(), digest_size=6).hexdigest())
    return found


def of_padded(tokenizer) -> dict:
    """What a call returns that pads and cuts to the longest text there is, and how the model's inputs are called."""
    made = tokenizer([LONG, SHORT, LONG * 9, ""], padding="max_length", truncation=True)
    return {name: [list(row) for row in value] for name, value in made.items()} | {"limit": tokenizer.model_max_length}


def calls() -> list[tuple[tuple, dict]]:
    """Arguments of calls: every way to pad and to cut, single and paired, text and words."""
    inputs = [
        (LONG,),
        (LONG, SHORT),
        ([LONG, SHORT, "", "x"],),
        ([(LONG, SHORT), (SHORT, LONG)],),
        ([LONG, SHORT], [SHORT, LONG]),
    ]
    modes = [{}, {"padding": True}, {"padding": "max_length", "max_length": 30}, {"truncation": True, "max_length": 9}]
    modes += [{"padding": "longest", "pad_to_multiple_of": 8}, {"max_length": 12}, {"add_special_tokens": False}]
    modes += [
        {"padding": "max_length", "truncation": True, "max_length": 16, "padding_side": "left", "pad_to_multiple_of": 4}
    ]
    modes += [
        {
            "truncation": "longest_first",
            "max_length": 11,
            "stride": 2,
            "return_overflowing_tokens": True,
            "padding": True,
        }
    ]
    modes += [{"truncation": "only_first", "max_length": 20, "stride": 3, "return_overflowing_tokens": True}]
    modes += [{"truncation": True, "max_length": 10, "add_special_tokens": False, "return_length": True}]
    made = [(given, mode) for given in inputs for mode in modes]
    second = {
        "truncation": "only_second",
        "max_length": 24,
        "stride": 2,
        "return_overflowing_tokens": True,
        "padding": "max_length",
    }
    made += [((SHORT, LONG), second), (([SHORT, "x"], [LONG, LONG]), second)]
    for words in ((WORDS,), (WORDS, WORDS[:2]), ([WORDS, WORDS[:3]],), ([WORDS[:2], WORDS], [WORDS, WORDS[2:]])):
        made += [(words, {"is_split_into_words": True} | mode) for mode in (modes[1], modes[3], modes[8])]
    return made


def of_calls(tokenizer) -> list:
    """Everything each call returns; the name of the error for calls that are refused."""
    found = []
    for side in ("right", "left"):
        tokenizer.truncation_side = side
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        for given, options in calls():
            more = {"return_offsets_mapping": True, "return_special_tokens_mask": True, "return_token_type_ids": True}
            try:
                made = tokenizer(*given, **more, **options)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:  # panics of the Rust library among them
                found.append("refused")
                continue
            rows = [[encoding.sequence_ids, encoding.word_ids, encoding.tokens] for encoding in made.encodings]
            text = repr([sorted((key, plain(value)) for key, value in made.items()), rows])
            found.append(hashlib.blake2b(text.encode(), digest_size=6).hexdigest())
    tokenizer.truncation_side = "right"
    return found


def plain(value):
    """Tuples as lists, all the way down."""
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def of_facts(tokenizer) -> dict:
    """What the tokenizer says of itself, what it decodes, and how it prepares ids."""
    ids = tokenizer(LONG + " it ' s , ok ! <s> [MASK] <mask> na\u00efve \U0001f600")["input_ids"]
    roles = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
    return {
        "vocab_size": tokenizer.vocab_size,
        "len": len(tokenizer),
        "roles": {role: getattr(tokenizer, f"{role}_token") for role in roles},
        "ids": {role: getattr(tokenizer, f"{role}_token_id") for role in roles},
        "special": sorted(tokenizer.all_special_tokens),
        "added": sorted([index, repr(token)] for index, token in tokenizer.added_tokens_decoder.items()),
        "inputs": list(tokenizer.model_input_names),
        "sides": [tokenizer.padding_side, tokenizer.truncation_side],
        "limit": tokenizer.model_max_length if tokenizer.model_max_length < 10**20 else None,
        "specials": [tokenizer.num_special_tokens_to_add(), tokenizer.num_special_tokens_to_add(True)],
        "decoded": [tokenizer.decode(ids), tokenizer.decode(ids, skip_special_tokens=True)],
        "decoded clean": tokenizer.decode(ids, clean_up_tokenization_spaces=True),
        "tokens": tokenizer.convert_ids_to_tokens(ids),
        "joined": tokenizer.convert_tokens_to_string(tokenizer.tokenize(LONG)),
        "unknown": tokenizer.convert_tokens_to_ids(["no such token", "[MASK]"]),
    }


def of_texts(texts: list[str]) -> str:
    """A digest of the strings themselves: were it to change, no golden would mean anything."""
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=6).hexdigest()
