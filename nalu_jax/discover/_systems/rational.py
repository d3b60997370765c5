"""Starts of quotients P / (1 + Q) for one equation: all small subsets of terms above and below the bar.

And a power q y^p below it, whatever is above: a rate that saturates beside others that do not, brought over one bar.

Regressed is the implicit equation z' = P - z' Q, which is linear, with z' of the spline, integrated over windows; the
best subsets of every size are fitted to what they should explain, the changes of the state. Of two quotients that leave
the same the smaller one is the law: exact data are explained by many that are too large.
"""

import functools
import itertools
from collections.abc import Sequence

import numpy as np

from nalu_jax.discover._systems import library, settings, subsets
from nalu_jax.discover._systems.problem import Curves, Problem
from nalu_jax.discover._systems.subsets import Regression
from nalu_jax.discover._systems.terms import Columns, Term
from nalu_jax.discover._systems.weak import Start, Windows


def starts(problem: Problem, curves: Curves) -> list[list[list[Start]]]:
    """Of every equation and number of terms the best quotients, the best first; those over one power come last."""
    windows = Windows(problem, curves)
    return [_small(windows, i) + [_over_powers(windows, i)] for i in range(problem.n_states)]


def _small(windows: Windows, equation: int) -> list[list[Start]]:
    count = windows.problem.n_variables
    if count > settings.QUOTIENT_STATES:
        return []
    quotients = _Quotients(windows, equation, *_libraries(count))
    most = settings.QUOTIENT_TERMS if count <= 3 else settings.QUOTIENT_TERMS_OF_MANY
    return [quotients.best(size) for size in range(2, most + 1)]


def _over_powers(windows: Windows, equation: int) -> list[Start]:
    """What the regression chooses above 1 + q y^p, of simple products and of these times y^p."""
    count = windows.problem.n_variables
    simple = library.polynomials(count, 2 if count <= 3 else 1)
    found = []
    for j, power in itertools.product(range(count), settings.SATURATING_POWERS):
        bar = Term(tuple(float(power * (i == j)) for i in range(count)), price=library.monomial_price(count, power))
        raised = [tuple(a + b for a, b in zip(term.powers, bar.powers, strict=True)) for term in simple]
        priced = [Term(powers, price=library.monomial_price(count, int(sum(powers)))) for powers in raised]
        above = tuple(dict.fromkeys([*simple, *priced]))
        start = _Quotients(windows, equation, above, (bar,)).chosen()
        found += [] if start is None else [start]
    return sorted(found, key=lambda each: each.cost)


def _libraries(count: int) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    above, below = settings.QUOTIENT_DEGREES.get(count, (2, 2))
    return library.polynomials(count, above), library.polynomials(count, below)[1:]


@functools.lru_cache(maxsize=16)
def _subsets(above: int, below: int, size: int) -> np.ndarray:
    """(n, size) places of terms, those below the bar after those above: at least one and at most two below."""
    found = [
        (*one, *other)
        for count in range(1, min(2, size - 1) + 1)
        for one in itertools.combinations(range(above), size - count)
        for other in itertools.combinations(range(above, above + below), count)
    ]
    return np.array(found, int)


