"""The search among roots beside a term: a (1 + q)^p + b, such as s - s z / sqrt(z^2 + r^2), and a (1 + q)^p - a.

q is scanned: products of the library in several sizes, of each of which the best size is kept. What stands around it is
then linear, or, of a product in front, in its logarithm.
"""

from dataclasses import replace

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Noise
from nalu_jax.discover._engine.columns import Table, noise_weights, soft_weights
from nalu_jax.discover._engine.fit import Batch, distinct, improve, products, start
from nalu_jax.discover._engine.forms import FUNCTIONS, ROOTS, Form
from nalu_jax.discover._engine.functions import Front, Inner, behind_product, finished, held_inside, scales
from nalu_jax.discover._engine.library import library
from nalu_jax.discover._engine.quotients import Start, fit_form
from nalu_jax.discover._engine.starts import signs
from nalu_jax.discover._engine.structure import Fitted, finish


def _inner(table: Table) -> tuple[Inner, np.ndarray]:
    """Products q and their values (M, rows)."""
    inner = Inner(*(array[1:] for array in library(table, settings.ROOT_PRODUCTS)))
    return inner, products(table, *inner)


def search_less_one(scanned: Table, table: Table, judged: Table, noise: Noise, *, bar: float) -> list[Fitted]:
    """Formulas a ((1 + q)^p - 1) of products a and q.

    Args:
        scanned: few rows, on which all q and sizes are tried.
        table: the same columns with more rows, on which the best are fitted.
        judged: with more rows still.
        noise: model of the noise.
        bar: evidence that is known already.
    """
    in_front = signs(scanned)
    of_target = 1 - 2 * ((in_front @ scanned.negative) % 2)
    front = Front(replace(scanned, target=scanned.target * of_target), noise)
    (inner, values), soft = _inner(scanned), soft_weights(table, noise)
    fits = []
    for name in (name for name, root in ROOTS.items() if root.less_one):
        least = np.full(len(values), np.inf)
        coefficients, exponents = np.ones((len(least), 2)), np.zeros((len(least), 2, table.width))
        for scale in scales(values, name):
            shaped = FUNCTIONS[name].value(scale[:, None] * values)
            left, factor, outside = behind_product(front, np.where(np.isfinite(shaped), shaped, 0.0))
            better = np.isfinite(shaped).all(1) & (left < least)
            least[better] = left[better]
            coefficients[better] = np.stack([factor[:, 0], scale], 1)[better]
            exponents[better, 0] = np.clip(outside, -6, 6)[better]
        exponents[:, 1] = inner.exponents
        parity = np.stack([np.tile(in_front, (len(least), 1)), inner.parity], 1)
        batch = start(table, exponents, parity, coefficients).take(np.flatnonzero(np.isfinite(least)))
        form = Form("function", (1, 1, 0), function=name)
        fits.append((form, improve(table, form, held_inside(form, batch), soft, steps=settings.FIRST_STEPS)))
    found = finished(table, judged, fits, noise, bar=bar)
    for form, batch in fits:
        found += _with_simple_fronts(table, judged, form, batch, noise, bar)
    return found


def _with_simple_fronts(
    table: Table, judged: Table, form: Form, batch: Batch, noise: Noise, bar: float
) -> list[Fitted]:
    """The best fits with exponents in front that are halves, and kept: a fit of all crawls along a valley."""
    halves = batch._replace(exponents=np.round(2 * batch.exponents) / 2, free=np.zeros(batch.free.shape, bool))
    halves = improve(table, form, halves, soft_weights(table, noise), steps=settings.FIRST_STEPS)
    halves = halves.take(np.argsort(halves.rss, kind="stable")[: settings.FUNCTION_FITS])
    halves = improve(table, form, halves, noise_weights(table, noise, table.target), steps=settings.LATER_STEPS)
    return finish(judged, form, halves.take(distinct(halves, 2)), noise, bar=bar)


def search_roots(
    table: Table, judged: Table, noise: Noise, *, name: str, bar: float, inside: Inner | None = None,
    around: Inner | None = None,
) -> list[Fitted]:  # fmt: skip
    """Formulas a F(q) + b of products a, b and q.

    Of every q starts are the best pair of a and b, and the best product that is both.

    Args:
        table: on which starts are tried.
        judged: the same columns with more rows.
        noise: model of the noise.
        name: of F, one of `forms.ROOTS` that are not less 1.
        bar: evidence that is known already.
        inside: products q, in place of those of the library.
        around: products a and b, in place of those.
    """
    inner, values = _inner(table) if inside is None else (inside, products(table, *inside))
    exponents, parity = library(table, settings.ROOT_TERMS) if around is None else around
    pairs = _Around(products(table, exponents, parity), noise_weights(table, noise, table.target), table.target)
    kept: dict[tuple[int, int], tuple[float, Start]] = {}
    for scale in scales(values, name):
        shaped = FUNCTIONS[name].value(scale[:, None] * values)
        for i in np.flatnonzero(np.isfinite(shaped).all(1)).tolist():
            for place, (gain, a, b) in enumerate(pairs.best(shaped[i])):
                if gain > kept.get((i, place), (0.0, None))[0]:
                    powers = np.stack([exponents[a], inner.exponents[i], exponents[b]])
                    odd = np.stack([parity[a], inner.parity[i], parity[b]])
                    numbers = np.insert(pairs.solved(shaped[i], a, b), 1, scale[i])
                    kept[i, place] = gain, (powers, odd, numbers)
    begin = [found for _, found in sorted(kept.values(), key=lambda item: -item[0])]
    return fit_form(table, judged, Form("function", (1, 1, 1), function=name), begin, noise, bar=bar)


class _Around:
    """Products (M, rows) that stand in front of a root and beside it: what two of them explain of the target."""

    def __init__(self, values: np.ndarray, weights: np.ndarray, target: np.ndarray):
        self.beside, self.goal = values * weights, weights * target
        self.unit = self.beside / _length(self.beside)[:, None]
        self.alone = self.unit @ self.goal

    def best(self, shaped: np.ndarray) -> list[tuple[float, int, int]]:
        """What the best in front of shaped (rows,) and the best beside it explain, and the best that is both."""
        columns = self.beside * shaped
        columns = columns / _length(columns)[:, None]
        gains = _gains((columns @ self.goal)[:, None], self.alone, columns @ self.unit.T)
        a, b = divmod(int(gains.argmax()), len(gains))
        both = int(gains.diagonal().argmax())
        return [(float(gains[a, b]), a, b), (float(gains[both, both]), both, both)]

    def solved(self, shaped: np.ndarray, front: int, beside: int) -> np.ndarray:
        """Coefficients of both."""
        columns = np.stack([self.beside[front] * shaped, self.beside[beside]], 1)
        return np.linalg.lstsq(columns, self.goal, rcond=1e-13)[0]


def _length(columns: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("mn,mn->m", columns, columns)) + 1e-300


def _gains(one: np.ndarray, other: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """What pairs of unit columns explain, by what each explains and their product; nothing where they are the same."""
    rest = np.where(1 - cross**2 > 1e-6, 1 - cross**2, np.inf)
    return np.nan_to_num(one**2 + (other - cross * one) ** 2 / rest)
