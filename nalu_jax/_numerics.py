"""Guarded elementary functions: each states its value and its derivative at the point where the plain one breaks.

>>> import jax
>>> import jax.numpy as jnp
>>> from nalu_jax import _numerics
>>> jax.grad(jnp.abs)(0.0), jax.grad(_numerics.absolute)(0.0)
(Array(1., dtype=float32, weak_type=True), Array(0., dtype=float32, weak_type=True))
>>> x, w = jnp.array([[2.0, 3.0, 5.0]]), jnp.array([[1.0], [0.0], [1.0]])
>>> _numerics.product(lambda x, w: w * x + 1 - w, (x,), (w,))
Array([[10.]], dtype=float32)
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

matmul = functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST)
"""`jnp.matmul` in the full precision of the dtype: accelerators default to fewer digits than arithmetic needs."""


def absolute(x: Array) -> Array:
    """|x| with derivative 0 at 0, as in Julia and PyTorch (`jnp.abs` has 1 there)."""
    return x * jnp.sign(x)


def magnitude(x: Array, positive: bool) -> Array:
    """|x| with derivative 0 at 0. In a positive domain NaN where x < 0, so that leaving it is never silent."""
    size = absolute(x)
    return jnp.where(x < 0, jnp.asarray(jnp.nan, x.dtype), size) if positive else size


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


def log(x: Array) -> Array:
    """log(x) for x >= 0; below the smallest normal number, the logarithm of that number, with derivative 0."""
    return jnp.log(maximum(x, float(jnp.finfo(x.dtype).tiny)))


def machine_epsilon(x: Array, eps: float | None) -> float:
    """`eps`, or where it is None the machine epsilon of the dtype of x."""
    return float(jnp.finfo(x.dtype).eps) if eps is None else eps


# Sizes of the product kernel, from trials on one CPU; benchmarks/layers.py is there to confirm or change them.
_SMALL = 2**16  # up to this many factors, all of them at once
_BLOCK = 2**14  # beyond: entries (rows x n_out) of a block, which is to stay in the cache while a loop runs over inputs
_GROUP = 16  # inputs between two rescalings of a block


def product(factor: Callable[..., Array], inputs: tuple[Array, ...], matrices: tuple[Array, ...]) -> Array:
    """y_o = prod_i factor(x_i, ..., w_io, ...), without the (batch, n_in, n_out) array of factors where that is large.

    Nothing is divided, so zero factors need no care. Mantissas and exponents are multiplied apart: partial products may
    leave the range of the dtype as long as the result does not. Up to 2^16 factors that holds for any of them; beyond,
    for the products of 16 neighbouring inputs; and in derivatives, only for the factors on one side of a zero factor.

    Memory in reverse mode is that of the inputs and matrices, and of one block's partial products.

    Args:
        factor: elementwise function of arrays of one shape, one for each of inputs and matrices; 1 where all are 0.
        inputs: arrays (..., n_in).
        matrices: arrays (n_in, n_out).

    Returns:
        y (..., n_out).
    """
    n_in, n_out = matrices[0].shape
    batch_shape = inputs[0].shape[:-1]
    batch = math.prod(batch_shape)
    rows = [x.reshape(batch, n_in) for x in inputs]
    if batch * n_in * n_out <= _SMALL and n_in < jnp.finfo(inputs[0].dtype).maxexp:  # mantissas below 2 cannot overflow
        expanded = [x[:, :, None] for x in rows] + [w[None] for w in matrices]
        shape = (batch, n_in, n_out)
        y = _product_of_all(factor(*(jnp.broadcast_to(array, shape) for array in expanded)))
    else:
        y = _product_in_blocks(factor, rows, matrices)
    return y.reshape(*batch_shape, n_out)


def _product_of_all(factors: Array) -> Array:
    """Product over the middle axis."""
    if factors.shape[1] <= 2:  # no partial products: nothing to rescale
        return jnp.prod(factors, 1)
    mantissas, exponents = _split(factors)
    return _scale(jnp.prod(mantissas, 1), exponents.sum(1))


def _product_in_blocks(factor: Callable[..., Array], inputs: Sequence[Array], matrices: Sequence[Array]) -> Array:
    """As `product` for inputs (batch, n_in): block by block of rows, each in a loop over groups of inputs."""
    batch, n_in = inputs[0].shape
    n_out = matrices[0].shape[1]
    rows = max(1, min(batch, _BLOCK // n_out))
    blocks, groups = -(-batch // rows), -(-n_in // _GROUP)
    missing = groups * _GROUP - n_in

    def in_blocks(x: Array) -> Array:  # (blocks, groups, _GROUP, rows), padded with zeros: factors of 1
        padded = jnp.pad(x, ((0, blocks * rows - batch), (0, missing)))
        return padded.reshape(blocks, rows, groups, _GROUP).transpose(0, 2, 3, 1)

    grouped = tuple(jnp.pad(w, ((0, missing), (0, 0))).reshape(groups, _GROUP, n_out) for w in matrices)

    def one_input(y: Array, columns: tuple[tuple[Array, ...], tuple[Array, ...]]) -> tuple[Array, None]:
        xs, ws = columns
        return y * factor(*(_spread(x, 1, n_out) for x in xs), *(_spread(w, 0, rows) for w in ws)), None

    def one_group(state: tuple[Array, Array], group: Any) -> tuple[tuple[Array, Array], None]:
        y, exponent = state
        y, exponents = _split(lax.scan(jax.checkpoint(one_input, prevent_cse=False), y, group)[0])
        return (y, exponent + exponents), None

    def one_block(block: tuple[Array, ...]) -> Array:
        start = jnp.ones((rows, n_out), block[0].dtype), jnp.zeros((rows, n_out), jnp.float32)
        loop = jax.checkpoint(one_group, prevent_cse=False)
        return _scale(*lax.scan(loop, start, (block, grouped))[0])

    y = lax.map(jax.checkpoint(one_block, prevent_cse=False), tuple(map(in_blocks, inputs)))
    return y.reshape(blocks * rows, n_out)[:batch]


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _spread(x: Array, axis: int, size: int) -> Array:
    """x (n,) repeated along a new axis, 0 or 1, of that size.

    In the derivative the copies come from a dot with ones, so that in its transpose a dot sums them, which XLA does
    faster than a reduction.
    """
    return jnp.repeat(jnp.expand_dims(x, axis), size, axis)


@_spread.defjvp
def _spread_jvp(axis: int, size: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    ones = jnp.expand_dims(jnp.ones(size, x.dtype), 1 - axis)
    column = jnp.expand_dims(dx, axis)
    return _spread(x, axis, size), matmul(ones, column) if axis == 0 else matmul(column, ones)


def _split(x: Array) -> tuple[Array, Array]:
    """(mantissa, exponent) with x = mantissa * 2^exponent; mantissa in [1, 2) or 0, exponent float32, no derivative.

    By masks and subtractions of the bits, which vectorise on CPU as shifts (and `jnp.frexp`) do not.
    """
    info = jnp.finfo(x.dtype)
    bias, one = info.maxexp - 1, 1 << info.nmant
    bits = lax.bitcast_convert_type(lax.stop_gradient(x), _integers(x.dtype)) & ((2 * bias + 1) * one)
    bits = jnp.where(bits == 0, bias * one, jnp.minimum(bits, (2 * bias - 1) * one))  # 0 stays; infinity too
    inverse = lax.bitcast_convert_type(2 * bias * one - bits, x.dtype)
    return x * inverse, bits.astype(jnp.float32) * 2.0**-info.nmant - bias


def _scale(x: Array, exponent: Array) -> Array:
    """x * 2^exponent, in two steps: 2^exponent itself may leave the range of the dtype."""
    half = jnp.floor(exponent / 2)
    return x * _power_of_two(half, x.dtype) * _power_of_two(exponent - half, x.dtype)


def _power_of_two(exponent: Array, dtype: Any) -> Array:
    """2^exponent, the exponent clipped to that of normal numbers."""
    info = jnp.finfo(dtype)
    biased = jnp.clip(exponent, info.minexp, info.maxexp - 1) + (info.maxexp - 1)
    return lax.bitcast_convert_type(biased.astype(_integers(dtype)) << info.nmant, dtype)


def _integers(dtype: Any) -> Any:
    return jnp.dtype(f"int{jnp.finfo(dtype).bits}")
