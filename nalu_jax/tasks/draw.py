"""The distributions of the tasks: functions (key, shape, ...) -> array, in float32 unless a dtype is given.

>>> import jax
>>> from nalu_jax.tasks import draw
>>> x = draw.uniform(jax.random.key(0), (1000, 2), [[-6.0, -2.0], [2.0, 6.0]])
>>> float(abs(x).min()) > 2, float(abs(x).max()) < 6
(True, True)
>>> draw.sobol(3, 2)
array([[0.5 , 0.5 ],
       [0.75, 0.25],
       [0.25, 0.75]], dtype=float32)
"""

import bisect
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike, DTypeLike

from .. import _arguments
from .._unit import Shape
from . import _kinds

Bounds = ArrayLike | Sequence[ArrayLike] | Sequence[Sequence[ArrayLike]]
"""One interval [low, high], or several of equal widths; an array of them may be traced."""


@_arguments.checked("draw.open_uniform", key=_kinds.KEY, shape=_kinds.SHAPE, dtype=_kinds.DTYPE)
def open_uniform(key: Array, shape: Shape, dtype: DTypeLike = jnp.float32) -> Array:
    """U(0, 1) without its ends: (k + 1/2) / 2^23 in float32, with k a whole number below 2^23.

    `jax.random.uniform` can be 0 exactly; mapped to a range such as [-2, 2], that is a zero denominator or a bound that
    does not belong to the range. These numbers are symmetric around 1/2 and never 1/2.
    """
    return jax.random.uniform(key, shape, dtype) + jnp.asarray(jnp.finfo(dtype).eps / 2, dtype)


@_arguments.checked("draw.uniform", key=_kinds.KEY, shape=_kinds.SHAPE, bounds=_kinds.BOUNDS, dtype=_kinds.DTYPE)
def uniform(key: Array, shape: Shape, bounds: Bounds, dtype: DTypeLike = jnp.float32) -> Array:
    """Uniform numbers inside intervals.

    Args:
        key: a PRNG key.
        shape: of the result.
        bounds: (2,), one interval [low, high]; or (pieces, 2), intervals of equal widths, of which every element
            chooses one with equal probabilities, as for the disjoint test range [-6, -2] and [2, 6].
        dtype: of the result.
    """
    return from_unit(open_uniform(key, shape, dtype), bounds)


@_arguments.checked("draw.from_unit", u=_arguments.array(whole=False), bounds=_kinds.BOUNDS)
def from_unit(u: Array, bounds: Bounds) -> Array:
    """Numbers u in (0, 1), mapped to the intervals of `uniform`: their distribution's quantiles.

    For drawing once and mapping to several ranges; their runs then share random numbers.
    """
    u = jnp.asarray(u)
    bounds = jnp.asarray(bounds, u.dtype)
    if bounds.ndim == 1:
        return bounds[0] + (bounds[1] - bounds[0]) * u
    pieces = bounds.shape[0]
    scaled = u * pieces
    piece = jnp.minimum(jnp.floor(scaled), pieces - 1)
    low, high = bounds[piece.astype(int), 0], bounds[piece.astype(int), 1]
    return low + (high - low) * (scaled - piece)


@_arguments.checked("draw.by_column", key=_kinds.KEY, shape=_kinds.SHAPE, bounds=_kinds.BOUNDS, dtype=_kinds.DTYPE)
def by_column(key: Array, shape: Shape, bounds: Bounds, dtype: DTypeLike = jnp.float32) -> Array:
    """Uniform numbers, the first half of the last axis in bounds[0], the rest in bounds[1]; bounds (2, 2)."""
    if not len(shape):
        raise ValueError("draw.by_column: shape must have a last axis, whose halves are the columns, got ().")
    _arguments.check_shape("draw.by_column", "bounds", bounds, (2, 2), "Pass one interval for each half.")
    bounds = jnp.asarray(bounds, dtype)
    half = jnp.arange(shape[-1]) >= shape[-1] // 2
    low, high = bounds[half.astype(int)].T
    shape_of_row = (1,) * (len(shape) - 1) + (shape[-1],)
    return low.reshape(shape_of_row) + (high - low).reshape(shape_of_row) * open_uniform(key, shape, dtype)


@_arguments.checked(
    "draw.truncated_normal",
    key=_kinds.KEY,
    shape=_kinds.SHAPE,
    mean=_arguments.number(),
    deviation=_arguments.number(0.0),
    low=_arguments.number(),
    high=_arguments.number(),
    dtype=_kinds.DTYPE,
)
def truncated_normal(
    key: Array, shape: Shape, *, mean: float, deviation: float, low: float, high: float, dtype: DTypeLike = jnp.float32
) -> Array:
    """Normal numbers with that mean and deviation (before truncation), inside (low, high).

    Never 0: a number that rounds to it, a zero denominator once in some millions, is the machine epsilon times the
    deviation instead.
    """
    lower, upper = (jnp.asarray((end - mean) / deviation, dtype) for end in (low, high))
    z = jax.random.truncated_normal(key, lower, upper, shape, dtype)
    x = mean + deviation * z
    return jnp.where(x == 0, jnp.asarray(deviation * float(jnp.finfo(dtype).eps), dtype), x)


@_arguments.checked(
    "draw.exponential", key=_kinds.KEY, shape=_kinds.SHAPE, scale=_arguments.number(0.0), dtype=_kinds.DTYPE
)
def exponential(key: Array, shape: Shape, *, scale: float, dtype: DTypeLike = jnp.float32) -> Array:
    """Exponential numbers with that mean, never 0."""
    return -scale * jnp.log(open_uniform(key, shape, dtype))


