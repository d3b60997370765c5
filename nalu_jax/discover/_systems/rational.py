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
from nalu_jax.discover._systems.subsets import Regression
from nalu_jax.discover._systems.terms import Columns, Term
from nalu_jax.discover._systems.weak import Start, Windows


def starts(windows: Windows, equation: int) -> list[list[Start]]:
    """Of every number of terms the best quotients of one equation, the best first; those over one power come last."""
    return [*_small(windows, equation), _over_powers(windows, equation)]


def _small(windows: Windows, equation: int) -> list[list[Start]]:
    count = windows.problem.n_variables
    if count > settings.QUOTIENT_STATES:
        return []
    quotients = _Quotients(windows, equation, *_libraries(count))
    most = settings.QUOTIENT_TERMS if count <= 3 else settings.QUOTIENT_TERMS_OF_MANY
    return [quotients.best(size) for size in range(2, most + 1)]


def _over_powers(windows: Windows, equation: int) -> list[Start]:
    """What a regression chooses above 1 + q y^p, the likeliest first."""
    found = _saturated(windows, equation) if windows.noisy else _implicit(windows, equation)
    return sorted((each for each in found if each is not None), key=lambda each: each.cost)


def simple(count: int) -> tuple[Term, ...]:
    """Products of so many variables that are tried above a single power."""
    return library.polynomials(count, 2 if count <= 3 else 1)


def bars(windows: Windows) -> list[tuple[int, int]]:
    """State and power of what may stand below a bar; an odd power of what has negative values may not."""
    signed = windows.problem.signed
    pairs = itertools.product(range(len(signed)), settings.SATURATING_POWERS)
    return [(j, power) for j, power in pairs if power % 2 == 0 or not signed[j]]


def to_power(state: int, power: int, count: int) -> Term:
    """One state to a whole power."""
    return Term(tuple(float(power * (i == state)) for i in range(count)), price=library.monomial_price(count, power))


def _implicit(windows: Windows, equation: int) -> list[Start | None]:
    """By the implicit regression, which is linear in q: of exact data."""
    count = windows.problem.n_variables
    products = simple(count)
    found = []
    for j, power in bars(windows):
        bar = to_power(j, power, count)
        above = tuple(dict.fromkeys([*products, *(library.product(term, bar) for term in products)]))
        found.append(_Quotients(windows, equation, above, (bar,)).chosen())
    return found


def _saturated(windows: Windows, equation: int) -> list[Start | None]:
    """By regressions on what saturates at given sizes of a state, beside what does not: noisy rates spoil the other."""
    products = simple(windows.problem.n_variables)
    values = [Columns(products, windows.problem.n_variables).values(each) for each in windows.variables]
    plain, target = windows.integrals(values), windows.changes()[:, equation]
    prices = np.array([term.price for term in products]) + settings.TERM + 0.5 * np.log(max(windows.rows, 2)) + 1
    prices = np.concatenate([2 * prices, prices])  # over one bar, what does not saturate stands twice
    kept: dict[tuple[int, int], tuple[float, float, tuple[int, ...], np.ndarray]] = {}
    for (j, power), share in itertools.product(bars(windows), settings.SATURATING_SIZES):
        states = [np.abs(each[..., j]) for each in windows.variables]
        size = float(np.quantile(np.concatenate([each.ravel() for each in states]), share))
        if size == 0:  # an input that is mostly off: nothing saturates at 0
            continue
        bent = [each / (1 + (state / size) ** power)[..., None] for each, state in zip(values, states, strict=True)]
        columns = np.concatenate([plain, windows.integrals(bent)], 1)
        regression = Regression.of(columns, target, prices=prices, rows=windows.rows)
        begins = [begin for begin in ([], *subsets.pairs(regression, 2)) if not regression.is_singular(begin)]
        best = min(subsets.search(regression, begin, most=settings.QUOTIENT_TERMS) for begin in begins)
        if max(best.support, default=0) >= len(products) and best.cost < kept.get((j, power), (np.inf,))[0]:
            kept[j, power] = best.cost, size, best.support, regression.coefficients(best.support)
    likeliest = sorted(kept, key=lambda bar: kept[bar][0])[: settings.SATURATING_STARTS]
    return [_over_one_bar(windows, equation, products, bar, *kept[bar][1:]) for bar in likeliest]


def _over_one_bar(
    windows: Windows,
    equation: int,
    products: Sequence[Term],
    bar: tuple[int, int],
    size: float,
    support: Sequence[int],
    coefficients: np.ndarray,
) -> Start | None:
    """What was found beside the saturating part and in it, brought over one bar and fitted to the changes."""
    weight, below = size ** -bar[1], to_power(*bar, windows.problem.n_variables)
    above: dict[Term, float] = {}
    for place, coefficient in zip(support, coefficients, strict=True):
        term = products[place % len(products)]
        above[term] = above.get(term, 0.0) + coefficient
        if place < len(products):
            raised = library.product(term, below)
            above[raised] = above.get(raised, 0.0) + coefficient * weight
    quotients = _Quotients(windows, equation, tuple(above), (below,))
    return quotients.fitted(np.arange(len(above) + 1), np.array([*above.values(), weight]))


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
        rates = [own[..., [equation]] for own in windows.rates()]
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
        found = [each for each in (self.fitted(subsets[k]) for k in chosen) if each is not None]
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
        return self.fitted(np.array(best.support))

    def _pairs(self, regression: Regression) -> list[list[int]]:
        return [pair for pair in subsets.pairs(regression, settings.PAIRS) if max(pair) < len(self.above)]

    def fitted(self, subset: np.ndarray, begin: np.ndarray | None = None) -> Start | None:
        """A quotient after Gauss-Newton steps on the changes of the state; None where its denominator vanishes.

        They begin from these coefficients, or from those of the implicit regression.
        """
        regressed = np.linalg.lstsq(self._columns[:, subset], self._target, rcond=1e-13)[0] / self._sizes[subset]
        coefficients = regressed if begin is None else begin
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
