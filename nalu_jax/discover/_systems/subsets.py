"""Few columns of many that explain a vector, at the least price: terms are added, dropped and exchanged.

What each change would gain is known in closed form, so that of all of them the best is taken in every step. What a
support leaves is computed from its residuals: as a difference of large sums of squares it would have no digits where
data are exact.

>>> import numpy as np
>>> columns = np.random.default_rng(0).normal(size=(50, 8))
>>> regression = Regression.of(columns, columns[:, 2] - 3 * columns[:, 5], prices=np.full(8, 3.0), rows=50.0)
>>> search(regression, []).support
(2, 5)
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._systems import settings


class Regression(NamedTuple):
    """Columns of length 1, a target, and the prices of terms.

    Attributes:
        columns: (R, M).
        target: (R,).
        gram: (M, M) inner products of the columns.
        sizes: (M,) lengths of the columns before.
        prices: (M,) nats of each column in the answer.
        rows: how many independent rows there are.
        floor: sum of squares below which nothing is gained.
    """

    columns: np.ndarray
    target: np.ndarray
    gram: np.ndarray
    sizes: np.ndarray
    prices: np.ndarray
    rows: float
    floor: float

    @classmethod
    def of(
        cls, columns: np.ndarray, target: np.ndarray, *, prices: np.ndarray, rows: float, floor: float | None = None
    ) -> "Regression":
        """Of columns (R, M) and a target (R,). The floor is a small part of the target by default."""
        sizes = np.sqrt(np.sum(columns**2, 0)) + 1e-300
        unit = columns / sizes
        floor = settings.REGRESSION_FLOOR * float(target @ target) + 1e-300 if floor is None else floor
        return cls(unit, target, unit.T @ unit, sizes, prices, rows, floor)

    def coefficients(self, support: Sequence[int]) -> np.ndarray:
        """Of the columns as they were, by least squares."""
        places = list(support)
        return np.linalg.lstsq(self.columns[:, places], self.target, rcond=1e-11)[0] / self.sizes[places]

    def independent(self, support: Sequence[int]) -> list[int]:
        """Those that say something new beside the ones before them."""
        kept: list[int] = []
        for place in support:
            kept += [] if self.is_singular([*kept, place]) else [place]
        return kept

    @property
    def compressed(self) -> "Regression":
        """The same regression with as few rows as it can have."""
        both = np.concatenate([self.columns, self.target[:, None]], 1)
        if both.shape[0] <= both.shape[1]:
            return self
        triangle = np.asarray(np.linalg.qr(both, mode="r"))
        return self._replace(columns=triangle[:, :-1], target=triangle[:, -1])

    def is_singular(self, support: Sequence[int]) -> bool:
        """Whether some of these columns say the same."""
        gram = self.gram[np.ix_(support, support)]
        return bool(support) and bool(np.linalg.eigvalsh(gram)[0] < settings.SINGULAR)


class Support(NamedTuple):
    """Places of columns, and what they cost: half the rows times the log of what they leave, and their prices."""

    cost: float
    support: tuple[int, ...]


class _State(NamedTuple):
    """A support with the inverse of its Gram matrix, coefficients, and of all columns what is new in them: their length
    squared beside the support, product with what is left, and coefficients by the support."""

    support: list[int]
    inverse: np.ndarray
    coefficients: np.ndarray
    left: float
    lengths: np.ndarray
    gains: np.ndarray
    projections: np.ndarray


def search(regression: Regression, support: Sequence[int], *, most: int = settings.LARGEST_SUPPORT) -> Support:
    """The support at which no single change helps, from one support on."""
    current = _state(regression, list(support))
    for _ in range(5 * most + 20):
        change, better = _best_change(regression, current, most)
        if change > -1e-6:
            break
        current = _state(regression, better)
    return Support(_cost(regression, current), tuple(sorted(current.support)))


def beam(regression: Regression, others: Sequence[list[int]]) -> list[Support]:
    """The best supports that the best of every size lead to, and those that others do.

    The terms that explain most by themselves need not be among those that explain all: of every size many are kept.
    """
    level: list[tuple[int, ...]] = [(), *map(tuple, pairs(regression, settings.BEAM_PAIRS))]
    if len(regression.prices) <= settings.TRIPLE_LIBRARY:
        level += map(tuple, triples(regression, settings.BEAM_PAIRS))
    reached: dict[tuple[int, ...], float] = {}
    for _ in range(settings.BEAM_TERMS):
        grown: dict[tuple[int, ...], float] = {}
        for support in level:
            if regression.is_singular(support):
                continue
            state = _state(regression, list(support))
            reached[support] = own = _cost(regression, state)
            costs = _additions(regression, state)
            for k in np.argsort(costs, kind="stable")[: settings.BEAM]:
                if np.isfinite(costs[k]):
                    grown[tuple(sorted((*support, int(k))))] = own + float(costs[k])
        level = sorted(grown, key=lambda support: (grown[support], support))[: settings.BEAM]
    chosen = sorted(reached, key=lambda support: (reached[support], support))[: settings.BEAM_ENDS]
    found = [search(regression, begin) for begin in [*map(list, chosen), *others]]
    found = sorted({each.support: each for each in [*found, *searched(regression)]}.values())
    best = _pairs_exchanged(regression, found[0])
    return [best, *(each for each in found if each.support != best.support)]


def _pairs_exchanged(regression: Regression, best: Support) -> Support:
    """The support at which no two terms in the place of two others help."""
    for places in itertools.combinations(best.support, 2):
        kept = [k for k in best.support if k not in places]
        basis = np.linalg.qr(regression.columns[:, kept])[0]
        columns, target = (each - basis @ (basis.T @ each) for each in (regression.columns, regression.target))
        columns[:, np.sum(columns**2, 0) < settings.SINGULAR] = 0.0
        rest = Regression.of(columns, target, prices=regression.prices, rows=regression.rows, floor=regression.floor)
        for pair in pairs(rest, settings.EXCHANGED_PAIRS):
            if regression.is_singular([*kept, *pair]):
                continue
            found = search(regression, [*kept, *pair])
            if found.cost < best.cost - 1e-6:
                return _pairs_exchanged(regression, found)
    return best


def searched(regression: Regression) -> list[Support]:
    """What `search` reaches from nothing, and from the best pairs and triples, the best first."""
    begins: list[list[int]] = [[], *pairs(regression, settings.PAIRS)]
    if len(regression.prices) <= settings.TRIPLE_LIBRARY:
        begins += triples(regression, settings.TRIPLES)
    found = (search(regression, begin) for begin in begins if not regression.is_singular(begin))
    return sorted({each.support: each for each in found}.values())


def cost(regression: Regression, support: Sequence[int]) -> float:
    """What a support costs."""
    return _cost(regression, _state(regression, list(support)))


def neighbours(regression: Regression, support: Sequence[int], count: int) -> list[Support]:
    """The best supports that differ by one term added, dropped or exchanged; best first, the support not among them."""
    state = _state(regression, list(support))
    own = _cost(regression, state)
    found: list[Support] = []
    changes = [_additions(regression, state), *_exchanges(regression, state)]
    places = [None, *range(len(state.support))]
    for place, costs in zip(places, changes, strict=True):
        rest = [k for i, k in enumerate(state.support) if i != place]
        if place is not None:
            found.append(Support(own + float(_drops(regression, state)[place]), tuple(sorted(rest))))
        for k in np.argsort(costs, kind="stable")[: 2 if place is not None else 3]:
            if np.isfinite(costs[k]):
                found.append(Support(own + float(costs[k]), tuple(sorted([*rest, int(k)]))))
    return sorted(found)[:count]


def _state(regression: Regression, support: list[int]) -> _State:
    columns, target = regression.columns, regression.target
    q, r = np.linalg.qr(columns[:, support])
    r_inverse = np.linalg.inv(r)
    inner = q.T @ target
    residuals = target - q @ inner
    shares = q.T @ columns
    lengths, gains = 1 - np.sum(shares**2, 0), columns.T @ residuals
    lengths[support], gains[support] = 0.0, 0.0
    left = float(residuals @ residuals)
    projections = shares.T @ r_inverse.T
    return _State(support, r_inverse @ r_inverse.T, r_inverse @ inner, left, lengths, gains, projections)


def _cost(regression: Regression, state: _State) -> float:
    return float(0.5 * regression.rows * np.log(state.left + regression.floor) + regression.prices[state.support].sum())


def _change(regression: Regression, state: _State, left: np.ndarray) -> np.ndarray:
    """Nats that another sum of squares costs, without prices."""
    floor = regression.floor
    return 0.5 * regression.rows * np.log((np.maximum(left, 0) + floor) / (state.left + floor))


def _additions(regression: Regression, state: _State) -> np.ndarray:
    """(M,) nats that each further column costs; infinite where it is there already."""
    usable = state.lengths > settings.SINGULAR
    gained = np.where(usable, state.gains**2 / np.where(usable, state.lengths, 1.0), 0.0)
    costs = _change(regression, state, state.left - gained) + regression.prices
    costs[state.support] = np.inf
    return costs


def _drops(regression: Regression, state: _State) -> np.ndarray:
    """(k,) nats that it costs to drop each column of the support."""
    lost = state.coefficients**2 / np.diag(state.inverse)
    return _change(regression, state, state.left + lost) - regression.prices[state.support]


def _exchanges(regression: Regression, state: _State) -> np.ndarray:
    """(k, M) nats that it costs to put another column in the place of each."""
    own = np.diag(state.inverse)
    lost = state.coefficients**2 / own
    gains = state.gains[:, None] + state.projections * (state.coefficients / own)
    lengths = state.lengths[:, None] + state.projections**2 / own
    usable = lengths > settings.SINGULAR
    gained = np.where(usable, gains**2 / np.where(usable, lengths, 1.0), 0.0)
    costs = _change(regression, state, state.left + lost - gained)
    costs = costs + regression.prices[:, None] - regression.prices[state.support]
    costs[state.support] = np.inf
    return costs.T


def _best_change(regression: Regression, state: _State, most: int) -> tuple[float, list[int]]:
    """The change that costs least, and the support after it."""
    support = state.support
    best, better = 0.0, support
    if len(support) < most:
        costs = _additions(regression, state)
        k = int(costs.argmin())
        best, better = min((best, better), (float(costs[k]), [*support, k]), key=lambda each: each[0])
    if support:
        costs = _drops(regression, state)
        i = int(costs.argmin())
        best, better = min((best, better), (float(costs[i]), support[:i] + support[i + 1 :]), key=lambda each: each[0])
        exchanges = _exchanges(regression, state)
        i, k = (int(each) for each in np.unravel_index(int(exchanges.argmin()), exchanges.shape))
        exchanged = [*support[:i], *support[i + 1 :], k]
        best, better = min((best, better), (float(exchanges[i, k]), exchanged), key=lambda each: each[0])
    return best, better


def pairs(regression: Regression, count: int) -> list[list[int]]:
    """The pairs of columns that explain most, all of them tried."""
    gram, products = regression.gram, regression.columns.T @ regression.target
    determinants = 1 - gram**2
    determinants[determinants < settings.SINGULAR] = np.inf
    squares = products[:, None] ** 2 + products**2 - 2 * gram * products[:, None] * products
    gains = squares / determinants
    gains[np.tril_indices(len(products))] = -1.0
    order = np.argsort(-gains, axis=None, kind="stable")[:count]
    return [[int(place) for place in divmod(int(each), len(products))] for each in order if gains.flat[each] > 0]


def triples(regression: Regression, count: int) -> list[list[int]]:
    """The triples that explain most, the best of every first column, all of them tried."""
    gram, products = regression.gram, regression.columns.T @ regression.target
    found = []
    for i in range(len(products) - 2):
        row = gram[i, i + 1 :]
        lengths = np.maximum(1 - row**2, 1e-9)
        sizes = 1 / np.sqrt(lengths)
        rest = (gram[i + 1 :, i + 1 :] - np.outer(row, row)) * np.outer(sizes, sizes)
        left = (products[i + 1 :] - row * products[i]) * sizes
        determinants = 1 - rest**2
        determinants[determinants < settings.SINGULAR_PAIR] = np.inf
        same = lengths < settings.SINGULAR_PAIR
        determinants[same], determinants[:, same] = np.inf, np.inf
        gains = (left[:, None] ** 2 + left**2 - 2 * rest * left[:, None] * left) / determinants
        gains[np.tril_indices(len(left))] = -1.0
        best = int(gains.argmax())
        one, other = divmod(best, len(left))
        if gains.flat[best] <= 0:
            continue
        found.append((products[i] ** 2 + gains.flat[best], [i, i + 1 + one, i + 1 + other]))
    found.sort(key=lambda each: (-each[0], each[1]))
    return [triple for _, triple in found[:count]]
