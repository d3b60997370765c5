"""Intervals of numbers that a standard error does not describe, from the profile of the likelihood.

The number is held at a value, all others are fitted again, and the value is inside where the residuals grow by less
than t^2 variances: for a coefficient of a sum with known exponents that is Student's interval itself, for other numbers
it follows the curve of the likelihood (Bates, Watts 1988, "Nonlinear regression analysis and its applications",
chapter 6). Coefficients are walked in their logarithm, and keep their sign. Weights of rows are those of the fit.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, stats

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Candidate, term_values
from nalu_jax.discover._engine.columns import noise_weights, prepare
from nalu_jax.discover._engine.forms import Form, evaluate
from nalu_jax.discover._engine.misfit import lost_information

FARTHEST = 60.0  # in a logarithm or an exponent: a bound that is not found so far away does not exist
FIT_EVALUATIONS = 50  # of the formula in one fit, which begins near its end
LARGEST_RESIDUAL = 1e100  # where a formula is not defined: its square stays finite


class _Model(NamedTuple):
    """A formula by its numbers: coefficients as factors of their estimates (K,), then moves of free exponents (F,)."""

    form: Form
    target: np.ndarray
    weights: np.ndarray
    terms: np.ndarray  # (K, rows), as estimated
    term: np.ndarray  # (F,) of each free exponent
    logs: np.ndarray  # (F, rows) of its column


def intervals(
    candidate: Candidate,
    x: np.ndarray,
    y: np.ndarray,
    *,
    covariance: np.ndarray,
    shift: np.ndarray,
    row_weights: np.ndarray | None = None,
    robust: bool = False,
    level: float = 0.95,
) -> dict[int, tuple[float, float]]:
    """Intervals of those numbers whose standard error says too little, by their place in the covariance.

    Args:
        candidate: fitted to the table.
        x: inputs (rows, n_in).
        y: target (rows,).
        covariance: (K + F, K + F) of logarithms of coefficients, as they are written, and of free exponents.
        shift: (K, n) logarithms of what the candidate divides columns by and the written formula does not.
        row_weights: (rows,) of the search.
        robust: whether they follow residuals.
        level: probability that an interval holds the number.

    Returns:
        Of coefficients factors (low, high) of the estimate: low is 0 where the data allow any smaller size, high
        infinite where they allow any larger one. Of free exponents distances from the estimate, infinite where there is
        no bound. Empty where the table is so large that the standard error is all there is.
    """
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    degrees = len(y) - len(errors)
    known = np.isfinite(candidate.deviation) and np.isfinite(covariance).all()
    if not known or degrees < 1 or len(y) * len(errors) > settings.PROFILED_CELLS:
        return {}
    with np.errstate(all="ignore"):
        model = _model(candidate, x, y, row_weights)
        count = len(model.terms)
        doubt = errors * np.concatenate([np.ones(count), model.logs.std(axis=1)])
        places = [i for i in np.argsort(-doubt, kind="stable").tolist() if settings.UNCERTAIN < doubt[i] < np.inf]
        if not places:
            return {}
        start = _start(model)
        scale = candidate.target_scale if candidate.noise == "absolute" else 1.0
        t = float(stats.t.ppf((1 + level) / 2, degrees))
        lost = lost_information(robust)
        limit = _refitted(model, start, None)[0] + lost * (t * candidate.deviation / scale) ** 2
        if not np.sum(_residuals(model, start)[0] ** 2) < limit:
            return {}  # another optimum lies beside the fit: nothing is known of its surroundings
        bounds = {}
        for i in places[: settings.PROFILED]:
            moved = shift[candidate.free] * (model.term == i)
            about = model._replace(logs=model.logs + moved[:, None])
            tangent = covariance[:, i] / covariance[i, i]
            low, high = (_bound(about, tangent, i, side * t * float(errors[i]), limit) for side in (-1, 1))
            if not low < high:
                continue  # no step was small enough: nothing is known of its surroundings either
            if i < count or abs(high + low) > settings.UNCERTAIN * (high - low) or not np.isfinite(high - low):
                bounds[i] = low, high
        return bounds


def _model(candidate: Candidate, x: np.ndarray, y: np.ndarray, row_weights: np.ndarray | None) -> _Model:
    table = prepare(x, y, candidate.columns, inputs=x.shape[1], row_weights=row_weights)
    terms = term_values(candidate, x)
    values, _ = evaluate(candidate.form, terms)
    term, column = np.nonzero(candidate.free)
    weights = noise_weights(table, candidate.noise, values)
    return _Model(candidate.form, y / candidate.target_scale, weights, terms, term, table.logs[column])


def _start(model: _Model) -> np.ndarray:
    return np.concatenate([np.ones(len(model.terms)), np.zeros(len(model.term))])


def _residuals(model: _Model, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted residuals (rows,) and their derivatives (rows, K + F)."""
    count = len(model.terms)
    powers = np.zeros(model.terms.shape)
    np.add.at(powers, model.term, numbers[count:, None] * model.logs)
    products = model.terms * np.exp(np.clip(powers, -FARTHEST, FARTHEST))
    values, slopes = evaluate(model.form, numbers[:count, None] * products)
    by_coefficient = model.weights * slopes * products
    by_exponent = (numbers[:count, None] * by_coefficient)[model.term] * model.logs
    jacobian = np.concatenate([by_coefficient, by_exponent]).T
    residuals = np.nan_to_num(model.weights * (values - model.target), nan=LARGEST_RESIDUAL)
    residuals = np.clip(residuals, -LARGEST_RESIDUAL, LARGEST_RESIDUAL)
    return residuals, np.where(np.isfinite(jacobian), jacobian, 0.0)