BENFORD = tuple(float(np.log10(1 + 1 / digit)) for digit in range(1, 10))
"""The probabilities of the first digits 1 to 9."""


@_arguments.checked(
    "draw.benford", key=_kinds.KEY, shape=_kinds.SHAPE, low=_arguments.count(), dtype=_arguments.dtype(whole=True)
)
def benford(key: Array, shape: Shape, *, low: int, dtype: DTypeLike = jnp.float32) -> Array:
    """Whole numbers in [low, 10 low), low a power of ten: first digit by Benford's law, lower digits uniform."""
    if str(int(low)).strip("0") != "1":
        raise ValueError(f"draw.benford: low must be a power of ten, got {low}.")
    first_key, rest_key = jax.random.split(key)
    first = 1 + jax.random.choice(first_key, 9, shape, p=jnp.asarray(BENFORD, jnp.float32))
    rest = jax.random.randint(rest_key, shape, 0, low)
    return (first * low + rest).astype(dtype)


SOBOL_DIMENSIONS = (1, 2, 3, 5, 7, 13, 19, 37, 53, 101, 161, 337, 481, 1111, 1867, 3667, 5715, 13425, 21201)
"""Up to which dimension primitive polynomials of degree 0, 1, 2, ... reach: 1 + their number, sums of phi(2^d - 1) / d.
SciPy has no more; with fewer bits than the degree its directions are zeros, without an error."""


@_arguments.checked(
    "draw.sobol",
    points=_arguments.count(),
    dimension=_arguments.count(1, SOBOL_DIMENSIONS[-1]),
    first=_arguments.count(0),
    dtype=_kinds.DTYPE,
)
def sobol(points: int, dimension: int, *, first: int = 1, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Points first, first + 1, ... of the unscrambled Sobol sequence (points, dimension), on the host, by SciPy.

    Point 0 is all zeros; the NPU paper leaves it out.
    """
    from scipy.stats import qmc  # scipy comes with jax; this part of it is slow to import

    sampler = qmc.Sobol(dimension, scramble=False, bits=SOBOL_BITS)
    if first:
        sampler.fast_forward(first)
    return sampler.random(points).astype(dtype)


SOBOL_BITS = 24
"""So that every coordinate is exact in float32; the sequence then has 2^24 points."""


@_arguments.checked(
    "draw.sobol_directions", dimension=_arguments.count(1, SOBOL_DIMENSIONS[-1]), bits=_arguments.count(1, 32)
)
@functools.cache
def sobol_directions(dimension: int, bits: int = SOBOL_BITS) -> np.ndarray:
    """Direction numbers (bits, dimension), uint32, scaled by 2^bits: point n is the exclusive or of those that the
    binary digits of n ^ (n >> 1) choose.

    Read off SciPy's sequence, of which neighbours n = 2^j - 1 and 2^j differ by direction j.

    Raises:
        ValueError: so many dimensions need more bits.
    """
    fewest = bisect.bisect_left(SOBOL_DIMENSIONS, dimension)
    if bits < fewest:
        raise ValueError(
            f"draw.sobol_directions: bits must be at least {fewest} in {dimension} dimensions, got {bits}."
        )
    from scipy.stats import qmc

    directions = np.zeros((bits, dimension), np.uint32)
    sampler = qmc.Sobol(dimension, scramble=False, bits=bits)
    drawn = 0
    before = previous = np.zeros(dimension, np.uint32)
    for j in range(bits):
        if 2**j - 1 > drawn:
            sampler.fast_forward(2**j - 1 - drawn)
            drawn = 2**j - 1
        while drawn <= 2**j:  # one by one: SciPy warns of a number of points that is not balanced
            before, previous = previous, np.round(np.ldexp(sampler.random(1)[0], bits)).astype(np.uint32)
            drawn += 1
        directions[j] = before ^ previous
    return directions


@_arguments.checked(
    "draw.sobol_at",
    index=_kinds.whole_array("an array"),
    directions=_kinds.whole_array("an array (bits, dimension)", axes=2),
    dtype=_kinds.DTYPE,
)
def sobol_at(index: Array, directions: ArrayLike, dtype: DTypeLike = jnp.float32) -> Array:
    """The points (*index.shape, dimension) of the sequence with these direction numbers, on the device.

    Args:
        index: whole numbers from 0 to 2^bits - 1, which is checked where they are known.
        directions: from `sobol_directions`.
        dtype: of the result.
    """
    directions = jnp.asarray(directions, jnp.uint32)
    bits = directions.shape[0]
    if not isinstance(index, Tracer) and not 0 <= np.min(index) <= np.max(index) < 2**bits:
        raise ValueError(f"draw.sobol_at: index must be from 0 to 2^{bits} - 1: there are no other points.")
    index = jnp.asarray(index).astype(jnp.uint32)[..., None]
    digits = jnp.arange(bits, dtype=jnp.uint32).reshape((1,) * (index.ndim - 1) + (bits,))
    gray = index ^ (index >> jnp.uint32(1))
    chosen = (gray >> digits) & jnp.uint32(1)  # (..., bits)
    terms = chosen[..., None] * jnp.broadcast_to(directions, (*chosen.shape, directions.shape[-1]))
    point = lax.reduce(terms, jnp.uint32(0), lax.bitwise_xor, (terms.ndim - 2,))
    return point.astype(dtype) * jnp.asarray(2.0**-bits, dtype)
