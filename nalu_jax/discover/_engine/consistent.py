"""The search among formulas whose units are consistent: few products are, so that all small sets of them are tried.

Exponents are held at simple numbers; only coefficients are fitted. What a table alone does not tell (few rows, much
noise) its units often do.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Column, Noise
from nalu_jax.discover._engine.columns import Table, choose, has_zero, noise_weights, soft_weights
from nalu_jax.discover._engine.derived import powers_of
from nalu_jax.discover._engine.dimensions import Dimension, Dimensions, key, products_of
from nalu_jax.discover._engine.evidence import column_price
from nalu_jax.discover._engine.fit import Batch, improve, products, start
from nalu_jax.discover._engine.forms import FUNCTIONS, Form, proper
from nalu_jax.discover._engine.functions import sizes
from nalu_jax.discover._engine.lattice import prices
from nalu_jax.discover._engine.library import best_additions, best_pairs, best_triples, joint_gains
from nalu_jax.discover._engine.structure import Fitted, finish
from nalu_jax.discover._engine.sums import transformed
from nalu_jax.discover._engine.tables import Tables

Task = Callable[[float], list[Fitted]]
"""Formulas found, given the evidence that is known already."""


class Atoms(NamedTuple):
    """Consistent products of a table's columns, the cheapest first: exponents and parity (M, n), prices (M,)."""

    exponents: np.ndarray
    parity: np.ndarray
    prices: np.ndarray

    def take(self, places: np.ndarray | slice) -> "Atoms":
        return Atoms(*(array[places] for array in self))


def of_table(table: Table) -> Dimensions:
    """The dimensions of a table that has them."""
    if table.dimensions is None:
        raise ValueError("the table has no dimensions.")
    return table.dimensions


