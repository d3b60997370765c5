"""Numbers as mantissa and exponent, for products whose partial products leave the range of the dtype.

>>> import jax.numpy as jnp
>>> from nalu_jax import _exponents
>>> mantissa, exponent = _exponents.split(jnp.float32(-12.0))
>>> mantissa, exponent, _exponents.scale(mantissa, exponent)
(Array(-1.5, dtype=float32), Array(3., dtype=float32), Array(-12., dtype=float32))
"""

from typing import Any

import jax.numpy as jnp
from jax import Array, lax


def split(x: Array) -> tuple[Array, Array]:
    """(mantissa, exponent) with x = mantissa * 2^exponent; mantissa in [1, 2) or 0, exponent float32, no derivative.

    By masks and subtractions of the bits, which vectorise on CPU as shifts (and `jnp.frexp`) do not.
    """
    info = jnp.finfo(x.dtype)
    bias, one = info.maxexp - 1, 1 << info.nmant
    bits = lax.bitcast_convert_type(lax.stop_gradient(x), _integers(x.dtype)) & ((2 * bias + 1) * one)
    bits = jnp.where(bits == 0, bias * one, jnp.minimum(bits, (2 * bias - 1) * one))  # 0 stays; infinity too
    inverse = lax.bitcast_convert_type(2 * bias * one - bits, x.dtype)
    return x * inverse, bits.astype(jnp.float32) * 2.0**-info.nmant - bias


def scale(x: Array, exponent: Array) -> Array:
    """x * 2^exponent, in two steps: 2^exponent itself may leave the range of the dtype."""
    half = jnp.floor(exponent / 2)
    return x * power_of_two(half, x.dtype) * power_of_two(exponent - half, x.dtype)


def products_of_others(factors: Array, times: Array, shift: Array, axis: int) -> Array:
    """For every factor the product of all others, times its own entry of `times`, divided by 2^shift.

    From partial products: slow, and differentiable at zeros.
    """

    def multiply(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
        mantissa, exponent = split(a[0] * b[0])
        return mantissa, exponent + a[1] + b[1]

    def partial_products(reverse: bool) -> tuple[Array, Array]:
        products = lax.associative_scan(multiply, split(factors), reverse=reverse, axis=axis)
        mantissa, exponent = (jnp.roll(part, -1 if reverse else 1, axis) for part in products)
        edge = jnp.arange(factors.shape[axis]) == (factors.shape[axis] - 1 if reverse else 0)
        edge = jnp.expand_dims(edge, [i for i in range(factors.ndim) if i != axis])
        return jnp.where(edge, jnp.ones_like(mantissa), mantissa), jnp.where(edge, jnp.zeros_like(exponent), exponent)

    mantissa, exponent = multiply(multiply(partial_products(False), partial_products(True)), split(times))
    return scale(mantissa, exponent - shift)


def power_of_two(exponent: Array, dtype: Any) -> Array:
    """2^exponent, the exponent clipped to that of normal numbers."""
    info = jnp.finfo(dtype)
    biased = jnp.clip(exponent, info.minexp, info.maxexp - 1) + (info.maxexp - 1)
    return lax.bitcast_convert_type(biased.astype(_integers(dtype)) << info.nmant, dtype)


def _integers(dtype: Any) -> Any:
    return jnp.dtype(f"int{jnp.finfo(dtype).bits}")
