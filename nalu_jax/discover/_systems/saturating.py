"""Starts of sums in which products saturate in one state, such as v y/(1 + y/K) of Michaelis and Menten.

Regressed are changes of a state over windows on integrals of products, and of products over 1 + (y/K)^p. Where K stands
between the sizes that are tried first, terms that are none make up for that: of the best small sums it is fitted, too.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar

from nalu_jax.discover._engine.candidate import SATURATING
from nalu_jax.discover._systems import library, rational, settings, subsets
from nalu_jax.discover._systems.bars import over_one_bar
from nalu_jax.discover._systems.subsets import Regression
from nalu_jax.discover._systems.terms import Columns, Function, Term
from nalu_jax.discover._systems.weak import Start, Windows

NAMES = {power: name for name, power in SATURATING.items()}

Bar = tuple[int, int]
"""The state and the power below a bar."""


def starts(windows: Windows, equation: int) -> list[Start]:
    """Of one equation the likeliest sums in which something saturates, the likeliest first."""
    every = [start for bar in rational.bars(windows) for start in _Scan(windows, equation, bar).starts()]
    found: dict[tuple[frozenset[Term], frozenset[Term]], Start] = {}
    for start in sorted(every, key=lambda start: start.cost):
        found.setdefault(over_one_bar(start.above, ()), start)
    return list(found.values())


def terms(count: int, bar: Bar, size: float) -> tuple[Term, ...]:
    """What may saturate of so many variables at a size of one, given in its own scale."""
    weights = tuple(float(i == bar[0]) / size for i in range(count))
    return library.saturating([Function(NAMES[bar[1]], weights)], products(count, bar))


def products(count: int, bar: Bar) -> tuple[Term, ...]:
    """Those that are tried above 1 + q y^p: simple ones, y^p, and that times another variable."""
    state, power = bar
    own = rational.to_power(state, power, count)
    others = (library.product(rational.to_power(i, 1, count), own) for i in range(count) if i != state)
    return tuple(dict.fromkeys((*rational.simple(count), own, *others)))


class _Scan:
    """The regression of one equation with one bar, by the size at which what is over it saturates."""

    def __init__(self, windows: Windows, equation: int, bar: Bar):
        count = windows.problem.n_variables
        self.windows, self.bar = windows, bar
        self.plain, above = library.polynomials(count, settings.SATURATION_DEGREE[count]), products(count, bar)
        self._target = windows.changes()[:, equation]
        self._beside = windows.columns(self.plain)
        self._above = [Columns(above, count).values(each) for each in windows.variables]
        self._states = [np.abs(each[..., bar[0]]) for each in windows.variables]
        own = np.array([term.price for term in (*self.plain, *terms(count, bar, 1.0))])
        self._prices = own + settings.TERM + 0.5 * np.log(max(windows.rows, 2)) + 1

    def regression(self, size: float) -> Regression:
        """Where things saturate at this size."""
        over = [1 / (1 + (state / size) ** self.bar[1])[..., None] for state in self._states]
        bent = self.windows.integrals([own * each for own, each in zip(self._above, over, strict=True)])
        columns = np.concatenate([self._beside, bent], 1)
        return Regression.of(columns, self._target, prices=self._prices, rows=self.windows.rows)

    def starts(self) -> list[Start]:
        """The best small sums, and what they grow to."""
        return [self._start(*self._grown(size, support)) for size, support in self._small()]

    def _small(self) -> list[tuple[float, tuple[int, ...]]]:
        """Of each number of terms the best supports in which something saturates, with the best of few sizes."""
        measured = np.concatenate([each.ravel() for each in self._states])
        within = np.quantile(measured, settings.SATURATING_SIZES)
        beyond = [measured.min() / settings.SATURATION_BEYOND, measured.max() * settings.SATURATION_BEYOND]
        kept: dict[tuple[int, ...], tuple[float, float]] = {}
        for size in np.unique([*within, *beyond]).tolist():
            if size == 0:  # an input that is mostly off: nothing saturates at 0
                continue
            regression = self.regression(size)
            singles = [[k] for k in range(len(self.plain), len(regression.prices))]
            several = [*subsets.pairs(regression, settings.PAIRS), *subsets.triples(regression, settings.TRIPLES)]
            for support in (tuple(sorted(each)) for each in (*singles, *several)):
                if support[-1] >= len(self.plain) and not regression.is_singular(support):
                    kept[support] = min(kept.get(support, (np.inf, size)), (subsets.cost(regression, support), size))
        chosen: list[tuple[float, tuple[int, ...]]] = []
        for number in (1, 2, 3):
            own = sorted((cost, support) for support, (cost, _) in kept.items() if len(support) == number)
            chosen += [(kept[support][1], support) for _, support in own[: settings.SATURATIONS_FITTED]]
        return chosen

    def _grown(self, size: float, support: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
        """Size and support after fits of the size and searches at it, in turns."""
        for _ in range(settings.SATURATION_ROUNDS):
            size = self._fitted(size, support)
            grown = subsets.search(self.regression(size), support, most=settings.QUOTIENT_TERMS).support
            if set(grown) == set(support) or max(grown, default=0) < len(self.plain):
                return size, support
            support = tuple(sorted(grown))
        return self._fitted(size, support), support

    def _fitted(self, size: float, support: Sequence[int]) -> float:
        cost = lambda logarithm: subsets.cost(self.regression(float(np.exp(logarithm))), support)
        begin, far = float(np.log(size)), settings.SATURATION_RANGE
        options = {"xatol": settings.SATURATION_DIGITS}
        found = minimize_scalar(cost, bounds=(begin - far, begin + far), method="bounded", options=options)
        return float(np.exp(found.x)) if found.fun < cost(begin) else size

    def _start(self, size: float, support: Sequence[int]) -> Start:
        regression, count = self.regression(size), self.windows.problem.n_variables
        every = (*self.plain, *terms(count, self.bar, size))
        above = tuple(every[k] for k in support)
        return Start(subsets.cost(regression, support), above, (), regression.coefficients(support))
