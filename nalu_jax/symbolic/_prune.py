"""Backward elimination."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jax import Array

from ._path import Path

Tree = Any


def prune(
    loss: Callable[..., Array],
    params: Tree,
    data: Tree = None,
    *,
    budget: float | None = None,
    factor: float | None = None,
    free: Tree = None,
    entries: Tree = None,
    pins: Mapping[str, Sequence[float]] | None = None,
    candidates: int = 4,
    beam: int = 1,
    patience: int | None = 3,
    steps: int = 50,
    rows: int | None = None,
    floor: float | None = None,
    progress: bool = False,
) -> Path:
    """Set to zero, one after another, what costs least, and refit the rest after each.

    Args:
        loss: (params, data) -> residuals, an array of any shape but (), of which the loss is the mean square: refitted
            by Levenberg-Marquardt; or (params, data) -> scalar: refitted by L-BFGS. Without data it is called with
            params alone. One compiled program serves all calls with the same function, shapes and options.
        params: a tree of arrays of one float dtype: a dict, a tuple of dicts, the params of a Flax model, theta.
        data: a tree of arrays, handed to loss.
        budget: the sparsest step with at most this loss is chosen; or
        factor: with at most so many times the loss of the first refit; without both the one with the lowest BIC.
        free: booleans like params; False where an entry stays as it is, as in the `free` of an earlier `Step`.
        entries: booleans like params; False where an entry is fitted but never pinned.
        pins: by leaf name, the values that its entries may be pinned to; {"gate": (1, 0)} by default, 0 for any other.
        candidates: how many of the cheapest entries, by the quadratic model, are refitted at once.
        beam: formulas that are kept at every complexity.
        patience: the path ends so many steps after the last one that budget, factor or BIC could choose; None: it goes
            on to the end.
        steps: of the solver, in every refit.
        rows: n of the BIC; the number of residuals, or of a scalar loss the first axis of data, where not given.
        floor: losses below this are as good as equal; by default the machine epsilon times the loss of params that are
            all pinned.
        progress: whether to show a progress bar.

    Returns:
        The `Path`. An entry that no longer changes the residuals, such as the exponents of a unit that nothing reads, is
        pinned along with the one that made it so. No step has params that are not finite.

    Raises:
        TypeError: params are not float arrays of one dtype.
        ValueError: trees that do not fit, both budget and factor, or a loss that is not finite.
    """
    raise NotImplementedError
