"""The search among formulas with one elementary function of an inner product: m F(s m') and m F(s m') + m''."""

from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Noise
from nalu_jax.discover._engine.columns import Table, choose, noise_weights, soft_weights
from nalu_jax.discover._engine.fit import Batch, distinct, improve, products, start
from nalu_jax.discover._engine.forms import FUNCTIONS, Form
from nalu_jax.discover._engine.library import library
from nalu_jax.discover._engine.structure import Fitted, finish

LOGARITHM_WEIGHT = 5.0  # rows of the log-linear regression weigh at most this multiple of the median
SMALLEST_VALUE = 1e-12  # of |F| where its logarithm is taken


class Inner(NamedTuple):
    """Products that may stand inside a function: exponents and parity (M, n)."""

    exponents: np.ndarray
    parity: np.ndarray


class Scan(NamedTuple):
    """Starts of one function: rss left (B,), exponents, parity (B, K, n), coefficients (B, K)."""

    left: np.ndarray
    exponents: np.ndarray
    parity: np.ndarray
    coefficients: np.ndarray


def search_functions(
    scanned: Table, table: Table, judged: Table, noise: Noise, inner: Inner, *, bar: float, added: bool = True
) -> list[Fitted]:
    """Formulas with one elementary function of one of these inner products.

    Args:
        scanned: few rows, on which all inner products and sizes are tried.
        table: the same columns with more rows, on which the best are fitted.
        judged: with more rows still.
        noise: model of the noise.
        inner: products inside the function.
        bar: evidence that is known already.
        added: whether a term beside the function is tried.
    """
    front = _Front(scanned, noise)
    values = products(scanned, inner.exponents, inner.parity)
    fits: list[tuple[Form, Batch]] = []
    soft = soft_weights(table, noise)
    with np.errstate(all="ignore"):
        for name in FUNCTIONS:
            if name == "1/(1+exp)":  # (1 - tanh(u/2)) / 2; with a phase it is in `shifted`
                continue
            for beside in range(1 + (added and name != "log")):  # log(c p) + b is log(c' p), and a column's too
                scan = _scan(front, inner, values, name, beside)
                form = Form("function", (1, 1, beside), function=name)
                batch = held_inside(form, start(table, scan.exponents, scan.parity, scan.coefficients))
                fits.append((form, improve(table, form, batch, soft, steps=settings.FIRST_STEPS)))
    return finished(table, judged, fits, noise, bar=bar)


def finished(table: Table, judged: Table, fits: list[tuple[Form, Batch]], noise: Noise, *, bar: float) -> list[Fitted]:
    """The best of first fits, exponents inside their functions held, fitted to the end and rounded."""
    weights = noise_weights(table, noise, table.target)
    ended = []
    for form, batch in fits:
        order = np.argsort(batch.rss, kind="stable")[: settings.FUNCTION_FITS]
        ended.append((form, improve(table, form, batch.take(order), weights, steps=settings.LATER_STEPS)))
    best = min((float(batch.rss.min()) for _, batch in ended if len(batch.rss)), default=np.inf)
    found: list[Fitted] = []
    for form, held in ended:
        held = held.take(np.flatnonzero(held.rss < settings.FUNCTION_BEHIND * best))
        for trial in (held, _freed(table, form, held, weights)):
            found += finish(judged, form, trial.take(distinct(trial, 2)), noise, bar=bar)
            bar = min([bar, *(fitted.evidence for fitted in found)])
    return found


def _freed(table: Table, form: Form, held: Batch, weights: np.ndarray) -> Batch:
    """Of fits with exponents inside the function held, those that fit much better with all of them free."""
    freed = held._replace(free=np.broadcast_to(~table.constant, held.free.shape).copy())
    freed = improve(table, form, freed, weights, steps=settings.LATER_STEPS)
    with np.errstate(all="ignore"):
        better = np.log(held.rss.min(initial=np.inf) / freed.rss) * table.rows / 2 > settings.FREE_INSIDE
    return freed.take(np.flatnonzero(better))


def held_inside(form: Form, batch: Batch) -> Batch:
    """The batch with the exponents inside the function kept: with narrow inputs a fit of all crawls along a valley."""
    free = batch.free.copy()
    free[:, 1 : 1 + form.groups[1]] = False
    return batch._replace(free=free)


def inner_products(table: Table, limit: int) -> Inner:
    """What may stand inside a function: the library; with a last column that is derived, products that have it."""
    if table.columns[-1].plain:
        return Inner(*library(table, limit))
    inputs = choose(table, list(range(table.width - 1)))
    exponents, parity = library(inputs, limit)
    powers = (1, 2) if table.columns[-1].function is None else (1,)
    last = np.repeat(powers, len(exponents))[:, None]
    signs = (last % 2) * table.signed[-1]
    copies = (len(powers), 1)
    return Inner(np.hstack([np.tile(exponents, copies), last]), np.hstack([np.tile(parity, copies), signs]))


