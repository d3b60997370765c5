"""The product kernel of nmu, snmu, inalu, nru and nmru.

>>> import jax.numpy as jnp
>>> from nalu_jax import _product
>>> x, w = jnp.array([[2.0, 3.0, 5.0]]), jnp.array([[1.0], [0.0], [1.0]])
>>> _product.product(lambda x, w: w * x + 1 - w, (x,), (w,))
Array([[10.]], dtype=float32)
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

from . import _compiler
from ._derivatives import directional
from ._exponents import power_of_two, products_of_others, scale, split

Factor = Callable[..., Array]

_recomputed = functools.partial(jax.checkpoint, prevent_cse=False)
"""Of a loop's body: whoever differentiates the loop keeps what enters the body and nothing from inside."""


class _Rest(NamedTuple):
    """What the product of the others is made of: for a factor f it is numerator / f * 2^shift. One entry for every y.

    Attributes:
        numerator: product of all factors, 0 where one is zero.
        numerator_of_zero: for a factor that is zero: product of the rest, 0 where another is zero too.
        shift: the exponent by which the numerators would leave the range of the dtype, float32.
    """

    numerator: Array
    numerator_of_zero: Array
    shift: Array


def product(factor: Factor, inputs: tuple[Array, ...], matrices: tuple[Array, ...]) -> Array:
    """y_o = prod_i factor(x_i, ..., w_io, ...), without the (batch, n_in, n_out) array of factors where that is large.

    Mantissas and exponents are multiplied apart: partial products may leave the range of the dtype as long as the
    result does not. Up to 2^11 factors that holds for any of them; beyond, for products of up to 16 neighbours.

    The derivative by a factor is the product of all others: the product of all that are not zero, divided by this one;
    where just one is zero, the product of the rest; where more are, zero. So nothing is divided by zero, and no partial
    product is stored. Higher derivatives are those of the product of the others itself, not of the quotient.

    Memory in reverse mode is that of inputs, matrices and y, each a few times, and of one block.

    Args:
        factor: elementwise function of arrays that broadcast, one for each of inputs and matrices; 1 where all are 0.
            It must not close over traced arrays.
        inputs: arrays (..., n_in).
        matrices: arrays (n_in, n_out).

    Returns:
        y (..., n_out).
    """
    n_in, n_out = matrices[0].shape
    batch_shape = inputs[0].shape[:-1]
    batch = math.prod(batch_shape)
    rows = tuple(x.reshape(batch, n_in) for x in inputs)
    if n_in <= 2:  # no partial products; with the batch last, which vectorises also where n_out is 1
        each = [factor(*(x.T[i, None] for x in rows), *(w[i, :, None] for w in matrices)) for i in range(n_in)]
        y = functools.reduce(jnp.multiply, each).T
    elif _at_once(batch, n_in, n_out, inputs[0].dtype):
        expanded = [x[:, :, None] for x in rows] + [w[None] for w in matrices]
        y = _product_of_all(factor(*_broadcast((batch, n_in, n_out), expanded)))
    else:
        y = _product_in_blocks(factor, rows, matrices)
    return y.reshape(*batch_shape, n_out)


def _at_once(batch: Any, n_in: int, n_out: int, dtype: Any) -> bool:
    """Whether all factors fit beside one another, and their mantissas, below 2, into the range of the dtype."""
    return n_in < jnp.finfo(dtype).maxexp and _compiler.at_most(batch * n_in * n_out, _compiler.PRODUCT_AT_ONCE)


@jax.custom_jvp
def _product_of_all(factors: Array) -> Array:
    """Product over the middle axis."""
    mantissas, exponents = split(factors)
    return scale(jnp.prod(mantissas, 1), exponents.sum(1))


@_product_of_all.defjvp
def _product_of_all_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (factors,), (tangent,) = primals, tangents
    constants = lax.stop_gradient(factors)
    mantissas, exponents = split(_one_for_zero(constants))
    mantissa, exponent = split(jnp.prod(mantissas, 1))
    rest = _rest(mantissa, exponent + exponents.sum(1), _is_zero(constants).sum(1))
    return _product_of_all(factors), _moved(factors, tangent, _expanded(rest, 1), 1).sum(1) * _scale_of(rest)


