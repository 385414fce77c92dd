"""Record what the reference library makes of conversations; runs in an environment that has `transformers`.

    python tools/golden_chat.py     write tests/parity/chat/5.json; with 4.x, then, 4.json: where it differs from 5

For each template, conversation and set of options: the text, a digest of its ids, the mask of the assistant's tokens
where the template marks them; None where the reference raises. And the schemas of functions.
"""

import json
import sys
import warnings
from pathlib import Path

import transformers

HERE = Path(__file__).parents[1] / "tests" / "parity" / "chat"
sys.path.insert(0, str(HERE))

from chat_cases import CONVERSATIONS, EXTRA, FUNCTIONS, GOING_ON, OPTIONS, ROLES, TEMPLATES, digest, rust  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402
from transformers.utils import get_json_schema  # noqa: E402


def tried(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception:
        return None


def recorded(tokenizer, template, conversation, options):
    given = {"conversation": conversation, "chat_template": template, **options}
    text = tried(tokenizer.apply_chat_template, **given, tokenize=False)
    if text is None:
        return None
    marks = "{%- generation -%}" in template and not options.get("continue_final_message")
    made = tokenizer.apply_chat_template(**given, return_dict=True, return_assistant_tokens_mask=marks)
    return [text, digest(made["input_ids"]), *(["".join(map(str, made["assistant_masks"]))] if marks else [])]


def main():
    warnings.simplefilter("ignore")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=rust(), **ROLES, additional_special_tokens=EXTRA)
    renders = {
        f"{name} {chat} {kind}": recorded(tokenizer, template, conversation, options)
        for name, template in TEMPLATES.items()
        for chat, conversation in CONVERSATIONS.items()
        for kind, options in OPTIONS.items()
    }
    renders |= {
        f"{name} {chat} going_on": recorded(
            tokenizer, TEMPLATES[name], CONVERSATIONS[chat], {"continue_final_message": field}
        )
        for name in TEMPLATES
        for chat, field in GOING_ON.items()
    }
    schemas = {function.__name__: tried(get_json_schema, function) for function in FUNCTIONS}
    major = transformers.__version__.split(".")[0]
    if major == "4":
        newer = json.loads((HERE / "5.json").read_text("utf8"))
        renders = {key: made for key, made in renders.items() if made != newer["renders"][key]}
        schemas = {key: made for key, made in schemas.items() if made != newer["schemas"][key]}
    content = {"reference": f"transformers {transformers.__version__}", "renders": renders, "schemas": schemas}
    (HERE / f"{major}.json").write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n", "utf8")
    print(len(renders), "renders,", sum(made is None for made in renders.values()), "of them errors")


if __name__ == "__main__":
    main()