class _Front:
    """What the scan needs of a table: the log-linear regression of what is left for the factor in front."""

    def __init__(self, table: Table, noise: Noise):
        self.table = table
        self.weights = soft_weights(table, noise)
        varying = np.maximum(table.logs, -40.0) * ~table.constant[:, None]
        self.design = np.concatenate([np.ones((1, table.rows)), varying])
        size = self.weights * np.abs(table.target)
        self.row_weights = np.minimum(size, LOGARITHM_WEIGHT * np.median(size))
        self.inverse = np.linalg.pinv((self.design * self.row_weights).T, rcond=1e-10)
        self.logarithm = np.log(np.abs(table.target) + 1e-300)
        self.goal = self.weights * table.target

    def rates(self, values: np.ndarray) -> np.ndarray:
        """(M,) the s with which log|target| is best explained by s values and a product in front."""
        weighted = values * self.row_weights
        goal = self.logarithm * self.row_weights
        basis = self.design * self.row_weights
        beside = weighted - (weighted @ self.inverse.T) @ basis
        rest = goal - (goal @ self.inverse.T) @ basis
        return (beside @ rest) / np.maximum(np.einsum("mn,mn->m", beside, beside), 1e-300)


def _scan(front: _Front, inner: Inner, values: np.ndarray, name: str, added: int) -> Scan:
    """The starts that explain most of the target, over all inner products and sizes."""
    function = FUNCTIONS[name]
    typical = np.median(np.abs(values), 1)
    largest = np.abs(values).max(1)
    kept = []
    scales = [size / (largest if of_largest else typical) for size, of_largest in sizes(name)]
    if name == "exp" and not added:
        scales.append(front.rates(values))
    for scale in scales:
        shaped = function.value(scale[:, None] * values)
        usable = np.isfinite(shaped).all(1) & (np.abs(shaped).max(1) > 1e-200)
        solve = _beside_constant if added else _behind_product
        left, solution = solve(front, shaped)
        left = np.where(usable & np.isfinite(left), left, np.inf)
        for place in np.argsort(left, kind="stable")[: settings.FUNCTION_EACH]:
            if np.isfinite(left[place]):
                kept.append((left[place], place, scale[place], solution[place]))
    kept.sort(key=lambda item: (item[0], item[1]))
    kept = kept[: settings.FUNCTION_STARTS]
    width = front.table.width
    count, terms = len(kept), 2 + added
    exponents, parity = np.zeros((count, terms, width)), np.zeros((count, terms, width), int)
    coefficients = np.ones((count, terms))
    for i, (_, place, scale, solution) in enumerate(kept):
        exponents[i, 1], parity[i, 1] = inner.exponents[place], inner.parity[place]
        coefficients[i, 1] = scale
        if added:
            coefficients[i, 0], coefficients[i, 2] = solution
        else:
            exponents[i, 0] = np.clip(solution[1:], -6, 6)
            coefficients[i, 0] = solution[0]
    return Scan(np.array([item[0] for item in kept]), exponents, parity, coefficients)


def _behind_product(front: _Front, shaped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What m F leaves (M,) with the best product m, and its coefficient and exponents (M, 1 + n)."""
    logarithm = np.log(np.abs(shaped) + SMALLEST_VALUE)
    solution = ((front.logarithm - logarithm) * front.row_weights) @ front.inverse.T
    fitted = np.exp(np.clip(solution @ front.design, -300, 300)) * shaped * front.weights
    size = np.einsum("mn,mn->m", fitted, fitted)
    coefficient = (fitted @ front.goal) / np.maximum(size, 1e-300)
    left = front.goal @ front.goal - coefficient**2 * size
    solution[:, 0] = coefficient * np.exp(np.clip(solution[:, 0], -300, 300))
    return left, solution


def _beside_constant(front: _Front, shaped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a F + b leaves (M,), with a and b (M, 2)."""
    fitted = shaped * front.weights
    one = front.weights
    ff, fo, oo = np.einsum("mn,mn->m", fitted, fitted), fitted @ one, one @ one
    fg, og = fitted @ front.goal, one @ front.goal
    determinant = np.where(ff * oo - fo**2 > 1e-9 * ff * oo, ff * oo - fo**2, np.inf)
    a, b = (fg * oo - fo * og) / determinant, (og * ff - fo * fg) / determinant
    return front.goal @ front.goal - a * fg - b * og, np.stack([a, b], 1)


def sizes(name: str) -> list[tuple[float, bool]]:
    """Sizes of what stands inside a function to be tried: of its median, or (True) of its largest value."""
    if name == "arcsin":
        return [(size, True) for size in (0.5, 0.8, 0.95, 0.999)]
    if name == "log":
        return [(float(np.exp(size)), False) for size in np.linspace(-2.5, 2.5, 11)]
    usual = settings.FUNCTION_SIZES
    if name in ("sin", "cos", "sin^2"):
        return [(size, False) for size in (*usual, *settings.PERIODIC_SIZES)]
    if name in ("exp", "expm1"):
        return [(sign * size, False) for size in usual for sign in (1, -1)]
    if name == "log1p":
        return [(size, False) for size in usual] + [(-0.9, True), (-0.5, True)]
    return [(size, False) for size in usual]
