"""The processors that are compared with the reference: how each is made from either library, and by which settings."""

import torch

PROMPT = torch.tensor([[5, 6, 7, 5, 6], [1, 1, 1, 1, 2], [9, 8, 9, 8, 9]])  # a row for each row of scores
EOS = [3, 60]

# Called with the library, whose names are the same.
PROCESSORS = {
    "temperature-cold": lambda lib: lib.TemperatureLogitsWarper(0.3),
    "temperature-hot": lambda lib: lib.TemperatureLogitsWarper(1.7),
    "top-k-1": lambda lib: lib.TopKLogitsWarper(1),
    "top-k": lambda lib: lib.TopKLogitsWarper(7),
    "top-k-all": lambda lib: lib.TopKLogitsWarper(500),
    "top-k-kept": lambda lib: lib.TopKLogitsWarper(1, filter_value=-99.0, min_tokens_to_keep=3),
    "top-p-0": lambda lib: lib.TopPLogitsWarper(0.0),
    "top-p": lambda lib: lib.TopPLogitsWarper(0.6),
    "top-p-high": lambda lib: lib.TopPLogitsWarper(0.95, filter_value=-99.0),
    "top-p-1": lambda lib: lib.TopPLogitsWarper(1.0),
    "top-p-kept": lambda lib: lib.TopPLogitsWarper(0.1, min_tokens_to_keep=4),
    "top-h": lambda lib: lib.TopHLogitsWarper(0.4),
    "top-h-1": lambda lib: lib.TopHLogitsWarper(1.0, filter_value=-99.0),
    "min-p": lambda lib: lib.MinPLogitsWarper(0.1),
    "min-p-0": lambda lib: lib.MinPLogitsWarper(0.0),
    "min-p-kept": lambda lib: lib.MinPLogitsWarper(1.0, min_tokens_to_keep=5),
    "typical": lambda lib: lib.TypicalLogitsWarper(0.3),
    "typical-default": lambda lib: lib.TypicalLogitsWarper(),
    "typical-kept": lambda lib: lib.TypicalLogitsWarper(0.1, min_tokens_to_keep=4),
    "epsilon": lambda lib: lib.EpsilonLogitsWarper(0.02),
    "epsilon-kept": lambda lib: lib.EpsilonLogitsWarper(0.9, min_tokens_to_keep=3),
    "eta": lambda lib: lib.EtaLogitsWarper(0.02),
    "eta-kept": lambda lib: lib.EtaLogitsWarper(0.9, min_tokens_to_keep=3),
    "normalization": lambda lib: lib.LogitNormalization(),
    "repetition": lambda lib: lib.RepetitionPenaltyLogitsProcessor(1.3),
    "repetition-wanted": lambda lib: lib.RepetitionPenaltyLogitsProcessor(0.7),
    "repetition-after": lambda lib: lib.RepetitionPenaltyLogitsProcessor(1.3, prompt_ignore_length=3),
    "repetition-padded": lambda lib: lib.RepetitionPenaltyLogitsProcessor(1.3, torch.tensor([0, 2, 40])),
    "encoder-repetition": lambda lib: lib.EncoderRepetitionPenaltyLogitsProcessor(1.3, PROMPT),
    "encoder-repetition-beams": lambda lib: lib.EncoderRepetitionPenaltyLogitsProcessor(0.7, PROMPT[:1]),
    "ngram-1": lambda lib: lib.NoRepeatNGramLogitsProcessor(1),
    "ngram-2": lambda lib: lib.NoRepeatNGramLogitsProcessor(2),
    "ngram-3": lambda lib: lib.NoRepeatNGramLogitsProcessor(3),
    "encoder-ngram-1": lambda lib: lib.EncoderNoRepeatNGramLogitsProcessor(1, PROMPT),
    "encoder-ngram-2": lambda lib: lib.EncoderNoRepeatNGramLogitsProcessor(2, PROMPT),
    "encoder-ngram-beams": lambda lib: lib.EncoderNoRepeatNGramLogitsProcessor(3, PROMPT[0]),
    "encoder-ngram-long": lambda lib: lib.EncoderNoRepeatNGramLogitsProcessor(9, PROMPT),
    "bad-words": lambda lib: lib.NoBadWordsLogitsProcessor([[4], [3], [5, 6], [6, 5, 6], [8, 9]], EOS),
    "bad-words-no-eos": lambda lib: lib.NoBadWordsLogitsProcessor([[4], [5, 6], [5, 7], [9, 8]]),
    "bias": lambda lib: lib.SequenceBiasLogitsProcessor({(4,): 2.5, (5, 6): -3.0, (1, 2, 1): 7.0, (9, 6): 1.25}),
    "bias-list": lambda lib: lib.SequenceBiasLogitsProcessor([[[4], 2.5], [[6], float("-inf")], [[5, 6], 0.1]]),
    "min-length": lambda lib: lib.MinLengthLogitsProcessor(5, EOS),
    "min-new": lambda lib: lib.MinNewTokensLengthLogitsProcessor(2, 3, 3),
    "prefix": lambda lib: lib.PrefixConstrainedLogitsProcessor(lambda row, ids: [row, int(ids[-1]), 7], 1),
    "prefix-beams": lambda lib: lib.PrefixConstrainedLogitsProcessor(lambda row, ids: [row, len(ids)], 3),
    "forced-bos": lambda lib: lib.ForcedBOSTokenLogitsProcessor(17),
    "forced-eos": lambda lib: lib.ForcedEOSTokenLogitsProcessor(9, EOS),
    "finite": lambda lib: lib.InfNanRemoveLogitsProcessor(),
    "decay": lambda lib: lib.ExponentialDecayLengthPenalty((2, 1.4), EOS, 2),
    "suppress": lambda lib: lib.SuppressTokensLogitsProcessor([0, 7, 63, 64, 900, -1]),
    "suppress-begin": lambda lib: lib.SuppressTokensAtBeginLogitsProcessor([0, 7, 900], 3),
    "watermark": lambda lib: lib.WatermarkLogitsProcessor(64, "cpu"),
    "watermark-self": lambda lib: lib.WatermarkLogitsProcessor(
        64, "cpu", greenlist_ratio=0.5, bias=1.5, hashing_key=35, seeding_scheme="selfhash", context_width=2
    ),
    "synthid": lambda lib: _synthid(lib),
    "synthid-skipping": lambda lib: _synthid(lib, skip_first_ngram_calls=True, context_history_size=1),
}


