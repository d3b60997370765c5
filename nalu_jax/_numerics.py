"""Guarded elementary functions: each states its value and its derivative at the point where the plain one breaks.

>>> import jax
>>> import jax.numpy as jnp
>>> from nalu_jax import _numerics
>>> jax.grad(jnp.abs)(0.0), jax.grad(_numerics.absolute)(0.0)
(Array(1., dtype=float32, weak_type=True), Array(0., dtype=float32, weak_type=True))

`product`, the kernel of the product units, lives in `_product`.

What every unit promises, with its default options. "Fits" means: is at most this share of the largest number.

    dtype     |x| up to  |param| up to  fits
    bfloat16  2^100      4              2^-10
    float32   2^100      4              2^-10
    float64   2^1000     4              2^-10

- The value is finite wherever the true value fits.
- The gradient in params and x, in reverse and in forward mode, is finite wherever the value and the true gradient fit,
  and the Hessian wherever the value, the gradient and the true Hessian fit.
- Zero, -0 and subnormal inputs are no exception.
- "True" is the formula of the unit's docstring in exact arithmetic, of the numbers as they are stored: half of pi is
  not rounded, so that cos(3 pi / 2) is 0. Of the nmru, whose cosine comes last, the product before it must fit, and
  so must its derivatives.
- Finite is not exact. The relative error of a product of powers is about machine epsilon times its logarithm, and parts
  of a derivative that are below the smallest normal number, beside others that are not, are taken to be 0.

Bit for bit the same are: a compiled program called again, a row wherever it stands in a batch, the front ends, and the
flat view beside its unit. Last bits differ between batches of different sizes, between a program with others around it
and alone, and between devices: XLA chooses the order of a sum by its size.

bfloat16, float32 and float64 are supported; float16 and float8 are refused, for their range.

`tests/test_promise.py` reads this table and searches for counterexamples.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

from . import _compiler
from ._product import product as product


def matmul(x: Array, w: Array) -> Array:
    """x (..., n_in) @ w (n_in, n_out) in the full precision of the dtype: accelerators default to fewer digits.

    A single x times a small w, as in every step of an ODE, is a sum of scaled rows on CPU (`_compiler.ROWS`).
    """
    if x.ndim == 1 and w.size <= _compiler.ROWS_ENTRIES and w.shape[0] <= _compiler.ROWS:
        return _sum_of_rows(x, w)
    return _product_of_matrices(x, w)


_product_of_matrices = functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST)


@jax.custom_jvp
def _sum_of_rows(x: Array, w: Array) -> Array:
    rows = lambda x, w: functools.reduce(jnp.add, [x[i] * w[i] for i in range(w.shape[0])])
    return _compiler.on_cpu(rows, _product_of_matrices, x, w)


@_sum_of_rows.defjvp
def _sum_of_rows_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (x, w), (x_dot, w_dot) = primals, tangents  # derivatives as products: those of rows would be many small sums
    return _sum_of_rows(x, w), _product_of_matrices(x_dot, w) + _product_of_matrices(x, w_dot)


def absolute(x: Array) -> Array:
    """|x| with derivative 0 at 0, as in Julia and PyTorch (`jnp.abs` has 1 there)."""
    return x * jnp.sign(x)


def magnitude(x: Array, positive: bool) -> Array:
    """|x| with derivative 0 at 0. In a positive domain NaN where x < 0, so that leaving it is never silent."""
    if not positive:
        return absolute(x)
    return jnp.where(x == 0, jnp.zeros_like(x), jnp.where(x < 0, jnp.asarray(jnp.nan, x.dtype), x))


def sign(x: Array) -> Array:
    """-1 where x < 0, otherwise 1, also at 0 and -0; derivative 0. NaN stays NaN."""
    return jnp.where(x < 0, jnp.asarray(-1, x.dtype), jnp.where(x >= 0, jnp.asarray(1, x.dtype), x))


def clip_straight_through(x: Array, low: float, high: float) -> Array:
    """clip(x, low, high) with derivative 1 everywhere, so that a weight outside its range is never stuck.

    Written as clip(x) + (x - x) and not as x + (clip(x) - x): there a large x swallows the clipped value.
    """
    return lax.stop_gradient(jnp.clip(x, low, high)) + (x - lax.stop_gradient(x))


def minimum(x: Array, high: float) -> Array:
    """min(x, high) with derivative 1 at x == high and 0 above (`jnp.minimum` has 1/2 at the tie). NaN stays NaN."""
    return jnp.where(x > high, jnp.asarray(high, x.dtype), x)


def maximum(x: Array, low: float) -> Array:
    """max(x, low) with derivative 1 at x == low and 0 below (`jnp.maximum` has 1/2 at the tie). NaN stays NaN."""
    return jnp.where(x < low, jnp.asarray(low, x.dtype), x)


def log(x: Array, *, least: float = 0.0) -> Array:
    """log(x) for x >= 0; below the smallest normal number, the logarithm of that number, with derivative 0.

    `least` is what x is known not to be below.
    """
    tiny = float(jnp.finfo(x.dtype).tiny)
    return _log(x if least > tiny else maximum(x, tiny))


@jax.custom_jvp
def _log(x: Array) -> Array:
    """log(x), x > 0, whose derivatives multiply by 1 / x: JAX's second one divides by x^2, which leaves the range."""
    return jnp.log(x)


