"""The weak form: what a vector field adds up to between two times, without a derivative of the data."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .. import _arguments
from ._problem import VectorField


@_arguments.checked("ode.integrals", values=_arguments.array(), weights=_arguments.array())
def integrals(values: Array, weights: Array) -> Array:
    """Integrals (..., n_intervals, n) of values (..., n_intervals, n_nodes, n) at nodes with weights (..., n_nodes)."""
    return jnp.sum(values * weights[..., None], axis=-2)


@_arguments.checked(
    "ode.weak_residual",
    field=_arguments.function("(t, y, args) -> dy/dt"),
    times=_arguments.array(whole=False),
    nodes=_arguments.array(),
    weights=_arguments.array(),
    changes=_arguments.array(),
    scale=_arguments.array(),
)
def weak_residual(
    field: VectorField, args: Any, times: Array, nodes: Array, weights: Array, changes: Array, scale: Array
) -> Array:
    """(integral of the field - change of the state) / scale over every interval, (n_intervals, n_states).

    Args:
        field: (t, y, args) -> dy/dt.
        args: its args.
        times: (n_intervals, n_nodes) of a quadrature rule.
        nodes: (n_intervals, n_nodes, n_states) states there, from a spline through the data.
        weights: (n_intervals, n_nodes) of the rule.
        changes: (n_intervals, n_states) of the measured states.
        scale: the same shape.

    Reference:
        Messenger, Bortz, "Weak SINDy: Galerkin-based data-driven model selection", 2021,
        https://arxiv.org/abs/2005.04339, of which intervals as test functions are the simplest case.
    """
    shapes = {"nodes": nodes, "weights": weights, "changes": changes, "scale": scale}
    expected = {"nodes": (*times.shape, nodes.shape[-1] if nodes.ndim else 1), "weights": times.shape}
    ends = (*times.shape[:1], *expected["nodes"][-1:])
    for name, array in shapes.items():
        _arguments.check_shape("ode.weak_residual", name, array, expected.get(name, ends), "See its docstring.")
    rates = jax.vmap(jax.vmap(lambda t, y: field(t, y, args)))(times, nodes)
    return (integrals(rates, weights) - changes) / scale
<<<<<<< HEAD


@_arguments.checked(
    "ode.project", features=_arguments.array(whole=False), targets=_arguments.array(), ridge=_arguments.number(0.0)
)
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
    rows = features.shape[:1] if features.ndim == 2 else (1,)
    _arguments.check_shape("ode.project", "features", features, (*rows, features.shape[-1]), "Stack columns (n, m).")
    _arguments.check_shape("ode.project", "targets", targets, rows, "One for each row of features.", features.dtype)
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
=======
>>>>>>> main
