"""Errors of the inputs: the effective variance sigma_y^2 + sum_j (df/dx_j)^2 sigma_j^2 of every row.

The search sees rows with the errors that the best formula so far gives them, and is done again with those of what it
found. The numbers of every candidate are then fitted to the squares of distances in their own effective errors, which
move with the numbers (Deming; York 1966, "Least-squares fitting of a straight line"): with errors that are held, the
numbers are those of a fit without errors of the inputs, and too small. Formulas are compared by the likelihood in which
the true inputs are integrated over, N(residual; 0, effective variance), that is with the logarithm of the effective
errors; that term is left out of the fit, where it would make numbers too small (Gull 1989, "Bayesian data analysis:
straight-line fitting": a flat prior of the true inputs).
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import optimize

from ._engine import settings
from ._engine.candidate import Candidate, predict
from ._engine.search import Searched
from ._engine.verdict import ALIKE

ROUNDS = 3
"""Of searches: one without errors, one with those that its formula gives, one more where that changed them."""

CHANGED = 0.05
"""Of an effective error: more, in any row, and the search is done again."""

NEARER = 2
"""Steps to the point of the formula that a row is nearest to: without any, numbers of curved formulas lie to one side
(of 200 tables of c a^2 / b with a tenth of error in a by 1.0 standard errors, here by 0.1)."""

STEP = 0.05
"""Of an input's error, for slopes."""

Search = Callable[[np.ndarray | None, float | None], Searched]
"""What is found with these weights of rows and this deviation of the weighted noise."""


def searched(x: np.ndarray, y: np.ndarray, sigma: np.ndarray, x_sigma: np.ndarray, search: Search) -> Searched:
    """What is found with errors of y, sigma (rows,), and of x, x_sigma (rows, n_in)."""
    found = search(None, None)
    before = sigma
    for _ in range(ROUNDS - 1):
        if not found.candidates or found.stopped:
            break
        errors = effective(found.candidates[0], x, sigma, x_sigma)
        if np.abs(errors / before - 1).max() < CHANGED:
            break
        typical = float(np.exp(np.log(errors).mean()))
        before, found = errors, search(typical / errors, typical)
    if not found.candidates:
        return found
    return _compared(found, [_refitted(each, x, y, sigma, x_sigma, before) for each in found.candidates])


def effective(candidate: Candidate, x: np.ndarray, sigma: np.ndarray, x_sigma: np.ndarray) -> np.ndarray:
    """(rows,) errors of y that errors of both make; those of y alone where a slope is not defined."""
    return _by_tangent(candidate, x, x, np.zeros(len(x)), sigma, x_sigma)[1]


def _slopes(candidate: Candidate, x: np.ndarray, x_sigma: np.ndarray) -> np.ndarray:
    """(rows, n_in) by inputs that have errors; else 0, and where there is none."""
    slopes = np.zeros_like(x)
    with np.errstate(all="ignore"):
        for column in np.flatnonzero(x_sigma.any(0)):
            step = np.where(x_sigma[:, column] > 0, STEP * x_sigma[:, column], 1.0)
            move = np.zeros_like(x)
            move[:, column] = step
            slopes[:, column] = (predict(candidate, x + move) - predict(candidate, x - move)) / (2 * step)
    return np.where(np.isfinite(slopes), slopes, 0.0)


def _nearest(
    candidate: Candidate, x: np.ndarray, y: np.ndarray, sigma: np.ndarray, x_sigma: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) distances from the formula in errors of both, and effective errors: at the point of the formula that is
    the nearest by its tangent, from the point that was measured on."""
    with np.errstate(all="ignore"):
        left, errors, slopes = _by_tangent(candidate, x, x, y, sigma, x_sigma)
        for _ in range(NEARER):
            true = x + x_sigma**2 * slopes * (left / errors**2)[:, None]
            left, errors, slopes = _by_tangent(candidate, true, x, y, sigma, x_sigma)
        return left / errors, errors


def _by_tangent(
    candidate: Candidate, true: np.ndarray, x: np.ndarray, y: np.ndarray, sigma: np.ndarray, x_sigma: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows,) what the tangent at the true inputs leaves of y at the measured ones, its errors; (rows, n_in) slopes."""
    slopes = _slopes(candidate, true, x_sigma)
    left = y - predict(candidate, true) - (slopes * (x - true)).sum(1)
    return left, np.sqrt(sigma**2 + ((slopes * x_sigma) ** 2).sum(1)), slopes


def _refitted(
    candidate: Candidate, x: np.ndarray, y: np.ndarray, sigma: np.ndarray, x_sigma: np.ndarray, held: np.ndarray
) -> Candidate:
    """With numbers fitted in their own effective errors; the evidence with these in place of the errors that were held
    in the search."""
    begin = np.concatenate([candidate.log_coefficients, candidate.exponents[candidate.free]])

    def residuals(numbers: np.ndarray) -> np.ndarray:
        left, _ = _nearest(_with_numbers(candidate, numbers), x, y, sigma, x_sigma)
        return np.clip(np.nan_to_num(left, nan=1e100, posinf=1e100, neginf=-1e100), -1e100, 1e100)

    if len(begin) >= len(y) or not (np.abs(residuals(begin)) < 1e100).all():
        return candidate
    fitted = optimize.least_squares(residuals, begin, method="lm", x_scale="jac", max_nfev=100 * len(begin))
    now = _with_numbers(candidate, fitted.x)
    _, errors = _nearest(now, x, y, sigma, x_sigma)
    with np.errstate(all="ignore"):
        before = 0.5 * float(np.sum(((predict(candidate, x) - y) / held) ** 2)) + float(np.log(held).sum())
        after = float(fitted.cost) + float(np.log(errors).sum())
        squares = float(np.sum((predict(now, x) - y) ** 2))
    covariance = np.linalg.pinv(fitted.jac.T @ fitted.jac, hermitian=True)
    typical = float(np.exp(np.log(errors).mean()))
    changed = candidate.evidence + after - before
    return dataclasses.replace(now, covariance=covariance, evidence=changed, rss=squares, deviation=typical)


def _with_numbers(candidate: Candidate, numbers: np.ndarray) -> Candidate:
    terms = candidate.form.terms
    exponents = candidate.exponents.copy()
    exponents[candidate.free] = numbers[terms:]
    return dataclasses.replace(candidate, log_coefficients=numbers[:terms], exponents=exponents)


def _compared(found: Searched, candidates: list[Candidate]) -> Searched:
    """The best first again; another best than that of the search is one of those alike."""
    order = sorted(range(len(candidates)), key=lambda place: candidates[place].evidence)
    best = candidates[order[0]].evidence
    near = {*found.alike, 0} if found.alike or order[0] != 0 else set()
    alike = tuple(
        place
        for place, old in enumerate(order)
        if place and old in near and candidates[old].evidence < best + settings.GAP
    )
    verdict, reason = found.verdict, found.reason
    if alike and order[0] != 0:
        verdict, reason = ALIKE, f"with errors of the inputs another formula is within {settings.GAP:g} nats of it"
    ranked = tuple(candidates[place] for place in order)
    return dataclasses.replace(found, candidates=ranked, verdict=verdict, reason=reason, alike=alike)
