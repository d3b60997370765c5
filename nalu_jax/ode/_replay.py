"""The derivative of an adaptive solve: its steps again, with the lengths that they had, forwards or backwards.

The steps are known, so that all of a block can be differentiated at once ("parallel": the Jacobians by the state first,
then a chain of small matrices, then everything else), or one after another ("sequential"), which is less work in more
and smaller pieces. Batching rules choose: sequential where a `vmap` over solves fills the pieces, and for large states;
under a `vmap` over tangents of one solve, as in `jax.jacfwd`, whole Jacobians of the steps by reverse mode.

Step lengths count as constants, as in diffrax; the ends of the first and the last step move with the times.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap

from .._compiler import ROLLOUT_DENSE
from . import _lanes
from ._adaptive import BLOCK, Field, Record, Run, Settings, dense, dense_state, find, run_segment, stages
from ._tableau import moved

Leaves = list[Array]
"""What moves beside the first state: some of the leaves of (ts, args)."""


class Given(NamedTuple):
    """Where the derivative is taken: a run with its record, the save times, and the args of the field."""

    run: Run
    ts: Array
    args: Any


class Replay(NamedTuple):
    """What is the same in all lanes.

    Attributes:
        settings: of the run.
        field: args -> the field.
        places: of the leaves that move, among those of (ts, args); ts is at 0.
    """

    settings: Settings
    field: Callable[[Any], Field]
    places: tuple[int, ...]

    def leaves(self, ts: Array, args: Any) -> Leaves:
        """Those that move."""
        flat = jax.tree.leaves((ts, args))
        return [flat[place] for place in self.places]

    def moved(self, given: Given, leaves: Leaves) -> tuple[Array, Any]:
        """(ts, args) with these leaves."""
        flat, tree = jax.tree.flatten((given.ts, given.args))
        for place, leaf in zip(self.places, leaves, strict=True):
            flat[place] = leaf
        return jax.tree.unflatten(tree, flat)

    def step(self, given: Given, t: Array, t_next: Array, y: Array, leaves: Leaves) -> tuple[Array, Array]:
        """(slopes (n_stages, n_states), the state (n_states,) after the step)."""
        ts, args = self.moved(given, leaves)
        t, t_next = _placed(given.ts, ts, t, t_next)
        slopes = stages(self.settings.method, self.field(args), t, t_next, y)
        return jnp.stack(slopes), moved(y, t_next - t, self.settings.method.b, slopes)

    def saved(self, given: Given, steps: Record, count: Array, y: Array, slopes: Array, leaves: Leaves) -> Array:
        """(n_times, n_states) from the states and slopes of a block; 0 at times that are not in it."""
        ts, _ = self.moved(given, leaves)
        at = find(steps, count, given.ts)
        placed = jax.vmap(functools.partial(_placed, given.ts, ts))(steps.t, steps.t_next)
        values = dense(self.settings, Record(*placed, y), slopes, at, ts)
        return jnp.where(at.found[:, None], values, jnp.zeros_like(values))


def _placed(before: Array, ts: Array, t: Array, t_next: Array) -> tuple[Array, Array]:
    """The times of a step, which move with the ends of ts."""
    first, last = ts[0] - before[0], ts[-1] - before[-1]
    start = t + first
    return start, jnp.where(t_next > t, t_next + jnp.where(t_next >= before[-1], last, first), start)


# --- backwards --------------------------------------------------------------------------------------------------------


def pull(replay: Replay, given: Given, saved_bar: Array) -> tuple[Array, Leaves]:
    """The gradient by (y0, leaves) of a function with this gradient (n_times, n_states) by the saved states."""
    parallel = functools.partial(_pull, replay, _block_in_parallel)
    sequential = functools.partial(_pull, replay, _block_in_sequence)
    if saved_bar.shape[-1] > ROLLOUT_DENSE:
        return sequential(given, saved_bar)
    chosen = custom_vmap(parallel)
    chosen.def_vmap(functools.partial(_each_lane, sequential))
    return chosen(given, saved_bar)


def _each_lane(function: Callable[..., Any], axis_size: int, in_batched: Any, *arguments: Any) -> tuple[Any, Any]:
    """A batching rule: function of every lane."""
    axes = jax.tree.map(lambda batched: 0 if batched else None, tuple(in_batched))
    outs = jax.vmap(function, axes, axis_size=axis_size)(*arguments)
    return outs, jax.tree.map(lambda _: True, outs)


def _pull(replay: Replay, block: Callable[..., Any], given: Given, saved_bar: Array) -> tuple[Array, Leaves]:
    leaves = replay.leaves(given.ts, given.args)

    def one_block(carry: tuple) -> tuple:
        number, y_bar, leaves_bar, record = carry
        number = number - 1
        record = _refilled(replay, given, record, number, backwards=True)
        steps, count = _steps(replay, given, record, number)
        one = functools.partial(replay.step, given)
        slopes = _slopes(replay, one, steps, leaves)
        saved = lambda y, slopes, leaves: replay.saved(given, steps, count, y, slopes, leaves)
        _, pull_saved = jax.vjp(saved, steps.y, slopes, leaves)
        ys_bar, slopes_bar, more = pull_saved(saved_bar)
        y_bar, own = block(one, steps, count, leaves, ys_bar, slopes_bar, y_bar)
        return number, y_bar, _sum(_sum(leaves_bar, more), own), record

    zeros = jax.tree.map(jnp.zeros_like, leaves)
    # y0 is saved as it is
    carry = _blocks(given), jnp.zeros_like(saved_bar[0]), zeros, given.run.record
    _, y_bar, leaves_bar, _ = lax.while_loop(lambda carry: carry[0] > 0, one_block, carry)
    return y_bar + saved_bar[0], leaves_bar


def _block_in_parallel(
    one: Callable[..., Any], steps: Record, count: Array, leaves: Leaves, ys_bar: Array, slopes_bar: Array, y_bar: Array
) -> tuple[Array, Leaves]:
    """Backwards through a block: (the gradient by the state before it, and by the leaves).

    Args:
        ys_bar, slopes_bar: (BLOCK, ...) gradient by the state before each step and by its slopes, as far as
            interpolation goes.
        y_bar: (n_states,) by the state after the block.
    """
    states = y_bar.size

    def by_the_state(t: Array, t_next: Array, y: Array, slopes_bar: Array) -> Array:
        """(n_states + 1, n_states): the Jacobian of the state after the step, and the gradient by way of the slopes."""
        (slopes, _), pull = jax.vjp(lambda y: one(t, t_next, y, leaves), y)
        to_slopes = jnp.zeros((states + 1, *slopes.shape), y.dtype).at[-1].set(slopes_bar)
        return jax.vmap(lambda *bars: pull(bars)[0])(to_slopes, jnp.eye(states + 1, states, dtype=y.dtype))

    found = jax.vmap(by_the_state)(*steps, slopes_bar)

    def chain(after_bar: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        jacobian, before_bar = row
        return (after_bar[:, None] * jacobian).sum(axis=0) + before_bar, after_bar

    y_bar, after_bars = lax.scan(chain, y_bar, (found[:, :-1], found[:, -1] + ys_bar), reverse=True)
    all_steps = lambda leaves: jax.vmap(lambda *step: one(*step, leaves))(*steps)
    _, pull = jax.vjp(all_steps, leaves)
    return y_bar, pull((slopes_bar, after_bars))[0]


def _block_in_sequence(
    one: Callable[..., Any], steps: Record, count: Array, leaves: Leaves, ys_bar: Array, slopes_bar: Array, y_bar: Array
) -> tuple[Array, Leaves]:
    """The same as `_block_in_parallel`, step by step."""

    def one_step(carry: tuple) -> tuple:
        index, y_bar, leaves_bar = carry
        index = index - 1
        t, t_next, y = _lanes.get(steps, index)
        from_saved, to_slopes = _lanes.get((ys_bar, slopes_bar), index)
        _, pull = jax.vjp(lambda y, leaves: one(t, t_next, y, leaves), y, leaves)
        before_bar, own = pull((to_slopes, y_bar))
        return index, before_bar + from_saved, _sum(leaves_bar, own)

    carry = count, y_bar, jax.tree.map(jnp.zeros_like, leaves)
    _, y_bar, leaves_bar = lax.while_loop(lambda carry: carry[0] > 0, one_step, carry)
    return y_bar, leaves_bar


# --- forwards ---------------------------------------------------------------------------------------------------------


def push(replay: Replay, given: Given, y0_dot: Array, leaves_dot: Leaves) -> Array:
    """The tangent (n_times, n_states) of the saved states."""
    sequential = functools.partial(_push, replay)
    chosen = custom_vmap(sequential)

    @chosen.def_vmap
    def batched(axis_size: int, in_batched: Any, *arguments: Any) -> tuple[Any, Any]:
        only_tangents = not any(jax.tree.leaves(in_batched[0])) and all(jax.tree.leaves(in_batched[1:]))
        states = y0_dot.size
        if only_tangents and states <= ROLLOUT_DENSE and axis_size >= 2 * states:
            return _push_many(replay, *arguments), True
        return _each_lane(sequential, axis_size, in_batched, *arguments)

    return chosen(given, y0_dot, leaves_dot)


def _push(replay: Replay, given: Given, y0_dot: Array, leaves_dot: Leaves) -> Array:
    leaves = replay.leaves(given.ts, given.args)
    stages = len(replay.settings.method.b)

    def one_block(carry: tuple) -> tuple:
        number, y_dot, saved_dot, record = carry
        record = _refilled(replay, given, record, number, backwards=False)
        steps, count = _steps(replay, given, record, number)
        one = functools.partial(replay.step, given)

        def one_step(carry: tuple) -> tuple:
            index, y_dot, ys_dot, slopes_dot = carry
            t, t_next, y = _lanes.get(steps, index)
            step = lambda y, leaves: one(t, t_next, y, leaves)
            _, (own, after_dot) = jax.jvp(step, (y, leaves), (y_dot, leaves_dot))
            ys_dot, slopes_dot = _lanes.put((ys_dot, slopes_dot), (y_dot, own), index)
            return index + 1, after_dot, ys_dot, slopes_dot

        empty = jnp.zeros_like(steps.y), jnp.zeros((BLOCK, stages, y_dot.size), y_dot.dtype)
        carry = jnp.zeros_like(count), y_dot, *empty
        _, y_dot, ys_dot, slopes_dot = lax.while_loop(lambda carry: carry[0] < count, one_step, carry)
        saved = lambda y, slopes, leaves: replay.saved(given, steps, count, y, slopes, leaves)
        primals = steps.y, _slopes(replay, one, steps, leaves), leaves
        _, block_dot = jax.jvp(saved, primals, (ys_dot, slopes_dot, leaves_dot))
        return number + 1, y_dot, saved_dot + block_dot, record

    saved_dot = jnp.zeros_like(given.run.saved).at[0].set(y0_dot)
    carry = jnp.zeros((), jnp.int32), y0_dot, saved_dot, given.run.record
    return lax.while_loop(lambda carry: carry[0] < _blocks(given), one_block, carry)[2]


def _push_many(replay: Replay, given: Given, y0_dots: Array, leaves_dots: Leaves) -> Array:
    """The tangents (m, n_times, n_states) along many directions (m, ...): through Jacobians of the steps.

    An entry of a step's result costs one pass of reverse mode, whatever the number of directions. The state at a save
    time is one more result, of the step that contains it.
    """
    leaves = replay.leaves(given.ts, given.args)
    directions = _flat(leaves_dots, len(y0_dots)).T
    states, times = y0_dots.shape[-1], given.ts.size

    def along(function: Callable[..., Array], y: Array, y_dots: Array) -> tuple[Array, Array]:
        """Of function(y, leaves) (n_states,): the Jacobian by y, and the tangents (n_states, m) by the leaves alone."""
        _, pull = jax.vjp(function, y, leaves)
        by_state, by_leaves = jax.vmap(pull)(jnp.eye(states, dtype=y.dtype))
        return by_state, _flat(by_leaves, states) @ directions

    def one_block(carry: tuple) -> tuple:
        number, y_dots, found, found_dots, record = carry
        record = _refilled(replay, given, record, number, backwards=False)
        steps, count = _steps(replay, given, record, number)
        after = lambda t, t_next, y: along(lambda y, leaves: replay.step(given, t, t_next, y, leaves)[1], y, y_dots)
        jacobians, pushes = jax.vmap(after)(*steps)

        def chain(y_dots: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
            jacobian, push = row
            return (jacobian[..., None] * y_dots).sum(axis=1) + push, y_dots

        y_dots, before_dots = lax.scan(chain, y_dots, (jacobians, pushes))
        at = find(steps, count, given.ts)
        here = lambda new, old: jnp.where(at.found.reshape(-1, *[1] * (old.ndim - 1)), new[at.index], old)
        found, found_dots = jax.tree.map(here, (steps, before_dots), (found, found_dots))
        return number + 1, y_dots, found, found_dots, record

    start, end = (jnp.broadcast_to(time, (times,)) for time in (given.ts[0], given.ts[-1]))
    found = Record(start, end, jnp.broadcast_to(given.run.saved[0], (times, states)))
    found_dots = jnp.zeros((times, states, len(y0_dots)), y0_dots.dtype)
    carry = jnp.zeros((), jnp.int32), y0_dots.T, found, found_dots, given.run.record
    _, _, found, found_dots, _ = lax.while_loop(lambda carry: carry[0] < _blocks(given), one_block, carry)

    def at_time(index: Array, t: Array, t_next: Array, y: Array, y_dots: Array) -> Array:
        def state(y: Array, leaves: Leaves) -> Array:
            ts, _ = replay.moved(given, leaves)
            slopes, _ = replay.step(given, t, t_next, y, leaves)
            return dense_state(replay.settings, *_placed(given.ts, ts, t, t_next), y, slopes, ts[index])

        jacobian, pushes = along(state, y, y_dots)
        return (jacobian[..., None] * y_dots).sum(axis=1) + pushes

    dots = jax.vmap(at_time)(jnp.arange(times), *found, found_dots)
    reached = jnp.isfinite(given.run.saved).all(axis=1)
    dots = jnp.where(reached[:, None, None], dots, jnp.zeros_like(dots)).at[0].set(y0_dots.T)
    return jnp.moveaxis(dots, -1, 0)


# --- both -------------------------------------------------------------------------------------------------------------


def _blocks(given: Given) -> Array:
    return (given.run.count + BLOCK - 1) // BLOCK


def _slopes(replay: Replay, one: Callable[..., Any], steps: Record, leaves: Leaves) -> Array:
    """The slopes of a block, which the derivative of its saved states needs where the times move, and else not."""
    if 0 in replay.places:
        return jax.vmap(lambda *step: one(*step, leaves)[0])(*steps)
    return jnp.zeros((BLOCK, len(replay.settings.method.b), steps.y.shape[-1]), steps.y.dtype)


def _steps(replay: Replay, given: Given, record: Record, number: Array) -> tuple[Record, Array]:
    """The steps of a block, and how many were tried; the others repeat the first state in steps of length 0."""
    steps = _lanes.rows(record, number % replay.settings.blocks * BLOCK, BLOCK)
    count = jnp.minimum(given.run.count - number * BLOCK, BLOCK)
    filled = jnp.arange(BLOCK) < count
    t, y = jnp.where(filled, steps.t, steps.t[0]), jnp.where(filled[:, None], steps.y, steps.y[0])
    return Record(t, jnp.where(filled, steps.t_next, t), y), count


def _refilled(replay: Replay, given: Given, record: Record, number: Array, *, backwards: bool) -> Record:
    """The record of the segment that contains a block; where it is another one, its steps are computed again."""
    settings = replay.settings
    if settings.segments == 1:
        return record
    segment, last = number // settings.blocks, (given.run.count - 1) // (settings.blocks * BLOCK)
    place = number % settings.blocks
    other = (place == settings.blocks - 1) & (segment < last) if backwards else (place == 0) & (last > 0)
    point = _lanes.get(given.run.starts, segment)
    point = point._replace(running=point.running & other)
    begun = segment * settings.blocks * BLOCK
    return run_segment(settings, replay.field(given.args), point, record, begun, given.ts, None)[1]


def _sum(a: Leaves, b: Leaves) -> Leaves:
    return jax.tree.map(jnp.add, a, b)


def _flat(leaves: Leaves, count: int) -> Array:
    """(count, n): the leaves (count, ...) side by side."""
    return jnp.concatenate([leaf.reshape(count, -1) for leaf in leaves], axis=1) if leaves else jnp.zeros((count, 0))
