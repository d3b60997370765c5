"""Rounding to simple numbers, one entry after another.

>>> import jax.numpy as jnp
>>> from nalu_jax import nau, symbolic
>>> x = jnp.array([[1.0, 2.0], [3.0, -1.0], [-2.0, 0.5], [0.3, 1.0]])
>>> y = 0.5 * x[:, :1] - 2 * x[:, 1:2]
>>> path = symbolic.snap(lambda params, data: nau.apply(params, data[0]) - data[1],
...                      {"w": jnp.array([[0.4998], [-2.01]])}, (x, y))
>>> path.best.params["w"].tolist(), [step.changed.split(", was")[0] for step in path.steps]
([[0.5], [-2.0]], ['', "['w'][1, 0] = -2", "['w'][0, 0] = 1/2"])
"""

import functools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from jax import Array
from tqdm import tqdm

from ._path import Move, Path, Rules, State, bic_of, first_fit, limit_of, refit, rules_of, step_of
from ._problem import Problem, check_counts, problem_of
from ._prune import PINS
from ._standard_errors import errors_of, plus_minus

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
    steps: int = 100,
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
        The `Path`, of which the last step is the chosen one, and in which `changed` tells what a number was before it
        was rounded, as in "[0]['re'][0, 0] = 3/2, was 1.499 +- 0.002". A number that is a simple one already is pinned
        like any other; rounding to zero is pruning.

    Raises:
        TypeError, ValueError: as `prune`, and for denominators below 1.
    """
    if not to or not all(isinstance(each, int) and each >= 1 for each in to):
        raise ValueError(f"snap: to must be denominators of at least 1, such as (1, 2, 3, 4), got {to!r}.")
    check_counts("snap", {"candidates": candidates, "steps": steps})
    problem = problem_of("snap", loss, params, data, free, rows, steps)
    rules = rules_of("snap", problem, entries, PINS, floor)
    found = [first_fit(problem, rules, candidates)]
    limit = limit_of("snap", budget, factor, found[0])
    refused: set[tuple[int, float]] = set()  # entries and values
    simplest = functools.partial(_simplest, problem, rules, to=to, errors=errors, tolerance=tolerance, refused=refused)
    with tqdm(total=int((found[0].free & rules.pinnable).sum()), desc="snap", disable=not progress) as bar:
        while moves := simplest(found[-1])[:candidates]:
            padded = moves + moves[-1:] * (candidates - len(moves))  # one shape, one compilation
            fitted = refit(problem, rules, [found[-1]] * candidates, padded)
            allowed = [state for state in fitted if _is_allowed(problem, rules, found[-1], state, limit)]
            if not allowed:
                refused |= {(move.entry, move.value) for move in moves}
                continue
            bar.update(int(found[-1].free.sum() - allowed[0].free.sum()))
            found.append(allowed[0])  # the simplest of those that are allowed, not the one with the lowest loss
    return Path(tuple(step_of(problem, rules, state) for state in found), len(found) - 1)


def _is_allowed(problem: Problem, rules: Rules, before: State, after: State, limit: float | None) -> bool:
    if limit is not None:
        return after.loss <= limit
    return bic_of(problem, rules, after) <= bic_of(problem, rules, before)


def _simplest(
    problem: Problem,
    rules: Rules,
    state: State,
    *,
    to: Sequence[int],
    errors: float,
    tolerance: float,
    refused: set[tuple[int, float]],
) -> list[Move]:
    """Roundings within the error, those to the most preferred numbers first, then the nearest in standard errors."""
    deviations = errors_of(problem, state.theta, state.free).astype(float)
    ranked = []
    for entry in np.flatnonzero(state.free & rules.pinnable):
        value, deviation = float(state.theta[entry]), float(deviations[entry])
        reach = max(errors * deviation, tolerance)
        for rank, denominator in enumerate(to):
            target = round(value * denominator) / denominator
            distance = abs(target - value)
            if distance <= reach and (int(entry), target) not in refused:
                told = f"{Fraction(target).limit_denominator(denominator)}, was {plus_minus(value, deviation)}"
                ranked.append((rank, distance / max(reach, 1e-300), Move(int(entry), target, told)))
                break
    return [move for *_, move in sorted(ranked)]
