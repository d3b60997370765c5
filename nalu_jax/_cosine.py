"""Real parts of exponentials with the phase in half turns, so that cos(3 pi / 2) is 0 and not what rounding left.

>>> import jax.numpy as jnp
>>> from nalu_jax import _cosine
>>> _cosine.cosine_of_half_turns(jnp.array([0.0, 1 / 3, 1.5, 101.0])).round(4)
Array([ 1. ,  0.5,  0. , -1. ], dtype=float32)
"""

import math

import jax
import jax.numpy as jnp
from jax import Array

from ._compiler import on_cpu


def cosine_of_half_turns(s: Array) -> Array:
    """cos(pi s), elementwise, within 3 units in the last place for any finite s; NaN for what is not finite."""
    return _cosine_and_sine(s)[0]


def exponential(u: Array, s: Array) -> Array:
    """Re(exp(u + i pi s)) = exp(u) * cos(pi s): finite where that fits, whether or not exp(u) does."""
    return _parts(u, s)[0]


_Pair = tuple[Array, Array]


@jax.custom_jvp
def _parts(u: Array, s: Array) -> tuple[Array, Array]:
    """exp(u) * cos(pi s) and exp(u) * sin(pi s): the root of exp(u) from both sides, which has room to spare."""
    root = jnp.exp(jnp.minimum(u / 2, math.log(float(jnp.finfo(u.dtype).max))))
    cosine, sine = _cosine_and_sine(s)
    return root * cosine * root, root * sine * root


@_parts.defjvp
def _parts_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[_Pair, _Pair]:
    (real, imaginary), (du, ds) = _parts(*primals), tangents
    most = float(jnp.finfo(real.dtype).max)
    x, y = (jnp.clip(part, -most, most) for part in (real, imaginary))  # infinity times a tangent of 0 would be NaN
    turned = math.pi * ds
    return (real, imaginary), (x * du - y * turned, y * du + x * turned)


@jax.custom_jvp
def _cosine_and_sine(s: Array) -> tuple[Array, Array]:
    """Of pi s, from s = n / 2 + r with |r| <= 1 / 4, both without rounding: cosine and sine of pi r, by n modulo 4."""
    wide = s.astype(jnp.float32) if s.dtype.itemsize < 4 else s
    wide = wide - 2 * jnp.round(wide / 2)  # in [-1, 1]
    n = jnp.round(2 * wide)  # -2 ... 2
    cosine, sine = _near_zero(math.pi * (wide - n / 2))
    odd, back = jnp.abs(n) == 1, jnp.abs(n) == 2
    values = (
        jnp.where(odd, -n * sine, jnp.where(back, -cosine, cosine)),
        jnp.where(odd, n * cosine, jnp.where(back, -sine, sine)),
    )
    return jax.tree.map(lambda value: value.astype(s.dtype), values)


@_cosine_and_sine.defjvp
def _cosine_and_sine_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[_Pair, _Pair]:
    cosine, sine = _cosine_and_sine(primals[0])
    turned = math.pi * tangents[0]
    return (cosine, sine), (-sine * turned, cosine * turned)


def _near_zero(r: Array) -> tuple[Array, Array]:
    """Cosine and sine for |r| <= pi / 4."""
    return on_cpu(_series, lambda r: (jnp.cos(r), jnp.sin(r)), r)


_TERMS = {jnp.dtype("float32"): 5, jnp.dtype("float64"): 8}


def _series(r: Array) -> tuple[Array, Array]:
    """Both Taylor series, to half a unit in the last place: they vectorise, as XLA's own calls on CPU do not."""
    square, terms = r * r, _TERMS[r.dtype]
    series = lambda first: _horner(square, [(-1) ** k / math.factorial(2 * k + first) for k in range(terms + 1)])
    return series(0), r * series(1)


def _horner(x: Array, coefficients: list[float]) -> Array:
    """Sum of coefficients[k] x^k."""
    value = coefficients[-1] * x + coefficients[-2]
    for coefficient in reversed(coefficients[:-2]):
        value = value * x + coefficient
    return value
