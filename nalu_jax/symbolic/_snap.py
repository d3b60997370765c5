"""Rounding to simple numbers, one entry after another: exponents first, then coefficients.

The order decides. A coefficient's error follows mostly from those of the exponents, so that it is near many simple
numbers as long as they are free: rounded first, it would take them along (8.5 +- 0.5 to 9, and T^0.998 to T^0.986).

>>> import jax.numpy as jnp
>>> from nalu_jax import nau, symbolic
>>> x = jnp.array([[1.0, 2.0], [3.0, -1.0], [-2.0, 0.5], [0.3, 1.0]])
>>> y = 0.5 * x[:, :1] - 2 * x[:, 1:2]
>>> path = symbolic.snap(lambda params, data: nau.apply(params, data[0]) - data[1],
...                      {"w": jnp.array([[0.4998], [-2.01]])}, (x, y))
>>> path.best.params["w"].tolist(), [step.changed.split(", was")[0] for step in path.steps]
([[0.5], [-2.0]], ['', "['w'][1, 0] = -2", "['w'][0, 0] = 1/2"])
"""

import math
from collections.abc import Callable, Collection, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from jax import Array

from .. import _arguments, _prior, _progress
from ._path import Move, Path, Rules, State, first_fit, limit_of, price, refit, rules_of, step_of
from ._problem import Problem, check_counts, problem_of
from ._prune import EXPONENTS, PINS
from ._standard_errors import errors_of, plus_minus

Tree = Any


@_arguments.checked(
    "snap",
    loss=_arguments.function("(params, data) -> residuals or loss"),
    params=_arguments.tree(),
    data=_arguments.optional(_arguments.tree()),
    budget=_arguments.optional(_arguments.number(0.0)),
    factor=_arguments.optional(_arguments.number(0.0)),
    free=_arguments.optional(_arguments.tree()),
    entries=_arguments.optional(_arguments.tree()),
    exponents=_arguments.names(),
    candidates=_arguments.count(),
    steps=_arguments.count(),
    rows=_arguments.optional(_arguments.count()),
    floor=_arguments.optional(_arguments.number(0.0)),
    progress=_arguments.optional(_arguments.instance("True, False or a label", "Pass one of them.", bool, str)),
    to=_arguments.counts(),
    errors=_arguments.number(0.0),
    tolerance=_arguments.number(0.0),
)
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
    exponents: Collection[str] = EXPONENTS,
    errors: float = 3.0,
    tolerance: float = 1e-3,
    candidates: int = 4,
    steps: int = 100,
    rows: int | None = None,
    floor: float | None = None,
    progress: bool | str | None = None,
) -> Path:
    """Round exponents, then coefficients, to simple numbers, one after another, and refit the rest after each.

    Args:
        loss, params, data, candidates, steps, rows, floor, progress: as in `prune`.
        to: denominators of simple numbers: integers, halves, thirds, quarters.
        budget: a rounding is kept where the loss stays at most this; or
        factor: at most so many times the loss of the first refit; without both, where the description gets shorter:
            where the simple number's name costs less than the accuracy that it spares and the fit that it spoils. So
            a coefficient of 9.8 +- 0.1 stays as it is, and one of 0.501 +- 0.003 becomes 1/2.
        free: as in `prune`; `snap(loss, step.params, data, free=step.free)` goes on where pruning ended.
        entries: booleans like params; False where an entry is not to be rounded.
        exponents: leaves whose entries are exponents, by name, as in `prune`: they are rounded before all others. Where
            two units have a name for different things, round one after the other with `entries`.
        errors: an entry may be rounded by so many of its standard errors, or
        tolerance: by so much, whichever is more.

    Returns:
        The `Path`, of which the last step is the chosen one, and in which `changed` tells what a number was before it
        was rounded, as in `[0]['re'][0, 0] = 3/2, was 1.499 +- 0.002`. A number that is a simple one already is pinned
        like any other; rounding to zero is pruning.

    Raises:
        TypeError, ValueError: as `prune`, and for denominators below 1.
    """
    if not to or not all(isinstance(each, int) and each >= 1 for each in to):
        raise ValueError(f"snap: to must be denominators of at least 1, such as (1, 2, 3, 4), got {to!r}.")
    check_counts("snap", {"candidates": candidates, "steps": steps})
    problem = problem_of("snap", loss, params, data, free, rows, steps)
    rules = rules_of("snap", problem, entries, PINS, exponents, floor)
    found = [first_fit(problem, rules, candidates)]
    limit = limit_of("snap", budget, factor, found[0])
    reach = Reach(tuple(to), errors, tolerance, limit)
    with _progress.bar(progress, "snap", total=int((found[0].free & rules.pinnable).sum()), unit="entry") as bar:
        for phase in (rules.exponents, ~rules.exponents):
            found += _rounded(problem, rules, found[-1], phase, reach, candidates, bar)
    return Path(tuple(step_of(problem, rules, state) for state in found), len(found) - 1)