def atoms(table: Table, wanted: Dimension, limit: int) -> Atoms:
    """Products of this dimension; of columns that are no inputs at most one stands in a product."""
    dimensions = of_table(table)
    parts = [_plain(table, wanted)]
    for place, column in enumerate(table.columns):
        own = dimensions.of(column)
        if column.plain or own is None or table.constant[place]:
            continue
        for power in powers_of(column):
            rest = _plain(table, key(np.array(wanted) - power * own))
            exponents, parity = rest.exponents.copy(), rest.parity.copy()
            exponents[:, place], parity[:, place] = power, (abs(power) % 2) * table.signed[place]
            extra = column_price(column, table.inputs) + float(prices(table.inputs).of(np.array([power]))[0])
            parts.append(Atoms(exponents, parity, rest.prices + extra))
    whole = Atoms(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    return whole.take(np.argsort(whole.prices, kind="stable")[:limit])


def _plain(table: Table, wanted: Dimension) -> Atoms:
    """Products of inputs of this dimension that the signs and zeros of the columns allow."""
    found = products_of(of_table(table), wanted, table.inputs)
    places = [place for place, column in enumerate(table.columns) if column.plain]
    inputs = [table.columns[place].inputs[0] for place in places]
    exponents = np.zeros((len(found.prices), table.width))
    exponents[:, places] = found.exponents[:, inputs]
    others = np.setdiff1d(np.arange(found.exponents.shape[1]), inputs)
    good = ~found.exponents[:, others].any(1) & ~exponents[:, table.constant].any(1)
    good &= (exponents == np.round(exponents))[:, table.signed].all(1)
    good &= (exponents >= 0)[:, has_zero(table)].all(1)
    good &= np.abs(exponents).max(1, initial=0.0) <= settings.LARGEST_EXPONENT
    parity = (np.abs(np.round(exponents)).astype(int) % 2) * table.signed
    return Atoms(exponents[good], parity[good], found.prices[good])


class _Group(NamedTuple):
    """Atoms as weighted columns of length 1 (rows, M)."""

    atoms: Atoms
    unit: np.ndarray


def _weighted(table: Table, which: Atoms, weights: np.ndarray) -> _Group:
    with np.errstate(all="ignore"):
        values = products(table, which.exponents, which.parity) * weights
        length = np.sqrt(np.einsum("mn,mn->m", values, values))
    good = np.isfinite(length) & (length > 0)
    return _Group(which.take(good), (values[good] / length[good, None]).T)


def search_sums(
    table: Table, judged: Table, noise: Noise, *, power: float, most_terms: int, bar: float
) -> list[Fitted]:
    """Formulas (sum of consistent terms)^power."""
    straight, weights = transformed(table, noise, power)
    if straight is None:
        return []
    dimensions = of_table(table)
    group = _weighted(straight, atoms(table, key(dimensions.target / power), settings.CONSISTENT_ATOMS), weights)
    found: list[Fitted] = []
    for chosen in sets_of(group.unit, weights * straight.target, most_terms):
        terms = len(chosen[0])
        if terms == 1 and power != 1:
            continue
        form = Form("sum", (terms,)) if power == 1 else Form("power", (terms,), power=power)
        begin = [_solved(straight, group.atoms, places, weights) for places in chosen]
        bar = min([bar, *(fitted.evidence for fitted in found)])
        found += held(table, judged, form, begin, noise, bar=bar)
    return found


def sets_of(
    unit: np.ndarray, goal: np.ndarray, most: int, allowed: Callable[[np.ndarray], bool] = lambda places: True
) -> list[list[np.ndarray]]:
    """Places of columns (rows, M) that explain the goal together: the best sets of 1, 2, ... of them."""
    count = unit.shape[1]
    if not count:
        return []
    layers = [[np.array([i]) for i in np.argsort(-np.abs(goal @ unit), kind="stable")[: settings.CONSISTENT_SETS]]]
    if count > 1 and most > 1:
        layers.append(list(best_pairs(unit, goal, 4 * settings.CONSISTENT_SETS)))
    for terms in range(3, min(most, count) + 1):
        grown = {tuple(sorted(places)): places for places in _grown(unit, goal, layers[-1])}
        if terms == 3:
            few = best_triples(unit[:, : settings.CONSISTENT_TRIPLES], goal, 4 * settings.CONSISTENT_SETS)
            grown |= {tuple(places.tolist()): places for places in few}
        left = {name: _left(unit, goal, places) for name, places in grown.items()}
        layers.append([grown[name] for name in sorted(grown, key=lambda name: left[name])])
    kept = [[places for places in layer if allowed(places)][: settings.CONSISTENT_SETS] for layer in layers]
    return [layer for layer in kept if layer]


def _grown(unit: np.ndarray, goal: np.ndarray, layer: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [
        np.sort(np.append(places, place))
        for places in layer[: settings.CONSISTENT_GROWN]
        for place in best_additions(unit, goal, unit[:, places], 6)
        if place not in places
    ]


def _left(unit: np.ndarray, goal: np.ndarray, places: np.ndarray) -> float:
    basis, _ = np.linalg.qr(unit[:, places])
    return -float(np.sum((goal @ basis) ** 2))


Begin = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Exponents (K, n), parity (K, n) and coefficients (K,) of one fit."""


def _solved(table: Table, which: Atoms, places: np.ndarray, weights: np.ndarray) -> Begin:
    values = (products(table, which.exponents[places], which.parity[places]) * weights).T
    size = np.sqrt((values**2).sum(0)) + 1e-300
    solution, *_ = np.linalg.lstsq(values / size, weights * table.target, rcond=1e-13)
    return which.exponents[places], which.parity[places], solution / size


def held(
    table: Table, judged: Table, form: Form, begin: Sequence[Begin], noise: Noise, *, bar: float, keep: int = 8
) -> list[Fitted]:
    """The best fits of a form from these starts, their exponents kept; each on the columns that it uses."""
    inputs = [place for place, column in enumerate(table.columns) if column.plain]
    groups: dict[tuple[int, ...], list[Begin]] = defaultdict(list)
    for one in begin:
        used = np.flatnonzero((one[0] != 0).any(0))
        groups[tuple(int(place) for place in used if place not in inputs)].append(one)
    found: list[Fitted] = []
    for derived, members in groups.items():
        kept = [*inputs, *derived]
        exponents, parity, coefficients = (np.array(arrays) for arrays in zip(*members, strict=True))
        few = choose(table, kept)
        batch = start(few, exponents[:, :, kept], parity[:, :, kept].astype(int), coefficients)
        batch = batch._replace(free=np.zeros(batch.free.shape, bool))
        if form.kind != "sum":
            batch = improve(few, form, batch, soft_weights(few, noise), steps=settings.FIRST_STEPS)
        batch = improve(few, form, batch, noise_weights(few, noise, few.target), steps=settings.FIRST_STEPS)
        order = np.argsort(batch.rss, kind="stable")[:keep]
        found += finish(choose(judged, kept), form, _finite(batch, order), noise, bar=bar)
        bar = min([bar, *(fitted.evidence for fitted in found)])
    return found


def _finite(batch: Batch, order: np.ndarray) -> Batch:
    return batch.take(order[np.isfinite(batch.rss[order]) & (batch.coefficients[order] != 0).all(1)])


def search_quotients(
    table: Table, judged: Table, noise: Noise, *, power: float, most_terms: int, bar: float
) -> list[Fitted]:
    """Formulas (P / (1 + Q))^power of sums of consistent terms: linear in P and Q (see `quotients`)."""
    straight, weights = transformed(table, noise, power)
    if straight is None:
        return []
    dimensions = of_table(table)
    half = settings.CONSISTENT_ATOMS // 3
    above = _weighted(straight, atoms(table, key(dimensions.target / power), half), weights)
    below = atoms(table, key(np.zeros(len(dimensions.target))), half)
    below = _weighted(straight, below.take(np.flatnonzero(below.exponents.any(1))), -straight.target * weights)
    count = len(above.atoms.prices)
    both = Atoms(*(np.concatenate(arrays) for arrays in zip(above.atoms, below.atoms, strict=True)))
    order = np.argsort(both.prices, kind="stable")
    under = order >= count
    unit = np.hstack([above.unit, below.unit])[:, order]
    both = both.take(order)
    found: list[Fitted] = []
    goal = weights * straight.target
    for layer in sets_of(unit, goal, most_terms, lambda places: 0 < under[places].sum() < len(places)):
        groups: dict[tuple[int, int], list[Begin]] = defaultdict(list)
        for places in layer:
            places = np.concatenate([places[~under[places]], places[under[places]]])
            factor = np.where(under[places, None], -straight.target, 1.0) * weights
            values = (products(straight, both.exponents[places], both.parity[places]) * factor).T
            size = np.sqrt((values**2).sum(0)) + 1e-300
            solution, *_ = np.linalg.lstsq(values / size, goal, rcond=1e-13)
            split = (int((~under[places]).sum()), int(under[places].sum()))
            groups[split].append((both.exponents[places], both.parity[places], solution / size))
        for split, begin in groups.items():
            bar = min([bar, *(fitted.evidence for fitted in found)])
            form = Form("quotient", split, power=power, below=power)
            found += held(table, judged, form, begin, noise, bar=bar)
    return found


def search_functions(table: Table, wide: Table, judged: Table, noise: Noise, *, bar: float) -> list[Fitted]:
    """Formulas m F(s m') and m F(s m') + m'' of consistent products, and P / (1 + s m')^(1/2) with one or two terms.

    Args:
        table: few rows, on which all are tried.
        wide, judged: the same columns with more rows.
        noise: model of the noise.
        bar: evidence that is known already.
    """
    dimensions = of_table(table)
    weights = noise_weights(table, noise, table.target)
    front = _weighted(table, atoms(table, key(dimensions.target), settings.CONSISTENT_FRONT), weights)
    inner = atoms(table, key(np.zeros(len(dimensions.target))), settings.CONSISTENT_INNER)
    inner = inner.take(np.flatnonzero(inner.exponents.any(1)))
    if not len(front.atoms.prices) or not len(inner.prices):
        return []
    scan = _Scan(table, front, inner, weights)
    found: list[Fitted] = []
    for name in [*FUNCTIONS, None]:
        groups: dict[int, list[tuple[float, Begin]]] = defaultdict(list)
        for left, begin in scan.starts(name):
            groups[len(begin[2])].append((left, begin))
        for terms, members in groups.items():
            members.sort(key=lambda member: member[0])
            if name is None:
                form = Form("quotient", (terms - 1, 1), below=0.5)
            else:
                form = proper(Form("function", (1, 1, terms - 2), function=name))
            bar = min([bar, *(fitted.evidence for fitted in found)])
            begin = [start_ for _, start_ in members[: settings.CONSISTENT_SETS]]
            found += held(wide, judged, form, begin, noise, bar=bar, keep=4)
    return found


class _Scan:
    """All inner products in several sizes: what the best one or two terms around a function leave."""

    def __init__(self, table: Table, front: _Group, inner: Atoms, weights: np.ndarray):
        self.front, self.inner, self.weights = front, inner, weights
        self.goal = weights * table.target
        with np.errstate(all="ignore"):
            self.values = products(table, inner.exponents, inner.parity)
            self.plain = products(table, front.atoms.exponents, front.atoms.parity)

    def starts(self, name: str | None) -> list[tuple[float, Begin]]:
        """What is left, and the start, for the best inner products in their best size; name None is 1 / sqrt(1 + u).

        Of every inner product the best with one term around the function, and the best with two.
        """
        kept: list[tuple[float, int, float, tuple[int, ...]]] = []
        total = float(self.goal @ self.goal)
        for place, values in enumerate(self.values):
            scales = self._scales(name, values)
            with np.errstate(all="ignore"):
                u = scales[:, None] * values
                shaped = 1 / np.sqrt(1 + u) if name is None else FUNCTIONS[name].value(u)
                usable = np.isfinite(shaped).all(1) & (np.abs(shaped).max(1) > 1e-200)
            if usable.any():
                for gain, size, terms in self._around(name, shaped[usable]):
                    kept.append((total - gain, place, float(scales[usable][size]), terms))
        found = []
        for count in (1, 2):
            best = sorted((each for each in kept if len(each[3]) == count), key=lambda each: each[0])
            found += [(each[0], self._begin(name, *each[1:])) for each in best[: settings.CONSISTENT_SETS]]
        return found

    def _scales(self, name: str | None, values: np.ndarray) -> np.ndarray:
        typical, largest = np.median(np.abs(values)), np.abs(values).max()
        if name is None:
            own = [size / largest for size in settings.ROOT_SIZES]
        else:
            own = [size / (largest if of_largest else typical) for size, of_largest in sizes(name)]
        return np.array([*own, *settings.PURE_SIZES, *(-size for size in settings.PURE_SIZES[:3])])

    def _around(self, name: str | None, shaped: np.ndarray) -> list[tuple[float, int, tuple[int, ...]]]:
        """What the best term around shaped (S, rows) explains, and the best two: gain, place of the size, terms."""
        unit = self.front.unit
        length = np.sqrt(shaped**2 @ unit**2) + 1e-300
        one = (shaped * self.goal) @ unit / length
        size, first = divmod(int(np.abs(one).argmax()), unit.shape[1])
        found = [(float(one[size, first] ** 2), size, (first,))]
        columns = unit * shaped[:, :, None]
        if name is None:
            gram = columns.swapaxes(1, 2) @ columns / (length[:, :, None] * length[:, None, :])
            gains = joint_gains(gram, one)
        else:
            cross = columns.swapaxes(1, 2) @ unit / length[:, :, None]
            rest = np.where(1 - cross**2 > 1e-6, 1 - cross**2, np.inf)
            beside = self.goal @ unit
            gains = (one**2)[:, :, None] + (beside - cross * one[:, :, None]) ** 2 / rest
        size, a, b = np.unravel_index(int(np.nan_to_num(gains).argmax()), gains.shape)
        return [*found, (float(gains[size, a, b]), int(size), (int(a), int(b)))]

    def _begin(self, name: str | None, place: int, scale: float, terms: tuple[int, ...]) -> Begin:
        """The start of a fit: terms in front of the function, or (of two, but for a quotient) one beside it."""
        with np.errstate(all="ignore"):
            u = scale * self.values[place]
            shaped = 1 / np.sqrt(1 + u) if name is None else FUNCTIONS[name].value(u)
        fronts = len(terms) if name is None else 1
        columns = [self.plain[i] * (shaped if k < fronts else 1.0) for k, i in enumerate(terms)]
        values = (np.array(columns) * self.weights).T
        size = np.sqrt((values**2).sum(0)) + 1e-300
        solution, *_ = np.linalg.lstsq(values / size, self.goal, rcond=1e-13)
        exponents = np.insert(self.front.atoms.exponents[list(terms)], fronts, self.inner.exponents[place], axis=0)
        parity = np.insert(self.front.atoms.parity[list(terms)], fronts, self.inner.parity[place], axis=0)
        return exponents, parity, np.insert(solution / size, fronts, scale)


def plain_sums(tables: Tables, noise: Noise, most_terms: int) -> list[Fitted]:
    """Sums of consistent products of the inputs as they are."""
    _, table, judged = tables.sizes()
    return search_sums(table, judged, noise, power=1.0, most_terms=most_terms, bar=np.inf)


def wider(tables: Tables, noise: Noise, derived: tuple[Column, ...], most_terms: int) -> list[tuple[str, list[Task]]]:
    """Names and tasks of the wider family, first of the inputs as they are, then with derived columns too."""
    found: list[tuple[str, list[Task]]] = []
    for more in ((), derived) if derived else ((),):
        thin, table, judged = tables.sizes(more)
        powers = (-1.0, 0.5, -0.5, 2.0, -2.0) if not more else (1.0, 0.5, -1.0, -0.5)
        found += [
            (
                "consistent powers of sums",
                [
                    lambda bar, p=power, t=table, j=judged: search_sums(
                        t, j, noise, power=p, most_terms=min(most_terms, 3), bar=bar
                    )
                    for power in powers
                ],
            ),
            (
                "consistent quotients",
                [
                    lambda bar, p=power, t=table, j=judged: search_quotients(
                        t, j, noise, power=p, most_terms=4, bar=bar
                    )
                    for power in (1.0, 0.5)
                ],
            ),
            (
                "consistent functions",
                [lambda bar, few=thin, t=table, j=judged: search_functions(few, t, j, noise, bar=bar)],
            ),
        ]
    return found
