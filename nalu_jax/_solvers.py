"""Minimisers of one function of one tree of params, from well-kept libraries, made safe: what is returned is finite.

Both are loops of JAX, to be jitted and vmapped by whoever calls them: stages of `training`, refits of `symbolic`.
`project` solves for the params of a problem that are linear, and leaves the others to them.

>>> import jax.numpy as jnp
>>> from nalu_jax import _solvers
>>> residual = lambda params: jnp.stack([params["a"] - 3, 10 * (params["b"] - params["a"] ** 2)])
>>> start = {"a": jnp.zeros(()), "b": jnp.zeros(())}
>>> found = _solvers.levenberg_marquardt(residual, start, steps=50, rtol=1e-6, atol=1e-8)
>>> round(float(found["a"]), 3), round(float(found["b"]), 3)
(3.0, 9.0)
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from ._trees import all_finite, select

Tree = Any


def lbfgs(objective: Callable[[Tree], Array], params: Tree, *, steps: int, memory: int) -> Tree:
    """optax's L-BFGS with its line search, at most `steps` steps; the params with the lowest objective on the way."""
    solver = optax.lbfgs(memory_size=memory)

    def step(_, carry):
        params, state, best, lowest, alive = carry
        value, gradient = optax.value_and_grad_from_state(objective)(params, state=state)
        better = alive & (value < lowest)
        best, lowest = select(better, params, best), jnp.where(better, value, lowest)
        extras = {"value": value, "grad": gradient, "value_fn": objective}
        updates, new_state = solver.update(gradient, state, params, **extras)
        stepped = optax.apply_updates(params, updates)
        new_state = jax.tree.map(lambda new, old: jnp.asarray(new).astype(old.dtype), new_state, state)
        alive = alive & jnp.isfinite(value) & all_finite(stepped)
        params, state = select(alive, (stepped, new_state), (params, state))
        return params, state, best, lowest, alive

    with jax.numpy_dtype_promotion("standard"):
        state = jax.tree.map(jnp.asarray, solver.init(params))
        start = (params, state, params, objective(params), jnp.asarray(True))
        params, _, best, lowest, _ = lax.fori_loop(0, steps, step, start)
        return select(objective(params) < lowest, params, best)


def levenberg_marquardt(
    residual: Callable[[Tree], Array], params: Tree, *, steps: int, rtol: float, atol: float
) -> Tree:
    """optimistix's Levenberg-Marquardt on the sum of squares of residual(params), an array of any shape.

    At most `steps` steps, fewer where one changes less than rtol and atol. Where a residual is NaN or infinite the step
    that led there counts as bad, and is taken back.
    """
    import optimistix as optx

    # As a jaxpr, with what it closes over as arguments: it is traced once, and Equinox's caches, which are never
    # emptied, do not hold the user's arrays.
    traced = jax.make_jaxpr(residual)(params)
    jaxpr, constants = traced.jaxpr, traced.consts

    def finite_residual(params: Tree, constants: Any) -> Array:
        [values] = jaxpr_as_fun(ClosedJaxpr(jaxpr, constants))(*jax.tree.leaves(params))
        large = jnp.asarray(jnp.finfo(values.dtype).max ** 0.25, values.dtype)
        return jnp.where(jnp.all(jnp.isfinite(values)), values, large)

    solver = _trust_region()(rtol=rtol, atol=atol)
    with jax.numpy_dtype_promotion("standard"):
        return optx.least_squares(finite_residual, solver, params, constants, max_steps=steps, throw=False).value


@functools.cache
def _trust_region() -> Any:
    """optimistix's Gauss-Newton with its own damping and trust region, as it documents how to put them together.

    Normal equations, which for many residuals and few params cost a fraction of QR; the damping keeps them definite,
    and a step that they spoil is taken back like any other. The trust region grows after every step that gains half of
    what it should: by default it waits for 99 %, and creeps along the valleys of redundant params.
    """
    import lineax as lx  # these two take a second to import
    import optimistix as optx

    class TrustRegion(optx.AbstractGaussNewton):
        rtol: float
        atol: float
        norm: Callable[[Tree], Array] = optx.max_norm
        descent: optx.AbstractDescent = optx.DampedNewtonDescent(lx.Normal(lx.Cholesky()))
        search: optx.AbstractSearch = optx.ClassicalTrustRegion(high_cutoff=0.5, high_constant=10.0)
        verbose: Callable[..., None] = lambda **values: None

    return TrustRegion


def project(features: Array, targets: Array, *, ridge: float = 1e-12) -> tuple[Array, Array]:
    """(coefficients, residual) of the least squares fit of targets by features: the linear half of a problem, solved.

    The derivative of the residual by whatever the features depend on is Kaufman's, so that Levenberg-Marquardt on the
    rest is variable projection: the coefficients follow, and need no starting values.

    Args:
        features: (n, m).
        targets: (n,).
        ridge: keeps columns apart that are multiples of one another, relative to their lengths.

    References:
        Golub, Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
        separate", SIAM J. Numer. Anal. 10, 1973; Kaufman, "A variable projection method for solving separable nonlinear
        least squares problems", BIT 15, 1975.
    """
    lengths = lax.stop_gradient(jnp.sqrt(jnp.sum(features**2, axis=0) + jnp.finfo(features.dtype).tiny))
    fixed = lax.stop_gradient(features) / lengths[None]
    below = ridge**0.5 * jnp.eye(features.shape[1], dtype=features.dtype)
    q, r = jnp.linalg.qr(jnp.concatenate([fixed, below]))
    basis = q[: features.shape[0]]
    scaled = jax.scipy.linalg.solve_triangular(r, basis.T @ targets)
    coefficients = lax.stop_gradient(scaled) / lengths
    residual = features @ coefficients - targets
    # the coefficients' own derivative only moves within the span of the features: it is taken out of the residual's
    return coefficients, residual - basis @ (basis.T @ (residual - lax.stop_gradient(residual)))
