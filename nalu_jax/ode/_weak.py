"""The weak form: what a vector field adds up to between two times, without a derivative of the data."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ._problem import VectorField


def integrals(values: Array, weights: Array) -> Array:
    """Integrals (..., n_intervals, n) of values (..., n_intervals, n_nodes, n) at nodes with weights (..., n_nodes)."""
    return jnp.sum(values * weights[..., None], axis=-2)


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
    rates = jax.vmap(jax.vmap(lambda t, y: field(t, y, args)))(times, nodes)
    return (integrals(rates, weights) - changes) / scale
