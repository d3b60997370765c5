"""Functions of whole trees of arrays.

>>> import jax.numpy as jnp
>>> from nalu_jax import _trees
>>> _trees.split({"w": jnp.ones((6, 2))}, 3)["w"].shape
(2, 3, 2)
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Tree = Any


def all_finite(tree: Tree) -> Array:
    """Whether every entry is finite, a scalar."""
    return functools.reduce(jnp.logical_and, [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)])


def select(condition: Array, chosen: Tree, other: Tree) -> Tree:
    """The whole tree `chosen` where the scalar condition holds, else `other`."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), chosen, other)


def split(tree: Tree, size: int) -> Tree:
    """Every leaf (n, ...) as (n / size, size, ...)."""
    return jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0] // size, size, *leaf.shape[1:]), tree)


def join(tree: Tree) -> Tree:
    """The inverse of `split`."""
    return jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:]), tree)
