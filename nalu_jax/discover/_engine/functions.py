"""The search among formulas with one elementary function of an inner product: m F(s m') and m F(s m') + m''."""

from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Noise
from nalu_jax.discover._engine.columns import Table, choose, noise_weights, soft_weights
from nalu_jax.discover._engine.fit import Batch, distinct, improve, products, start
from nalu_jax.discover._engine.forms import FUNCTIONS, ROOTS, Form
from nalu_jax.discover._engine.lattice import prices
from nalu_jax.discover._engine.library import library
from nalu_jax.discover._engine.structure import Fitted, finish

LOGARITHM_WEIGHT = 5.0  # rows of the log-linear regression weigh at most this multiple of the median
SMALLEST_VALUE = 1e-12  # of |F| where its logarithm is taken


class Inner(NamedTuple):
    """Products that may stand inside a function: exponents and parity (M, n)."""

    exponents: np.ndarray
    parity: np.ndarray


class Scan(NamedTuple):
    """Starts of one function: exponents, parity (B, K, n), coefficients (B, K)."""

    exponents: np.ndarray
    parity: np.ndarray
    coefficients: np.ndarray


# 1 / (1 + exp(u)) is (1 - tanh(u/2)) / 2, with a phase it is in `shifted`; roots are in `roots`
SEARCHED = tuple(name for name in FUNCTIONS if name != "1/(1+exp)" and name not in ROOTS)


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
    front = Front(scanned, noise)
    values = products(scanned, inner.exponents, inner.parity)
    fits: list[tuple[Form, Batch]] = []
    soft = soft_weights(table, noise)
    with np.errstate(all="ignore"):
        for name in SEARCHED:
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
        order = np.argsort(_rank(table, form, batch), kind="stable")[: settings.FUNCTION_FITS]
        ended.append((form, improve(table, form, batch.take(order), weights, steps=settings.LATER_STEPS)))
    best = min((float(batch.rss.min()) for _, batch in ended if len(batch.rss)), default=np.inf)
    found: list[Fitted] = []
    for form, held in ended:
        held = held.take(np.flatnonzero(held.rss < settings.FUNCTION_BEHIND * best))
        for trial in (held, _freed(table, form, held, weights)):
            chosen = distinct(trial, 2, scores=_rank(table, form, trial))
            found += finish(judged, form, trial.take(chosen), noise, bar=bar)
            bar = min([bar, *(fitted.evidence for fitted in found)])
    return found


def _rank(table: Table, form: Form, batch: Batch) -> np.ndarray:
    """(B,) nats by which fits of one form are behind each other: what they leave, and the names of what is inside."""
    inside = batch.exponents[:, 1 : 1 + form.groups[1]]
    with np.errstate(all="ignore"):
        left = table.rows / 2 * np.log(batch.rss + settings.EXACT**2)
    return left + prices(table.inputs).of(inside).sum((1, 2))


def _freed(table: Table, form: Form, held: Batch, weights: np.ndarray) -> Batch:
    """Of fits with exponents inside the function held, those that fit much better with all of them free, but for rates
    of growth and decay: nothing inside grows."""
    varying = ~table.constant & np.array([column.function != "exp" for column in table.columns])
    freed = held._replace(free=held.free | varying)
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


class Front:
    """What the scan needs of a table: the log-linear regressions of what is left for the factor in front, a product
    of powers or a number."""

    def __init__(self, table: Table, noise: Noise):
        self.table = table
        self.weights = soft_weights(table, noise)
        varying = np.maximum(table.logs, -40.0) * ~table.constant[:, None]
        self.design = np.concatenate([np.ones((1, table.rows)), varying])
        size = self.weights * np.abs(table.target)
        self.row_weights = np.minimum(size, LOGARITHM_WEIGHT * np.median(size))
        self.inverse = self._inverse(self.design)
        self.logarithm = np.log(np.abs(table.target) + 1e-300)
        self.goal = self.weights * table.target

    def _inverse(self, design: np.ndarray) -> np.ndarray:
        return np.linalg.pinv((design * self.row_weights).T, rcond=1e-10)

    def rates(self, values: np.ndarray, design: np.ndarray) -> np.ndarray:
        """(M,) the s with which log|target| is best explained by s values and, in front, what `design` makes."""
        inverse = self._inverse(design)
        weighted = values * self.row_weights
        goal = self.logarithm * self.row_weights
        basis = design * self.row_weights
        beside = weighted - (weighted @ inverse.T) @ basis
        rest = goal - (goal @ inverse.T) @ basis
        return (beside @ rest) / np.maximum(np.einsum("mn,mn->m", beside, beside), 1e-300)


