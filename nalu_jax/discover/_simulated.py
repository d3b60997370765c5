"""Trajectories of a system that was found: its rates in JAX, solved by diffrax."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..ode import solve
from ._formula import Factor, Formula, Term

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": jnp.sin,
    "cos": jnp.cos,
    "exp": jnp.exp,
    "log": jnp.log,
    "tanh": jnp.tanh,
    "abs": jnp.abs,
}
MOST_STEPS = 10**5  # of the solver


def states(rates: Sequence[Formula], known: Callable[..., Any] | None, y0: Any, ts: Any) -> np.ndarray:
    """(n_times, n_states) from y0 on.

    Raises:
        ValueError: y0 of another length, or times that do not increase.
    """
    y0 = np.asarray(y0, float)
    if y0.shape != (len(rates),):
        raise ValueError(f"simulate: y0 must have shape ({len(rates)},), got {y0.shape}.")

    def field(t: Any, y: Any, args: Any) -> Any:
        found = jnp.stack([_rate(rate, y) for rate in rates])
        return found if known is None else found + known(t, y)

    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        return np.asarray(solve(field, y0, np.asarray(ts, float), None, max_steps=MOST_STEPS).ys)


def _rate(rate: Formula, y: Any) -> Any:
    terms = [_term(term, y) for term in rate.terms]
    above = rate.form.groups[0]
    total = sum(terms[:above], jnp.zeros((), y.dtype))
    return total if rate.form.kind == "sum" else total / (1 + sum(terms[above:], jnp.zeros((), y.dtype)))


def _term(term: Term, y: Any) -> Any:
    value = jnp.asarray(term.coefficient.value, y.dtype)
    for factor in term.factors:
        value = value * _factor(factor, y)
    return value


def _factor(factor: Factor, y: Any) -> Any:
    column = factor.column
    base = sum(weight * y[i] for i, weight in zip(column.inputs, column.weights, strict=True))
    base = base if column.function is None else FUNCTIONS[column.function](base)
    power = factor.exponent.value
    return base ** int(power) if power == int(power) else base**power