class Reach(NamedTuple):
    """How far roundings may go: the public arguments of the same names, and the largest loss."""

    to: tuple[int, ...]
    errors: float
    tolerance: float
    limit: float | None


def _rounded(
    problem: Problem, rules: Rules, state: State, phase: np.ndarray, reach: Reach, candidates: int, bar: Any
) -> list[State]:
    """`state` with entries of `phase` rounded, one more in each."""
    found: list[State] = []
    refused: set[tuple[int, float]] = set()  # entries and values
    while moves := _cheapest(problem, rules, state, phase, reach, refused)[:candidates]:
        padded = moves + moves[-1:] * (candidates - len(moves))  # one shape, one compilation
        fitted = refit(problem, rules, [state] * candidates, padded)
        allowed = [after for after in fitted if _is_allowed(state, after, reach.limit)]
        if not allowed:
            refused |= {(move.entry, move.value) for move in moves}
            continue
        best = min(allowed, key=lambda after: after.description_length)
        bar.update(int(state.free.sum() - best.free.sum()))
        found.append(best)
        state = best
    return found


def _is_allowed(before: State, after: State, limit: float | None) -> bool:
    if limit is not None:
        return after.loss <= limit
    return after.description_length <= before.description_length


def _cheapest(
    problem: Problem, rules: Rules, state: State, phase: np.ndarray, reach: Reach, refused: set[tuple[int, float]]
) -> list[Move]:
    """Roundings of the entries of `phase` within their errors, those first that shorten the description most.

    What one costs, by the quadratic model: the rise of n / 2 log(loss), and the name of the simple number, less the
    name and the accuracy of the free one.
    """
    deviations = errors_of(state.hessian, state.free, state.loss + rules.floor, problem.rows)
    degrees = max(problem.rows - int(state.free.sum()), 1)
    ranked = []
    for entry in np.flatnonzero(state.free & rules.pinnable & phase):
        value, deviation = float(state.theta[entry]), float(deviations[entry])
        exponent = bool(rules.exponents[entry])
        spared = price(value, exponent=exponent, free=True) + _accuracy(value, deviation, exponent)
        for target in dict.fromkeys(round(value * denominator) / denominator for denominator in reach.to):
            distance = abs(target - value)
            if distance > max(reach.errors * deviation, reach.tolerance) or (int(entry), target) in refused:
                continue
            ratio = min(distance / max(deviation, 1e-300), 1e100)
            rise = problem.rows / 2 * math.log1p(ratio**2 / degrees)
            told = f"{Fraction(target).limit_denominator(max(reach.to))}, was {plus_minus(value, deviation)}"
            ranked.append((rise + price(target, exponent=exponent, free=False) - spared, int(entry), target, told))
    return [Move(*move) for _, *move in sorted(ranked)]


def _accuracy(value: float, deviation: float, exponent: bool) -> float:
    """The Occam factor of one free number: its prior width over its standard error, in nats."""
    width = _prior.SPREAD * (1.0 if exponent else abs(value))
    return max(0.0, math.log(max(width, 1e-300) / max(deviation, 1e-300))) if math.isfinite(deviation) else 0.0
