"""Sines, cosines, logarithms and differences of inputs as columns: which of them the target asks for.

All products of one such column with products of the library stand for selection (orthogonal matching pursuit with
several paths: Pati, Rezaiifar, Krishnaprasad 1993); what is chosen is fitted as any other sum.
"""

import itertools
from collections import defaultdict
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Column, Noise
from nalu_jax.discover._engine.columns import Table, choose
from nalu_jax.discover._engine.fit import Batch, distinct, improve, products, start
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.library import best_triples, library
from nalu_jax.discover._engine.starts import log_linear
from nalu_jax.discover._engine.structure import Fitted, finish, refit
from nalu_jax.discover._engine.sums import transformed
from nalu_jax.discover._engine.tables import Tables

SMALLEST_TENS = -300  # 10^300 is the largest power of ten that a product of it with a small input stays finite for


def proposals(x: np.ndarray, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Columns that could stand beside these inputs of x (rows, n_in)."""
    inputs = [column.inputs[0] for column in columns]
    values = x[:, inputs]
    spread, size = np.ptp(values, axis=0), np.abs(values).max(0)
    angular = (spread > settings.LEAST_ANGLE) & (size < settings.MOST_ANGLE)
    angles = [i for i, angle in zip(inputs, angular, strict=True) if angle]
    found = [Column((i,), (1.0,), name) for i in angles for name in ("sin", "cos")]
    found += [Column((i,), (0.5,), "sin") for i in angles]
    ratio = np.where(values.min(0) > 0, values.max(0) / np.maximum(values.min(0), 1e-300), 1.0)
    found += [Column((i,), (1.0,), "log") for i, r in zip(inputs, ratio, strict=True) if r > settings.LEAST_RATIO]
    scale = np.median(np.abs(values), axis=0)
    for a, b in itertools.combinations(range(len(inputs)), 2):
        pair = (inputs[a], inputs[b])
        if max(scale[a], scale[b]) < settings.ALIKE_SCALES * min(scale[a], scale[b]) and spread[a] > 0 < spread[b]:
            found.append(Column(pair, (1.0, -1.0)))
            if pair[0] in angles and pair[1] in angles:
                found.append(Column(pair, (1.0, -1.0), "cos"))
    return tuple(found)


def exponentials(x: np.ndarray, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """exp(input / 10^k) of these inputs of x (rows, n_in): its powers are growth and decay of any rate.

    With k the largest exponent is between `settings.LEAST_GROWTH` and ten times that.
    """
    found = []
    for (place,), values in ((column.inputs, x[:, column.inputs[0]]) for column in columns):
        size = float(np.abs(values).max())
        if np.ptp(values) > 0 and size > 0:
            tens = max(int(np.floor(np.log10(size) - np.log10(settings.LEAST_GROWTH))), SMALLEST_TENS)
            found.append(Column((place,), (float(f"1e{-tens}"),), "exp"))
    return tuple(found)


def with_exponentials(fitted: Fitted, tables: Tables) -> list[Fitted]:
    """A formula with an exponential of an input in place of each power of it: over a small range both look alike."""
    if fitted.table.columns != tables.columns:
        return []
    found = []
    for column in tables.with_units(exponentials(tables.x, tables.columns))[: settings.MOST_GROWING]:
        place = next(i for i, each in enumerate(tables.columns) if each.inputs == column.inputs)
        terms = np.flatnonzero(fitted.batch.exponents[0, :, place]).tolist()
        if not terms:
            continue
        same_rows = [table for table in tables.sizes((column,)) if table.rows == fitted.table.rows][:1]
        for term, table in itertools.product(terms, same_rows):
            batch = _with_rate(fitted.batch, term, place, column, tables.x)
            found.append(refit(Fitted(table, fitted.form, batch, fitted.noise, np.inf)))
    return [each for each in found if np.isfinite(each.evidence)]


def _with_rate(batch: Batch, term: int, place: int, column: Column, x: np.ndarray) -> Batch:
    """The batch with the power of one input in a term replaced by one of the exponential, the last column, that rises
    as steeply at the input's median."""
    middle = float(np.median(np.abs(x[:, column.inputs[0]]))) or 1.0
    wide = ((0, 0), (0, 0), (0, 1))
    exponents, parity, free = (np.pad(array, wide) for array in (batch.exponents, batch.parity, batch.free))
    rate = exponents[0, term, place] / (middle * column.weights[0])
    largest = settings.LARGEST_EXPONENT
    exponents[0, term, [place, -1]] = 0.0, np.clip(rate, -largest, largest)
    parity[0, term, place], free[0, term, [place, -1]] = 0, (False, True)
    return batch._replace(exponents=exponents, parity=parity, free=free)


def powers_of(column: Column) -> tuple[float, ...]:
    """Powers in which a derived column is tried: a difference itself is a sum of two terms already."""
    if len(column.inputs) == 2:
        return (2,) if column.function is None else (1,)
    if column.function == "log":
        return (1,)
    if column.function == "exp":
        return settings.RATES
    return (1, 2, -1) if column.weights == (1.0,) else (-2, -4)


def search_derived(
    scanned: Table, table: Table, judged: Table, noise: Noise, *, power: float, bar: float
) -> list[Fitted]:
    """Formulas (sum of terms)^power in which some column is not an input as it is.

    Args:
        scanned: few rows, inputs first and then the columns that are proposed.
        table, judged: the same columns with more rows.
        noise: model of the noise.
        power: of the sum.
        bar: evidence that is known already.
    """
    straight, weights = transformed(scanned, noise, power)
    fitted, fit_weights = transformed(table, noise, power)
    if straight is None or fitted is None:
        return []
    exponents, parity, unit, simplest = _atoms(straight, weights)
    goal = weights * straight.target
    groups: dict[tuple[int, ...], list[np.ndarray]] = defaultdict(list)
    inputs = sum(column.plain for column in scanned.columns)
    triples = simplest[best_triples(unit[:, simplest], goal, settings.DERIVED_KEPT)]
    for chosen in [*pursue(unit, goal, most_terms=settings.DERIVED_TERMS, paths=settings.DERIVED_PATHS), *triples]:
        used = tuple((np.flatnonzero((exponents[chosen, inputs:] != 0).any(0)) + inputs).tolist())
        if used and not (power != 1 and len(chosen) == 1):
            groups[(len(chosen), *used)].append(chosen)
    found: list[Fitted] = []
    ranked = sorted(groups.items(), key=lambda item: (item[0][0], item[0]))
    for (terms, *used), members in ranked:
        keep = [*range(inputs), *used]
        few, all_rows = choose(fitted, keep), choose(judged, keep)
        form = Form("sum", (terms,))
        begun = start(few, exponents[members][:, :, keep], parity[members][:, :, keep])
        for batch in (begun, _as_chosen(few, begun)):
            batch = improve(few, form, batch, fit_weights, steps=settings.FIRST_STEPS + settings.LATER_STEPS // 2)
            batch = batch.take(distinct(batch, 2))
            shape = form if power == 1 else Form("power", (terms,), power=power)
            found += finish(all_rows, shape, batch, noise, bar=min([bar, *(f.evidence for f in found)]))
    return found


def _as_chosen(table: Table, batch: Batch) -> Batch:
    """The batch with its exponents as they were chosen, but for rates. Free ones drift along valleys, of which the
    limit of two powers, a logarithm, is the end."""
    rates = np.array([column.function == "exp" for column in table.columns])
    return batch._replace(free=batch.free & rates)


class _Atoms(NamedTuple):
    """Products of derived columns with products of the inputs: exponents, parity (M, n), weighted columns of length 1
    (rows, M), and the places of the simplest, all triples of which are tried."""

    exponents: np.ndarray
    parity: np.ndarray
    unit: np.ndarray
    simplest: np.ndarray


def _atoms(table: Table, weights: np.ndarray) -> _Atoms:
    plain = np.array([column.plain for column in table.columns])
    inputs = choose(table, np.flatnonzero(plain).tolist())
    derived = [
        (i, q) for i in np.flatnonzero(~plain).tolist() if not table.constant[i] for q in powers_of(table.columns[i])
    ]
    limit = int(np.clip(settings.DERIVED_ATOMS // max(len(derived), 1), 20, settings.DERIVED_LIBRARY))
    few = int(np.clip(settings.SIMPLE_ATOMS // (len(derived) + 1), 1, settings.FACTOR_PRODUCTS))
    simple, simple_parity = _behind_factor(inputs, few, weights)
    base, base_parity = library(inputs, limit)
    wide = ((0, 0), (0, table.width - inputs.width))
    base = np.pad(np.concatenate([simple, base]), wide)
    base_parity = np.pad(np.concatenate([simple_parity, base_parity]), wide)
    blocks, beside = [(base, base_parity)], [np.zeros(len(base), bool)]
    for i, q in derived:
        exponents, parity = base.copy(), base_parity.copy()
        exponents[:, i], parity[:, i] = q, (int(abs(q)) % 2) * table.signed[i]
        blocks.append((exponents, parity))
        beside.append(_own_powers(table, i, base))
    exponents = np.concatenate([block[0] for block in blocks])
    parity = np.concatenate([block[1] for block in blocks])
    simplest = (np.arange(len(blocks))[:, None] * len(base) + np.arange(len(simple))).ravel()
    with np.errstate(all="ignore"):
        unit = (products(table, exponents, parity) * weights).T
        length = np.sqrt(np.einsum("nm,nm->m", unit, unit))
        unit = np.where(np.isfinite(unit) & (length > 0) & ~np.concatenate(beside), unit / length, 0.0)
    return _Atoms(exponents, parity, unit, simplest)


def _own_powers(table: Table, derived: int, base: np.ndarray) -> np.ndarray:
    """(M,) whether products have a power of the input of an exponential: beside it, not in front of it, they are tried,
    since rates on a grid and powers make up for each other."""
    column = table.columns[derived]
    own = np.array([column.function == "exp" and each.plain and each.inputs == column.inputs for each in table.columns])
    return (base[:, own] != 0).any(1)


def _behind_factor(table: Table, count: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cheapest products of whole positive powers, times the factor that all terms seem to share: whole exponents
    of the log-linear regression. Products of many inputs are too many to be in a library."""
    exponents, parity = library(table, settings.DERIVED_LIBRARY)
    whole = (exponents == np.round(exponents)).all(1) & (exponents >= 0).all(1) & (exponents.max(1) <= 2)
    exponents, parity = exponents[whole][:count], parity[whole][:count]
    regression, signs = log_linear(table, weights)
    rounded = np.round(regression)
    shared = np.where((np.abs(regression - rounded) < settings.WHOLE_ENOUGH) & (rounded != 0), rounded, 0.0)
    if np.count_nonzero(shared) < 2:
        return exponents, parity
    return exponents + shared, parity ^ (signs * (shared != 0))


def pursue(unit: np.ndarray, goal: np.ndarray, *, most_terms: int, paths: int) -> list[np.ndarray]:
    """Places of 1 to `most_terms` columns of `unit` (rows, M) that explain `goal` together: the best few of each
    number, the best first. Each path goes on with the columns that add most to it."""
    kept: list[tuple[int, ...]] = [()]
    found: list[np.ndarray] = []
    for _ in range(most_terms):
        tried: dict[tuple[int, ...], float] = {}
        for chosen in kept:
            basis, _ = np.linalg.qr(unit[:, list(chosen)]) if chosen else (np.zeros((len(goal), 0)), None)
            residual = goal - basis @ (basis.T @ goal)
            left = np.maximum(1 - np.sum((basis.T @ unit) ** 2, 0), 1e-6)
            gain = (residual @ unit) ** 2 / left
            for place in np.argpartition(gain, -min(paths, len(gain)))[-paths:]:
                if int(place) not in chosen:
                    tried[tuple(sorted((*chosen, int(place))))] = float(residual @ residual - gain[place])
        kept = sorted(tried, key=lambda name: (tried[name], name))[:paths]
        found += [np.array(name) for name in kept[: settings.DERIVED_KEPT]]
    return found
