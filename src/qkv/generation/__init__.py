"""Generation: the loop around a model with a language-model head. It knows ids, not text.

    prompt ids -> [ model -> logits -> logits processors -> a decoding method picks the next ids -> stop? ]* -> ids

mixin.py is what models have of it; generate.py starts a call; decoder.py feeds the model; search.py and its neighbours
hold the decoding methods, a class each; logits/ the processors; stopping.py when to stop.
"""
