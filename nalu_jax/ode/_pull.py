"""Backwards through an adaptive solve: from a gradient by the saved states to those by all that they depend on.

The record says where the field was evaluated. "In parallel", its Jacobians at all stages of a block of steps are
computed at once, and what is left is algebra of small matrices; "in sequence", stage after stage, which is less work in
more and smaller pieces. A batching rule chooses: in sequence where a `vmap` over solves fills the pieces, and for large
states.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap

from .. import _compiler
from . import _lanes
from ._adaptive import Steps, find, points, weights_at
from ._replay import Given, Leaves, Replay, after, blocks_of, each_lane, matrices, product, refilled, steps_of
from ._tableau import Tableau, weighted

Bars = tuple[Array, Array]
"""A gradient by the states (n, n_states) before the steps of a block, and by its slopes (n, n_stages, n_states)."""


def pull(replay: Replay, given: Given, saved_bar: Array) -> tuple[Array, Leaves]:
    """The gradient by (y0, leaves) of a function with this gradient (n_times, n_states) by the saved states."""
    parallel = functools.partial(_pull, replay, _block_in_parallel)
    sequential = functools.partial(_pull, replay, _block_in_sequence)
    if saved_bar.shape[-1] > _compiler.ROLLOUT_DENSE:
        return sequential(given, saved_bar)
    chosen = custom_vmap(parallel)
    chosen.def_vmap(functools.partial(each_lane, sequential))
    return chosen(given, saved_bar)


def _pull(replay: Replay, block: Callable[..., Any], given: Given, saved_bar: Array) -> tuple[Array, Leaves]:
    leaves, method = replay.leaves(given), replay.settings.method

    def one_block(carry: tuple) -> tuple:
        number, y_bar, leaves_bar, record = carry
        number = number - 1
        record = refilled(replay, given, record, number, backwards=True)
        steps, count = steps_of(replay, given, record, number)
        bars = _saved_bars(replay, given, count, steps, saved_bar)
        y_bar, own, stage_bars, after_bars = block(replay, given, steps, count, bars, y_bar)
        leaves_bar = jax.tree.map(jnp.add, leaves_bar, own)
        if replay.times_move:

            def by_leaves(leaves: Leaves) -> tuple[Array, ...]:
                placed = replay.placed(given, steps, leaves)
                return *points(method, placed), after(method, placed), replay.saved(given, count, steps, leaves)

            more = jax.vjp(by_leaves, leaves)[1]((*stage_bars, after_bars, saved_bar))[0]
            leaves_bar = jax.tree.map(jnp.add, leaves_bar, more)
        return number, y_bar, leaves_bar, record

    zeros = jax.tree.map(jnp.zeros_like, leaves)
    carry = blocks_of(given), jnp.zeros_like(saved_bar[0]), zeros, given.run.record
    _, y_bar, leaves_bar, _ = lax.while_loop(lambda carry: carry[0] > 0, one_block, carry)
    return y_bar + saved_bar[0], leaves_bar  # the first saved state is y0


def _saved_bars(replay: Replay, given: Given, count: Array, steps: Steps, saved_bar: Array) -> Bars:
    """By the states and slopes of a block, as far as interpolation goes."""
    at = find(steps, count, given.ts)
    h, weights = weights_at(replay.settings, steps, at, given.ts)
    ours = jnp.where(at.found[:, None], saved_bar, jnp.zeros_like(saved_bar))
    chosen = (at.step[:, None] == jnp.arange(_compiler.SOLVE_BLOCK, dtype=at.step.dtype)[None]).astype(ours.dtype)
    ys_bar = jnp.einsum("tn,ts->ns", chosen, ours, precision="highest")
    to_slopes = (h[:, None] * weights)[..., None] * ours[:, None]
    return ys_bar, jnp.einsum("tn,tjs->njs", chosen, to_slopes, precision="highest")


def _block_in_parallel(
    replay: Replay, given: Given, steps: Steps, count: Array, bars: Bars, y_bar: Array
) -> tuple[Array, Leaves, tuple[Array, Array], Array]:
    """Backwards through a block, from the gradient y_bar (n_states,) by the state after it.

    Returns:
        the gradient by the state before it, by the leaves, by the times and states of all stages, and by the states
        (n_steps, n_states) after the steps.
    """
    method, states = replay.settings.method, y_bar.size
    block, number = _compiler.SOLVE_BLOCK, _compiler.SOLVE_PARTS
    times, ys = points(method, steps)
    h = steps.t_next - steps.t
    every_stage = jax.vmap(jax.vmap(functools.partial(replay.rate, given), (0, 0, None)), (0, 0, None))
    leaves = replay.leaves(given)
    # Parts of a loop, and not all at once: what the loop reads is computed before it. In one piece, XLA computes the
    # field again for every product that the derivative has with it (jax 0.10.2 on CPU; an optimization_barrier is
    # removed too early). Goes when it does not.
    parts = lambda x: x.reshape(number, block // number, *x.shape[1:])
    pulls = jax.vmap(lambda times, ys: jax.vjp(every_stage, times, ys, leaves)[1])(parts(times), parts(ys))
    unit = jnp.broadcast_to(jnp.eye(states, dtype=ys.dtype)[:, None, None], (states, *parts(ys).shape[1:]))
    of_part = lambda part: jnp.moveaxis(jax.vmap(lambda bar: part[1](bar)[1])(unit), 0, 2)
    jacobians = lax.map(of_part, (jnp.arange(number), pulls))  # with a number: a linear field leaves nothing in pulls
    jacobians = jacobians.reshape(block, len(method.b), states, states)  # (..., to, from)

    # of each step: from unit gradients by the state after it, and from that by its slopes
    ys_bar, slopes_bar = bars
    after_bars = jnp.eye(states + 1, states, dtype=ys.dtype)
    own = jnp.zeros((block, len(method.b), states + 1, states), ys.dtype).at[:, :, -1].set(slopes_bar)
    back = functools.partial(_step_backwards, method)
    by_slopes, by_state = jax.vmap(back, (0, 0, 0, None))(h, jacobians, own, after_bars)

    def chain(after_bar: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        matrix, before_bar = row
        return product(after_bar[None], matrix)[0] + before_bar, after_bar

    y_bar, after_bars = lax.scan(chain, y_bar, (by_state[:, :-1], by_state[:, -1] + ys_bar), reverse=True)
    rates_bar = (after_bars[:, None, :, None] * by_slopes[:, :, :-1]).sum(axis=2) + by_slopes[:, :, -1]

    def one_part(leaves_bar: Leaves, part: Any) -> tuple[Leaves, tuple[Array, Array]]:
        pull, rates_bar = part
        *by_points, own = pull(rates_bar)
        return jax.tree.map(jnp.add, leaves_bar, own), tuple(by_points)

    leaves_bar, by_points = lax.scan(one_part, jax.tree.map(jnp.zeros_like, leaves), (pulls, parts(rates_bar)))
    times_bar, stages_bar = by_points
    return y_bar, leaves_bar, (times_bar.reshape(times.shape), stages_bar.reshape(ys.shape)), after_bars


def _step_backwards(method: Tableau, h: Array, jacobians: Array, slopes_bar: Array, after_bar: Array) -> Bars:
    """Through one step, of m gradients.

    Args:
        jacobians: (n_stages, n_states, n_states) of the field.
        slopes_bar: (n_stages, m, n_states) by its slopes.
        after_bar: (m, n_states) by the state after it.

    Returns:
        the whole gradient by the slopes, and by the state before, (m, n_states).
    """
    whole: dict[int, Array] = {}
    inner: dict[int, Array] = {}  # by the state at which a stage evaluates the field
    for stage in reversed(range(len(method.b))):
        later = [(method.a[other][stage], inner[other]) for other in inner if method.a[other][stage] != 0]
        terms = [(method.b[stage], after_bar), *later] if method.b[stage] != 0 else later
        bar = slopes_bar[stage]
        if terms:
            bar = bar + h * functools.reduce(jnp.add, [weight * term for weight, term in terms])
        whole[stage] = bar
        inner[stage] = product(bar, jacobians[stage])
    before_bar = functools.reduce(jnp.add, inner.values(), after_bar)
    return jnp.stack([whole[stage] for stage in range(len(method.b))]), before_bar


def _block_in_sequence(
    replay: Replay, given: Given, steps: Steps, count: Array, bars: Bars, y_bar: Array
) -> tuple[Array, Leaves, tuple[Array, Array], Array]:
    """The same as `_block_in_parallel`, stage by stage."""
    method, leaves = replay.settings.method, replay.leaves(given)
    all_points = points(method, steps)
    a, b = matrices(method, y_bar.dtype)

    def one_step(carry: tuple) -> tuple:
        index, y_bar, leaves_bar, times_bar, stages_bar, after_bars = carry
        index = index - 1
        (times, ys), ys_bar, slopes_bar, t, t_next = _lanes.get((all_points, *bars, steps.t, steps.t_next), index)
        h = t_next - t
        pulls = jax.vmap(lambda time, y: jax.vjp(functools.partial(replay.rate, given), time, y, leaves)[1])(times, ys)

        def one_stage(carry: tuple, stage: Any) -> tuple[tuple, Array]:
            inner, leaves_bar, number = carry
            pull_rate, slope_bar, weight, column = stage
            bar = slope_bar + h * (weight * y_bar + weighted(column, inner))
            time_bar, stage_bar, own = pull_rate(bar)
            leaves_bar = jax.tree.map(jnp.add, leaves_bar, own)
            return (_lanes.put(inner, stage_bar, number), leaves_bar, number - 1), time_bar

        start = jnp.zeros_like(ys), leaves_bar, jnp.asarray(len(b) - 1, jnp.int32)
        stages = pulls, slopes_bar, b, a.T
        (inner, leaves_bar, _), time_bars = lax.scan(one_stage, start, stages, reverse=True)
        if replay.times_move:
            written = (times_bar, stages_bar, after_bars)
            times_bar, stages_bar, after_bars = _lanes.put(written, (time_bars, inner, y_bar), index)
        return index, y_bar + inner.sum(axis=0) + ys_bar, leaves_bar, times_bar, stages_bar, after_bars

    kept = jax.tree.map(jnp.zeros_like, (*all_points, steps.y))
    carry = count, y_bar, jax.tree.map(jnp.zeros_like, leaves), *kept
    _, y_bar, leaves_bar, times_bar, stages_bar, after_bars = lax.while_loop(lambda c: c[0] > 0, one_step, carry)
    return y_bar, leaves_bar, (times_bar, stages_bar), after_bars