def _product_in_blocks(factor: Factor, inputs: tuple[Array, ...], matrices: tuple[Array, ...]) -> Array:
    """As `product` for inputs (batch, n_in), block by block of rows."""
    batch, n_in = inputs[0].shape
    n_out = matrices[0].shape[1]
    most = max(1, _compiler.PRODUCT_BLOCK // max(n_in, n_out))
    rows = max(1, min(batch, most)) if _compiler.is_known(batch) else batch
    blocks = -(-batch // rows)

    def in_blocks(x: Array) -> Array:
        return jnp.pad(x, ((0, blocks * rows - batch), (0, 0))).reshape(blocks, rows, n_in)

    y = _blocks(factor, tuple(map(in_blocks, inputs)), matrices)
    return y.reshape(blocks * rows, n_out)[:batch]


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _blocks(factor: Factor, inputs: tuple[Array, ...], matrices: tuple[Array, ...]) -> Array:
    """y (blocks, rows, n_out) of inputs (blocks, rows, n_in) and matrices (n_in, n_out)."""
    mantissa, exponent, _ = _multiply(factor, inputs, matrices, count_zeros=False)
    return scale(mantissa, exponent)


@functools.partial(_blocks.defjvp, symbolic_zeros=True)
def _blocks_jvp(factor: Factor, primals: Any, tangents: Any) -> tuple[Array, Array]:
    y, rest = _blocks_and_rest(factor, *primals)
    return y, _tangent(factor, primals, tangents, rest)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _blocks_and_rest(factor: Factor, inputs: tuple[Array, ...], matrices: tuple[Array, ...]) -> tuple[Array, _Rest]:
    """As `_blocks`, and what its derivative needs."""
    mantissa, exponent, zeros = _multiply(factor, inputs, matrices, count_zeros=True)
    assert zeros is not None
    y = jnp.where(zeros == 0, scale(mantissa, exponent), jnp.zeros_like(mantissa))
    return y, _rest(mantissa, exponent, zeros)


@functools.partial(_blocks_and_rest.defjvp, symbolic_zeros=True)
def _blocks_and_rest_jvp(factor: Factor, primals: Any, tangents: Any) -> tuple[Any, Any]:
    y, rest = _blocks_and_rest(factor, *primals)
    return (y, rest), (_tangent(factor, primals, tangents, rest), jax.tree.map(jnp.zeros_like, rest))


def _multiply(
    factor: Factor, inputs: tuple[Array, ...], matrices: tuple[Array, ...], *, count_zeros: bool
) -> tuple[Array, Array, Array | None]:
    """(mantissa, exponent, None) of the product of all factors, or with zeros left out and counted instead of None.

    In groups of equal size, after each of which the product is rescaled.
    """
    n_in, n_out = matrices[0].shape
    shape = inputs[0].shape[1], n_out
    group, together = _group(n_in, math.prod(shape))
    missing = -n_in % group  # padded with zeros: factors of 1
    inputs = tuple(jnp.pad(x, ((0, 0), (0, 0), (0, missing))) for x in inputs)
    grouped = tuple(jnp.pad(w, ((0, missing), (0, 0))).reshape(-1, group, n_out) for w in matrices)

    def one_input(state: tuple[Array, Array | None], columns: Any) -> tuple[tuple[Array, Array | None], None]:
        (y, zeros), (xs, ws) = state, columns
        factors = factor(*_broadcast(shape, [x[:, None] for x in xs] + [w[None] for w in ws]))
        if zeros is None:
            return (y * factors, None), None
        return (y * _one_for_zero(factors), zeros + _is_zero(factors)), None

    def one_group(state: Any, columns: Any) -> tuple[Any, None]:
        y, exponent, zeros = state
        (y, zeros), _ = lax.scan(one_input, (y, zeros), columns, unroll=together)
        mantissa, shift = split(y)
        return (mantissa, exponent + shift, zeros), None

    @_recomputed
    def one_block(block: tuple[Array, ...]) -> tuple[Array, Array, Array | None]:
        columns = tuple(x.T.reshape(-1, group, shape[0]) for x in block), grouped
        first = factor(*_broadcast(shape, [x[0, 0, :, None] for x in columns[0]] + [w[0, 0, None] for w in grouped]))
        none_yet = jnp.zeros_like(first, jnp.float32)  # like a factor: on a mesh with the same sharding
        start = jnp.ones_like(first), none_yet, none_yet if count_zeros else None
        return lax.scan(one_group, start, columns)[0]

    return lax.map(one_block, inputs)


def _group(n_in: int, entries: Any) -> tuple[int, int]:
    """Inputs of a group, for an y of so many entries: equal groups, or full ones with several inputs in one pass."""
    together, least = _compiler.PRODUCT_PASS
    full = _compiler.PRODUCT_GROUP
    if not _compiler.at_most(entries, least - 1) and -n_in % full <= n_in / together:  # few to pad with
        return full, together
    return -(-n_in // -(-n_in // full)), 1


def _tangent(factor: Factor, primals: Any, tangents: Any, rest: _Rest) -> Array:
    """sum_i (product of the others)_i * (derivative of factor i), (blocks, rows, n_out).

    In one loop for the inputs and one for the matrices. Each is such that in reverse mode, its transpose, the gradient
    stays in place while the loop adds to it: over outputs for the inputs, over rows for the matrices.
    """
    inputs, matrices = primals
    inputs_dot, matrices_dot = jax.tree.map(lambda dot: None if isinstance(dot, SymbolicZero) else dot, tangents)
    tangent = jnp.zeros_like(rest.numerator)
    if any(dot is not None for dot in inputs_dot):
        tangent += _tangent_by_inputs(factor, inputs, inputs_dot, matrices, rest)
    if any(dot is not None for dot in matrices_dot):
        rows = jax.tree.map(lambda x: x.reshape(-1, x.shape[-1]), (inputs, rest))
        tangent += _tangent_by_matrices(factor, matrices, matrices_dot, *rows).reshape(tangent.shape)
    return tangent


def _tangent_by_inputs(factor: Factor, inputs: Any, inputs_dot: Any, matrices: Any, rest: _Rest) -> Array:
    """The part of the inputs (blocks, rows, n_in) that move, block by block and output by output."""

    @_recomputed
    def one_output(inputs: Any, inputs_dot: Any, ws: Any, rest: _Rest) -> Array:  # (rows,)
        arguments = *inputs, *_broadcast(inputs[0].shape, [w[None] for w in ws])
        factors, factors_dot = directional(factor, arguments, (*inputs_dot, *(None for _ in ws)))
        return _moved(factors, factors_dot, _expanded(rest, 1), 1).sum(1) * _scale_of(rest)

    def one_block(block: Any) -> Array:  # (rows, n_out)
        inputs, inputs_dot, rest = block
        outputs = jax.tree.map(jnp.transpose, (matrices, rest))
        return lax.map(lambda output: one_output(inputs, inputs_dot, *output), outputs).T

    return lax.map(one_block, (inputs, inputs_dot, rest))


def _tangent_by_matrices(factor: Factor, matrices: Any, matrices_dot: Any, inputs: Any, rest: _Rest) -> Array:
    """The part of the matrices that move, for inputs (rows, n_in); some rows at each step, each with a gradient."""
    rows, (n_in, n_out) = inputs[0].shape[0], matrices[0].shape
    fewest, most = (entries // (n_in * n_out) for entries in _compiler.PRODUCT_ENTRIES)
    lanes = max(1, min(most, max(_compiler.PRODUCT_LANES, fewest)))
    lanes = max(1, min(rows, lanes)) if _compiler.is_known(rows) else lanes
    count = -(-rows // lanes)

    @_recomputed
    def one_row(matrices_dot: Any, xs: Any, rest: _Rest) -> Array:  # (n_out,)
        arguments = *_broadcast((n_in, n_out), [x[:, None] for x in xs]), *matrices
        factors, factors_dot = directional(factor, arguments, (*(None for _ in xs), *matrices_dot))
        return _moved(factors, factors_dot, _expanded(rest, 0), 0).sum(0) * _scale_of(rest)

    def in_steps(x: Array) -> Array:
        return jnp.pad(x, ((0, count * lanes - rows), (0, 0))).reshape(count, lanes, x.shape[1])

    per_lane = jax.tree.map(lambda w: jnp.broadcast_to(w, (lanes, *w.shape)), matrices_dot)
    steps = jax.tree.map(in_steps, (inputs, rest))
    return lax.map(lambda step: jax.vmap(one_row)(per_lane, *step), steps).reshape(count * lanes, n_out)[:rows]


def _rest(mantissa: Array, exponent: Array, zeros: Array) -> _Rest:
    """From the product of the factors that are not zero, and the number of zeros."""
    info = jnp.finfo(mantissa.dtype)
    within = jnp.clip(exponent, info.minexp, info.maxexp - 2)  # a mantissa is below 2
    numerator, nothing = mantissa * power_of_two(within, mantissa.dtype), jnp.zeros_like(mantissa)
    return _Rest(
        jnp.where(zeros == 0, numerator, nothing), jnp.where(zeros == 1, numerator, nothing), exponent - within
    )


def _scale_of(rest: _Rest) -> Array:
    return power_of_two(rest.shift, rest.numerator.dtype)


def _expanded(rest: _Rest, axis: int) -> _Rest:
    return _Rest(*(jnp.expand_dims(part, axis) for part in rest))


def _moved(factors: Array, tangent: Array, rest: _Rest, axis: int) -> Array:
    """For every factor its tangent times the product of all others along the axis, divided by 2^rest.shift.

    Of the three, tangent / factor comes first: it stays in the range where the product of the others leaves it.
    """
    divisors = _one_for_zero(lax.stop_gradient(factors))
    return _numerators(factors, divisors, rest, axis) * (tangent / divisors)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def _numerators(factors: Array, divisors: Array, rest: _Rest, axis: int) -> Array:
    """For every factor the product of all others along the axis, times its divisor, divided by 2^rest.shift.

    divisors and rest (which broadcasts with the factors) count as constants: the derivative is that of
    `products_of_others`.
    """
    return jnp.where(factors == 0, rest.numerator_of_zero, rest.numerator)


@_numerators.defjvp
def _numerators_jvp(axis: int, primals: Any, tangents: Any) -> tuple[Array, Array]:
    factors, divisors, rest = primals
    _, dot = jax.jvp(lambda f: products_of_others(f, divisors, rest.shift, axis), (factors,), tangents[:1])
    return _numerators(*primals, axis), dot


def _is_zero(x: Array) -> Array:
    return (x == 0).astype(jnp.float32)


def _one_for_zero(x: Array) -> Array:
    return jnp.where(x == 0, jnp.ones_like(x), x)


def _broadcast(shape: tuple[Any, ...], arrays: Sequence[Array]) -> list[Array]:
    return [jnp.broadcast_to(array, shape) for array in arrays]
