"""Gradients by gradsolve (0.2.1), which records the accepted steps and replays them as `ode.solve` does. Needs it."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

os.environ.setdefault("GRADSOLVE_X64", "0")  # else importing it switches the whole process to float64

with jax.enable_x64(True):  # its constants are of float64
    import gradsolve  # pyright: ignore[reportMissingImports]


class Ensemble(NamedTuple):
    """What gradsolve asks of a problem: f_jax(t, y, theta) -> dy/dt of one trajectory."""

    name: str
    dim: int
    t0: float
    t1: float
    is_stiff: bool
    f_jax: Callable[[Any, Array, Array], Array]


class Calls(NamedTuple):
    """Calls without arguments.

    Attributes:
        record: solves, and gives a function of thetas that holds near those it was recorded at.
        replay: compiled, the losses and their gradients of a record that was made before.
    """

    record: Callable[[], Any]
    replay: Callable[[], Any]


def calls(
    field: Callable[[Any, Array, Array], Array],
    y0: Array,
    ts: Array,
    thetas: Array,
    data: Array,
    *,
    tolerance: float,
) -> Calls:
    """Of mean squared errors of all restarts, thetas (restarts, parameters), at all times but the first."""
    starts = np.tile(np.asarray(y0), (len(thetas), 1))
    times, ends = np.asarray(ts[1:]), (float(ts[0]), float(ts[-1]))
    ensemble = Ensemble("units", len(y0), *ends, is_stiff=False, f_jax=field)

    def record() -> Any:
        return gradsolve.grad_closure(
            ensemble, starts, np.asarray(thetas), saveat=times, rtol=tolerance, atol=tolerance / 100, device="cpu"
        )

    states = record()
    losses = lambda values: ((states(values) - data) ** 2).mean((1, 2))

    @jax.jit
    def gradients(values: Array) -> tuple[Array, Array]:
        found, backward = jax.vjp(losses, values)
        return found, backward(np.ones(len(values)))[0]

    return Calls(record, lambda: gradients(thetas))
