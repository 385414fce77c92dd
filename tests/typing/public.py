"""What type checkers make of the public names: `pyright` reads this file, nothing runs it."""

from typing_extensions import assert_type

from qkv import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    GenerationConfig,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    Pipeline,
    pipeline,
)
from qkv.outputs import CausalLMOutput, SequenceClassifierOutput

assert_type(BertModel.from_pretrained("x"), BertModel)
assert_type(BertForSequenceClassification.from_pretrained("x"), BertForSequenceClassification)
assert_type(BertConfig(hidden_size=32).hidden_size, int)
assert_type(BertForSequenceClassification(BertConfig())(), SequenceClassifierOutput)
assert_type(GPT2LMHeadModel.from_pretrained("gpt2")(), CausalLMOutput)
assert_type(LlamaForCausalLM.from_pretrained("x").generation_config, GenerationConfig)
LlamaForCausalLM.from_pretrained("x").generate(max_new_tokens=5, do_sample=True)
assert_type(pipeline("sentiment-analysis"), Pipeline)
BertConfig(hiden_size=32)  # pyright: ignore[reportCallIssue]
AutoModelForSequenceClassification.from_pretrained("x", num_labels=3)
AutoTokenizer.from_pretrained("x")("text", padding=True, return_tensors="pt")
