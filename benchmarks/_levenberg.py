"""Levenberg-Marquardt for many starts at once, and the choice of a start by held-out data.

`levenberg_marquardt` is the textbook method with Marquardt's scaling and a fixed number of steps, so that it runs under
`vmap`. The Jacobian is that of each row by reverse mode: the scripts here have many parameters and few outputs.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree

Params = Any


def levenberg_marquardt(row_residual: Callable[..., Array], params: Params, rows: Any, *, steps: int) -> Params:
    """Params with a lower sum of squares of all rows' residuals; a step that does not lower it is not taken.

    Args:
        row_residual: (params, row) -> (k,) residuals of one row.
        params: the start, a tree of arrays of one dtype.
        rows: a tree of arrays with a leading axis of rows.
        steps: number of trials.
    """
    start, unravel = ravel_pytree(params)

    def residuals(theta: Array) -> Array:
        return jax.vmap(lambda row: row_residual(unravel(theta), row))(rows)

    def jacobian(theta: Array) -> Array:
        of_row = lambda row: jax.jacrev(lambda theta: row_residual(unravel(theta), row))(theta)
        return jax.vmap(of_row)(rows)

    def cost_of(theta: Array) -> Array:
        cost = jnp.sum(residuals(theta) ** 2)
        return jnp.where(jnp.isfinite(cost), cost, jnp.inf)

    def step(state: tuple[Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array], None]:
        theta, damping, cost = state
        j = jacobian(theta).reshape(-1, theta.size)
        normal, gradient = j.T @ j, j.T @ residuals(theta).reshape(-1)
        scale = jnp.diag(normal)
        scale = jnp.maximum(scale, 1e-12 * jnp.max(scale)) + jnp.finfo(theta.dtype).tiny
        trial = theta - jnp.linalg.solve(normal + damping * jnp.diag(scale), gradient)
        trial_cost = cost_of(trial)
        better = trial_cost < cost
        damping = jnp.clip(jnp.where(better, damping / 3, damping * 4), 1e-15, 1e10)
        return (jnp.where(better, trial, theta), damping, jnp.where(better, trial_cost, cost)), None

    first = (start, jnp.asarray(1e-2, start.dtype), cost_of(start))
    (theta, _, _), _ = lax.scan(step, first, None, length=steps)
    return unravel(theta)


def best_of(params: Params, errors: Array) -> Params:
    """The entry of params (starts, ...) with the lowest of errors (starts,); NaN counts as infinite."""
    best = jnp.argmin(jnp.where(jnp.isnan(errors), jnp.inf, errors))
    return jax.tree.map(lambda leaf: leaf[best], params)
