"""What the search finds: one formula with its numbers, errors and evidence.

>>> import numpy as np
>>> gas = Candidate(
...     form=Form("sum", (1,)), columns=tuple(Column((j,)) for j in range(3)), exponents=np.array([[1.0, 1.0, -1.0]]),
...     parity=np.zeros((1, 3), int), free=np.zeros((1, 3), bool), log_coefficients=np.log([8.314]), signs=np.ones(1),
...     centre=np.zeros(3), target_scale=1.0, covariance=np.array([[1e-6]]), evidence=-100.0, rss=0.01,
...     noise="absolute", deviation=0.02, rows=40,
... )
>>> predict(gas, np.array([[2.0, 300.0, 0.05]])).round(1).tolist()
[99768.0]
>>> plain_numbers(gas).log_coefficients.round(4).tolist()
[2.1179]
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from nalu_jax.discover._engine.forms import Form, evaluate

Noise = Literal["absolute", "relative"]

LARGEST_LOGARITHM = 690.0  # of a term: products of a few such terms' gradients stay below the largest float64
ZERO_LOGARITHM = -1e4  # log|0|: any power above 0.07 of it is 0 in float64


SATURATING = {"1/(1+u)": 1, "1/(1+u^2)": 2, "1/(1+u^3)": 3, "1/(1+u^4)": 4}
"""By which what saturates differs from a product, in rates of trajectories: y/(1 + y/K) of Michaelis and Menten, and
Hill's powers."""

COLUMN_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sin": np.sin,
    "cos": np.cos,
    "log": np.log,
    "exp": np.exp,
    "tanh": np.tanh,
    "abs": np.abs,
    **{name: lambda u, power=power: 1 / (1 + u**power) for name, power in SATURATING.items()},
}


class Column(NamedTuple):
    """What a power is taken of: an input, or a function of inputs, a sum or difference of them.

    function(sum_i weights_i input_i), where function is None or one of `COLUMN_FUNCTIONS`. `Column((2,))` is the third
    input. `SATURATING` ones are of rates of trajectories only.
    """

    inputs: tuple[int, ...]
    weights: tuple[float, ...] = (1.0,)
    function: str | None = None

    def values(self, x: np.ndarray) -> np.ndarray:
        """(rows,) of inputs (rows, n_in)."""
        total = np.asarray(sum(weight * x[:, i] for i, weight in zip(self.inputs, self.weights, strict=True)))
        if self.function is None:
            return total
        return COLUMN_FUNCTIONS[self.function](total)

    @property
    def plain(self) -> bool:
        """Whether the column is an input as it is."""
        return self.function is None and len(self.inputs) == 1


@dataclass(frozen=True, eq=False)
class Candidate:
    """A formula y = target_scale * Phi(z), z_k = sign_k exp(log_coefficients_k + p_k . (log|columns| - centre)) s_k.

    s_k is the product of the signs of the columns whose parity is 1: with an exponent 2 or |x|^0.5 the parity is 0.
    Coefficients refer to the geometric centre of the columns and to y / target_scale, so that none leaves the range of
    float64, however large the units of measure; `plain_numbers` gives those of the formula as it is written.

    Attributes:
        form: Phi.
        columns: n of them; only those that some term uses.
        exponents: (K, n).
        parity: (K, n) of 0 and 1.
        free: (K, n), True where an exponent is a fitted real number, False where it is a simple one.
        log_coefficients: (K,) logarithms of absolute coefficients.
        signs: (K,) of 1 and -1.
        centre: (n,) mean logarithm of absolute columns.
        target_scale: of the target.
        covariance: (K + F, K + F) of log_coefficients and the F free exponents (row by row); as uncertain as the
            noise, which is estimated from the residuals.
        evidence: negative log evidence in nats: less is better; comparable between candidates of one search.
        rss: sum of squared residuals, in units of the target squared.
        noise: "absolute": of the same size in each row; "relative": in proportion to the formula's value.
        deviation: standard deviation of the noise: in the target's unit, or as a fraction.
        rows: that were fitted.
    """

    form: Form
    columns: tuple[Column, ...]
    exponents: np.ndarray
    parity: np.ndarray
    free: np.ndarray
    log_coefficients: np.ndarray
    signs: np.ndarray
    centre: np.ndarray
    target_scale: float
    covariance: np.ndarray
    evidence: float
    rss: float
    noise: Noise
    deviation: float
    rows: int


class PlainNumbers(NamedTuple):
    """Coefficients of the formula as written, c_k prod_j columns_j^p_kj, without centre and scale.

    log_coefficients (K,), signs (K,), covariance (K + F, K + F) of log_coefficients and the free exponents.
    """

    log_coefficients: np.ndarray
    signs: np.ndarray
    covariance: np.ndarray


def predict(candidate: Candidate, x: np.ndarray) -> np.ndarray:
    """(rows,) of inputs (rows, n_in); NaN where the formula is not defined."""
    values, _ = evaluate(candidate.form, term_values(candidate, x))
    with np.errstate(over="ignore"):
        return candidate.target_scale * values


def term_values(candidate: Candidate, x: np.ndarray) -> np.ndarray:
    """Terms (K, rows), in units in which the target is y / target_scale."""
    x = np.asarray(x, float)
    columns = np.array([column.values(x) for column in candidate.columns]).reshape(len(candidate.columns), len(x))
    logarithms = log_absolute(columns) - candidate.centre[:, None]
    exponent = candidate.exponents @ logarithms + candidate.log_coefficients[:, None]
    negative = candidate.parity @ (columns < 0)
    return candidate.signs[:, None] * (1 - 2 * (negative % 2)) * np.exp(np.minimum(exponent, LARGEST_LOGARITHM))


def log_absolute(columns: np.ndarray) -> np.ndarray:
    """log|columns|, with a finite number that acts as minus infinity at 0."""
    size = np.abs(columns)
    return np.log(size, out=np.full(size.shape, ZERO_LOGARITHM), where=size > 0)


def scale_powers(form: Form) -> np.ndarray:
    """(K,) powers of the target's unit that the coefficients of the terms carry."""
    if form.kind == "quotient":
        above, below = form.groups
        return np.array([1 / form.power] * above + [0.0] * below)
    if form.kind == "function":
        return np.array([1.0] + [0.0] * form.groups[1] + [1.0] * form.groups[2])
    return np.full(form.terms, 1 / form.power)


def plain_numbers(candidate: Candidate) -> PlainNumbers:
    """Coefficients with respect to the columns and the target as they are."""
    shift = candidate.exponents @ candidate.centre
    logs = candidate.log_coefficients - shift + scale_powers(candidate.form) * np.log(candidate.target_scale)
    term, column = np.nonzero(candidate.free)
    change = np.eye(len(logs) + len(term))
    change[term, len(logs) + np.arange(len(term))] = -candidate.centre[column]
    return PlainNumbers(logs, candidate.signs, change @ candidate.covariance @ change.T)
