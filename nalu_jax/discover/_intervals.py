"""How sure predictions are: intervals from the covariance of a formula's numbers.

The numbers of a formula are moved by their standard errors, one after the other; what that moves the value by, with
their covariance, is its variance (the delta method). To that of a new measurement the noise is added.
"""

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from ._formula import Formula

STEP = 0.05
"""Of a standard error: small enough for a slope, large enough for its digits."""

LARGEST_STEP = 1e-3
"""Of a logarithm or an exponent, where a standard error is large."""


class Predicted(NamedTuple):
    """Values (rows,) with the ends of their intervals (rows,)."""

    values: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Moved(NamedTuple):
    """A formula as a function of its numbers: logarithms of absolute coefficients, then free exponents, as in its
    covariance."""

    formula: "Formula"
    start: np.ndarray

    def values(self, x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """(rows,) of x (rows, n_in) with other numbers."""
        from . import _values

        return _values.of(_with_numbers(self.formula, numbers), x)


def moved(formula: "Formula") -> Moved:
    """The formula, its known part left out, as a function of its numbers."""
    coefficients = [np.log(abs(term.coefficient.value)) for term in formula.terms]
    exponents = [f.exponent.value for term in formula.terms for f in term.factors if f.exponent.exact is None]
    return Moved(dataclasses.replace(formula, known=None), np.array([*coefficients, *exponents]))


def _with_numbers(formula: "Formula", numbers: np.ndarray) -> "Formula":
    free = iter(numbers[len(formula.terms) :])
    terms = []
    for term, logarithm in zip(formula.terms, numbers, strict=False):
        size = float(np.copysign(np.exp(np.clip(logarithm, -700, 700)), term.coefficient.value))
        factors = tuple(
            factor
            if factor.exponent.exact is not None
            else dataclasses.replace(factor, exponent=dataclasses.replace(factor.exponent, value=float(next(free))))
            for factor in term.factors
        )
        coefficient = dataclasses.replace(term.coefficient, value=size, exact=None)
        terms.append(dataclasses.replace(term, coefficient=coefficient, factors=factors))
    return dataclasses.replace(formula, terms=tuple(terms))


def variance(formula: "Formula", x: np.ndarray) -> np.ndarray:
    """(rows,) variance of the formula's value by the errors of its numbers; NaN where they are not known."""
    covariance = formula.covariance
    if covariance is None or not np.isfinite(covariance).all():
        return np.full(len(x), np.nan)
    each = moved(formula)
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    steps = np.where(errors > 0, np.minimum(STEP * errors, LARGEST_STEP), 1e-6)
    slopes = np.zeros((len(steps), len(x)))
    for place, step in enumerate(steps):
        change = np.zeros(len(steps))
        change[place] = step
        slopes[place] = (each.values(x, each.start + change) - each.values(x, each.start - change)) / (2 * step)
    return np.einsum("in,ij,jn->n", slopes, covariance, slopes)


def of(
    formula: "Formula", x: np.ndarray, fitted: np.ndarray, *, level: float, noise: np.ndarray | float, rows: int
) -> Predicted:
    """The fitted values (rows,) with intervals of Student's t.

    Args:
        formula: with its covariance.
        x: inputs (rows, n_in).
        fitted: values there.
        level: probability that an interval holds what it is of.
        noise: standard deviation that is added, of each row or of all; 0 for the formula itself.
        rows: that the formula was fitted to.
    """
    degrees = max(rows - len(moved(formula).start), 1)
    half = stats.t.ppf((1 + level) / 2, degrees) * np.sqrt(np.maximum(variance(formula, x), 0.0) + np.square(noise))
    return Predicted(fitted, fitted - half, fitted + half)
