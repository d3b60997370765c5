"""A walk on the lattice of simple powers: where inputs are narrow, a fit of real exponents crawls along a valley."""

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.columns import Table, has_zero
from nalu_jax.discover._engine.fit import linear_coefficients, products
from nalu_jax.discover._engine.lattice import prices


def climb(
    table: Table, exponents: np.ndarray, parity: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Walks from formulas (B, K, n), all at once, to better ones whose exponents are multiples of 1/2.

    One step changes one exponent by 1/2, 1 or to 0; it is taken while it lowers rows/2 log(rss) + price.

    Returns:
        exponents, parity (B, K, n), coefficients (B, K), scores (B,).
    """
    step = np.where(table.signed, 1.0, 0.5)
    largest = settings.LIBRARY_EXPONENT
    lowest = np.where(has_zero(table), 0.0, -largest)
    at = np.clip(np.round(exponents / step) * step, lowest, largest) * ~table.constant
    moves = _moves(table, exponents.shape[1], step)
    scores, coefficients = _score(table, at, _parity(table, at), weights)
    active = np.arange(len(at)) if len(moves[0]) else np.zeros(0, int)
    for _ in range(settings.CLIMB_STEPS):
        if not len(active):
            break
        tried = at[active][:, None] + moves[0]
        tried = np.where(moves[1], 0.0, np.clip(tried, lowest, largest))
        flat = tried.reshape(-1, *at.shape[1:])
        new_scores, new_coefficients = _score(table, flat, _parity(table, flat), weights)
        new_scores = new_scores.reshape(len(active), -1)
        best = new_scores.argmin(1)
        rows = np.arange(len(active))
        better = new_scores[rows, best] < scores[active] - 1e-9
        rows, best, active = rows[better], best[better], active[better]
        at[active] = tried[rows, best]
        scores[active] = new_scores[rows, best]
        coefficients[active] = new_coefficients.reshape(len(tried), -1, at.shape[1])[rows, best]
    return at, _parity(table, at), coefficients, scores


def _moves(table: Table, terms: int, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(moves, K, n) changes of exponents and where one is set to 0."""
    places = [(k, j) for k in range(terms) for j in np.flatnonzero(~table.constant)]
    changes = np.zeros((5 * len(places), terms, table.width))
    zeros = np.zeros(changes.shape, bool)
    for i, (k, j) in enumerate(places):
        changes[5 * i : 5 * i + 4, k, j] = step[j] * np.array([1, -1, 2, -2])
        zeros[5 * i + 4, k, j] = True
    return changes, zeros


def _parity(table: Table, exponents: np.ndarray) -> np.ndarray:
    return (np.abs(np.round(exponents)).astype(int) % 2) * table.signed


def _score(table: Table, exponents, parity, weights) -> tuple[np.ndarray, np.ndarray]:
    terms = products(table, exponents, parity)
    many = np.broadcast_to(weights, (len(terms), table.rows))
    coefficients = linear_coefficients(terms, table.target, many)
    residuals = weights * (table.target - (coefficients[:, None, :] @ terms)[:, 0])
    floor = settings.EXACT**2 * float(np.sum((weights * table.target) ** 2))
    rss = np.einsum("bn,bn->b", residuals, residuals)
    cost = prices(table.inputs).of(exponents).sum((1, 2))
    score = table.rows / 2 * np.log(rss + floor) + cost
    return np.where(np.isfinite(score), score, np.inf), coefficients
