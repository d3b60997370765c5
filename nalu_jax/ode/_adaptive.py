"""Adaptive steps of an explicit Runge-Kutta method, and the record of them from which derivatives are made.

The steps that are tried are counted, and written down, in blocks of `BLOCK`. The states at the save times are computed
at the end of each block, all at once. A record has room for a number of blocks, a segment; where a solve is longer, the
record holds the last segment, and the state at the beginning of every segment is kept, from which it can be run again.
All lanes of a `vmap` share the counters: a lane that has finished repeats its last state in steps of length 0, as a
rejected step is written down.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jax import Array, lax

from . import _lanes
from ._tableau import Tableau, dense_weights, moved

FIRST_STEP = 0.01
"""What diffrax 0.7.2 begins with where it may choose, whatever the equation: `PIDController` estimates a step only of an
`ODETerm`, and `diffeqsolve` has wrapped that by then. The same steps are the same derivative; goes when diffrax's does."""

BLOCK = 32  # steps that are tried between two looks at the save times, and differentiated at once

Field = Callable[[Array, Array], Array]
"""(t, y) -> dy/dt of a state (n,)."""


class Settings(NamedTuple):
    """What is the same in all lanes: the method, its step sizes, and how much is recorded."""

    solver: Any
    method: Tableau
    rtol: Any
    atol: Any
    max_steps: int
    blocks: int

    @property
    def segments(self) -> int:
        """How many segments of `blocks` blocks max_steps are."""
        return -(-self.max_steps // (self.blocks * BLOCK))


class Point(NamedTuple):
    """Where the solver stands.

    Attributes:
        t, y: time and state (n,).
        t_next: the end of the step to try.
        slope: dy/dt at y, where the method has it from its last step.
        controller: the state of the step-size controller.
        running: whether there is more to do.
        steps: that were tried.
    """

    t: Array
    y: Array
    t_next: Array
    slope: Array
    controller: Any
    running: Array
    steps: Array


class Record(NamedTuple):
    """Steps in the order in which they were tried; a rejected one has t_next = t. t, t_next: (n,); y: (n, n_states)."""

    t: Array
    t_next: Array
    y: Array


class Run(NamedTuple):
    """The result of `integrate`.

    Attributes:
        saved: (n_times, n_states) at the save times, inf where they were not reached.
        finished: whether the end was reached.
        steps: that were tried.
        count: the most of those that any lane has tried.
        record: of the last segment.
        starts: (segments, ...) of each segment, the point where it begins.
    """

    saved: Array
    finished: Array
    steps: Array
    count: Array
    record: Record
    starts: Point


def integrate(settings: Settings, field: Field, y0: Array, ts: Array, first: Array | None) -> Run:
    """From y0 (n,) at ts[0] to ts[-1]; `first` is the length of the first step, None of one that diffrax chooses."""
    point = _begin(settings, field, y0, ts, first)
    length = settings.blocks * BLOCK
    times = jnp.broadcast_to(point.t, (length,))
    record = Record(times, times, jnp.broadcast_to(y0, (length, y0.size)))
    starts = jax.tree.map(lambda x: jnp.broadcast_to(x, (settings.segments, *x.shape)), point)
    saved = jnp.full((ts.size, y0.size), jnp.inf, y0.dtype).at[0].set(y0)

    def segment(carry: tuple[Point, Record, Array, Array, Point]) -> tuple[Point, Record, Array, Array, Point]:
        point, record, count, saved, starts = carry
        starts = _lanes.put(starts, point, count // length)
        return *run_segment(settings, field, point, record, count, ts, saved), starts

    going = lambda carry: _going(settings, carry[0], carry[2])
    carry = (point, record, jnp.zeros((), jnp.int32), saved, starts)
    point, record, count, saved, starts = lax.while_loop(going, segment, carry)
    return Run(saved, point.t >= ts[-1], point.steps, count, record, starts)


def run_segment(
    settings: Settings, field: Field, point: Point, record: Record, count: Array, ts: Array, saved: Array | None
) -> tuple[Point, Record, Array, Array | None]:
    """The steps from point to the end of its segment, of which `count` were tried before: (point, record, count, saved).

    Without `saved` only the record is filled.
    """
    attempt = _attempt(settings, field, ts[-1])
    stages, states = len(settings.method.b), record.y.shape[-1]
    begun = count

    def one_block(carry: tuple) -> tuple:
        point, record, count, saved = carry
        slopes = None if saved is None else jnp.zeros((BLOCK, stages, states), record.y.dtype)
        offset, first = count - begun, count

        def one_step(carry: tuple) -> tuple:
            point, record, slopes, count = carry
            point, step, step_slopes = attempt(point)
            record = _lanes.put(record, step, count - begun)
            slopes = None if slopes is None else _lanes.put(slopes, step_slopes, count - first)
            return point, record, slopes, count + 1

        here = lambda carry: _going(settings, carry[0], carry[3]) & (carry[3] < first + BLOCK)
        point, record, slopes, count = lax.while_loop(here, one_step, (point, record, slopes, count))
        if saved is not None:
            steps = _lanes.rows(record, offset, BLOCK)
            at = find(steps, count - first, ts)
            values = dense(settings, steps, slopes, at, ts)
            saved = jnp.where(at.found[:, None], values, saved)
        return point, record, count, saved

    more = lambda carry: _going(settings, carry[0], carry[2]) & (carry[2] < begun + settings.blocks * BLOCK)
    return lax.while_loop(more, one_block, (point, record, count, saved))


def _going(settings: Settings, point: Point, count: Array) -> Array:
    return _lanes.any_lane(point.running) & (count < settings.max_steps)


class Found(NamedTuple):
    """Where the save times are in a block: `index` (n_times,) of the step, and whether it is one of this block."""

    index: Array
    found: Array


def find(steps: Record, count: Array, ts: Array) -> Found:
    """The steps of a block, of which the first `count` are filled, that end at or after each save time."""
    filled = jnp.arange(BLOCK) < count
    index = ((steps.t_next[None] < ts[:, None]) & filled).sum(axis=1)
    return Found(jnp.minimum(index, BLOCK - 1), (index < count) & (ts > steps.t[0]))


def dense(settings: Settings, steps: Record, slopes: Array, at: Found, ts: Array) -> Array:
    """States (n_times, n_states) at the save times that were found, and the state before some step at others.

    Args:
        slopes: (BLOCK, n_stages, n_states).
    """
    t, t_next, y = (part[at.index] for part in steps)
    safe = lambda x, other: jnp.where(at.found, x, other)
    between = functools.partial(dense_state, settings)
    return jax.vmap(between)(t, safe(t_next, t + 1), y, slopes[at.index], safe(ts, t))


def dense_state(settings: Settings, t: Array, t_next: Array, y: Array, slopes: Array, time: Array) -> Array:
    """The state (n_states,) at a time in a step, by the solver's interpolation of its slopes (n_stages, n_states)."""
    h = t_next - t
    weights = dense_weights(settings.solver, settings.method, (time - t) / h)
    return y + h * (weights[:, None] * slopes).sum(axis=0)


def stages(method: Tableau, field: Field, t: Array, t_next: Array, y: Array, slope: Array | None = None) -> list[Array]:
    """The slopes of all stages of a step; the first one may be known."""
    h = t_next - t
    slopes: list[Array] = []
    for weights, part in zip(method.a, method.c, strict=True):
        time = t_next if part == 1 else t + part * h
        known = slope if not slopes else None
        slopes.append(field(time, moved(y, h, weights, slopes)) if known is None else known)
    return slopes


def _attempt(settings: Settings, field: Field, end: Array) -> Callable[[Point], tuple[Point, Record, Array]]:
    """Try one step: (point afterwards, the step as it is written down, its slopes (n_stages, n_states))."""
    method, controller = settings.method, _controller(settings)
    order = _error_order(settings)
    nearly = _hundred_below(end)

    def attempt(point: Point) -> tuple[Point, Record, Array]:
        t, y, t_next = point.t, point.y, point.t_next
        slopes = stages(method, field, t, t_next, y, point.slope if method.reuses else None)
        after = moved(y, t_next - t, method.b, slopes)
        error = moved(jnp.zeros_like(y), t_next - t, method.error, slopes)
        error = jnp.where(jnp.isnan(error), jnp.full_like(error, jnp.inf), error)
        keep, t_new, t_after, _, state, _ = controller.adapt_step_size(
            t, t_next, y, after, None, error, order, point.controller
        )
        t_new = jnp.minimum(t_new, end)
        t_after = jnp.where(t_after > nearly, jnp.where(keep, end, t_new + 0.5 * (end - t_new)), t_after)
        kept = keep & point.running
        new = Point(
            t=t_new,
            y=jnp.where(keep, after, y),
            t_next=t_after,
            slope=jnp.where(keep, slopes[-1], point.slope),
            controller=_arrays(state),
            # a step that does not change the time would be tried until max_steps
            running=(t_new < end) & (t_after > t_new),
            steps=point.steps + 1,
        )
        new = jax.tree.map(lambda new, old: jnp.where(point.running, new, old), new, point)
        return new, Record(t, jnp.where(kept, t_next, t), y), jnp.stack(slopes)

    return attempt


def _begin(settings: Settings, field: Field, y0: Array, ts: Array, first: Array | None) -> Point:
    """The point at ts[0]."""
    first = jnp.full_like(ts[0], FIRST_STEP) if first is None else first
    order, term = _error_order(settings), diffrax.ODETerm(lambda t, y, args: field(t, y))
    t_next, state = _controller(settings).init(term, ts[0], ts[-1], y0, first, None, settings.solver.func, order)
    t_next = jnp.minimum(t_next, ts[-1])
    slope = field(ts[0], y0) if settings.method.reuses else jnp.zeros_like(y0)
    return Point(ts[0], y0, t_next, slope, _arrays(state), t_next > ts[0], jnp.zeros((), jnp.int32))


def _controller(settings: Settings) -> diffrax.PIDController:
    return diffrax.PIDController(rtol=settings.rtol, atol=settings.atol)


def _error_order(settings: Settings) -> Any:
    return settings.solver.error_order(diffrax.ODETerm(lambda t, y, args: y))


def _arrays(tree: Any) -> Any:
    return jax.tree.map(jnp.asarray, tree)


def _hundred_below(t: Array) -> Array:
    """100 floating-point numbers below t: steps that end nearer to the end than that, end there."""
    return lax.fori_loop(0, 100, lambda _, t: jnp.nextafter(t, jnp.full_like(t, -jnp.inf)), t)
