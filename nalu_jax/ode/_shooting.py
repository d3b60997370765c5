"""States predicted over windows of the data: from one interval (easy to fit) to the whole of it (what is wanted)."""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .. import _arguments
from ._data import Data
from ._problem import VectorField
from ._rollout import runge_kutta

_TSIT5 = diffrax.Tsit5()
FAILED = (
    1e3  # a residual in units of its weight from which on, or in place of no number at all, a prediction has failed
)
LARGEST = 1e12


class Windows(NamedTuple):
    """The data cut into windows that overlap in one time. Arrays, so that one program serves all data of a shape.

    Attributes:
        ts: (n_windows, length + 1), the first of which is where a window begins.
        ys: (n_windows, length, n_states) measured at the others.
        weights: the same shape, 1 over the standard deviation of a measurement; 0 where none was made.
        starts: (n_windows, n_states) the states to begin with.
        start_ys, start_weights: the same shape, what was measured there, where it was.
        joins: the same shape, weights of the gap between the end of a window and the beginning of the next.
    """

    ts: Any
    ys: Any
    weights: Any
    starts: Any
    start_ys: Any
    start_weights: Any
    joins: Any


@_arguments.checked(
    "ode.windows",
    data=_arguments.instance("trajectories", "Make them with ode.data(ts, ys).", Data),
    states=_arguments.array(),
    noise=_arguments.array(),
    length=_arguments.optional(_arguments.count()),
)
def windows(data: Data, states: np.ndarray, noise: np.ndarray, *, length: int | None = None) -> Windows:
    """Windows of `length` intervals, or of whole trajectories for None. NumPy arrays.

    Args:
        data: the measurements.
        states: (n_trajectories, n_times, n_states) to begin windows with, at all times: measured or smoothed ones.
        noise: (n_states,) the standard deviation of a measurement.
        length: intervals in a window.
    """
    _arguments.check_shape("ode.windows", "states", states, data.ys.shape, "Pass data.ys, or what ode.smooth returned.")
    _arguments.check_shape("ode.windows", "noise", noise, data.ys.shape[-1:], "One standard deviation for each state.")
    intervals = data.ts.shape[1] - 1
    span: int = intervals if length is None else min(length, intervals)
    count = -(-intervals // span)
    missing = count * span - intervals
    step = np.diff(data.ts[:, -2:], axis=1)
    ts = np.concatenate([data.ts, data.ts[:, -1:] + step * np.arange(1, missing + 1)], axis=1)
    padded = lambda array: np.concatenate([array, np.zeros((array.shape[0], missing, array.shape[2]))], axis=1)
    ys, weights = padded(data.ys), padded(data.seen / noise)
    inside = np.arange(span + 1) + span * np.arange(count)[:, None]
    begins = inside[:, 0]
    joined = lambda array: array.reshape(-1, *array.shape[2:])
    joins = np.broadcast_to(1 / noise, (data.ts.shape[0], count, noise.size)).copy()
    joins[:, -1] = 0
    return Windows(
        ts=joined(ts[:, inside]),
        ys=joined(ys[:, inside[:, 1:]]),
        weights=joined(weights[:, inside[:, 1:]]),
        starts=joined(states[:, begins]),
        start_ys=joined(data.ys[:, begins]),
        start_weights=joined((data.seen / noise)[:, begins]),
        joins=joined(joins),
    )


@_arguments.checked(
    "ode.horizon",
    windows=_arguments.instance("windows", "Make them with ode.windows(data, ...).", Windows),
    share=_arguments.number(),
)
def horizon(windows: Windows, share: Any) -> Windows:
    """The windows with only the first `share` of their intervals measured, at least one: a growing horizon.

    Far from the truth, a long prediction says little about where to go: phases slip, and the loss has as many minima as
    there are periods. What a few intervals teach makes the next ones predictable. Gaps count with the whole of it.

    Args:
        windows: as JAX arrays.
        share: from 0 to 1, may be traced: `step / 1000` in a loss that `training.fit` offers its `step`.
    """
    length, dtype = windows.ys.shape[1], windows.weights.dtype
    within = jnp.arange(length, dtype=dtype) < jnp.asarray(share).astype(dtype) * length
    within = within.at[0].set(True)
    weights = jnp.where(within[:, None], windows.weights, 0)
    return windows._replace(weights=weights, joins=jnp.where(within[-1], windows.joins, 0))


@_arguments.checked(
    "ode.shoot",
    field=_arguments.function("(t, y, args) -> dy/dt"),
    starts=_arguments.array(),
    ts=_arguments.array(),
    substeps=_arguments.count(),
)
def shoot(
    field: VectorField,
    args: Any,
    starts: Array,
    ts: Array,
    *,
    substeps: int = 4,
    solver: diffrax.AbstractSolver = _TSIT5,
) -> Array:
    """States (n_windows, length, n_states) at the times ts (n_windows, length + 1) after the first.

    The steps are those of `rollout`, all windows beside one another; from where a state is not finite or beyond
    `LARGEST` on they are inf. Meant for forward mode: derivatives go through the loop, which is quick to compile, as
    the windows already fill the processor.
    """
    _check_starts("ode.shoot", starts, ts)
    step = runge_kutta(field, solver)

    def interval(carry: tuple[Array, Array], times: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        y, alive = carry
        h = (times[1] - times[0]) / substeps
        at = lambda i: times[0] + i.astype(h.dtype) * h
        after = lax.fori_loop(0, substeps, lambda i, y: step(y, at(i), h, args), y)
        alive = alive & (jnp.abs(after) < LARGEST).all()
        return (jnp.where(alive, after, y), alive), jnp.where(alive, after, jnp.full_like(after, jnp.inf))

    def one(start: Array, ts: Array) -> Array:
        return lax.scan(interval, (start, jnp.asarray(True)), (ts[:-1], ts[1:]))[1]

    return jax.vmap(one)(starts, ts)


def _check_starts(caller: str, starts: Array, ts: Array) -> None:
    starts, ts = jnp.asarray(starts), jnp.asarray(ts)
    expected = (ts.shape[0], *starts.shape[-1:]) if ts.ndim and starts.ndim else (1, 1)
    cure = "One state (n_states,) where each window begins, of the dtype of the times."
    _arguments.check_shape(caller, "starts", starts, expected, cure, ts.dtype)


@_arguments.checked(
    "ode.trajectory_residual",
    windows=_arguments.instance("windows", "Make them with ode.windows(data, ...).", Windows),
    field=_arguments.function("(t, y, args) -> dy/dt"),
    substeps=_arguments.count(),
)
def trajectory_residual(
    field: VectorField, args: Any, windows: Windows, *, substeps: int = 4, solver: diffrax.AbstractSolver = _TSIT5
) -> Array:
    """(predicted - measured) * weights, (n_windows, length, n_states), from `windows.starts`.

    0 where nothing was measured. Where the states leave the finite numbers, or a residual is larger than `FAILED`, it
    stays finite and has a finite derivative: a failed solve is a bad one, never NaN.
    """
    predicted = shoot(field, args, windows.starts, windows.ts, substeps=substeps, solver=solver)
    return _bounded(predicted, windows.ys, windows.weights)


@_arguments.checked(
    "ode.shooting_residual",
    windows=_arguments.instance("windows", "Make them with ode.windows(data, ...).", Windows),
    field=_arguments.function("(t, y, args) -> dy/dt"),
    starts=_arguments.array(),
    substeps=_arguments.count(),
)
def shooting_residual(
    field: VectorField,
    args: Any,
    starts: Array,
    windows: Windows,
    *,
    substeps: int = 4,
    solver: diffrax.AbstractSolver = _TSIT5,
) -> Array:
    """All residuals of multiple shooting as one vector: the states where windows begin are unknowns too.

    Those of the measurements, at the beginnings as well, and the gaps between the end of a window and the beginning of
    the next. With windows of whole trajectories it is single shooting with unknown initial states.

    Reference:
        Bock, "Numerical treatment of inverse problems in chemical reaction kinetics", 1981.
    """
    predicted = shoot(field, args, starts, windows.ts, substeps=substeps, solver=solver)
    following = jnp.roll(starts, -1, axis=0)
    parts = (
        _bounded(predicted, windows.ys, windows.weights),
        _bounded(starts, windows.start_ys, windows.start_weights),
        _bounded(predicted[:, -1], following, windows.joins),
    )
    return jnp.concatenate([part.reshape(-1) for part in parts])


def _bounded(predicted: Array, measured: Array, weights: Array) -> Array:
    """(predicted - measured) * weights, growing as a logarithm beyond `FAILED`; `FAILED` where it is not finite."""
    finite = jnp.isfinite(predicted)
    error = (jnp.where(finite, predicted, measured) - measured) * weights
    size = jnp.abs(error)
    beyond = jnp.sign(error) * FAILED * (1 + jnp.log(jnp.maximum(size, FAILED) / FAILED))
    error = jnp.where(size > FAILED, beyond, error)
    return jnp.where(finite, error, jnp.where(weights > 0, FAILED, 0).astype(error.dtype))
