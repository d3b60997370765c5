"""Units of measure in the search: which products are consistent, and what naming one among them costs.

A term whose constant is a pure number has the unit that its place in the formula asks for: U p = u, with the columns'
dimensions U and the exponents p. Few simple exponents do, and a term is named among these: the prior of exponents,
divided by what all consistent ones have of it together.

>>> import numpy as np
>>> pendulum = Dimensions(inputs=np.array([[1.0, 0.0], [1.0, -2.0]]), target=np.array([0.0, 1.0]))  # length, gravity
>>> products_of(pendulum, (0.0, 1.0), 2).exponents[:2].tolist()
[[0.5, -0.5]]
>>> bool(own_price(pendulum, (0.0, 1.0), 2) < -3)  # what being the only one saves
True
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Column
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.lattice import VALUES, prices

GRID = 12
"""Powers of dimensions are multiples of 1/12, as simple exponents are."""

Dimension = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Dimensions:
    """Dimensions of a table.

    Attributes:
        inputs: (n_in, D) powers of the base units, of all inputs.
        target: (D,).
        scales: (n_in,) sizes of the inputs' units: only what has the same is added or is an angle.
        known: (n_known, D) of constants that are known by name.
        strict: whether all other constants are pure numbers; else they may carry a unit, at a price.
    """

    inputs: np.ndarray
    target: np.ndarray
    scales: np.ndarray = field(default_factory=lambda: np.ones(0))
    known: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    strict: bool = False

    def of(self, column: Column) -> np.ndarray | None:
        """(D,) of a column; None where it adds what does not belong together, or is the sine of what is no angle."""
        parts = self.inputs[list(column.inputs)]
        sizes = self.scales[list(column.inputs)] if len(self.scales) else np.ones(len(parts))
        if len(parts) > 1 and (np.ptp(parts, axis=0).any() or np.ptp(sizes) > 1e-12 * sizes[0]):
            return None
        if column.function is None:
            return parts[0]
        return None if parts[0].any() or abs(sizes[0] - 1) > 1e-12 else parts[0]

    def places(self, form: Form) -> list[Dimension]:
        """The dimension that each term of a form has to have."""
        target, none = self.target, np.zeros(len(self.target))
        if form.kind == "quotient":
            groups = [target / form.power, none]
        elif form.kind == "function":
            groups = [target, none, target]
        else:
            groups = [target / form.power]
        return [key(each) for each, size in zip(groups, form.groups, strict=True) for _ in range(size)]


class Products(NamedTuple):
    """Consistent products, the cheapest first: exponents (M, n_in), prices (M,), powers of known constants (M, C)."""

    exponents: np.ndarray
    prices: np.ndarray
    known: np.ndarray


def key(dimension: np.ndarray) -> Dimension:
    """A dimension that can be looked up."""
    return tuple((np.round(np.asarray(dimension) * GRID) / GRID + 0.0).tolist())


def products_of(dimensions: Dimensions, wanted: Dimension, inputs: int) -> Products:
    """All consistent products of simple powers that are cheap enough, the cheapest first."""
    return _products(_frozen(dimensions), wanted, inputs)[0]


def own_price(dimensions: Dimensions, wanted: Dimension, inputs: int) -> float:
    """Nats (0 or less) by which a term of this dimension is cheaper for being named among the consistent ones."""
    return _products(_frozen(dimensions), wanted, inputs)[1]


def _frozen(dimensions: Dimensions) -> tuple[tuple[Dimension, ...], int]:
    """Columns and known constants, and how many of them are columns."""
    rows = [*map(key, dimensions.inputs), *map(key, dimensions.known)]
    return tuple(rows), len(dimensions.inputs)


@lru_cache(maxsize=256)
def _products(frozen: tuple[tuple[Dimension, ...], int], wanted: Dimension, inputs: int) -> tuple[Products, float]:
    """Two halves of the columns, all cheap products of each, joined where their dimensions add up."""
    rows, own = frozen
    middle = (len(rows) + 1) // 2
    halves = [_half(rows[:middle], inputs), _half(rows[middle:], inputs)]
    places: dict[tuple[int, ...], list[int]] = {}
    for place, reached in enumerate(map(tuple, halves[1].reached.tolist())):
        places.setdefault(reached, []).append(place)
    goal = np.round(np.array(wanted) * GRID).astype(int)
    first, second = [], []
    for place, missing in enumerate(map(tuple, (goal - halves[0].reached).tolist())):
        fitting = places.get(missing, ())
        first += [place] * len(fitting)
        second += fitting
    cost = halves[0].prices[first] + halves[1].prices[second]
    order = np.argsort(cost, kind="stable")
    mass = float(np.exp(-cost).sum())
    order = order[: settings.CONSISTENT]
    exponents = np.hstack([halves[0].exponents[first], halves[1].exponents[second]])[order]
    found = Products(exponents[:, :own], cost[order], exponents[:, own:])
    for array in found:
        array.setflags(write=False)
    return found, math.log(mass) if mass > 0 else 0.0


class _Half(NamedTuple):
    """Products of some columns: exponents (M, n), prices (M,), dimensions (M, D) in multiples of 1 / GRID."""

    exponents: np.ndarray
    prices: np.ndarray
    reached: np.ndarray


@lru_cache(maxsize=64)
def _half(rows: tuple[Dimension, ...], inputs: int) -> _Half:
    """The cheapest products of these columns."""
    names = prices(inputs)
    size = len(rows[0]) if rows else 0
    exponents, cost, reached = np.zeros((1, 0)), np.zeros(1), np.zeros((1, size), int)
    for row in rows:
        moves = np.round(VALUES[:, None] * np.array(row) * GRID).astype(int)
        exact = np.abs(VALUES[:, None] * np.array(row) * GRID - moves).max(1, initial=0.0) < 1e-6
        count = int(exact.sum())
        total = (cost[:, None] + names.lattice[exact]).ravel()
        best = np.argsort(total, kind="stable")[: settings.HALF_PRODUCTS]
        old, new = np.divmod(best, count)
        exponents = np.hstack([exponents[old], VALUES[exact][new][:, None]])
        cost, reached = total[best], reached[old] + moves[exact][new]
    return _Half(exponents, cost, reached)


def missing(dimensions: Dimensions) -> str | None:
    """Which dimension no column has though the target has it ("" where all are there, yet do not combine), or None."""
    together = np.vstack([dimensions.inputs, dimensions.known]) if dimensions.known.size else dimensions.inputs
    lacking = np.flatnonzero((dimensions.target != 0) & ~together.any(0))
    if lacking.size:
        return str(int(lacking[0]))
    solution = np.linalg.lstsq(together.T, dimensions.target, rcond=None)[0]
    return None if np.abs(together.T @ solution - dimensions.target).max() < 1e-9 else ""


def correction(dimensions: Dimensions, columns: tuple[Column, ...], form: Form, exponents: np.ndarray,
               free: np.ndarray, inputs: int) -> np.ndarray:  # fmt: skip
    """(B,) nats to be added to the price of names (B, K, n) for what units say.

    A formula is one whose constants are pure numbers or known ones (each term named among the consistent ones), or one
    with a common constant in each sum (terms named among those like the first), or one of any constants; a priori they
    are as probable as `settings.UNITS_OF_CONSTANTS`. In a strict search the first alone is possible: what is
    inconsistent pays so much that nothing consistent comes behind it.
    """
    wanted = dimensions.places(form)
    own = np.array([own_price(dimensions, each, inputs) for each in wanted])
    allowed = _known_powers(dimensions, inputs)
    reached, simple = _reached(dimensions, columns, exponents, free)
    goal = np.round(np.array(wanted) * GRID).astype(int)
    total = np.zeros(len(exponents))
    group_of = np.repeat(np.arange(len(form.groups)), form.groups)
    shares = -np.log(settings.UNITS_OF_CONSTANTS)
    for member in range(len(exponents)):
        left = goal - reached[member]
        named = [allowed.get(tuple(row)) if ok else None for row, ok in zip(left.tolist(), simple[member], strict=True)]
        if dimensions.strict:
            lacking = sum(each is None for each in named)
            total[member] = own.sum() + sum(each or 0.0 for each in named) + settings.INCONSISTENT * lacking
            continue
        ways = [shares[2]]
        if all(each is not None for each in named):
            ways.append(shares[0] + own.sum() + sum(each or 0.0 for each in named))
        if simple[member].all() and all(_alike(left[group_of == g]) for g in set(group_of.tolist())):
            like = np.array([own_price(dimensions, key(row / GRID), inputs) for row in reached[member]])
            ways.append(shares[1] + sum(like[group_of == g][1:].sum() for g in set(group_of.tolist())))
        total[member] = -np.logaddexp.reduce(-np.array(ways))
    return total


def consistent(dimensions: Dimensions, columns: tuple[Column, ...], form: Form, exponents, free, inputs: int) -> bool:
    """Whether one formula (K, n) needs no constants but pure numbers and known ones."""
    reached, simple = _reached(dimensions, columns, exponents[None], free[None])
    left = np.round(np.array(dimensions.places(form)) * GRID).astype(int) - reached[0]
    allowed = _known_powers(dimensions, inputs)
    return bool(simple.all()) and all(tuple(row) in allowed for row in left.tolist())


def most_saved(dimensions: Dimensions, form: Form, inputs: int) -> float:
    """Nats that units can save a formula of a form at most."""
    return -sum(own_price(dimensions, each, inputs) for each in dimensions.places(form))


def _alike(rows: np.ndarray) -> bool:
    return not len(rows) or not np.ptp(rows, axis=0).any()


def _reached(
    dimensions: Dimensions, columns: tuple[Column, ...], exponents: np.ndarray, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Dimensions of terms (B, K, D) in multiples of 1 / GRID, and whether they are such and known (B, K)."""
    rows = [dimensions.of(column) for column in columns]
    none = np.array([row is None for row in rows], bool)
    table = np.array([np.zeros(len(dimensions.target)) if row is None else row for row in rows])
    table = table.reshape(len(columns), len(dimensions.target))
    exact = exponents @ table * GRID
    reached = np.round(exact).astype(int)
    bad = (free & table.any(1)) | ((exponents != 0) & none)
    return reached, (np.abs(exact - reached).max(-1, initial=0.0) < 1e-6) & ~bad.any(-1)


