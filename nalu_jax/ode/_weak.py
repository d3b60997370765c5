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
    values, weights = jnp.asarray(values), jnp.asarray(weights)
    expected = values.shape[:-1][-weights.ndim :] if 0 < weights.ndim < values.ndim else values.shape[:-1]
    _arguments.check_shape("ode.integrals", "weights", weights, expected, "One for each node of values.")
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
    times, nodes = jnp.asarray(times), jnp.asarray(nodes)
    shapes = {"nodes": nodes, "weights": weights, "changes": changes, "scale": scale}
    expected = {"nodes": (*times.shape, nodes.shape[-1] if nodes.ndim else 1), "weights": times.shape}
    ends = (*times.shape[:1], *expected["nodes"][-1:])
    for name, array in shapes.items():
        _arguments.check_shape("ode.weak_residual", name, array, expected.get(name, ends), "See its docstring.")
    rates = jax.vmap(jax.vmap(lambda t, y: field(t, y, args)))(times, nodes)
    return (integrals(rates, weights) - changes) / scale
