"""The known part of the rates, a function in JAX, as the search has it: in NumPy and in scaled states."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._systems.problem import Known


def of(known: Callable[..., Any], scale: np.ndarray) -> Known:
    """Rates and derivatives of a function (t, y) -> rates in the units of the data.

    Raises:
        ValueError: it returns something else than (n_states,).
    """
    n_states = len(scale)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        found = jax.eval_shape(known, jnp.zeros(()), jnp.zeros(n_states))
    if getattr(found, "shape", None) != (n_states,):
        got = getattr(found, "shape", found)
        raise ValueError(f"discover.ode: known(t, y) must return an array of shape ({n_states},), got {got}.")
    rates = jax.jit(jax.vmap(known))
    jacobian = jax.jit(jax.vmap(jax.jacfwd(known, argnums=1)))

    def scaled_rates(times: np.ndarray, states: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
            return np.asarray(rates(times, states * scale)) / scale

    def scaled_jacobian(times: np.ndarray, states: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
            return np.asarray(jacobian(times, states * scale)) * scale / scale[:, None]

    return Known(scaled_rates, scaled_jacobian)
