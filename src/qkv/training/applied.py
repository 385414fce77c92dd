"""What arguments ask of the model itself while it trains. All of it ends with the run."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import nearest, short
from .arguments import TrainingArguments

MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")  # of torch.compile


@contextmanager
def applied(model: Any, args: TrainingArguments) -> Iterator[None]:
    """Within it the model trains with recomputation, noise and compilation, as the arguments say."""
    with ExitStack() as features:
        if args.full_determinism:
            features.enter_context(deterministic())
        if args.gradient_checkpointing:
            features.enter_context(recomputing(model, args.gradient_checkpointing_kwargs))
        if args.neftune_noise_alpha:
            features.enter_context(noisy(model, args.neftune_noise_alpha))
        if args.torch_compile:
            features.enter_context(compiled(model, args.torch_compile_backend, args.torch_compile_mode))
        yield


@contextmanager
def recomputing(model: Any, options: Mapping[str, Any] | None) -> Iterator[None]:
    """Within it blocks are computed again for their gradients (layers/recompute.py)."""
    if not hasattr(model, "gradient_checkpointing_enable"):
        raise ValueError(
            f"{type(model).__name__} has no gradient_checkpointing_enable(), as models of qkv have. Leave "
            "gradient_checkpointing out, or call torch.utils.checkpoint in its forward."
        )
    before = getattr(model, "is_gradient_checkpointing", False)
    model.gradient_checkpointing_enable(options)
    try:
        yield
    finally:
        if not before:
            model.gradient_checkpointing_disable()


@contextmanager
def deterministic() -> Iterator[None]:
    """Within it torch refuses operations whose result is not the same each time. On a CPU there are few."""
    before, only_warned = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # or CUDA's products are refused
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warned)


@contextmanager
def noisy(model: Any, alpha: float) -> Iterator[None]:
    """Within it token vectors (B,T,D) of a model that trains get noise, uniform in ±alpha / sqrt(T·D).

    NEFTune (Jain et al., 2023, arXiv:2310.05914); T counts padding, as in the reference.

    Raises: ValueError for an alpha below 0, or a model without tokens.
    """
    if not isinstance(alpha, int | float) or alpha < 0:
        raise ValueError(f"neftune_noise_alpha={short(alpha)} must be a number above 0; 5 is usual.")
    table = model.get_input_embeddings() if hasattr(model, "get_input_embeddings") else None
    if not isinstance(table, nn.Module):
        raise ValueError(
            f"neftune_noise_alpha: {type(model).__name__} has no table of tokens; give it get_input_embeddings()."
        )
    hook = table.register_forward_hook(partial(_shake, alpha))
    try:
        yield
    finally:
        hook.remove()


def _shake(alpha: float, table: nn.Module, ids: Any, vectors: Tensor) -> Tensor:
    if not table.training:
        return vectors
    most = alpha / (vectors.shape[1] * vectors.shape[2]) ** 0.5
    return vectors + torch.empty_like(vectors, requires_grad=False).uniform_(-most, most)


@contextmanager
def compiled(model: Any, backend: str | None, mode: str | None) -> Iterator[None]:
    """Within it the model's calls are compiled, anew for what is of another kind: the first steps take long. Weights
    keep their names.

    Raises: ValueError for a backend or mode that torch does not have; RuntimeError if there is no compiler.
    """
    backends = torch.compiler.list_backends(exclude_tags=())
    backend = "inductor" if backend is None else backend
    if backend not in backends:
        near = nearest(backend, backends)
        raise ValueError(f"torch_compile_backend={short(backend)} is not a backend of torch; the nearest are {near}.")
    if mode is not None and mode not in MODES:
        raise ValueError(f"torch_compile_mode={short(mode)} is unknown; the nearest are {nearest(mode, MODES)}.")
    if backend == "inductor" and next(model.parameters()).device.type == "cpu" and not _has_compiler():
        raise RuntimeError(
            "torch_compile=True needs a C++ compiler, and there is neither g++ nor clang++. Install one, or name it in "
            "the environment variable CXX, or leave torch_compile out."
        )
    model.compile(backend=backend, mode=mode)
    try:
        yield
    finally:
        model._compiled_call_impl = None


def _has_compiler() -> bool:
    names = ("cl",) if os.name == "nt" else (os.environ.get("CXX"), "g++", "clang++", "c++")
    return any(name and shutil.which(name) for name in names)
