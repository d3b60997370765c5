"""Cosine with its derivative, in elementary operations that vectorise: on CPU, XLA's own calls a scalar function.

>>> import jax
>>> import jax.numpy as jnp
>>> from nalu_jax import _cosine
>>> value, slope = jax.jvp(_cosine.cosine, (jnp.array(2.0),), (jnp.array(1.0),))
>>> round(float(value), 4), round(float(slope), 4)
(-0.4161, -0.9093)
"""

import math
from fractions import Fraction
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

_HALF_PI = Fraction("1.57079632679489661923132169163975144209858469968755291048747")


class _Digits(NamedTuple):
    """How far to go in a dtype.

    Attributes:
        parts: of pi / 2, which add up to it: whole numbers up to `whole` times the first ones have no rounding error.
        terms: of the Taylor series on [-pi / 4, pi / 4], whose rest is below half a unit in the last place.
        native: sizes of arrays for which XLA's cosine is faster, from trials on one CPU with two cores: it splits so
            much arithmetic over threads, and to wake them takes longer than the arithmetic.
    """

    parts: tuple[float, ...]
    terms: int
    native: range


def _parts_of_half_pi(bits: int, count: int) -> tuple[float, ...]:
    """count numbers of so many bits, each the nearest to what those before it leave of pi / 2."""
    parts, rest = [], _HALF_PI
    for _ in range(count):
        unit = Fraction(2) ** (math.frexp(float(rest))[1] - bits)
        parts.append(float(round(rest / unit) * unit))
        rest -= Fraction(parts[-1])
    return tuple(parts)


_DIGITS = {
    jnp.dtype("float32"): _Digits(_parts_of_half_pi(12, 4), 5, range(2**10, 3 * 2**13)),
    jnp.dtype("float64"): _Digits(_parts_of_half_pi(33, 4), 8, range(2**9, 2**12)),
}


def cosine(x: Array) -> Array:
    """cos(x), elementwise, within 3 units in the last place; NaN for what is not finite.

    Beyond 1e6 (6e3 in float32) the error is up to what rounding x itself makes. Other dtypes than float32 and float64
    take XLA's.
    """
    digits = _DIGITS.get(x.dtype)
    if digits is None or x.size in digits.native:
        return jnp.cos(x)
    return _cosine_and_sine(x)[0]


@jax.custom_jvp
def _cosine_and_sine(x: Array) -> tuple[Array, Array]:
    """Both, from x = n pi / 2 + r with |r| <= pi / 4: the two series of r, exchanged and with signs by n modulo 4."""
    parts, terms, _ = _DIGITS[x.dtype]
    n = jnp.round(x * (2 / math.pi))
    r = x
    for part in parts:
        r = r - n * part
    r = jnp.clip(r, -1, 1)  # no more than a bound where x is so large that nothing is known of r
    square = r * r
    series = lambda first: _horner(square, [(-1) ** k / math.factorial(2 * k + first) for k in range(terms + 1)])
    cosine, sine = series(0), r * series(1)
    quadrant = n - 4 * jnp.floor(n / 4)
    odd = (quadrant == 1) | (quadrant == 3)
    signed = lambda value, negative: jnp.where(negative, -value, value)
    return (
        signed(jnp.where(odd, sine, cosine), (quadrant == 1) | (quadrant == 2)),
        signed(jnp.where(odd, cosine, sine), (quadrant == 2) | (quadrant == 3)),
    )


@_cosine_and_sine.defjvp
def _cosine_and_sine_jvp(
    primals: tuple[Array], tangents: tuple[Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    cosine, sine = _cosine_and_sine(primals[0])
    return (cosine, sine), (-sine * tangents[0], cosine * tangents[0])


def _horner(x: Array, coefficients: list[float]) -> Array:
    """Sum of coefficients[k] x^k."""
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value