def _scan(front: Front, inner: Inner, values: np.ndarray, name: str, added: int) -> Scan:
    """The starts with the best evidence as far as a scan can tell it, over all inner products and sizes.

    Prices of names count: where columns vary little, many products with a product in front fit alike.
    """
    function, table = FUNCTIONS[name], front.table
    names, half = prices(table.inputs), table.rows / 2
    inside = names.of(inner.exponents).sum(1)
    floor = settings.EXACT**2 * (front.goal @ front.goal)
    solvers = (_beside_number,) if added else (_behind_number, behind_product)
    kept = []
    tried = scales(values, name)
    if name in ("exp", "expm1") and not added:
        tried += [front.rates(values, design) for design in (front.design[:1], front.design)]
    for scale in tried:
        shaped = function.value(scale[:, None] * values)
        usable = np.isfinite(shaped).all(1) & (np.abs(shaped).max(1) > 1e-200)
        for solve in solvers:
            left, coefficients, outside = solve(front, shaped)
            score = half * np.log(np.maximum(left, floor)) + inside + names.of(outside).sum(1)
            score = np.where(usable & np.isfinite(score), score, np.inf)
            for place in np.argsort(score, kind="stable")[: settings.FUNCTION_EACH]:
                if np.isfinite(score[place]):
                    kept.append((score[place], place, scale[place], coefficients[place], outside[place]))
    kept.sort(key=lambda item: (item[0], item[1]))
    kept = kept[: settings.FUNCTION_STARTS]
    count, terms = len(kept), 2 + added
    exponents, parity = np.zeros((count, terms, table.width)), np.zeros((count, terms, table.width), int)
    coefficients = np.ones((count, terms))
    for i, (_, place, scale, numbers, outside) in enumerate(kept):
        exponents[i, 1], parity[i, 1] = inner.exponents[place], inner.parity[place]
        exponents[i, 0] = np.clip(outside, -6, 6)
        coefficients[i, [0, *range(2, terms)]] = numbers
        coefficients[i, 1] = scale
    return Scan(exponents, parity, coefficients)


def scales(values: np.ndarray, name: str) -> list[np.ndarray]:
    """Factors (M,) of inner products, values (M, rows), that are tried."""
    typical, largest = np.median(np.abs(values), 1), np.abs(values).max(1)
    return [size / (largest if of_largest else typical) for size, of_largest in sizes(name)]


class Solved(NamedTuple):
    """Least squares of one scan: rss left (M,), coefficients in front and beside (M, 1 or 2), exponents in front
    (M, n)."""

    left: np.ndarray
    coefficients: np.ndarray
    exponents: np.ndarray


def behind_product(front: Front, shaped: np.ndarray) -> Solved:
    """m F, with the best product m."""
    logarithm = np.log(np.abs(shaped) + SMALLEST_VALUE)
    solution = ((front.logarithm - logarithm) * front.row_weights) @ front.inverse.T
    fitted = np.exp(np.clip(solution @ front.design, -300, 300)) * shaped * front.weights
    size = np.einsum("mn,mn->m", fitted, fitted)
    coefficient = (fitted @ front.goal) / np.maximum(size, 1e-300)
    left = front.goal @ front.goal - coefficient**2 * size
    coefficient *= np.exp(np.clip(solution[:, 0], -300, 300))
    return Solved(left, coefficient[:, None], solution[:, 1:])


def _behind_number(front: Front, shaped: np.ndarray) -> Solved:
    """a F."""
    fitted = shaped * front.weights
    size, along = np.einsum("mn,mn->m", fitted, fitted), fitted @ front.goal
    coefficient = along / np.maximum(size, 1e-300)
    return Solved(front.goal @ front.goal - coefficient * along, coefficient[:, None], _nothing(front, shaped))


def _beside_number(front: Front, shaped: np.ndarray) -> Solved:
    """a F + b."""
    fitted = shaped * front.weights
    one = front.weights
    ff, fo, oo = np.einsum("mn,mn->m", fitted, fitted), fitted @ one, one @ one
    fg, og = fitted @ front.goal, one @ front.goal
    determinant = np.where(ff * oo - fo**2 > 1e-9 * ff * oo, ff * oo - fo**2, np.inf)
    a, b = (fg * oo - fo * og) / determinant, (og * ff - fo * fg) / determinant
    left = front.goal @ front.goal - a * fg - b * og
    return Solved(left, np.stack([a, b], 1), _nothing(front, shaped))


def _nothing(front: Front, shaped: np.ndarray) -> np.ndarray:
    return np.zeros((len(shaped), front.table.width))


def sizes(name: str) -> list[tuple[float, bool]]:
    """Sizes of what stands inside a function to be tried: of its median, or (True) of its largest value."""
    if name in ROOTS:
        return [(size, True) for size in settings.ROOT_LARGEST] + [(size, False) for size in settings.ROOT_MEDIAN]
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
