"""Fits of many formulas at once: Levenberg-Marquardt, coefficients of sums and around exponentials projected out.

Golub, Pereyra (1973), "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
separate"; Levenberg (1944), Marquardt (1963).
"""

from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.columns import Table
from nalu_jax.discover._engine.forms import Form, evaluate, outside_functions

LARGEST_LOGARITHM = 300.0  # of a term while it is fitted: its square stays finite
LARGEST_STEP = 1.0  # of an exponent in one step


class Batch(NamedTuple):
    """B formulas of one form: exponents, parity and free (B, K, n), coefficients (B, K), weighted rss (B,)."""

    exponents: np.ndarray
    parity: np.ndarray
    free: np.ndarray
    coefficients: np.ndarray
    rss: np.ndarray

    def take(self, index: np.ndarray | list[int]) -> "Batch":
        return Batch(*(array[index] for array in self))


def start(table: Table, exponents: np.ndarray, parity: np.ndarray, coefficients: np.ndarray | None = None) -> Batch:
    """A batch to be fitted, with exponents free wherever a column varies."""
    free = np.broadcast_to(~table.constant, exponents.shape).copy()
    largest = settings.LARGEST_EXPONENT
    exponents = np.where(table.constant, 0.0, np.clip(exponents, -largest, largest))
    count = exponents.shape[0]
    if coefficients is None:
        coefficients = np.ones(exponents.shape[:2])
    return Batch(exponents, parity, free, coefficients, np.full(count, np.inf))


def products(table: Table, exponents: np.ndarray, parity: np.ndarray) -> np.ndarray:
    """Terms (..., K, rows) without coefficients."""
    values = np.exp(np.clip(exponents @ table.logs, -LARGEST_LOGARITHM, LARGEST_LOGARITHM))
    if table.signed.any():
        values *= 1 - 2 * ((parity @ table.negative) % 2)
    return values


