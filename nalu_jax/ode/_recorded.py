"""An adaptive solve with a derivative of its own: the steps are recorded, and the derivative replays them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero
from jax.dtypes import float0

from ._adaptive import BLOCK, Field, Run, Settings, integrate
from ._problem import VectorField
from ._replay import Given, Leaves, Replay, pull, push
from ._tableau import Tableau

RECORD = 256  # steps of which a record has room: more than most solves take


def recorded(
    vector_field: VectorField,
    y0: Array,
    ts: Array,
    args: Any,
    solver: Any,
    method: Tableau,
    first: Array | None,
    *,
    rtol: Any,
    atol: Any,
    max_steps: int,
    checkpoints: int | None,
) -> tuple[Array, Array, Array, Array]:
    """(the states at the times, the times, whether the end was reached, the steps that were tried).

    Args:
        first: the length of the first step; None is diffrax's choice. It counts as constant.
        checkpoints: steps that the record holds; those of a longer solve are computed again for the derivative.
    """
    moving, fixed = eqx.partition(args, eqx.is_inexact_array)
    shape = y0.shape
    whole, closed_over = jax.closure_convert(
        lambda t, y, moving: vector_field(t, y, eqx.combine(moving, fixed)), ts[0], y0, moving
    )

    def field(args: Any) -> Field:
        moving, closed_over = args
        return lambda t, y: whole(t, y.reshape(shape), moving, *closed_over).reshape(-1)

    length = min(RECORD if checkpoints is None else checkpoints, max_steps)
    settings = Settings(solver, method, rtol, atol, max_steps, -(-length // BLOCK))
    brief = settings._replace(blocks=1)

    def run(settings: Settings, y0: Array, ts: Array, args: Any) -> Run:
        y0, ts, args, start = lax.stop_gradient((y0, ts, args, first))
        return integrate(settings, field(args), y0, ts, start)

    @jax.custom_jvp
    def states(y0: Array, ts: Array, args: Any) -> tuple[Array, Array, Array]:
        result = run(brief, y0, ts, args)
        return result.saved, result.finished, result.steps

    def derivative(primals: Any, tangents: Any) -> tuple[Any, Any]:
        y0, ts, args = primals
        result = run(settings, *primals)
        dots = [None if isinstance(dot, SymbolicZero) else dot for dot in jax.tree.leaves(tangents[1:])]
        places = tuple(place for place, dot in enumerate(dots) if dot is not None)
        leaves_dot = [dots[place] for place in places]
        y0_dot = None if isinstance(tangents[0], SymbolicZero) else tangents[0]
        saved_dot = _linear(Replay(settings, field, places), Given(result, ts, args), y0, y0_dot, leaves_dot)
        nothing = lambda x: np.zeros(x.shape, float0)
        outs = result.saved, result.finished, result.steps
        return outs, (saved_dot, nothing(result.finished), nothing(result.steps))

    states.defjvp(derivative, symbolic_zeros=True)
    saved, finished, steps = states(y0.reshape(-1), ts, (moving, closed_over))
    return saved.reshape(ts.size, *shape), ts, finished, steps


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
