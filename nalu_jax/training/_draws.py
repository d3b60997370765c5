"""Keys whose random numbers are drawn in one piece: the same numbers, several times as fast on CPU.

`jax.random` draws from a counter: each number is a hash (Threefry) of the key and its place. JAX writes the 20 rounds
of the hash as a loop on CPU, which stores all of it after every few rounds. Written out, it is one pass over the
numbers of all restarts at once, in registers. The bits are the same, whatever is drawn beside them.

>>> import jax
>>> from nalu_jax.training import _draws
>>> key = jax.random.key(3)
>>> bool((jax.random.uniform(_draws.in_one_piece(key), (4, 2)) == jax.random.uniform(key, (4, 2))).all())
True
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_batching import custom_vmap

from .._compiler import on_cpu

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = np.uint32(0x1BD11BDA)
GROUPS = 5  # of four rounds
# At least so many pieces of a draw, in a loop: what is not the result of a loop, XLA computes again for each sum and
# product that reads it (jax 0.10.2 on CPU). Goes when it does not.
PIECES = 2


def in_one_piece(key: Array) -> Array:
    """The key (...), which gives the same numbers; as it is where its numbers are not those of the written-out hash."""
    threefry = jax.random.key_impl(key) == jax.random.key_impl(jax.random.key(0, impl="threefry2x32"))
    numbered = jax.config.jax_threefry_partitionable  # pyright: ignore[reportAttributeAccessIssue]
    if not threefry or not numbered:
        return key
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_implementation())


@functools.cache
def _implementation() -> Any:
    return jax.extend.random.define_prng_impl(
        key_shape=(2,),
        seed=lambda seed: jax.random.key_data(jax.random.key(seed, impl="threefry2x32")),
        split=lambda key, shape: jax.random.key_data(jax.random.split(_as_jax(key), shape)),
        fold_in=_folded,
        random_bits=_bits,
        name="threefry2x32 in one piece",
        tag="one",
    )


def _as_jax(key: Array) -> Array:
    return jax.random.wrap_key_data(key, impl="threefry2x32")


def _folded(key: Array, data: Array | int) -> Array:
    """The key (2,) of a whole number: the hash of it."""
    by_jax = lambda key, data: jax.random.key_data(jax.random.fold_in(_as_jax(key), data))
    one_pass = lambda key, data: jnp.stack(hashed(key[0], key[1], jnp.zeros_like(data), data))
    return on_cpu(one_pass, by_jax, key, jnp.asarray(data, jnp.uint32))


def _bits(key: Array, width: int, shape: tuple[int, ...]) -> Array:
    """Random bits of any width, from key (2,)."""
    if width == 32 and math.prod(shape):
        return _words(shape)(key[None])[0]
    return _by_jax(shape, width)(key)


def _by_jax(shape: tuple[int, ...], width: int) -> Callable[[Array], Array]:
    return lambda key: jax.random.bits(_as_jax(key), shape, jnp.dtype(f"uint{width}"))


@functools.cache
def _words(shape: tuple[int, ...]) -> Callable[[Array], Array]:
    """keys (n, 2) -> uint32 numbers (n, *shape): both words of the hash of their places, combined."""

    @custom_vmap
    def words(keys: Array) -> Array:
        return on_cpu(functools.partial(_in_pieces, shape), jax.vmap(_by_jax(shape, 32)), keys)

    @words.def_vmap
    def batched(axis_size: int, in_batched: list[bool], keys: Array) -> tuple[Array, bool]:
        drawn = words(keys.reshape(-1, 2))
        return drawn.reshape(axis_size, -1, *shape), True

    return words


def _in_pieces(shape: tuple[int, ...], keys: Array) -> Array:
    """In a loop over pieces of the keys; of one key, over pieces of its numbers."""
    count, size = len(keys), math.prod(shape)
    if count == 1:
        rows, length = 1, -(-size // PIECES)
        starts = jnp.arange(PIECES, dtype=jnp.uint32) * np.uint32(length)
        keys = jnp.broadcast_to(keys, (PIECES, 2))
    else:
        pieces = next((number for number in range(PIECES, 2 * PIECES) if count % number == 0), PIECES)
        rows, length = -(-count // pieces), size
        starts = jnp.zeros(pieces, jnp.uint32)
        keys = jnp.pad(keys, ((0, rows * pieces - count), (0, 0)), mode="edge")

    def piece(inputs: tuple[Array, Array]) -> Array:
        keys, start = inputs
        places = start + lax.broadcasted_iota(jnp.uint32, (rows, length), 1)
        first, second = hashed(keys[:, :1], keys[:, 1:], jnp.zeros_like(places), places)
        return first ^ second

    words = lax.map(piece, (keys.reshape(len(starts), rows, 2), starts))
    return words.reshape(-1)[: count * size].reshape(count, *shape)


def hashed(key0: Array, key1: Array, x0: Array, x1: Array) -> tuple[Array, Array]:
    """Threefry-2x32 with 20 rounds, of counters (x0, x1).

    Reference:
        Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
        https://doi.org/10.1145/2063384.2063405
    """
    keys = key0, key1, key0 ^ key1 ^ PARITY
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for group in range(GROUPS):
        for turn in ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = x0 ^ ((x1 << np.uint32(turn)) | (x1 >> np.uint32(32 - turn)))
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1
