"""Real exponents for an equation in the weak form, by variable projection from many starts at once."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _solvers
from ..ode import integrals

MOST = 3  # products in one equation
STARTS = 32
STEPS = 60
LOWEST, HIGHEST = -1.0, 2.0  # of the starts
SAME = 0.02  # exponents that are as near as this are one


class Weak(NamedTuple):
    """One equation's regression: rows are linear in the integrals over intervals.

    Attributes:
        rows: (n_rows, n_intervals).
        weights: (n_intervals, n_nodes) of the quadrature.
        logs: (n_intervals, n_nodes, n_states) logarithms of the states.
        target: (n_rows,).
    """

    rows: Any
    weights: Any
    logs: Any
    target: Any


def real_powers(weak: Weak, *, seed: int = 0) -> list[tuple[np.ndarray, float]]:
    """(exponents (h, n_states), mean square of what is left) of the best fit with h = 1, 2, .. products."""
    n_states = weak.logs.shape[-1]
    normal = np.random.default_rng(seed).uniform(LOWEST, HIGHEST, size=(STARTS, MOST, n_states))
    found = []
    for count in range(1, MOST + 1):
        used = np.arange(MOST) < count
        exponents, errors = _fit(jnp.asarray(normal), jnp.asarray(used), jax.tree.map(jnp.asarray, weak))
        errors = np.where(np.isfinite(errors), errors, np.inf)
        best = int(np.argmin(errors))
        found.append((np.asarray(exponents)[best, :count], float(errors[best])))
    return found


@jax.jit
def _fit(starts: Array, used: Array, weak: Weak) -> tuple[Array, Array]:
    """Exponents and errors of every start; products that are not used are 0."""

    def residual(exponents: Array) -> Array:
        products = jnp.exp(jnp.einsum("iqk,mk->iqm", weak.logs, exponents)) * used[None, None]
        return _solvers.project(weak.rows @ integrals(products, weak.weights), weak.target)[1]

    def one(start: Array) -> tuple[Array, Array]:
        fitted = _solvers.levenberg_marquardt(residual, start, steps=STEPS, rtol=1e-10, atol=1e-10)
        return fitted, jnp.mean(residual(fitted) ** 2)

    return jax.vmap(one)(starts)


def tidied(exponents: np.ndarray) -> np.ndarray:
    """Exponents of which those near 0 are 0."""
    return np.where(np.abs(exponents) < SAME, 0.0, exponents)


def joined(equations: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(exponents, reads): the products of all equations, nearly equal ones once, and which equation has which."""
    exponents: list[np.ndarray] = []
    reads: list[list[bool]] = []
    for k, products in enumerate(equations):
        for product in products:
            near = [i for i, other in enumerate(exponents) if np.abs(other - product).max() < 5 * SAME]
            if not near:
                exponents.append(product)
                reads.append([False] * len(equations))
            reads[near[0] if near else -1][k] = True
    return np.array(exponents), np.array(reads, bool)
