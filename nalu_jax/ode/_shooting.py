"""States predicted over windows of the data: from one interval (easy to fit) to the whole of it (what is wanted)."""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jax import Array, lax

from ._problem import VectorField
from ._rollout import rollout

_TSIT5 = diffrax.Tsit5()
FAILED = 1e3  # the residual, in its units, where the states left the finite numbers


class Windows(NamedTuple):
    """What the residual of shooting compares with, as JAX arrays: data, so that one program serves every horizon.

    Attributes:
        ts: (n_times,) increasing.
        ys: (n_times, n_states) measured states.
        weights: the same shape, 1 / their standard deviation; 0 where not seen.
        anchors: the same shape, the states that windows begin with.
        begins: (n_times,) True where a window begins. The first one always begins with `start`, a parameter.
    """

    ts: Array
    ys: Array
    weights: Array
    anchors: Array
    begins: Array


def shoot(
    field: VectorField,
    args: Any,
    start: Array,
    windows: Windows,
    *,
    substeps: int = 4,
    solver: diffrax.AbstractSolver = _TSIT5,
) -> Array:
    """States (n_times, n_states) as predicted from the beginning of the window before; the first is `start`.

    Steps are those of `rollout`, and so are the derivatives, in both modes. With no other window than the first it is
    the solution of the initial value problem. States are inf from where they left the finite numbers until the next
    window begins.
    """

    def interval(y: Array, inputs: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        ts, anchor, begins = inputs
        y = jnp.where(begins, anchor, y)
        # a rollout from states that are not finite would be refused; the mark of failure is put back behind it
        finite = jnp.isfinite(y).all()
        after = rollout(field, jnp.where(finite, y, anchor), ts, args, solver=solver, substeps=substeps).ys[1]
        after = jnp.where(finite, after, jnp.full_like(after, jnp.inf))
        return after, after

    pairs = jnp.stack([windows.ts[:-1], windows.ts[1:]], axis=1)
    begins = windows.begins[:-1].at[0].set(False)
    _, after = lax.scan(interval, start, (pairs, windows.anchors[:-1], begins))
    return jnp.concatenate([start[None], after])


def shooting_residual(
    field: VectorField,
    args: Any,
    start: Array,
    windows: Windows,
    *,
    substeps: int = 4,
    solver: diffrax.AbstractSolver = _TSIT5,
) -> Array:
    """(predicted - measured) * weights, (n_times, n_states): 0 where nothing was seen, and never NaN or infinite.

    One that is larger than `FAILED` counts as it would at that size, but smoothly: a failed solve is a bad one.
    """
    predicted = shoot(field, args, start, windows, substeps=substeps, solver=solver)
    finite = jnp.isfinite(predicted)
    error = (jnp.where(finite, predicted, windows.ys) - windows.ys) * windows.weights
    error = jnp.where(finite, error, FAILED * jnp.sign(windows.weights))
    large = jnp.abs(error) > FAILED
    inside = jnp.where(large, jnp.full_like(error, FAILED), jnp.abs(error))
    grown = FAILED * (1 + jnp.log(jnp.maximum(jnp.abs(error), FAILED) / FAILED))
    return jnp.where(large, jnp.sign(error) * grown, jnp.sign(error) * inside)


def every(n_times: int, length: int | None) -> Array:
    """(n_times,) where windows of `length` intervals begin; None is one window over all."""
    index = jnp.arange(n_times)
    return index == 0 if length is None else index % length == 0


def residual_of_all(field: VectorField, args: Any, starts: Array, windows: Windows, *, substeps: int = 4) -> Array:
    """`shooting_residual` of several trajectories, (n_trajectories, n_times, n_states): arrays with one axis more."""
    one = lambda start, windows: shooting_residual(field, args, start, windows, substeps=substeps)
    return jax.vmap(one)(starts, windows)
