"""Scores of what was generated."""

import torch
from torch import Tensor


def transition_scores(
    sequences: Tensor, scores: tuple[Tensor, ...], beam_indices: Tensor | None = None, normalize: bool = False
) -> Tensor:
    """The score of each generated id, (B,new); 0 after the end of a beam.

    Args:
        sequences: (B,T), the last `new` generated.
        scores: (rows,V) of each step.
        beam_indices: (B,new), the row of each step's scores that an id was chosen from, -1 where there is none; row by
            row if None.
        normalize: as log-probabilities.
    """
    steps = torch.stack(scores)  # (steps,rows,V)
    if normalize:
        steps = steps.log_softmax(dim=-1)
    if beam_indices is None:
        beam_indices = torch.arange(steps.shape[1], device=sequences.device)[:, None].expand(-1, len(steps))
    beam_indices = beam_indices[:, : int((beam_indices >= 0).sum(dim=1).max())]
    new = beam_indices.shape[1]
    step = torch.arange(new, device=sequences.device)
    found = steps[step, beam_indices.clamp(min=0), sequences[:, sequences.shape[1] - new :]]
    return found.masked_fill(beam_indices < 0, 0)