class _Quotients:
    """The regression of one equation."""

    def __init__(self, windows: Windows, equation: int, above: Sequence[Term], below: Sequence[Term]):
        self.windows, self.above, self.below = windows, above, below
        n = windows.problem.n_variables
        self._over = [Columns(above, n).values(states) for states in windows.variables]
        self._under = [Columns(below, n).values(states) for states in windows.variables]
        rates = [windows.curves.rates(i, times)[..., [equation]] for i, times in enumerate(windows.times)]
        rates = [own - known[..., [equation]] for own, known in zip(rates, windows.known_rates(), strict=True)]
        implicit = [
            np.concatenate([over, -under * rate], -1)
            for over, under, rate in zip(self._over, self._under, rates, strict=True)
        ]
        columns = windows.integrals(implicit)
        self._sizes = np.sqrt(np.sum(columns**2, 0)) + 1e-300
        self._columns = columns / self._sizes
        self._target = windows.changes()[:, equation]
        self._gram = self._columns.T @ self._columns
        self._products = self._columns.T @ self._target

    def best(self, size: int) -> list[Start]:
        """The quotients of so many terms that leave least."""
        subsets = _subsets(len(self.above), len(self.below), size)
        gram = self._gram[subsets[:, :, None], subsets[:, None, :]] + 1e-13 * np.eye(size)
        solutions = np.linalg.solve(gram, self._products[subsets][..., None])[..., 0]
        explained = np.sum(solutions * self._products[subsets], 1)
        chosen = np.argsort(-explained, kind="stable")[: settings.QUOTIENTS_REGRESSED]
        found = [each for each in (self._fitted(subsets[k]) for k in chosen) if each is not None]
        return sorted(found, key=lambda each: each.cost)[: settings.QUOTIENTS_FITTED]

    def chosen(self) -> Start | None:
        """The quotient over all terms below the bar that the regression chooses; None where it takes none of them."""
        rows, every = self.windows.rows, (*self.above, *self.below)
        prices = np.array([term.price for term in every]) + settings.TERM + 0.5 * np.log(max(rows, 2)) + 1
        regression = Regression.of(self._columns, self._target, prices=prices, rows=rows)
        below = range(len(self.above), len(every))
        begins = [list(below), *([*pair, *below] for pair in self._pairs(regression))]
        begins = [begin for begin in begins if not regression.is_singular(begin)]
        best = min((subsets.search(regression, begin, most=settings.QUOTIENT_TERMS) for begin in begins), default=None)
        if best is None or not set(below) <= set(best.support) or len(best.support) == len(self.below):
            return None
        return self._fitted(np.array(best.support))

    def _pairs(self, regression: Regression) -> list[list[int]]:
        return [pair for pair in subsets.pairs(regression, settings.PAIRS) if max(pair) < len(self.above)]

    def _fitted(self, subset: np.ndarray) -> Start | None:
        """A quotient after Gauss-Newton steps on the changes of the state; None where its denominator vanishes."""
        coefficients = np.linalg.lstsq(self._columns[:, subset], self._target, rcond=1e-13)[0] / self._sizes[subset]
        over, under = subset[subset < len(self.above)], subset[subset >= len(self.above)] - len(self.above)
        left = self._left(over, under, coefficients)
        if left is None:
            return None
        for _ in range(settings.QUOTIENT_STEPS):
            residuals, derivatives = left
            sizes = np.sqrt(np.sum(derivatives**2, 0)) + 1e-300
            step = np.linalg.lstsq(derivatives / sizes, residuals, rcond=1e-10)[0] / sizes
            moved = self._left(over, under, coefficients + step)
            if moved is None or moved[0] @ moved[0] >= residuals @ residuals:
                break
            coefficients, left = coefficients + step, moved
        terms = [self.above[k] for k in over], [self.below[k] for k in under]
        rows = self.windows.rows
        part = float(left[0] @ left[0]) / float(self._target @ self._target + 1e-300)
        prices = sum(term.price + settings.TERM + 0.5 * np.log(max(rows, 2)) + 1 for part in terms for term in part)
        cost = 0.5 * rows * np.log(part + settings.REGRESSION_FLOOR) + prices + settings.QUOTIENT
        return Start(float(cost), tuple(terms[0]), tuple(terms[1]), coefficients)

    def _left(
        self, over: np.ndarray, under: np.ndarray, coefficients: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """What a quotient leaves of the changes, and derivatives of what it explains by its coefficients."""
        rates, derivatives = [], []
        for above, below in zip(self._over, self._under, strict=True):
            above, below = above[..., over], below[..., under]
            denominator = 1 + below @ coefficients[len(over) :]
            if not denominator.min() > settings.SMALL_DENOMINATOR:
                return None
            rate = (above @ coefficients[: len(over)]) / denominator
            rates.append(rate[..., None])
            parts = [above / denominator[..., None], -below * (rate / denominator)[..., None]]
            derivatives.append(np.concatenate(parts, -1))
        residuals = self._target - self.windows.integrals(rates)[:, 0]
        moves = self.windows.integrals(derivatives)
        return (residuals, moves) if np.isfinite(residuals).all() and np.isfinite(moves).all() else None
