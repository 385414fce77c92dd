"""Record: what a generation gives back beside its ids, collected step by step if it was asked for."""

from typing import Any

from torch import Tensor

from ..outputs import (
    GenerateBeamDecoderOnlyOutput,
    GenerateBeamEncoderDecoderOutput,
    GenerateDecoderOnlyOutput,
    GenerateEncoderDecoderOutput,
    ModelOutput,
)

STEPS = ("scores", "logits", "attentions", "hidden_states")


class Record:
    """Scores, logits, attention weights and hidden states of each step.

    Args:
        wanted: which of `STEPS`.
        as_output: whether `result` is an output object, or just the ids.
        legacy_cache: whether its cache is ((keys, values), ...) of each layer, as older code reads it.
    """

    def __init__(
        self, wanted: tuple[str, ...], as_output: bool, encoder_decoder: bool, legacy_cache: bool | None = False
    ):
        self.as_output, self.encoder_decoder, self.legacy_cache = as_output, encoder_decoder, legacy_cache
        self.steps: dict[str, list[Any]] = {name: [] for name in STEPS if as_output and name in wanted}
        if encoder_decoder and "attentions" in self.steps:
            self.steps["cross_attentions"] = []

    @property
    def observes(self) -> tuple[str, ...]:
        """Keywords of the model that make it show what is to be recorded."""
        return tuple(f"output_{name}" for name in ("attentions", "hidden_states") if name in self.steps)

    @property
    def scores(self) -> tuple[Tensor, ...] | None:
        """The processed scores of the steps so far, if they are recorded."""
        return tuple(self.steps["scores"]) if "scores" in self.steps else None

    def add(self, output: ModelOutput | None, logits: Tensor, scores: Tensor) -> None:
        """One step: the model's output, its scores (B,V), and these after the logits processors."""
        for name, steps in self.steps.items():
            if name in ("scores", "logits"):
                steps.append((scores if name == "scores" else logits).clone())
            elif output is not None:
                side = "decoder_" if self.encoder_decoder and not name.startswith("cross") else ""
                steps.append(output.get(side + name))

    def result(self, sequences: Tensor, runner: Any, **beams: Tensor | None) -> Any:
        """The ids (B,T), or an output that holds them and what was recorded.

        Args:
            beams: sequences_scores (B,) and beam_indices (B,new), of methods that have them.
        """
        if not self.as_output:
            return sequences
        found: dict[str, Any] = {name: tuple(steps) for name, steps in self.steps.items()}
        cache = runner.cache.to_legacy_cache() if self.legacy_cache and runner.cache is not None else runner.cache
        found |= {"sequences": sequences, "past_key_values": cache, **beams}
        if not self.encoder_decoder:
            return (GenerateBeamDecoderOnlyOutput if beams else GenerateDecoderOnlyOutput)(**found)
        renamed = {name: f"decoder_{name}" for name in ("attentions", "hidden_states")}
        found = {renamed.get(name, name): value for name, value in found.items()}
        states = runner.prompt.encoder.get("encoder_outputs")
        for name in ("attentions", "hidden_states"):
            if f"decoder_{name}" in found and isinstance(states, ModelOutput):
                found[f"encoder_{name}"] = states.get(name)
        return (GenerateBeamEncoderDecoderOutput if beams else GenerateEncoderDecoderOutput)(**found)
