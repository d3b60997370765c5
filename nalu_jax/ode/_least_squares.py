"""Levenberg-Marquardt over the free entries of a tree, by optimistix."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optimistix as optx
from jax import Array
from jax.flatten_util import ravel_pytree
import jax

Tree = Any


def least_squares(
    residual: Callable[..., Array],
    params: Tree,
    data: Tree,
    *,
    free: Tree = None,
    steps: int = 50,
    rtol: float = 1e-8,
    atol: float = 1e-10,
) -> tuple[Tree, Array]:
    """Params of a lower sum of squares, and that sum. It works under vmap, over params, data and masks.

    Args:
        residual: (params, data) -> an array of any shape.
        params: a tree of floating arrays of one dtype, the start.
        data: any tree.
        free: booleans like params, False where an entry stays as it is; None leaves all free.
        steps: at most so many.
        rtol, atol: where a step changes less than that, it ends.
    """
    flat, unravel = ravel_pytree(params)
    moves = jnp.ones(flat.shape, bool) if free is None else ravel_pytree(free)[0].astype(bool)

    def of_free(theta: Array, data: Tree) -> Array:
        return residual(unravel(jnp.where(moves, theta, flat)), data).reshape(-1)

    with jax.numpy_dtype_promotion("standard"):
        solver = optx.LevenbergMarquardt(rtol=rtol, atol=atol)
        found = optx.least_squares(of_free, solver, flat, data, max_steps=steps, throw=False, options={"jac": "fwd"})
    theta = jnp.where(moves, found.value, flat)
    begin, end = (jnp.sum(of_free(each, data) ** 2) for each in (flat, theta))
    better = end < begin
    return unravel(jnp.where(better, theta, flat)), jnp.where(better, end, begin)