def linear_coefficients(terms: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B, K) least squares of target (rows,) by terms (B, K, rows) with weights (B, rows), refined once."""
    weighted = terms * weights[:, None, :]
    size = np.sqrt(np.einsum("bkn,bkn->bk", weighted, weighted)) + 1e-300
    unit = weighted / size[..., None]
    gram = unit @ unit.swapaxes(1, 2)
    gram += 1e-12 * np.eye(gram.shape[-1])
    goal = weights * target
    solution = _solve(gram, (unit @ goal[..., None])[..., 0])
    residual = goal - (solution[:, None, :] @ unit)[:, 0]
    solution += _solve(gram, (unit @ residual[..., None])[..., 0])
    return solution / size


def _solve(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(matrices, vectors[..., None])[..., 0]
    except np.linalg.LinAlgError:  # one singular member; without it the others would be lost
        matrices, vectors = np.nan_to_num(matrices), np.nan_to_num(vectors)
        return (np.linalg.pinv(matrices, hermitian=True) @ vectors[..., None])[..., 0]


class _State(NamedTuple):
    exponents: np.ndarray
    coefficients: np.ndarray
    terms: np.ndarray
    gradients: np.ndarray
    residuals: np.ndarray
    rss: np.ndarray


def _state(table: Table, form: Form, weights: np.ndarray, exponents, parity, coefficients) -> _State:
    terms = products(table, exponents, parity)
    if form.kind == "sum":
        coefficients = linear_coefficients(terms, table.target, weights)
    values, gradients = evaluate(form, coefficients[..., None] * terms)
    if form.function == "exp":
        coefficients = _around_exponentials(table, form, weights, terms * gradients, coefficients)
        values, gradients = evaluate(form, coefficients[..., None] * terms)
    residuals = weights * (table.target - values)
    rss = np.einsum("bn,bn->b", residuals, residuals)
    return _State(exponents, coefficients, terms, gradients, residuals, np.where(np.isfinite(rss), rss, np.inf))


def _around_exponentials(
    table: Table, form: Form, weights: np.ndarray, slopes: np.ndarray, coefficients: np.ndarray
) -> np.ndarray:
    """Coefficients (B, K), of which the linear ones fit best to what stands inside of the exponential: a step inside
    multiplies the factor in front by its own exponential, which no step of its own could follow."""
    outside = outside_functions(form)
    solved = coefficients.copy()
    solved[:, outside] = linear_coefficients(slopes[:, outside], table.target, weights)
    usable = np.isfinite(solved).all(1) & (solved != 0).all(1)
    return np.where(usable[:, None], solved, coefficients)


def improve(table: Table, form: Form, batch: Batch, weights: np.ndarray, *, steps: int, damping: float = 1e-2) -> Batch:
    """The batch after so many steps of Levenberg-Marquardt on weighted residuals; weights (rows,) or (B, rows)."""
    if not len(batch.rss):
        return batch
    with np.errstate(all="ignore"):
        return _improve(table, form, batch, np.broadcast_to(weights, (len(batch.rss), table.rows)), steps, damping)


def _improve(table: Table, form: Form, batch: Batch, weights: np.ndarray, steps: int, damping: float) -> Batch:
    batch = Batch(*(array.copy() for array in batch))
    enough = 1e-2 * settings.EXACT**2 * np.einsum("bn,n->b", weights**2, table.target**2)
    state = _state(table, form, weights, batch.exponents, batch.parity, batch.coefficients)
    state = _State(*(np.array(array) for array in state))
    active = np.arange(len(batch.rss))
    lam = np.full(len(active), damping)
    for _ in range(steps):
        step_c, step_p = _step(table, state, weights[active], batch.free[active], lam)
        exponents = np.clip(state.exponents + step_p, -settings.LARGEST_EXPONENT, settings.LARGEST_EXPONENT)
        parity = batch.parity[active]
        new = _state(table, form, weights[active], exponents, parity, state.coefficients + step_c)
        better = new.rss < state.rss
        gain = np.where(better, (state.rss - new.rss) / (state.rss + 1e-300), 0.0)
        for old, fresh in zip(state, new, strict=True):
            old[better] = fresh[better]
        lam = np.where(better, np.maximum(lam * 0.2, 1e-9), np.minimum(lam * 6, 1e8))
        done = (better & (gain < 1e-7) & (lam < 1e-3)) | (lam >= 1e6) | (state.rss < enough[active])
        if done.any():
            _store(batch, active[done], _State(*(array[done] for array in state)))
            state, active, lam = _State(*(array[~done] for array in state)), active[~done], lam[~done]
            if not len(active):
                return batch
    _store(batch, active, state)
    return batch


def _store(batch: Batch, places: np.ndarray, state: _State) -> None:
    batch.exponents[places], batch.coefficients[places], batch.rss[places] = (
        state.exponents, state.coefficients, state.rss,
    )  # fmt: skip


def _step(table: Table, state: _State, weights, free, lam) -> tuple[np.ndarray, np.ndarray]:
    """Damped Gauss-Newton steps of coefficients (B, K) and exponents (B, K, n)."""
    count, terms, width = state.exponents.shape
    by_coefficient = state.terms * state.gradients * weights[:, None, :]
    by_logarithm = by_coefficient * state.coefficients[..., None]
    by_exponent = (by_logarithm[:, :, None, :] * table.logs).reshape(count, terms * width, table.rows)
    jacobian = np.concatenate([by_coefficient, by_exponent], 1)
    moving = np.concatenate([np.ones((count, terms), bool), free.reshape(count, -1)], 1)
    finite = np.isfinite(jacobian)
    if not finite.all():
        jacobian = np.where(finite, jacobian, 0.0)
    residuals = np.where(np.isfinite(state.residuals), state.residuals, 0.0)
    normal = jacobian @ jacobian.swapaxes(1, 2)
    gradient = (jacobian @ residuals[..., None])[..., 0] * moving
    diagonal = np.einsum("bii->bi", normal)
    size = np.where(moving & (diagonal > 0), np.sqrt(diagonal), 1.0)
    normal *= moving[:, :, None] * moving[:, None, :]
    normal /= size[:, :, None] * size[:, None, :]
    place = np.arange(normal.shape[-1])
    normal[:, place, place] = 1 + lam[:, None] + 1e-12
    step = _solve(normal, gradient / size) / size
    step = np.where(np.isfinite(step), step, 0.0)
    step_p = np.clip(step[:, terms:].reshape(count, terms, width), -LARGEST_STEP, LARGEST_STEP)
    return step[:, :terms], step_p * free


def distinct(batch: Batch, most: int, *, apart: float = 0.08, scores: np.ndarray | None = None) -> list[int]:
    """Places of the best fits, by scores (B,) or rss, whose exponents differ, whatever the order of their terms."""
    kept: list[tuple[int, np.ndarray]] = []
    for place in np.argsort(batch.rss if scores is None else scores):
        if not np.isfinite(batch.rss[place]) or len(kept) >= most:
            break
        rows = batch.exponents[place]
        rows = rows[np.lexsort(np.round(rows, 2).T)]
        if all(np.abs(rows - other).max() > apart for _, other in kept):
            kept.append((int(place), rows))
    return [place for place, _ in kept]