def _refitted(model: _Model, numbers: np.ndarray, held: int | None) -> tuple[float, np.ndarray]:
    """The least sum of squared residuals from these numbers on, and where it is, with one of them held."""
    moving = np.arange(len(numbers)) != (-1 if held is None else held)

    def numbers_at(some: np.ndarray) -> np.ndarray:
        every = numbers.copy()
        every[moving] = some
        return every

    if moving.any():
        slopes: Any = lambda some: _residuals(model, numbers_at(some))[1][:, moving]
        values = lambda some: _residuals(model, numbers_at(some))[0]
        fitted = optimize.least_squares(
            values, numbers[moving], jac=slopes, method="lm", x_scale="jac", max_nfev=FIT_EVALUATIONS
        )
        numbers = numbers_at(fitted.x)
    return float(np.sum(_residuals(model, numbers)[0] ** 2)), numbers


def _bound(model: _Model, tangent: np.ndarray, place: int, step: float, limit: float) -> float:
    """Where the profile of one number reaches the limit, walking from the estimate in the direction of the step.

    Every fit begins at the last one inside the limit, moved along the tangent (K + F,) as the others follow the number.
    """
    count = len(model.terms)
    coefficient = place < count
    latest, reached = _start(model), 0.0

    @functools.cache  # a second fit of a point may begin, and end, elsewhere: a bracket would be none
    def excess(distance: float) -> float:
        nonlocal latest, reached
        move = np.clip(tangent * (distance - reached), -FARTHEST, FARTHEST)
        numbers = np.concatenate([latest[:count] * np.exp(move[:count]), latest[count:] + move[count:]])
        squares, numbers = _refitted(model, numbers, place)
        if squares < limit:
            latest, reached = numbers, distance
        return squares - limit

    if coefficient and step < 0:
        without = _start(model)
        without[place] = 0.0
        if _refitted(model, without, place)[0] < limit:
            return 0.0
    inside, outside = 0.0, float(np.clip(step, -1.0, 1.0))
    excess(inside)
    while excess(outside) < 0:
        inside, outside = outside, 2 * outside
        if abs(outside) > FARTHEST:
            return float(np.copysign(np.inf, step)) if step > 0 or not coefficient else 0.0
    distance = optimize.root_scalar(excess, bracket=(inside, outside), xtol=settings.BOUND_DIGITS).root
    return float(np.exp(distance) if coefficient else distance)
