"""Levenberg-Marquardt for many starts at once, and the choice of a start by held-out data.

`levenberg_marquardt` is the textbook method with Marquardt's scaling. It is not `training.levenberg_marquardt`
(optimistix) for speed: with hundreds of parameters and few outputs a row, the Jacobian of each row by reverse mode and
the normal equations take a fraction of the time of forward-mode columns and their QR decomposition.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree

Params = Any
SOLVED = 1e-27  # a mean square, a little above that of rounding errors in float64
PATIENCE = 25


class State(NamedTuple):
    """Trials so far, those since progress was last made, params, damping factor, sum of squares."""

    trials: Array
    stalled: Array
    theta: Array
    damping: Array
    cost: Array


def levenberg_marquardt(row_residual: Callable[..., Array], params: Params, rows: Any, *, steps: int) -> Params:
    """Params with a lower sum of squares of all rows' residuals; a step that does not lower it is not taken.

    Args:
        row_residual: (params, row) -> (k,) residuals of one row.
        params: the start, a tree of arrays of one dtype.
        rows: a tree of arrays with a leading axis of rows.
        steps: number of trials; fewer where the mean square falls below `SOLVED` (residuals are to be of order 1), or
            has not fallen by 0.1 % in any of the last `PATIENCE` trials.
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

    def step(state: State) -> State:
        trials, stalled, theta, damping, cost = state
        j = jacobian(theta).reshape(-1, theta.size)
        normal, gradient = j.T @ j, j.T @ residuals(theta).reshape(-1)
        scale = jnp.diag(normal)
        scale = jnp.maximum(scale, 1e-12 * jnp.max(scale)) + jnp.finfo(theta.dtype).tiny
        trial = theta - jnp.linalg.solve(normal + damping * jnp.diag(scale), gradient)
        trial_cost = cost_of(trial)
        better = trial_cost < cost
        damping = jnp.clip(jnp.where(better, damping / 3, damping * 4), 1e-15, 1e10)
        stalled = jnp.where(trial_cost < 0.999 * cost, 0, stalled + 1)
        return State(trials + 1, stalled, jnp.where(better, trial, theta), damping, jnp.where(better, trial_cost, cost))

    size = jax.eval_shape(residuals, start).size
    none = jnp.zeros((), int)
    first = State(none, none, start, jnp.asarray(1e-2, start.dtype), cost_of(start))
    goes_on = lambda state: (state.trials < steps) & (state.stalled < PATIENCE) & (state.cost > SOLVED * size)
    return unravel(lax.while_loop(goes_on, step, first).theta)


def best_of(params: Params, errors: Array) -> Params:
    """The entry of params (starts, ...) with the lowest of errors (starts,); NaN counts as infinite."""
    best = jnp.argmin(jnp.where(jnp.isnan(errors), jnp.inf, errors))
    return jax.tree.map(lambda leaf: leaf[best], params)
