"""An adaptive solve with a derivative of its own: the steps are recorded, and the derivative replays them."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import eval_jaxpr
from jax.custom_derivatives import SymbolicZero
from jax.dtypes import float0

from .. import _compiler
from ._adaptive import Field, Run, Settings, integrate
from ._problem import VectorField
from ._pull import pull
from ._push import push
from ._replay import Given, Leaves, Replay
from ._tableau import Tableau


def recorded(
    vector_field: VectorField,
    y0: Array,
    ts: Array,
    args: Any,
    solver: Any,
    method: Tableau,
    *,
    substeps: int | None,
    rtol: float,
    atol: float,
    max_steps: int,
    checkpoints: int | None,
) -> tuple[Array, Array, Array]:
    """(the states at the times, whether the end was reached, the steps that were tried), as `solve` describes them."""
    field, arrays = _explicit(vector_field, y0, ts, args)
    length = min(_compiler.SOLVE_RECORD if checkpoints is None else checkpoints, max_steps)
    settings = Settings(solver, method, rtol, atol, max_steps, -(-length // _compiler.SOLVE_BLOCK))

    def run(settings: Settings, *problem: Any, keep: bool) -> Run:
        y0, ts, arrays = lax.stop_gradient(problem)
        first = None if substeps is None else (ts[1] - ts[0]) / substeps
        return integrate(settings, field(arrays), y0, ts, first, keep=keep)

    @jax.custom_jvp
    def states(y0: Array, ts: Array, arrays: Any) -> tuple[Array, Array, Array]:
        result = run(settings._replace(blocks=1), y0, ts, arrays, keep=False)
        return result.saved, result.finished, result.steps

    def derivative(primals: Any, tangents: Any) -> tuple[Any, Any]:
        y0, ts, arrays = primals
        result = run(settings, *primals, keep=True)
        moving = {k: dot for k, dot in enumerate(jax.tree.leaves(tangents[1:])) if not isinstance(dot, SymbolicZero)}
        y0_dot = None if isinstance(tangents[0], SymbolicZero) else tangents[0]
        replay = Replay(settings, field, tuple(moving))
        saved_dot = _linear(replay, Given(result, ts, arrays), y0, y0_dot, list(moving.values()))
        constant = lambda x: np.zeros(x.shape, float0)
        outs = result.saved, result.finished, result.steps
        return outs, (saved_dot, constant(result.finished), constant(result.steps))

    states.defjvp(derivative, symbolic_zeros=True)
    saved, finished, steps = states(y0.reshape(-1), ts, arrays)
    return saved.reshape(ts.size, *y0.shape), finished, steps


def _explicit(vector_field: VectorField, y0: Array, ts: Array, args: Any) -> tuple[Callable[[Any], Field], Any]:
    """(arrays -> the field of a flat state, the arrays): those in args, and those that the field closes over."""
    inside, fixed = eqx.partition(args, eqx.is_array)
    closed = jax.make_jaxpr(lambda t, y, inside: vector_field(t, y, eqx.combine(inside, fixed)))(ts[0], y0, inside)

    def field(arrays: Any) -> Field:
        inside, consts = arrays
        rate = lambda t, y: eval_jaxpr(closed.jaxpr, consts, t, y, *jax.tree.leaves(inside))[0]
        return lambda t, y: rate(t, y.reshape(y0.shape)).reshape(-1)

    return field, (inside, closed.consts)


def _linear(replay: Replay, given: Given, y0: Array, y0_dot: Array | None, leaves_dot: Leaves) -> Array:
    """The tangent of the saved states: `push`, whose transpose is `pull`.

    A function with a transpose of its own is the solution (u, w + push(u)) of a linear system: see `_finite_gradient`
    in `_solve` for why, and for when this goes.
    """

    def solve(_: Any, b: tuple[Any, Array]) -> tuple[Any, Array]:
        u, saved_dot = b
        return u, saved_dot + push(replay, given, *u)

    def transpose_solve(_: Any, x: tuple[Any, Array]) -> tuple[Any, Array]:
        u_bar, saved_bar = x
        return jax.tree.map(jnp.add, u_bar, pull(replay, given, saved_bar)), saved_bar

    def system(x: tuple[Any, Array]) -> tuple[Any, Array]:
        one = _once(y0, given.ts, given.args)  # what a derivative of the system would differentiate: there is none
        return jax.tree.map(lambda leaf: leaf * one.astype(leaf.dtype), x)

    # all of b must depend on what moves, the zeros too
    some = jax.tree.leaves((y0_dot, leaves_dot))[0].reshape(-1)[:1].astype(y0.dtype)
    zeros = lambda shape: jnp.where(jnp.zeros(shape, bool), some, jnp.zeros(shape, y0.dtype))
    y0_dot = zeros(y0.shape) if y0_dot is None else y0_dot
    b = (y0_dot, leaves_dot), zeros(given.run.saved.shape)
    return lax.custom_linear_solve(system, b, solve, transpose_solve)[1]


@jax.custom_jvp
def _once(*primals: Any) -> Array:
    """1, which refuses to be differentiated."""
    return jnp.ones((), jnp.float32)


@_once.defjvp
def _refuse(primals: Any, tangents: Any) -> tuple[Any, Any]:
    raise NotImplementedError(
        "solve: the derivative of an adaptive solve has no derivative. For second derivatives pass "
        "adjoint=diffrax.DirectAdjoint() to solve, or use nalu_jax.ode.rollout."
    )
