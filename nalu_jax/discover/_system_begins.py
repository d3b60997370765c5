"""First constants of known rates, from changes of the states over windows: no trajectory is solved.

What is beside the known part is taken for a short sum of products of the states. Constants and terms are chosen
together: beside too few terms the constants make up for those that lack, beside too many they are not told. Curves are
much smoother than measurements, so that no number of terms is preferred here: the best of each are handed over, to be
fitted to the measurements themselves.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize

from . import _known
from ._system_known import Text, by_constants, of_text, rates_of
from ._systems import library, settings, weak
from ._systems.problem import Problem
from ._systems.terms import Term

KEPT = 6
"""Sets of terms of each size that go on, and terms that are added to each: the law's own may only gain together."""

HANDED = 4
"""Sets of terms of each size that are handed over: curves prefer a wrong one where a constant brings a pole near."""

WIDE = 3
"""Most states and inputs together whose products of three are tried: of four there are 35."""

MOST = 4
"""Terms in all: a law that has more beside what is known begins at the best of four."""

NEVALS = 30
"""Residuals per constant of one fit: it begins near, or leads nowhere."""

Support = tuple[tuple[int, ...], ...]
"""Of each equation places in the library."""

Rates = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Of times (m,) and variables (m, n_variables)."""


class Begin(NamedTuple):
    """First constants (k,), and terms of every equation beside them with coefficients."""

    constants: np.ndarray
    starts: tuple[weak.Start, ...]


class _Regression(NamedTuple):
    """Changes over windows (W, n_states), the columns (W, m) of the library, and places of equations with constants.

    `weights` (n_states,) are those of the changes, by their noise.
    """

    windows: weak.Windows
    text: Text
    terms: tuple[Term, ...]
    changes: np.ndarray
    weights: np.ndarray
    columns: np.ndarray
    own: tuple[int, ...]

    def left(self, constants: np.ndarray) -> np.ndarray:
        """(W, n_states) without changes by known rates."""
        scale = self.windows.problem.scale
        rates = lambda times, variables: rates_of(self.text, times, variables * scale, constants)
        by_known = self._integrals(rates) / scale[: self.changes.shape[1]]
        return (self.changes - by_known) * self.weights

    def slopes(self, constants: np.ndarray) -> np.ndarray:
        """(W, n_states, k) derivatives of changes by known rates."""
        scale, shape = self.windows.problem.scale, (*self.changes.shape, len(constants))
        rates = lambda times, variables: by_constants(self.text, scale, times, variables, constants)
        found = self._integrals(lambda times, variables: rates(times, variables).reshape(len(times), -1))
        return found.reshape(shape) * self.weights[:, None]

    def _integrals(self, rates: Rates) -> np.ndarray:
        found = []
        for times, variables in zip(self.windows.times, self.windows.variables, strict=True):
            values = rates(times.ravel(), variables.reshape(-1, variables.shape[-1]))
            found.append(_known.finite(values).reshape(*times.shape, -1))
        return self.windows.integrals(found)


class _Place(NamedTuple):
    """Constants beside terms: what is left (W, n_states), and derivatives of it (W, n_states, k)."""

    squares: float
    support: Support
    constants: np.ndarray
    residuals: np.ndarray
    slopes: np.ndarray


def begins(problem: Problem, text: Text, ended: Callable[[], bool]) -> list[Begin]:
    """Constants with terms beside them, the fewest terms first; no more of them where the search has ended."""
    regression = _regression(problem, text)
    none: Support = ((),) * problem.n_states
    number = tuple((0,) if i in regression.own else () for i in range(problem.n_states))  # the first of the library
    level = [_from_anywhere(regression, none)]
    anywhere = [level[0].constants, _from_anywhere(regression, number).constants, np.ones(len(text.constants))]
    found = []
    for size in range(MOST + 1):
        found += [_begin(regression, place) for place in level[:HANDED]]
        if ended():
            break
        if size < MOST:
            level = _larger(regression, level, anywhere)
    return found


def _regression(problem: Problem, text: Text) -> _Regression:
    windows = weak.Windows(dataclasses.replace(problem, known=None), problem.curves[0])
    count = problem.n_variables
    terms = library.polynomials(count, settings.DEGREE_BESIDE_REAL if count <= WIDE else 2)
    own = tuple(i for i, part in enumerate(text.parts) if part is not None and part.constants)
    return _Regression(
        windows, text, terms, windows.changes(), 1 / problem.curves[0].noise, windows.columns(terms), own
    )


def _larger(regression: _Regression, level: Sequence[_Place], anywhere: Sequence[np.ndarray]) -> list[_Place]:
    """The best sets of one term more, each with the best of several constants, that leave least first."""
    supports: dict[Support, list[np.ndarray]] = {}
    for place in level:
        for i, k in _gaining(regression, place)[:KEPT]:
            own = tuple(sorted((*place.support[i], k)))
            support = (*place.support[:i], own, *place.support[i + 1 :])
            supports.setdefault(support, list(anywhere)).append(place.constants)
    found = [
        min((_fitted(regression, support, each) for each in constants), key=lambda place: place.squares)
        for support, constants in supports.items()
    ]
    return sorted(found, key=lambda place: place.squares)[:KEPT]


def _gaining(regression: _Regression, place: _Place) -> list[tuple[int, int]]:
    """Equation and place of the terms beside those that there are, those that gain most first, as far as constants act
    linearly."""
    turned, _, _ = np.linalg.svd(place.slopes.reshape(place.residuals.size, -1), full_matrices=False)
    turned = turned.reshape(*place.residuals.shape, -1)
    every = {}
    for i in regression.own:
        basis, _ = np.linalg.qr(regression.columns[:, list(place.support[i])])
        alone = regression.columns - basis @ (basis.T @ regression.columns)
        within = turned[:, i].T @ alone
        squares = np.sum(alone**2, 0) - np.sum(within**2, 0)
        across = place.residuals[:, i] @ alone - np.einsum("wnk,wn->k", turned, place.residuals) @ within
        for k in np.flatnonzero(squares > settings.SINGULAR * np.sum(regression.columns**2, 0)).tolist():
            if k not in place.support[i]:
                every[i, k] = across[k] ** 2 / squares[k]
    return sorted(every, key=lambda each: -every[each])


def _from_anywhere(regression: _Regression, support: Support) -> _Place:
    """The best constants beside these terms that random starts lead to."""
    beside = _projector(regression, support)
    residuals = lambda constants: _known.finite(beside(regression.left(constants))).ravel()
    count = len(regression.text.constants)
    return _fitted(regression, support, _known.least_squares(residuals, count, seed=0))


def _fitted(regression: _Regression, support: Support, constants: np.ndarray) -> _Place:
    """The best constants beside these terms near some."""
    beside = _projector(regression, support)
    residuals = lambda numbers: _known.finite(beside(regression.left(numbers)))
    slopes = lambda numbers: _known.finite(-beside(regression.slopes(numbers)))
    count = len(constants)
    found = optimize.least_squares(
        lambda numbers: residuals(numbers).ravel(),
        constants,
        jac=lambda numbers: slopes(numbers).reshape(-1, count),  # pyright: ignore[reportArgumentType]
        method="lm",
        x_scale="jac",
        max_nfev=NEVALS * count,
    )
    return _Place(float(found.cost), support, found.x, residuals(found.x), slopes(found.x))


def _projector(regression: _Regression, support: Support) -> Callable[[np.ndarray], np.ndarray]:
    """What is left of rows (W, n_states, ...) beside the terms of every equation with constants; 0 in the others."""
    bases = {i: np.linalg.qr(regression.columns[:, list(support[i])])[0] for i in regression.own}

    def beside(rows: np.ndarray) -> np.ndarray:
        found = np.zeros(rows.shape)
        for i, basis in bases.items():
            found[:, i] = rows[:, i] - basis @ (basis.T @ rows[:, i])
        return found

    return beside


def _begin(regression: _Regression, place: _Place) -> Begin:
    """The terms with their coefficients; those of equations without constants are chosen as always."""
    problem, curves = regression.windows.problem, regression.windows.curves
    known = of_text(regression.text, problem.scale, place.constants)
    others = {}
    if len(regression.own) < problem.n_states:
        others = dict(enumerate(weak.starts(dataclasses.replace(problem, known=known), curves, regression.terms)))
    left = regression.left(place.constants) / regression.weights
    starts = []
    for i, own in enumerate(place.support):
        if i not in regression.own:
            starts.append(others[i][0])
            continue
        coefficients = np.linalg.lstsq(regression.columns[:, list(own)], left[:, i], rcond=None)[0]
        starts.append(weak.Start(0.0, tuple(regression.terms[k] for k in own), (), coefficients))
    return Begin(place.constants, tuple(starts))