@_log.defjvp
def _log_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _log(*primals), tangents[0] * reciprocal(*primals)


@jax.custom_jvp
def reciprocal(x: Array) -> Array:
    """1 / x, with derivatives as products of it: JAX's own multiply before they divide."""
    return 1 / x


@reciprocal.defjvp
def _reciprocal_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    inverse = reciprocal(*primals)
    return inverse, -(inverse * tangents[0]) * inverse


@jax.custom_jvp
def tanh(x: Array) -> Array:
    """tanh(x), whose derivatives decay as they should: JAX's own are 1e-7 far out, where a large tangent meets them."""
    return jnp.tanh(x)


@tanh.defjvp
def _tanh_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    decay = jnp.exp(-2 * absolute(primals[0]))
    return tanh(*primals), tangents[0] * (4 * decay / (1 + decay) ** 2)


@jax.custom_jvp
def power(base: Array, log_base: Array, exponent: Array) -> Array:
    """base^exponent of base > 0 and its logarithm, which the caller has already and counts as base's own.

    The derivative by base is exponent base^(exponent - 1) itself, not base^exponent times that of the logarithm, of
    which the second derivative is a difference of terms base^exponent / base^2: these leave the range, or cancel, where
    the exponent is 1.
    """
    return jnp.exp(log_base * exponent)


def _power_jvp(primals: tuple[Array, Array, Array], tangents: tuple[Any, Any, Any]) -> tuple[Array, Array]:
    base, log_base, exponent = primals
    value = power(*primals)
    base_dot, _, exponent_dot = (None if isinstance(dot, SymbolicZero) else dot for dot in tangents)
    tangent = jnp.zeros_like(value)
    if base_dot is not None:
        tangent += exponent * power(base, log_base, exponent - 1) * base_dot
    if exponent_dot is not None:
        tangent += _known_log(base, log_base) * value * exponent_dot
    return value, tangent


power.defjvp(_power_jvp, symbolic_zeros=True)


@jax.custom_jvp
def _known_log(base: Array, log_base: Array) -> Array:
    """log_base, with the derivative of log(base); 0 for a base of 0, with which blocks are padded."""
    return log_base


@_known_log.defjvp
def _known_log_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    base, log_base = primals
    padding = base == 0
    inverse = jnp.where(padding, jnp.zeros_like(base), reciprocal(jnp.where(padding, jnp.ones_like(base), base)))
    return _known_log(base, log_base), tangents[0] * inverse


def times_exponential(factor: Array, log_m: Array) -> Array:
    """factor * exp(log_m): exp(log_m) itself may leave the range where the result fits."""
    root = jnp.exp(minimum(log_m / 2, math.log(float(jnp.finfo(log_m.dtype).max))))
    return root * factor * root


def gated(logit: Array, a: Array, log_m: Array) -> Array:
    """sigmoid(logit) * a + sigmoid(-logit) * exp(log_m): exp(log_m) itself may leave the range where the result fits.

    Both sides of each selection are one analytic function, so that nothing is lost at logit = 0.
    """
    positive = logit >= 0
    nothing = jnp.zeros_like(logit)
    decay = jnp.exp(jnp.where(positive, -logit, logit))  # exp(-|logit|)
    m = jnp.exp(log_m - jnp.where(positive, logit, nothing))
    return (jnp.where(positive, a, decay * a) + m) * reciprocal(1 + decay)


def machine_epsilon(x: Array, eps: float | None) -> float:
    """`eps`, or where it is None the machine epsilon of the dtype of x."""
    return float(jnp.finfo(x.dtype).eps) if eps is None else eps
