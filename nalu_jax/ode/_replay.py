"""The derivative of an adaptive solve: its steps again, with the lengths that they had, forwards or backwards.

The record says where the field was evaluated. "In parallel", its Jacobians at all stages of a block of steps are
computed at once, and what is left is algebra of small matrices; "in sequence", stage after stage, which is less work in
more and smaller pieces. Batching rules choose: in sequence where a `vmap` over solves fills the pieces, and for large
states; under a `vmap` over tangents of one solve, as in `jax.jacfwd`, whole Jacobians by reverse mode.

Step lengths count as constants, as in diffrax; the ends of the first and the last step move with the times.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_batching import custom_vmap

from .._compiler import ROLLOUT_DENSE
from . import _lanes
from ._adaptive import BLOCK, Field, Run, Settings, Steps, dense, find, points, run_segment, unpacked, weights_at
from ._tableau import Tableau

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

    @property
    def times_move(self) -> bool:
        """Whether ts is among them."""
        return 0 in self.places

    def leaves(self, given: Given) -> Leaves:
        """Those that move."""
        flat = jax.tree.leaves((given.ts, given.args))
        return [flat[place] for place in self.places]

    def moved(self, given: Given, leaves: Leaves) -> tuple[Array, Any]:
        """(ts, args) with these leaves."""
        flat, tree = jax.tree.flatten((given.ts, given.args))
        for place, leaf in zip(self.places, leaves, strict=True):
            flat[place] = leaf
        return jax.tree.unflatten(tree, flat)

    def rate(self, given: Given, time: Array, y: Array, leaves: Leaves) -> Array:
        """The field (n_states,)."""
        return self.field(self.moved(given, leaves)[1])(time, y)

    def placed(self, given: Given, steps: Steps, leaves: Leaves) -> Steps:
        """The steps, whose times move with the ends of ts."""
        ts, before = self.moved(given, leaves)[0], given.ts
        first, last = ts[0] - before[0], ts[-1] - before[-1]
        start = steps.t + first
        end = jnp.where(steps.t_next >= before[-1], steps.t_next + last, steps.t_next + first)
        return steps._replace(t=start, t_next=jnp.where(steps.t_next > steps.t, end, start))

    def saved(self, given: Given, count: Array, steps: Steps, leaves: Leaves) -> Array:
        """(n_times, n_states) from a block of steps; 0 at times that are not in it."""
        at = find(steps, count, given.ts)
        values = dense(self.settings, self.placed(given, steps, leaves), at, self.moved(given, leaves)[0])
        return jnp.where(at.found[:, None], values, jnp.zeros_like(values))


# --- backwards --------------------------------------------------------------------------------------------------------

Bars = tuple[Array, Array]
"""A gradient by the states (n, n_states) before the steps of a block, and by its slopes (n, n_stages, n_states)."""


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
    leaves, method = replay.leaves(given), replay.settings.method

    def one_block(carry: tuple) -> tuple:
        number, y_bar, leaves_bar, record = carry
        number = number - 1
        record = _refilled(replay, given, record, number, backwards=True)
        steps, count = _steps(replay, given, record, number)
        bars = _saved_bars(replay, given, count, steps, saved_bar)
        y_bar, own, stage_bars, after_bars = block(replay, given, steps, count, bars, y_bar)
        leaves_bar = jax.tree.map(jnp.add, leaves_bar, own)
        if replay.times_move:

            def by_leaves(leaves: Leaves) -> tuple[Array, ...]:
                placed = replay.placed(given, steps, leaves)
                return *points(method, placed), _after(method, placed), replay.saved(given, count, steps, leaves)

            more = jax.vjp(by_leaves, leaves)[1]((*stage_bars, after_bars, saved_bar))[0]
            leaves_bar = jax.tree.map(jnp.add, leaves_bar, more)
        return number, y_bar, leaves_bar, record

    zeros = jax.tree.map(jnp.zeros_like, leaves)
    carry = _blocks(given), jnp.zeros_like(saved_bar[0]), zeros, given.run.record
    _, y_bar, leaves_bar, _ = lax.while_loop(lambda carry: carry[0] > 0, one_block, carry)
    return y_bar + saved_bar[0], leaves_bar  # the first saved state is y0


def _saved_bars(replay: Replay, given: Given, count: Array, steps: Steps, saved_bar: Array) -> Bars:
    """By the states and slopes of a block, as far as interpolation goes."""
    at = find(steps, count, given.ts)
    h, weights = weights_at(replay.settings, steps, at, given.ts)
    ours = jnp.where(at.found[:, None], saved_bar, jnp.zeros_like(saved_bar))
    chosen = (at.step[:, None] == jnp.arange(BLOCK, dtype=at.step.dtype)[None]).astype(ours.dtype)
    ys_bar = jnp.einsum("tn,ts->ns", chosen, ours, precision="highest")
    to_slopes = (h[:, None] * weights)[..., None] * ours[:, None]
    return ys_bar, jnp.einsum("tn,tjs->njs", chosen, to_slopes, precision="highest")


def _after(method: Tableau, steps: Steps) -> Array:
    """The states (n, n_states) after the steps."""
    weights = jnp.asarray(method.b, steps.y.dtype)[None, :, None]
    return steps.y + (steps.t_next - steps.t)[:, None] * (weights * steps.slopes).sum(axis=1)


def _block_in_parallel(
    replay: Replay, given: Given, steps: Steps, count: Array, bars: Bars, y_bar: Array
) -> tuple[Array, Leaves, tuple[Array, Array], Array]:
    """Backwards through a block, from the gradient y_bar (n_states,) by the state after it.

    Returns:
        the gradient by the state before it, by the leaves, by the times and states of all stages, and by the states
        (BLOCK, n_states) after the steps.
    """
    method, states = replay.settings.method, y_bar.size
    times, ys = points(method, steps)
    h = steps.t_next - steps.t
    every_stage = jax.vmap(jax.vmap(functools.partial(replay.rate, given), (0, 0, None)), (0, 0, None))
    _, pull_rates = jax.vjp(every_stage, times, ys, replay.leaves(given))
    unit = jnp.broadcast_to(jnp.eye(states, dtype=ys.dtype)[:, None, None], (states, *ys.shape))
    jacobians = jnp.moveaxis(jax.vmap(lambda bar: pull_rates(bar)[1])(unit), 0, 2)  # (BLOCK, n_stages, to, from)

    # of each step: from unit gradients by the state after it, and from that by its slopes
    ys_bar, slopes_bar = bars
    after_bars = jnp.eye(states + 1, states, dtype=ys.dtype)
    own = jnp.zeros((BLOCK, len(method.b), states + 1, states), ys.dtype).at[:, :, -1].set(slopes_bar)
    back = functools.partial(_step_backwards, method)
    by_slopes, by_state = jax.vmap(back, (0, 0, 0, None))(h, jacobians, own, after_bars)

    def chain(after_bar: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        matrix, before_bar = row
        return _product(after_bar[None], matrix)[0] + before_bar, after_bar

    y_bar, after_bars = lax.scan(chain, y_bar, (by_state[:, :-1], by_state[:, -1] + ys_bar), reverse=True)
    rates_bar = (after_bars[:, None, :, None] * by_slopes[:, :, :-1]).sum(axis=2) + by_slopes[:, :, -1]
    times_bar, stages_bar, leaves_bar = pull_rates(rates_bar)
    return y_bar, leaves_bar, (times_bar, stages_bar), after_bars


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
        inner[stage] = _product(bar, jacobians[stage])
    before_bar = functools.reduce(jnp.add, inner.values(), after_bar)
    return jnp.stack([whole[stage] for stage in range(len(method.b))]), before_bar


def _block_in_sequence(
    replay: Replay, given: Given, steps: Steps, count: Array, bars: Bars, y_bar: Array
) -> tuple[Array, Leaves, tuple[Array, Array], Array]:
    """The same as `_block_in_parallel`, stage by stage."""
    method, leaves = replay.settings.method, replay.leaves(given)
    all_points = points(method, steps)
    a, b = _matrices(method, y_bar.dtype)

    def one_step(carry: tuple) -> tuple:
        index, y_bar, leaves_bar, times_bar, stages_bar, after_bars = carry
        index = index - 1
        (times, ys), ys_bar, slopes_bar, t, t_next = _lanes.get((all_points, *bars, steps.t, steps.t_next), index)
        h = t_next - t

        def one_stage(carry: tuple, stage: Any) -> tuple[tuple, Array]:
            inner, leaves_bar, number = carry
            time, y, slope_bar, weight, column = stage
            bar = slope_bar + h * (weight * y_bar + (column[:, None] * inner).sum(axis=0))
            _, pull_rate = jax.vjp(functools.partial(replay.rate, given), time, y, leaves)
            time_bar, stage_bar, own = pull_rate(bar)
            leaves_bar = jax.tree.map(jnp.add, leaves_bar, own)
            return (_lanes.put(inner, stage_bar, number), leaves_bar, number - 1), time_bar

        start = jnp.zeros_like(ys), leaves_bar, jnp.asarray(len(b) - 1, jnp.int32)
        stages = times, ys, slopes_bar, b, a.T
        (inner, leaves_bar, _), time_bars = lax.scan(one_stage, start, stages, reverse=True)
        if replay.times_move:
            written = (times_bar, stages_bar, after_bars)
            times_bar, stages_bar, after_bars = _lanes.put(written, (time_bars, inner, y_bar), index)
        return index, y_bar + inner.sum(axis=0) + ys_bar, leaves_bar, times_bar, stages_bar, after_bars

    kept = jax.tree.map(jnp.zeros_like, (*all_points, steps.y))
    carry = count, y_bar, jax.tree.map(jnp.zeros_like, leaves), *kept
    _, y_bar, leaves_bar, times_bar, stages_bar, after_bars = lax.while_loop(lambda c: c[0] > 0, one_step, carry)
    return y_bar, leaves_bar, (times_bar, stages_bar), after_bars


# --- forwards ---------------------------------------------------------------------------------------------------------


def push(replay: Replay, given: Given, y0_dot: Array, leaves_dot: Leaves) -> Array:
    """The tangent (n_times, n_states) of the saved states."""
    sequential = functools.partial(_push, replay)
    chosen = custom_vmap(sequential)

    @chosen.def_vmap
    def batched(axis_size: int, in_batched: Any, *arguments: Any) -> tuple[Any, Any]:
        only_tangents = not any(jax.tree.leaves(in_batched[0])) and all(jax.tree.leaves(in_batched[1:]))
        few = y0_dot.size <= ROLLOUT_DENSE and axis_size >= 2 * y0_dot.size
        if only_tangents and few and not replay.times_move:
            return _push_many(replay, *arguments), True
        return _each_lane(sequential, axis_size, in_batched, *arguments)

    return chosen(given, y0_dot, leaves_dot)


def _push(replay: Replay, given: Given, y0_dot: Array, leaves_dot: Leaves) -> Array:
    leaves, method = replay.leaves(given), replay.settings.method
    a, b = _matrices(method, y0_dot.dtype)

    def one_block(carry: tuple) -> tuple:
        number, y_dot, saved_dot, record = carry
        record = _refilled(replay, given, record, number, backwards=False)
        steps, count = _steps(replay, given, record, number)

        def by_leaves(leaves: Leaves) -> tuple[Array, ...]:
            placed = replay.placed(given, steps, leaves)
            return *points(method, placed), _after(method, placed)

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
    return lax.while_loop(lambda carry: carry[0] < _blocks(given), one_block, carry)[2]


def _push_many(replay: Replay, given: Given, y0_dots: Array, leaves_dots: Leaves) -> Array:
    """The tangents (m, n_times, n_states) along many directions (m, ...): through the Jacobians of the field.

    Where the states are few, these cost less than the tangents: one pass of reverse mode for each state.
    """
    method, states = replay.settings.method, y0_dots.shape[-1]
    directions = _flat(leaves_dots, 1).T

    def one_block(carry: tuple) -> tuple:
        number, y_dots, saved_dots, record = carry
        record = _refilled(replay, given, record, number, backwards=False)
        steps, count = _steps(replay, given, record, number)
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
            return _product(matrix, y_dots) + push, y_dots

        y_dots, before_dots = lax.scan(chain, y_dots, (matrices, pushes))
        at = find(steps, count, given.ts)
        lengths, weights = weights_at(replay.settings, steps, at, given.ts)
        along = lambda slopes: lengths[:, None, None] * (weights[..., None, None] * slopes[at.step]).sum(axis=1)
        from_state = unit[None] + along(by_state)
        values = jax.vmap(_product)(from_state, before_dots[at.step]) + along(by_own)
        return number + 1, y_dots, jnp.where(at.found[:, None, None], values, saved_dots), record

    saved_dots = jnp.zeros((given.ts.size, states, len(y0_dots)), y0_dots.dtype).at[0].set(y0_dots.T)
    carry = jnp.zeros((), jnp.int32), y0_dots.T, saved_dots, given.run.record
    saved_dots = lax.while_loop(lambda carry: carry[0] < _blocks(given), one_block, carry)[2]
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
        slopes.append(_product(jacobians[stage], inner) + own[stage])
    return jnp.stack(slopes), y_dots + h * functools.reduce(jnp.add, combined(method.b, slopes))


# --- both -------------------------------------------------------------------------------------------------------------


def _blocks(given: Given) -> Array:
    return (given.run.tried + BLOCK - 1) // BLOCK


def _steps(replay: Replay, given: Given, record: Array, number: Array) -> tuple[Steps, Array]:
    """The steps of a block, and how many were tried; the others repeat the first state in steps of length 0."""
    rows = _lanes.rows(record, number % replay.settings.blocks * BLOCK, BLOCK)
    count = jnp.minimum(given.run.tried - number * BLOCK, BLOCK)
    steps = unpacked(replay.settings, rows)
    filled = jnp.arange(BLOCK, dtype=count.dtype) < count
    t = jnp.where(filled, steps.t, steps.t[0])
    return Steps(
        t,
        jnp.where(filled, steps.t_next, t),
        jnp.where(filled[:, None], steps.y, steps.y[0]),
        jnp.where(filled[:, None, None], steps.slopes, jnp.zeros_like(steps.slopes)),
    ), count


def _refilled(replay: Replay, given: Given, record: Array, number: Array, *, backwards: bool) -> Array:
    """The record of the segment that contains a block; where it is another one, its steps are computed again."""
    settings = replay.settings
    if settings.segments == 1:
        return record
    segment, last = number // settings.blocks, (given.run.tried - 1) // settings.length
    place = number % settings.blocks
    other = (place == settings.blocks - 1) & (segment < last) if backwards else (place == 0) & (last > 0)
    # without a step to compute, the count is that of a solve that is over
    begun = jnp.where(other, segment * settings.length, settings.max_steps)
    point = _lanes.get(given.run.starts, segment)
    return run_segment(settings, replay.field(given.args), point, record, begun, given.ts, None)[1]


def _matrices(method: Tableau, dtype: Any) -> tuple[Array, Array]:
    """a (n_stages, n_stages) and b (n_stages,) as arrays."""
    stages = len(method.b)
    a = np.array([(*row, *[0.0] * (stages - len(row))) for row in method.a])
    return jnp.asarray(a, dtype), jnp.asarray(method.b, dtype)


def _product(a: Array, b: Array) -> Array:
    """a (m, k) times b (k, n), written out: it fuses with what is around it, which a dot of small matrices does not."""
    return (a[:, :, None] * b[None]).sum(axis=1)


def _flat(leaves: Leaves, axes: int) -> Array:
    """The leaves side by side: (..., n) of those (..., *shape) with so many axes in front."""
    return jnp.concatenate([leaf.reshape(*leaf.shape[:axes], -1) for leaf in leaves], axis=-1)
