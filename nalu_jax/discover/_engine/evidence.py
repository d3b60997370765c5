"""How probable data and formula are together: the joint evidence, priced by the formula's name.

Negative logarithm of the evidence, with the noise's size s estimated and the parameters theta (logarithms of
coefficients, free exponents) integrated by Laplace's method about their best values:

    N log s + rss/(2 s^2) - sum log w + log det(1 + S J'J S / s^2)/2 + price of the name and of the values

with the Jacobian J of weighted residuals and the prior spreads S. The joint determinant is essential: with marginal
errors terms that cancel look cheap (MacKay 1992, "Bayesian interpolation").
"""

import math
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Column, Noise
from nalu_jax.discover._engine.columns import Table, noise_weights
from nalu_jax.discover._engine.dimensions import correction, most_saved
from nalu_jax.discover._engine.fit import LARGEST_LOGARITHM, Batch, products
from nalu_jax.discover._engine.forms import Form, evaluate, outside_functions
from nalu_jax.discover._engine.lattice import prices


class Linear(NamedTuple):
    """Fits to first order: values and weights (B, rows), weighted residuals (B, rows) and their Jacobian
    (B, K + K n, rows) by (log|coefficients|, exponents); sizes (B, K) are root mean squares of terms of coefficient 1,
    by those that are expected; the deviation of the noise is set where it is known."""

    values: np.ndarray
    weights: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray
    sizes: np.ndarray
    deviation: float | None = None


def linearise(table: Table, form: Form, batch: Batch, noise: Noise) -> Linear:
    """Derivatives at a batch of fits, with weights of their own values."""
    with np.errstate(all="ignore"):
        plain = products(table, batch.exponents, batch.parity)
        terms = batch.coefficients[..., None] * plain
        values, gradients = evaluate(form, terms)
        weights = noise_weights(table, noise, values)
        by_logarithm = terms * gradients * weights[:, None, :]
        by_exponent = (by_logarithm[:, :, None, :] * table.logs).reshape(
            len(terms), terms.shape[1] * table.width, table.rows
        )
        jacobian = np.concatenate([by_logarithm, by_exponent], 1)
        sizes = _sizes(table, form, _whole_terms(form, plain, gradients), noise)
        return Linear(values, weights, weights * (table.target - values), jacobian, sizes, table.deviation)


