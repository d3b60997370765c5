"""Trajectories of a system that was found: its rates in JAX, solved by diffrax."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import PPoly

from ..ode import solve
from ._engine.candidate import SATURATING
from ._formula import Factor, Formula, Term
from ._known_rates import KnownRates
from ._systems.inputs import INTERPOLATED, curve

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": jnp.sin,
    "cos": jnp.cos,
    "exp": jnp.exp,
    "log": jnp.log,
    "tanh": jnp.tanh,
    "abs": jnp.abs,
    **{name: lambda u, power=power: 1 / (1 + u**power) for name, power in SATURATING.items()},
}
MOST_STEPS = 10**5  # of the solver


def states(
    rates: Sequence[Formula],
    known: Callable[..., Any] | None,
    y0: Any,
    ts: Any,
    inputs: Any = None,
    held: Sequence[str] = (),
) -> np.ndarray:
    """(n_times, n_states) from y0 on; `held` says how each input is held between the times.

    Raises:
        ValueError: y0 of another length, times that do not increase, or inputs of another shape.
    """
    y0 = np.asarray(y0, float)
    if y0.shape != (len(rates),):
        raise ValueError(f"simulate: y0 must have shape ({len(rates)},), got {y0.shape}.")

    driving = _driving(rates[0].names[len(rates) :], np.asarray(ts, float), inputs, held)

    def field(t: Any, y: Any, args: Any) -> Any:
        driven = driving(t)
        found = jnp.stack([_rate(rate, jnp.concatenate([y, driven])) for rate in rates])
        if known is None:
            return found
        return found + (known(t, y, driven) if isinstance(known, KnownRates) else known(t, y))

    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        return np.asarray(solve(field, y0, np.asarray(ts, float), None, max_steps=MOST_STEPS).ys)


def _driving(names: Sequence[str], ts: np.ndarray, inputs: Any, held: Sequence[str]) -> Callable[[Any], Any]:
    """(t,) -> (n_inputs,) of samples at the times."""
    if not names:
        if inputs is not None:
            raise ValueError("simulate: inputs were given, and the system has none.")
        return lambda t: jnp.zeros(0)
    wanted = f"simulate: the system has the inputs {', '.join(map(repr, names))}: pass inputs"
    if inputs is None:
        raise ValueError(f"{wanted}=values, a row for each time.")
    rows = np.asarray(inputs, float)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.shape != (ts.size, len(names)) or not np.isfinite(rows).all():
        raise ValueError(f"{wanted} of shape {(ts.size, len(names))}, finite numbers, got {rows.shape}.")
    kinds = held or (INTERPOLATED,) * len(names)
    pieces = [PPoly.from_spline(curve(ts, column, kind)) for column, kind in zip(rows.T, kinds, strict=True)]

    def at(t: Any) -> Any:
        return jnp.stack([_piece(jnp.asarray(each.x), jnp.asarray(each.c), t) for each in pieces])

    return at


def _piece(edges: Any, coefficients: Any, t: Any) -> Any:
    """A piecewise polynomial: coefficients (degree + 1, pieces), those of the highest power first."""
    place = jnp.clip(jnp.searchsorted(edges, t, side="right") - 1, 0, coefficients.shape[1] - 1)
    return jnp.polyval(coefficients[:, place], t - edges[place])


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
