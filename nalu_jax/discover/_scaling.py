"""Between the units of the data and those in which states and rates are of order one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..ode import Data


class Scale(NamedTuple):
    """One of each is so much in the units of the data.

    Attributes:
        states: for each state.
        time: of time.
    """

    states: tuple[float, ...]
    time: float


def scale_of(data: Data) -> Scale:
    """Standard deviations of the states, and a time in which they change by as much."""
    states = data.scale
    both = data.seen[:, 1:] & data.seen[:, :-1]
    rates = np.diff(data.ys, axis=1) / states / np.diff(data.ts)[..., None]
    typical = np.sqrt(np.mean(rates[both] ** 2)) if both.any() else 1.0
    return Scale(tuple(states.tolist()), float(1 / typical) if typical > 0 else 1.0)


def scaled(data: Data, scale: Scale) -> Data:
    """The data in these units."""
    return data._replace(ts=data.ts / scale.time, ys=data.ys / np.array(scale.states))


def scaled_rates(known: Callable[..., Any], scale: Scale) -> Callable[..., Any]:
    """(t, y) -> dy/dt, both in these units, of known rates in those of the data."""

    def rates(t: Any, y: Any) -> Any:
        states = jnp.asarray(scale.states, y.dtype)
        return known(t * scale.time, y * states) * scale.time / states

    return rates


def unscaled(exponents: np.ndarray, coefficients: np.ndarray, scale: Scale) -> np.ndarray:
    """Coefficients (n_terms, n_states) in the units of the data."""
    states = np.array(scale.states)
    products = np.prod(states**exponents, axis=1) if len(exponents) else np.ones(0)
    return coefficients * states / scale.time / products[:, None]