def _synthid(lib, context_history_size=8, **options):
    return lib.SynthIDTextWatermarkLogitsProcessor(
        ngram_len=3, keys=[654, 400, 836, 123], sampling_table_size=2**10, sampling_table_seed=1,
        context_history_size=context_history_size, device=torch.device("cpu"), **options,
    )  # fmt: skip


# Settings of generate(): what the list of processors is, and gives.
SETTINGS = {
    "default": {},
    "sample": {"do_sample": True},
    "sample-beams": {"do_sample": True, "num_beams": 2, "top_p": 0.5, "min_p": 0.2, "typical_p": 0.7},
    "sample-everything": {
        "do_sample": True, "temperature": 0.7, "top_h": 0.9, "top_k": 20, "top_p": 0.9, "min_p": 0.01,
        "typical_p": 0.95, "epsilon_cutoff": 0.01, "eta_cutoff": 0.01, "renormalize_logits": True,
    },
    "constraints": {
        "sequence_bias": {(4,): 2.5}, "repetition_penalty": 1.2, "no_repeat_ngram_size": 2, "bad_words_ids": [[4]],
        "encoder_repetition_penalty": 1.5, "encoder_no_repeat_ngram_size": 4, "min_length": 8, "min_new_tokens": 2,
        "forced_bos_token_id": 2, "forced_eos_token_id": 3, "max_length": 20, "remove_invalid_values": True,
        "exponential_decay_length_penalty": (0, 1.1), "suppress_tokens": [9], "begin_suppress_tokens": [10],
    },
    "constraints-end": {"repetition_penalty": 2.0, "forced_eos_token_id": EOS, "max_length": 6},
    "constraints-sample": {
        "do_sample": True, "repetition_penalty": 0.8, "begin_suppress_tokens": [10], "top_k": 0, "top_p": 0.8,
        "watermarking_config": {"greenlist_ratio": 0.3, "bias": 1.0, "hashing_key": 7},
    },
    "neutral": {"do_sample": True, "top_k": 0, "top_p": 1.0, "temperature": 1.0, "min_length": 0, "eta_cutoff": 0.0},
}  # fmt: skip

# Tokenizer cases of tests/parity/tokenizers and the strings that stop.
STOPS = {
    "gpt2": (
        "gpt2",
        [["."], ["the"], [" th"], ["\n", "ing"], ["é"], ["日本"], ["’"], ["</s>"], ["e "], ["aa", " of t"]],
    ),
    "llama": ("llama", [["."], ["the"], [" th"], ["ing"], ["é"], ["日本"], ["e "], ["a", "o"], [" of t"], ["  "]]),
    "t5": ("t5", [["."], ["the"], [" th"], ["ing"], ["é"], ["e "], ["</s>"], [" of t"]]),
    "bert": ("bert", [["."], ["the"], [" th"], ["ing"], ["e t"], [" of t"], ["[SEP]"]]),
}
