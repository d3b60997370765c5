"""Loops that all lanes of a `vmap` go through together: one counter, one end, and buffers written at one place.

`jax.vmap` of a `while_loop` whose condition differs between lanes selects between the old and the new value of
everything that the loop carries, buffers included, in every iteration. With a condition and an index that all lanes
share, it does not.

>>> import jax
>>> import jax.numpy as jnp
>>> from nalu_jax.ode import _lanes
>>> jax.vmap(_lanes.any_lane, out_axes=None)(jnp.array([False, True]))
Array(True, dtype=bool)
>>> jax.vmap(_lanes.put, (0, 0, None))(jnp.zeros((2, 3)), jnp.array([1.0, 2.0]), 1)
Array([[0., 1., 0.],
       [0., 2., 0.]], dtype=float32)
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jax.typing import ArrayLike


@custom_vmap
def any_lane(flag: Array) -> Array:
    """The flag; under `vmap` whether it is set in any lane, the same for all of them."""
    return flag


@any_lane.def_vmap
def _any_lane_batched(axis_size: int, in_batched: list[bool], flag: Array) -> tuple[Array, bool]:
    return any_lane(jnp.any(flag, axis=0) if in_batched[0] else flag), False


def put(buffer: Any, value: Any, index: ArrayLike) -> Any:
    """A tree of buffers (n, ...) with the tree value at an index that does not differ between lanes."""
    return jax.tree.map(lambda b, v: _put(0)(b, jnp.asarray(v, b.dtype), jnp.asarray(index)), buffer, value)


def get(buffer: Any, index: ArrayLike) -> Any:
    """Row `index`, the same in all lanes, of a tree of buffers (n, ...)."""
    return jax.tree.map(lambda b: _get(0)(b, jnp.asarray(index)), buffer)


def rows(buffer: Any, start: ArrayLike, count: int) -> Any:
    """Rows start, ..., start + count - 1, the same in all lanes, of a tree of buffers (n, ...)."""
    return jax.tree.map(lambda b: _rows(0, count)(b, jnp.asarray(start)), buffer)


@functools.cache
def _put(axis: int) -> Callable[..., Array]:
    @custom_vmap
    def function(buffer: Array, value: Array, index: Array) -> Array:
        return lax.dynamic_update_index_in_dim(buffer, value, index, axis)

    @function.def_vmap
    def batched(axis_size: int, in_batched: list[bool], *arguments: Array) -> tuple[Array, bool]:
        if in_batched[2]:
            return _each_lane(function.fun, in_batched, arguments), True
        wide = lambda x, is_batched: x if is_batched else jnp.broadcast_to(x, (axis_size, *x.shape))
        buffer, value = (wide(x, flag) for x, flag in zip(arguments[:2], in_batched[:2], strict=True))
        return _put(axis + 1)(buffer, value, arguments[2]), True

    return function


@functools.cache
def _get(axis: int) -> Callable[..., Array]:
    take = lambda buffer, index: lax.dynamic_index_in_dim(buffer, index, axis, keepdims=False)
    return _reader(take, lambda: _get(axis + 1))


@functools.cache
def _rows(axis: int, count: int) -> Callable[..., Array]:
    take = lambda buffer, start: lax.dynamic_slice_in_dim(buffer, start, count, axis)
    return _reader(take, lambda: _rows(axis + 1, count))


def _reader(take: Callable[..., Array], deeper: Callable[[], Callable[..., Array]]) -> Callable[..., Array]:
    """take(buffer, index); `deeper` makes the same of the next axis."""
    function = custom_vmap(take)

    @function.def_vmap
    def batched(axis_size: int, in_batched: list[bool], buffer: Array, index: Array) -> tuple[Array, bool]:
        if in_batched[1]:
            return _each_lane(take, in_batched, (buffer, index)), True
        return deeper()(buffer, index), True

    return function


def _each_lane(function: Callable[..., Array], in_batched: list[bool], arguments: tuple[Array, ...]) -> Array:
    return jax.vmap(function, [0 if flag else None for flag in in_batched])(*arguments)
