"""Rounding to simple numbers."""

from collections.abc import Callable, Sequence
from typing import Any

from jax import Array

from ._path import Path

Tree = Any


def snap(
    loss: Callable[..., Array],
    params: Tree,
    data: Tree = None,
    *,
    to: Sequence[int] = (1, 2, 3, 4),
    budget: float | None = None,
    factor: float | None = None,
    free: Tree = None,
    entries: Tree = None,
    errors: float = 3.0,
    tolerance: float = 1e-3,
    candidates: int = 4,
    steps: int = 50,
    rows: int | None = None,
    floor: float | None = None,
    progress: bool = False,
) -> Path:
    """Round exponents and coefficients to simple numbers, one after another, and refit the rest after each.

    Args:
        loss, params, data, candidates, steps, rows, floor, progress: as in `prune`.
        to: denominators in the order of preference: integers, halves, thirds, quarters.
        budget: a rounding is kept where the loss stays at most this; or
        factor: at most so many times the loss of the first refit; without both, where the BIC does not rise.
        free: as in `prune`; `snap(loss, step.params, data, free=step.free)` goes on where pruning ended.
        entries: booleans like params; False where an entry is not to be rounded.
        errors: an entry may be rounded by so many of its standard errors, or
        tolerance: by so much, whichever is more.

    Returns:
        The `Path`, of which the last step is the chosen one.

    Raises:
        TypeError, ValueError: as `prune`.
    """
    raise NotImplementedError
