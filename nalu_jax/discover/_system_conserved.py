"""Sums of states that do not change, as text; checked; and the ways in which states can hand on what they keep.

>>> found = read(("s + i + r",), ("s", "i", "r"))
>>> [[int(part) for part in route] for route in found.routes]
[[-1, 1, 0], [-1, 0, 1], [0, -1, 1]]
>>> read("2*a + b", ("a", "b", "c")).routes == ((-1, 2, 0), (0, 0, 1))
True
"""

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import sympy

from . import _names
from ._systems.problem import Known
from ._trajectories import Trajectories

MOST_ROUTES = 45
"""Ways to hand on that are searched: those of a sum of ten states. The time grows with their square."""

FEWEST = 8
"""Complete rows of a trajectory in which its own scatter is told from a drift."""

DRIFT = 5.0
"""Standard deviations of a sum along a trajectory, in those of its neighbours' differences over sqrt(2): about 1 where
it does not change. The largest of 400 000 trajectories of 8 rows of noise is 3.1, that of 200 000 of 50 rows 1.4."""

ROUNDING = 1e-6
"""Part of the sizes of the terms of a sum below which any change of it is one of digits."""


class Conserved(NamedTuple):
    """Sums as they were given, their weights by state, and vectors of states that leave all of them as they are."""

    texts: tuple[str, ...]
    weights: tuple[tuple[Fraction, ...], ...]
    routes: tuple[tuple[Fraction, ...], ...]

    @property
    def matrix(self) -> np.ndarray | None:
        """(n_states, n_routes), in the units of the data; None where there are no sums."""
        return np.array(self.routes, float).T if self.texts else None


def read(conserved: Any, names: Sequence[str]) -> Conserved:
    """Sums of states.

    Raises:
        TypeError, ValueError: something is no weighted sum of two states or more, or nothing is left that changes.
    """
    texts = (conserved,) if isinstance(conserved, str) else conserved
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        raise TypeError(
            f'discover.ode: conserved must be text of sums of states, such as ("s + i + r",), got {conserved!r}.'
        )
    weights = tuple(_weights(text, names) for text in texts)
    return Conserved(tuple(texts), weights, _routes(weights, len(names)) if texts else ())


def _weights(text: str, names: Sequence[str]) -> tuple[Fraction, ...]:
    from ..symbolic._parse import parse

    symbols = [sympy.Symbol(name, real=True) for name in _names.symbols(names)]
    written = {name: symbol for name, symbol in zip(names, symbols, strict=True) if name.isidentifier()}
    try:
        expression = sympy.expand(parse(text, written | {symbol.name: symbol for symbol in symbols}))
    except ValueError as error:
        raise ValueError(f"discover.ode: conserved: {error} It must be a sum of states.") from None
    found = [expression.coeff(symbol) for symbol in symbols]
    rest = sympy.expand(expression - sum(weight * symbol for weight, symbol in zip(found, symbols, strict=True)))
    if rest != 0 or not all(weight.is_number for weight in found):
        raise ValueError(
            f"discover.ode: conserved: {text!r} is no sum of states times numbers. Write for example "
            f"{' + '.join(symbol.name for symbol in symbols[:3])!r}, without a constant."
        )
    if sum(weight != 0 for weight in found) < 2:
        raise ValueError(
            f"discover.ode: conserved: {text!r} has less than two states. Leave a state that does not change out of ys."
        )
    return tuple(Fraction(str(sympy.nsimplify(weight, rational=True))) for weight in found)


def _routes(weights: Sequence[Sequence[Fraction]], n_states: int) -> tuple[tuple[Fraction, ...], ...]:
    """The vectors of fewest states that leave the sums as they are: the elementary vectors of their null space."""
    exact = [[sympy.Rational(str(weight)) for weight in row] for row in weights]
    rank, found = sympy.Matrix(exact).rank(), []
    if rank == n_states:
        raise ValueError("discover.ode: conserved: with so many sums no state can change. Leave sums out.")
    for size in range(1, rank + 2):
        for states in itertools.combinations(range(n_states), size):
            if any({i for i, part in enumerate(route) if part} <= set(states) for route in found):
                continue
            space = sympy.Matrix([[row[state] for state in states] for row in exact]).nullspace()
            if space:
                found.append(_whole(space[0], states, n_states))
            if len(found) > MOST_ROUTES:
                raise ValueError(
                    f"discover.ode: conserved: there are more than {MOST_ROUTES} ways in which these states could hand "
                    "on what they keep. Leave sums or states out."
                )
    return tuple(sorted(found, key=lambda route: [not part for part in route]))


def _whole(vector: Any, states: Sequence[int], n_states: int) -> tuple[Fraction, ...]:
    """A vector of smallest whole numbers; in a sum it leads from the state that was named first to a later one."""
    parts = [Fraction(str(part)) for part in vector]
    parts = [part * math.lcm(*(each.denominator for each in parts)) for part in parts]
    parts = [part / math.gcd(*(each.numerator for each in parts)) for part in parts]
    sign = 1 if (parts[0] > 0) == (len(parts) == 1) else -1
    route = [Fraction(0)] * n_states
    for state, part in zip(states, parts, strict=True):
        route[state] = sign * part
    return tuple(route)


def check(sums: Conserved, data: Trajectories, known: Known | None) -> None:
    """Raise where a sum changes by more than noise, or by what is known of the rates.

    Raises:
        ValueError: it does.
    """
    for text, weights in zip(sums.texts, sums.weights, strict=True):
        own = np.array(weights, float)
        used = own != 0
        size = float(np.sum(np.abs(own) * data.scale))
        for i, (times, states) in enumerate(zip(data.times, data.states, strict=True)):
            whole = np.isfinite(states[:, used]).all(1)
            if known is not None and whole.any():
                scaled = np.nan_to_num(states[whole]) / data.scale
                _check_known(text, own * data.scale, known.rates(times[whole], scaled))
            total = states[whole][:, used] @ own[used]
            if len(total) >= FEWEST:
                _check_drift(text, i, total, size)


def _check_known(text: str, weights: np.ndarray, rates: np.ndarray) -> None:
    parts = rates * weights
    if np.abs(parts.sum(1)).max() > ROUNDING * np.abs(parts).sum(1).max():
        raise ValueError(
            f"discover.ode: conserved: the known rates change {text!r}. Leave the sum or known out, or mend one."
        )


def _check_drift(text: str, trajectory: int, total: np.ndarray, size: float) -> None:
    scatter = math.sqrt(float(np.mean(np.diff(total) ** 2)) / 2)
    spread = float(np.std(total))
    if spread > DRIFT * scatter and spread > ROUNDING * size:
        raise ValueError(
            f"discover.ode: conserved: {text!r} changes along trajectory {trajectory}, from {total.min():.6g} to "
            f"{total.max():.6g} and {spread / max(scatter, 1e-300):.3g} times as much as its neighbours scatter. Check "
            "its weights and units, or leave it out."
        )