def _known_powers(dimensions: Dimensions, inputs: int) -> dict[tuple[int, ...], float]:
    """Nats of the known constants that make up for a missing dimension, by that dimension in multiples of 1 / GRID."""
    return _powers_of(tuple(map(key, dimensions.known)), len(dimensions.target), inputs)


@lru_cache(maxsize=64)
def _powers_of(known: tuple[Dimension, ...], size: int, inputs: int) -> dict[tuple[int, ...], float]:
    half = _half(known, inputs)
    if not known:
        return {(0,) * size: 0.0}
    found: dict[tuple[int, ...], float] = {}
    for reached, cost in zip(map(tuple, half.reached.tolist()), half.prices.tolist(), strict=True):
        found.setdefault(reached, cost)
    return found


def known_powers(dimensions: Dimensions, lacking: np.ndarray, inputs: int) -> np.ndarray | None:
    """(C,) the cheapest powers of known constants of this dimension (D,); None where there are none."""
    half = _half(tuple(map(key, dimensions.known)), inputs)
    goal = np.round(lacking * GRID).astype(int)
    places = np.flatnonzero((half.reached == goal).all(1)) if len(dimensions.known) else []
    if len(places):
        return half.exponents[places[0]]
    return None if lacking.any() else np.zeros(len(dimensions.known))
