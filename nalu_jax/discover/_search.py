"""Candidate systems from the weak form: sparse regression of every equation on integrals of simple products.

An equation's candidates are searched on their own, in libraries from small to large; candidates for the whole system
are the best combinations, in which a product that several equations share is paid for once.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..ode import Data, Smooth
from . import _library, _powers, _subsets

LIBRARY = 300  # products
TERMS = 8  # in one equation
BEAM = 20
KEPT = 40  # candidates of an equation that are combined
FLOORS = (1.0, 10.0, 100.0)  # how far below its estimate the weak form's error may be taken seriously
UNEXPLAINED = {
    True: 100.0,
    False: 1.5,
}  # what simple powers may leave, of exact and of noisy data, in units of its error
RESOLUTION = 1e-9  # error of exact data, in standard deviations of a state


class System(NamedTuple):
    """A candidate, in scaled units.

    Attributes:
        exponents: (n_terms, n_states) of the products.
        reads: (n_terms, n_states), True where the equation of that state has the product.
        score: description length of the fit and the formula in the weak form; the lowest is best.
    """

    exponents: np.ndarray
    reads: np.ndarray
    score: float


class Rows(NamedTuple):
    """The regression of one equation: features (n, n_products) and target (n,), in units of the target's error."""

    features: np.ndarray
    target: np.ndarray


class Choice(NamedTuple):
    """Products of one equation, and n ln(mean square) of the fit by them."""

    columns: frozenset[int]
    fit: float


def systems(data: Data, smooth: Smooth, known: np.ndarray | None, *, positive: bool, count: int) -> list[System]:
    """The best candidate systems, best first.

    Args:
        data: scaled: states of deviation 1.
        smooth: of the scaled data.
        known: (n_trajectories, n_times - 1, n_nodes, n_states), the known rates at the nodes; None is 0.
        positive: whether all states stay positive, and nodes are to be taken so.
        count: how many at most for each of `FLOORS`.
    """
    nodes = nodes_of(data, smooth, positive)
    exponents = library(data, nodes)
    values = _library.values(exponents, nodes)
    usable = np.isfinite(values).all((0, 1, 2)) & (np.abs(values).max((0, 1, 2)) < 1e8)
    exponents, values = exponents[usable], values[..., usable]
    sums = np.einsum("tiq,tiqm->tim", smooth.weights, values)
    rest = None if known is None else np.einsum("tiq,tiqk->tik", smooth.weights, known)
    pools = []
    for k in range(data.ys.shape[-1]):
        rows = _rows(data, smooth, sums, None if rest is None else rest[..., k], k)
        pools.append(_pool(rows, exponents))
    # noise is known well enough; the error of exact data's splines is a guess
    floors = FLOORS if (smooth.noise == 0).all() else (0.0,)
    found = [system for floor in floors for system in _combined(pools, exponents, floor, count)]
    unique = {(system.exponents.tobytes(), system.reads.tobytes()): system for system in reversed(found)}
    ordered = list(reversed(unique.values()))
    limit = UNEXPLAINED[bool((smooth.noise == 0).all())] ** 2
    explained = all(min(error for _, error, _ in pool) < limit for pool in pools)
    # many simple powers may be the series of one that is not
    if not positive or (explained and ordered[0].reads.sum(0).max() <= _powers.MOST):
        return ordered
    return [_with_real_powers(data, smooth, nodes, rest), *ordered]


def library(data: Data, nodes: np.ndarray) -> np.ndarray:
    """(n, n_states) exponents of all products that are tried."""
    states = range(data.ys.shape[-1])
    powers = [_library.powers_of(np.append(data.ys[..., k][data.seen[..., k]], nodes[..., k])) for k in states]
    return _library.monomials(powers, limit=LIBRARY)


def nodes_of(data: Data, smooth: Smooth, positive: bool) -> np.ndarray:
    """The spline's states at the nodes, kept above zero where states stay positive."""
    return np.maximum(smooth.nodes, smallest_positive(data)) if positive else smooth.nodes


def _with_real_powers(data: Data, smooth: Smooth, nodes: np.ndarray, rest: np.ndarray | None) -> System:
    """The system of the best real exponents for each equation, where simple ones do not explain the data."""
    trajectories, intervals = smooth.weights.shape[:2]
    each = np.eye(trajectories * intervals).reshape(trajectories, intervals, -1)
    together = lambda array: array.reshape(trajectories * intervals, *array.shape[2:])
    equations, score = [], 0.0
    for k in range(data.ys.shape[-1]):
        rows = _rows(data, smooth, each, None if rest is None else rest[..., k], k)
        weak = _powers.Weak(rows.features, together(smooth.weights), np.log(together(nodes)), rows.target)
        floor = FLOORS[0] if (smooth.noise == 0).all() else 0.0
        size, count = rows.target.size, nodes.shape[-1] + 1
        length = lambda fit, size=size, floor=floor, count=count: (
            size * np.log(fit[1] + floor**2 + 1e-30) + len(fit[0]) * count * np.log(size)
        )
        best = min(_powers.real_powers(weak), key=length)
        equations.append(_powers.tidied(best[0]))
        score += float(length(best))
    return System(*_powers.joined(equations), score)


