"""Explicit Runge-Kutta methods as plain numbers, read from diffrax's solvers.

>>> import diffrax
>>> from nalu_jax.ode import _tableau
>>> heun = _tableau.tableau(diffrax.Heun())
>>> heun.a, heun.b, heun.c, heun.error
(((), (1.0,)), (0.5, 0.5), (0.0, 1.0), (0.5, -0.5))
"""

import functools
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Rows = tuple[tuple[float, ...], ...]


class Tableau(NamedTuple):
    """Coefficients of an explicit method.

    Attributes:
        a: of each stage, the weights of the stages before it.
        b: weights of the stages in the result.
        c: time of each stage in the step, from 0 to 1.
        error: weights of the stages in the error estimate.
        reuses: whether the last stage of a step is the first one of the next.
    """

    a: Rows
    b: tuple[float, ...]
    c: tuple[float, ...]
    error: tuple[float, ...]
    reuses: bool


def tableau(solver: Any) -> Tableau | None:
    """The coefficients of an explicit Runge-Kutta solver of diffrax; None of any other."""
    if type(solver) is diffrax.Euler:  # of a solver that wraps another, isinstance asks the other
        return Tableau(((),), (1.0,), (0.0,), (0.0,), False)
    found = getattr(solver, "tableau", None)
    if not isinstance(solver, diffrax.AbstractERK) or not isinstance(found, diffrax.ButcherTableau):
        return None
    if type(solver).step is not diffrax.AbstractERK.step:  # a subclass that does something else with them
        return None
    numbers = lambda row: tuple(np.asarray(row, float).tolist())
    a = ((), *(numbers(row) for row in found.a_lower))
    return Tableau(a, numbers(found.b_sol), (0.0, *numbers(found.c)), numbers(found.b_error), bool(found.fsal))


def moved(y: Array, h: Array, weights: tuple[float, ...], slopes: list[Array]) -> Array:
    """y + h * sum of weights * slopes."""
    terms = [weight * slope for weight, slope in zip(weights, slopes, strict=True) if weight != 0]
    return y + jnp.broadcast_to(h, y.shape) * functools.reduce(jnp.add, terms) if terms else y


def weighted(weights: Array, slopes: Array) -> Array:
    """Sum (..., n_states) over stages of weights (..., n_stages) times slopes (..., n_stages, n_states).

    Written out: XLA's own sum over an axis that is not the last one takes several times as long on CPU (jax 0.10.2).
    """
    terms = [weights[..., stage, None] * slopes[..., stage, :] for stage in range(slopes.shape[-2])]
    return functools.reduce(jnp.add, terms)


def dense_weights(solver: Any, method: Tableau, theta: Array) -> Array:
    """Weights (n_stages,) of the slopes in the state at the part theta of a step, as the solver interpolates.

    Every interpolation of a Runge-Kutta step is linear in its slopes: diffrax's own is applied to slopes that are the
    unit vectors.
    """
    stages = len(method.b)
    zero, one = jnp.zeros((), theta.dtype), jnp.ones((), theta.dtype)
    end = jnp.asarray(method.b, theta.dtype)
    k = jnp.eye(stages, dtype=theta.dtype)
    with jax.numpy_dtype_promotion("standard"):  # diffrax's own arithmetic mixes dtypes
        interpolation = solver.interpolation_cls(t0=zero, t1=one, y0=jnp.zeros_like(end), y1=end, k=k)
        return interpolation.evaluate(theta)
