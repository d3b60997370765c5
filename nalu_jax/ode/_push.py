"""Forwards through an adaptive solve: from tangents of all that it depends on to those of the saved states.

Stage after stage; under a `vmap` over many tangents of one solve, as in `jax.jacfwd`, through whole Jacobians by
reverse mode. A batching rule sees which it is.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap

from .. import _compiler
from . import _lanes
from ._adaptive import find, points, weights_at
from ._replay import Given, Leaves, Replay, after, blocks_of, each_lane, matrices, product, refilled, steps_of
from ._tableau import Tableau


def push(replay: Replay, given: Given, y0_dot: Array, leaves_dot: Leaves) -> Array:
    """The tangent (n_times, n_states) of the saved states."""
    sequential = functools.partial(_push, replay)
    chosen = custom_vmap(sequential)

    @chosen.def_vmap
    def batched(axis_size: int, in_batched: Any, *arguments: Any) -> tuple[Any, Any]:
        only_tangents = not any(jax.tree.leaves(in_batched[0])) and all(jax.tree.leaves(in_batched[1:]))
        few = y0_dot.size <= _compiler.ROLLOUT_DENSE and axis_size >= 2 * y0_dot.size
        if only_tangents and few and not replay.times_move:
            return _push_many(replay, *arguments), True
        return each_lane(sequential, axis_size, in_batched, *arguments)

    return chosen(given, y0_dot, leaves_dot)


def _push(replay: Replay, given: Given, y0_dot: Array, leaves_dot: Leaves) -> Array:
    leaves, method = replay.leaves(given), replay.settings.method
    a, b = matrices(method, y0_dot.dtype)

    def one_block(carry: tuple) -> tuple:
        number, y_dot, saved_dot, record = carry
        record = refilled(replay, given, record, number, backwards=False)
        steps, count = steps_of(replay, given, record, number)

        def by_leaves(leaves: Leaves) -> tuple[Array, ...]:
            placed = replay.placed(given, steps, leaves)
            return *points(method, placed), after(method, placed)

        (times, ys, _), own = jax.jvp(by_leaves, (leaves,), (leaves_dot,))

        def one_step(carry: tuple) -> tuple:
            index, y_dot, dots = carry
            times_, ys_, (times_dot, ys_dot, after_dot), t, t_next = _lanes.get(
                (times, ys, own, steps.t, steps.t_next), index
            )
            h = t_next - t

            def one_stage(carry: tuple, stage: Any) -> tuple[tuple, None]:
                slopes_dot, number = carry
                time, y, time_dot, own_dot, row = stage
                stage_dot = y_dot + own_dot + h * (row[:, None] * slopes_dot).sum(axis=0)
                rate = functools.partial(replay.rate, given)
                _, rate_dot = jax.jvp(rate, (time, y, leaves), (time_dot, stage_dot, leaves_dot))
                return (_lanes.put(slopes_dot, rate_dot, number), number + 1), None

            start = jnp.zeros_like(ys_), jnp.zeros((), jnp.int32)
            (slopes_dot, _), _ = lax.scan(one_stage, start, (times_, ys_, times_dot, ys_dot, a))
            dots = _lanes.put(dots, (y_dot, slopes_dot), index)
            return index + 1, y_dot + after_dot + h * (b[:, None] * slopes_dot).sum(axis=0), dots

        carry = jnp.zeros_like(count), y_dot, jax.tree.map(jnp.zeros_like, (steps.y, steps.slopes))
        _, y_dot, (ys_dot, slopes_dot) = lax.while_loop(lambda carry: carry[0] < count, one_step, carry)
        saved = lambda y, slopes, leaves: replay.saved(given, count, steps._replace(y=y, slopes=slopes), leaves)
        block_dot = jax.jvp(saved, (steps.y, steps.slopes, leaves), (ys_dot, slopes_dot, leaves_dot))[1]
        return number + 1, y_dot, saved_dot + block_dot, record

    saved_dot = jnp.zeros_like(given.run.saved).at[0].set(y0_dot)
    carry = jnp.zeros((), jnp.int32), y0_dot, saved_dot, given.run.record
    return lax.while_loop(lambda carry: carry[0] < blocks_of(given), one_block, carry)[2]


def _push_many(replay: Replay, given: Given, y0_dots: Array, leaves_dots: Leaves) -> Array:
    """The tangents (m, n_times, n_states) along many directions (m, ...): through the Jacobians of the field.

    Where the states are few, these cost less than the tangents: one pass of reverse mode for each state.
    """
    method, states = replay.settings.method, y0_dots.shape[-1]
    directions = _flat(leaves_dots, 1).T

    def one_block(carry: tuple) -> tuple:
        number, y_dots, saved_dots, record = carry
        record = refilled(replay, given, record, number, backwards=False)
        steps, count = steps_of(replay, given, record, number)
        times, ys = points(method, steps)

        def at_stage(time: Array, y: Array) -> tuple[Array, Array]:
            """The Jacobians of the field by the state, and by all leaves side by side."""
            _, pull_rate = jax.vjp(lambda y, leaves: replay.rate(given, time, y, leaves), y, replay.leaves(given))
            by_state, by_leaves = jax.vmap(pull_rate)(jnp.eye(states, dtype=y.dtype))
            return by_state, _flat(by_leaves, 1)

        jacobians, by_leaves = jax.vmap(jax.vmap(at_stage))(times, ys)
        own = jnp.einsum("njsp,pm->njsm", by_leaves, directions, precision="highest")
        h = steps.t_next - steps.t
        # of each step: from unit tangents of the state before it, and from those of the leaves
        unit = jnp.eye(states, dtype=ys.dtype)
        forth = jax.vmap(functools.partial(_step_forwards, method), (0, 0, 0, None))
        nothing = jnp.zeros((*own.shape[:-1], states), own.dtype)
        by_state, matrices = forth(h, jacobians, nothing, unit)
        by_own, pushes = forth(h, jacobians, own, jnp.zeros_like(y_dots))

        def chain(y_dots: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
            matrix, push = row
            return product(matrix, y_dots) + push, y_dots

        y_dots, before_dots = lax.scan(chain, y_dots, (matrices, pushes))
        at = find(steps, count, given.ts)
        lengths, weights = weights_at(replay.settings, steps, at, given.ts)
        along = lambda slopes: lengths[:, None, None] * (weights[..., None, None] * slopes[at.step]).sum(axis=1)
        from_state = unit[None] + along(by_state)
        values = jax.vmap(product)(from_state, before_dots[at.step]) + along(by_own)
        return number + 1, y_dots, jnp.where(at.found[:, None, None], values, saved_dots), record

    saved_dots = jnp.zeros((given.ts.size, states, len(y0_dots)), y0_dots.dtype).at[0].set(y0_dots.T)
    carry = jnp.zeros((), jnp.int32), y0_dots.T, saved_dots, given.run.record
    saved_dots = lax.while_loop(lambda carry: carry[0] < blocks_of(given), one_block, carry)[2]
    return jnp.moveaxis(saved_dots, -1, 0)


def _step_forwards(method: Tableau, h: Array, jacobians: Array, own: Array, y_dots: Array) -> tuple[Array, Array]:
    """Through one step, m tangents (n_states, m) of the state, and `own` (n_stages, n_states, m) of the field beside.

    Returns:
        the tangents (n_stages, n_states, m) of the slopes, and (n_states, m) of the state after the step.
    """
    combined = lambda weights, dots: [weight * dot for weight, dot in zip(weights, dots, strict=True) if weight != 0]
    slopes: list[Array] = []
    for stage, weights in enumerate(method.a):
        terms = combined(weights, slopes)
        inner = y_dots + h * functools.reduce(jnp.add, terms) if terms else y_dots
        slopes.append(product(jacobians[stage], inner) + own[stage])
    return jnp.stack(slopes), y_dots + h * functools.reduce(jnp.add, combined(method.b, slopes))


def _flat(leaves: Leaves, axes: int) -> Array:
    """The leaves side by side: (..., n) of those (..., *shape) with so many axes in front."""
    return jnp.concatenate([leaf.reshape(*leaf.shape[:axes], -1) for leaf in leaves], axis=-1)
