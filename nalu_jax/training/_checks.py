"""The checks that `fit` makes before the first step. Every message says what was expected, what came, and the cure."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Tree = Any


def check_sources(
    data: Tree, batch: Callable[..., Tree] | None, batch_size: int | None, shared: int, restarts: int
) -> None:
    """Raise unless there is exactly one source of batches, and its options fit it."""
    if (data is None) == (batch is None):
        raise ValueError(
            f"fit: expected either data or a function batch, got {'neither' if data is None else 'both'}. "
            "Pass data=(x, y), or batch=lambda key, step: ..."
        )
    if batch_size is not None:
        if data is None:
            raise ValueError("fit: batch_size is for data; the function batch draws as many rows as it likes.")
    if shared != 1 and batch is None:
        raise ValueError(f"fit: shared={shared} is for a function batch; minibatches of data are shuffled per restart.")
    if restarts % shared:
        raise ValueError(f"fit: restarts must be a multiple of shared, got restarts={restarts} and shared={shared}.")


def restart_keys(key: Any, restarts: int) -> Array:
    """(restarts,) keys: `fold_in(key, i)`, or the keys that were given."""
    if not isinstance(key, Array) or not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        got = f"an array of {key.dtype}" if hasattr(key, "dtype") else repr(key)
        raise TypeError(
            f"fit: key must be a key such as jax.random.key(0), got {got}; wrap raw ones with wrap_key_data."
        )
    if key.shape == ():
        return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange(restarts))
    if key.shape != (restarts,):
        raise ValueError(f"fit: key must be one key, or one for each of {restarts} restarts, got shape {key.shape}.")
    return key


def check_context(context: Tree, restarts: int) -> Tree:
    """The context as arrays, after a check that each has a first axis of restarts."""
    context = jax.tree.map(jnp.asarray, context)
    for path, leaf in jax.tree.leaves_with_path(context):
        if leaf.shape[:1] != (restarts,):
            raise ValueError(
                f"fit: context{jax.tree_util.keystr(path)} has shape {leaf.shape}, expected ({restarts}, ...): one "
                "entry for each restart. Repeat it with jnp.repeat or jnp.tile."
            )
    return context


def check_rows(name: str, data: Tree, batch_size: int | None = None) -> Tree:
    """The data as arrays, after a check of their first axis, of NaN and infinity, and of the batch size."""
    data = jax.tree.map(jnp.asarray, data)
    leaves = jax.tree.leaves_with_path(data)
    if not leaves:
        raise ValueError(f"fit: {name} has no arrays, got {data!r}. Pass for example (x, y).")
    sizes = {f"{name}{jax.tree_util.keystr(path)}": leaf.shape for path, leaf in leaves}
    if any(shape == () for shape in sizes.values()) or len({shape[0] for shape in sizes.values()}) != 1:
        shapes = ", ".join(f"{leaf} {shape}" for leaf, shape in sizes.items())
        raise ValueError(f"fit: the arrays of {name} need one first axis, the rows, got {shapes}.")
    rows = leaves[0][1].shape[0]
    if rows == 0:
        raise ValueError(f"fit: {name} has no rows.")
    if batch_size is not None and batch_size > rows:
        raise ValueError(
            f"fit: batch_size is {batch_size}, but data have {rows} rows. Lower it, or leave it out for all."
        )
    for path, leaf in leaves:
        _check_finite(f"{name}{jax.tree_util.keystr(path)}", leaf)
    return data


def _check_finite(name: str, leaf: Array) -> None:
    if not jnp.issubdtype(leaf.dtype, jnp.inexact):
        return
    bad = ~np.isfinite(np.asarray(leaf)).reshape(leaf.shape[0], -1).all(axis=1)
    if bad.any():
        rows = np.flatnonzero(bad)
        more = f" and {rows.size - 1} more" if rows.size > 1 else ""
        raise ValueError(
            f"fit: {name} is NaN or infinite in row {rows[0]}{more} of {bad.size}. Drop such rows, or mend them."
        )


def check_params(params: Tree) -> None:
    """Raise unless params are a tree of float arrays."""
    leaves = jax.tree.leaves_with_path(params)
    if not leaves:
        raise ValueError("fit: init returned a tree without arrays.")
    for path, leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise TypeError(
                f"fit: leaf {jax.tree_util.keystr(path)} of the params is {leaf.dtype}, expected real floating point. "
                "Keep what is not trained out of params: close over it, or make it a context."
            )


def scalar(name: str, value: Any) -> Array:
    """value as an array, after a check that it is one real number."""
    if value is None:
        raise ValueError(f"fit: {name} must return a real floating scalar, got None. Is a return missing?")
    value = jnp.asarray(value)
    if value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
        raise ValueError(f"fit: {name} must return a real floating scalar, got {value.dtype} of shape {value.shape}.")
    return value


def check_like(name: str, params: Tree, result: Tree) -> None:
    """Raise a ValueError unless result has the tree, shapes and dtypes of params."""
    facts = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree) for tree in (params, result)]
    if facts[0] != facts[1] or jax.tree.structure(params) != jax.tree.structure(result):
        raise ValueError(f"fit: {name} must return params as it got them, {facts[0]}; it returned {facts[1]}.")