def smallest_positive(data: Data) -> np.ndarray:
    """(n_states,) a thousandth of the smallest positive measurement: splines may undershoot, populations may not."""
    columns = [data.ys[..., k][data.seen[..., k]] for k in range(data.ys.shape[-1])]
    return np.array([1e-3 * float(np.min(column[column > 0], initial=1.0)) for column in columns])


def _rows(data: Data, smooth: Smooth, sums: np.ndarray, rest: np.ndarray | None, k: int) -> Rows:
    """Exact data: changes over intervals, whose errors differ. Noisy data: states minus an unknown initial one, whose
    errors are alike and independent, as those of changes are not."""
    parts = []
    for i in range(data.ts.shape[0]):
        seen, y = data.seen[i, :, k], data.ys[i, :, k]
        if smooth.noise[k] == 0:
            both = seen[1:] & seen[:-1]
            error = (smooth.errors[i] + RESOLUTION) * np.diff(data.ts[i])
            change = np.diff(y) - (0.0 if rest is None else rest[i])
            parts.append((sums[i][both] / error[both, None], change[both] / error[both]))
            continue
        total = np.concatenate([np.zeros_like(sums[i][:1]), np.cumsum(sums[i], axis=0)])[seen]
        target = (y - (0.0 if rest is None else np.append(0.0, np.cumsum(rest[i]))))[seen]
        centred = lambda array: (array - array.mean(0)) / smooth.noise[k]
        parts.append((centred(total), centred(target)))
    return Rows(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _pool(rows: Rows, exponents: np.ndarray) -> list[tuple[tuple[int, ...], float, int]]:
    """(columns, mean square error, rows) of everything found, in nested libraries: in a small one little is missed."""
    costs = _library.costs(exponents)
    whole = ((exponents >= 0) & (exponents == np.round(exponents))).all(1)
    libraries = [np.flatnonzero(mask) for c in range(1, 7) for mask in (whole & (costs <= c), costs <= c)]
    most = min(TERMS, max(1, rows.target.size // 4))
    found: dict[tuple[int, ...], float] = {}
    done: set[bytes] = set()
    for library in libraries:
        if library.tobytes() in done or library.size == 0:
            continue
        done.add(library.tobytes())
        for subset in _subsets.subsets(rows.features[:, library], rows.target, most=most, beam=BEAM):
            found[tuple(sorted(library[list(subset.columns)].tolist()))] = subset.error
    return [(columns, error, rows.target.size) for columns, error in found.items()]


def _combined(pools: Sequence[list], exponents: np.ndarray, floor: float, count: int) -> list[System]:
    """The best combinations of one candidate for each equation, by a beam over equations."""
    rows = max(pool[0][2] for pool in pools)
    # twice the description length, as the BIC counts: a coefficient takes ln(rows), and so does a product, to which its
    # name is added
    names = np.log(rows) + _library.names(exponents, _library.costs(exponents))
    partial: list[tuple[float, frozenset[int], tuple[frozenset[int], ...]]] = [(0.0, frozenset(), ())]
    for pool in pools:
        choices = [Choice(frozenset(c), n * np.log(error + floor**2 + 1e-30)) for c, error, n in pool]
        own = lambda choice: choice.fit + sum(names[list(choice.columns)]) + len(choice.columns) * np.log(rows)
        choices = sorted(choices, key=own)[:KEPT]
        extended = [
            (
                score + choice.fit + len(choice.columns) * np.log(rows) + sum(names[list(choice.columns - shared)]),
                shared | choice.columns,
                (*chosen, choice.columns),
            )
            for (score, shared, chosen), choice in itertools.product(partial, choices)
        ]
        partial = sorted(extended, key=lambda entry: entry[0])[: 10 * KEPT]
    return [_system(exponents, shared, chosen, score) for score, shared, chosen in partial[:count]]


def _system(exponents: np.ndarray, shared: frozenset[int], chosen: Sequence[frozenset[int]], score: float) -> System:
    columns = sorted(shared)
    reads = np.array([[column in own for own in chosen] for column in columns], bool).reshape(-1, len(chosen))
    return System(exponents[columns], reads, float(score))