def _whole_terms(form: Form, plain: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """The products, the one in front of a function with the function: together they have the target's size."""
    if form.kind != "function":
        return plain
    return np.concatenate([plain[:, :1] * gradients[:, :1], plain[:, 1:]], 1)


def _sizes(table: Table, form: Form, terms: np.ndarray, noise: Noise) -> np.ndarray:
    """(B, K) root mean squares of terms (B, K, rows), by the sizes that they have before anything is known of them:
    that of the target, or of each row where its relative noise tells small rows as well as large ones."""
    if table.least is None or noise == "absolute":
        return np.sqrt(np.mean(terms**2, -1)) / _expected(form, np.median(np.abs(table.target)), 1.0)[:, 0]
    rows = np.maximum(np.abs(table.target), table.least)
    return np.sqrt(np.mean((terms / _expected(form, rows, rows)) ** 2, -1))


def _expected(form: Form, inner: float | np.ndarray, outer: float | np.ndarray) -> np.ndarray:
    """(K, rows or 1) sizes of terms of a form: of those inside of a power or a quotient by a target of size `inner`, of
    those of a sum and beside a function by one of size `outer`."""
    logarithm = np.log(np.atleast_1d(inner) + 1e-300) / form.power  # its power may be beyond floats
    inner = np.exp(np.clip(logarithm, -LARGEST_LOGARITHM, LARGEST_LOGARITHM))
    one, outer = np.ones_like(inner), np.broadcast_to(outer, inner.shape)
    if form.kind == "quotient":
        return np.stack([inner] * form.groups[0] + [one] * form.groups[1])
    if form.kind == "power":
        return np.stack([inner] * form.terms)
    return np.where(outside_functions(form)[:, None], outer, one)


def variance(linear: Linear, target: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B,) noise variance and residual sum of squares; the variance never below what rounding makes."""
    rss = np.einsum("bn,bn->b", linear.residuals, linear.residuals)
    degrees = np.maximum(linear.residuals.shape[-1] - parameters, 1)
    floor = settings.EXACT**2 * np.mean((linear.weights * target) ** 2, -1)
    if linear.deviation is not None:
        return linear.deviation**2 + floor, rss
    return rss / degrees + floor, rss


def covariance(linear: Linear, moving: np.ndarray) -> np.ndarray:
    """(B, q, q) covariance of the parameters per unit of noise variance; 0 for those that do not move (B, q)."""
    jacobian = np.clip(np.where(np.isfinite(linear.jacobian), linear.jacobian, 0.0), -1e150, 1e150)
    normal = jacobian @ jacobian.swapaxes(1, 2)
    size = np.sqrt(np.einsum("bii->bi", normal))
    size = np.where(moving & (size > 0), size, 1.0)
    both = moving[:, :, None] * moving[:, None, :]
    normal = normal * both / (size[:, :, None] * size[:, None, :])
    place = np.arange(normal.shape[-1])
    normal[:, place, place] = 1.0
    eigenvalues, vectors = np.linalg.eigh(normal)
    inverse = (vectors / np.maximum(eigenvalues, 1e-13)[:, None, :]) @ vectors.swapaxes(1, 2)
    return inverse * both / (size[:, :, None] * size[:, None, :])


def negative_log_evidence(
    residuals: np.ndarray, log_weights: np.ndarray, jacobian: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """(B,) nats without prices of names, of any fit whose parameters have been scaled by their prior spreads.

    Args:
        residuals: weighted (B, rows).
        log_weights: (B,) sum of logarithms of weights.
        jacobian: (B, q, rows) by scaled parameters, rows of zeros for parameters that do not count.
        variance: (B,) of the noise.
    """
    rows = residuals.shape[-1]
    rss = np.einsum("bn,bn->b", residuals, residuals)
    upper = np.linalg.qr(jacobian.swapaxes(1, 2), mode="r") if rows > jacobian.shape[1] else jacobian
    singular = np.linalg.svd(upper, compute_uv=False)
    determinant = np.log1p(singular**2 / variance[:, None]).sum(-1) / 2
    return rows / 2 * np.log(variance) + rss / variance / 2 - log_weights + determinant


def price(table: Table, form: Form, batch: Batch, sizes: np.ndarray) -> np.ndarray:
    """(B,) nats of the formulas' names and values."""
    return name_price(table, form, batch) + value_price(table, form, batch, sizes)


def name_price(table: Table, form: Form, batch: Batch) -> np.ndarray:
    """(B,) nats of exponents, of signs that no power has, and of columns that are not inputs."""
    names = prices(table.inputs)
    plain = np.array([column.plain for column in table.columns], bool)
    absent = (batch.exponents == 0) & (batch.parity == 0) & ~batch.free
    fixed = np.where(absent & ~plain, 0.0, names.of(batch.exponents))
    real = names.free + 0.5 * (batch.exponents / settings.EXPONENT_SPREAD) ** 2
    total = np.where(batch.free, real, fixed).sum((1, 2))
    total += settings.ODD_SIGN * (_odd_sign(batch) * table.signed).sum((1, 2))
    used = (~absent).any(1)
    rates = np.array([column.function == "exp" for column in table.columns], bool)
    if rates.any():
        total += settings.SIMPLE_RATE * (rates & ~absent & ~batch.free).sum((1, 2))
    total += used @ np.array([column_price(column, table.inputs) for column in table.columns])
    total = total + (table.inputs - plain.sum()) * form.terms * names.zero
    for place in table.include:
        having = np.array([place in column.inputs for column in table.columns], bool)
        total += settings.FORBIDDEN * ~used[:, having].any(1)
    if table.limits is not None:
        forbidden = ~table.limits.allow(batch.exponents) | (batch.free & table.limits.whole)
        total += settings.FORBIDDEN * forbidden.sum((1, 2))
    if table.far and form.kind == "sum":
        total += settings.FORBIDDEN * _beyond(table, batch.exponents)
    if table.dimensions is None:
        return total
    return total + correction(table.dimensions, table.columns, form, batch.exponents, batch.free, table.inputs)


def _beyond(table: Table, exponents: np.ndarray) -> np.ndarray:
    """(B,) terms of a sum that do not go to 0, or to infinity, where they may not."""
    total = np.zeros(len(exponents))
    for place, zero, infinity in table.far:
        power = sum((exponents[..., j] for j, c in enumerate(table.columns) if c == Column((place,))), np.zeros(1))
        toward = power if infinity else -power
        total += np.broadcast_to(toward >= 0 if zero else toward > 0, exponents.shape[:2]).sum(1)
    return total


def value_price(table: Table, form: Form, batch: Batch, sizes: np.ndarray) -> np.ndarray:
    """(B,) nats of the form, and of coefficients' sizes and signs."""
    relative = np.log(np.abs(batch.coefficients) * sizes + 1e-300)
    deviation = (relative - settings.COEFFICIENT_MEAN) / settings.COEFFICIENT_SPREAD
    total = (0.5 * deviation**2 + settings.SIGN).sum(1) + form_price(form)
    if not table.positive:
        return total
    outside = outside_functions(form)  # their signs are known, and have no price
    return total - settings.SIGN * outside.sum() + settings.FORBIDDEN * (batch.coefficients[:, outside] < 0).sum(1)


def _odd_sign(batch: Batch) -> np.ndarray:
    """Whether a signed column has a power that x itself does not have, such as |x|^3 or x^0.5."""
    whole = np.round(batch.exponents)
    natural = (np.abs(batch.exponents - whole) < 1e-9) & (np.abs(whole) % 2 == batch.parity)
    return ~natural


def form_price(form: Form) -> float:
    """Nats of a form, and of what its number of terms says; the order of terms in a group carries nothing."""
    total = settings.FORM[form.kind] + settings.TERM * form.terms
    total -= sum(math.lgamma(group + 1) for group in form.groups)
    if form.kind == "power":
        total += settings.POWERS.get(form.power, settings.FAR_POWER)
    if form.kind == "quotient" and (form.power, form.below) != (1.0, 1.0):
        total += settings.RARE_POWER
    if form.kind == "function":
        total += settings.ADDED_TERM * form.groups[2]
    return total


def column_price(column: Column, inputs: int) -> float:
    """Nats of using a column that is not an input as it is."""
    total = 0.0
    if column.function is not None:
        scaled = column.function != "exp" and column.weights[0] not in (1.0, -1.0)
        total += settings.TRIGONOMETRIC_COLUMN + scaled * settings.RARE_POWER
    if len(column.inputs) == 2:
        total += settings.COMBINED_COLUMN + math.log(max(inputs * (inputs - 1) / 2, 1))
    return total


def evidence(table: Table, form: Form, batch: Batch, noise: Noise) -> np.ndarray:
    """(B,) negative log evidence of fits; infinite where a formula is not defined on the table."""
    linear = linearise(table, form, batch, noise)
    count, terms = batch.coefficients.shape
    moving = np.concatenate([np.ones((count, terms), bool), batch.free.reshape(count, terms * table.width)], 1)
    with np.errstate(all="ignore"):
        return _integrated(table, linear, moving, terms) + price(table, form, batch, linear.sizes)


def bound(table: Table, form: Form, batch: Batch, noise: Noise) -> np.ndarray:
    """(B,) evidence that no rounding of these fits can better: as if exponents were known, and cost the least."""
    linear = linearise(table, form, batch, noise)
    count, terms = batch.coefficients.shape
    moving = np.arange(terms * (1 + table.width)) < np.full((count, 1), terms)
    names = prices(table.inputs)
    least = table.inputs * terms * names.zero + (terms - 1) * (names.lattice[1:].min() - names.zero)
    if table.dimensions is not None:
        least -= most_saved(table.dimensions, form, table.inputs)
    with np.errstate(all="ignore"):
        return _integrated(table, linear, moving, terms) + value_price(table, form, batch, linear.sizes) + least


def _integrated(table: Table, linear: Linear, moving: np.ndarray, terms: int) -> np.ndarray:
    """(B,) negative log evidence but for prices, with parameters that move (B, K + K n)."""
    parameters = moving.sum(1)
    s2, _ = variance(linear, table.target, parameters)
    spread = np.where(np.arange(moving.shape[1]) < terms, settings.COEFFICIENT_SPREAD, settings.EXPONENT_SPREAD)
    order = np.argsort(~moving, axis=1, kind="stable")[:, : parameters.max()]
    jacobian = np.take_along_axis(linear.jacobian * (moving * spread)[:, :, None], order[:, :, None], 1)
    jacobian = np.clip(np.where(np.isfinite(jacobian), jacobian, 0.0), -1e150, 1e150)
    good = np.isfinite(linear.values).all(-1) & np.isfinite(s2)
    residuals = np.where(good[:, None], linear.residuals, 1.0)
    logs = np.log(np.where(good[:, None], linear.weights, 1.0)).sum(-1)
    total = negative_log_evidence(residuals, logs, jacobian, np.where(good, s2, 1.0))
    return np.where(good & np.isfinite(total), total, np.inf)
