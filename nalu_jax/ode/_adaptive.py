"""Adaptive steps of an explicit Runge-Kutta method, and the record of them from which derivatives are made.

The steps that are tried are counted, and written down, in blocks of `_compiler.SOLVE_BLOCK`. The states at the save
times are computed at the end of each block, all at once. A record has room for a number of blocks, a segment; where a
solve is longer, the record holds the last segment, and the point at the beginning of every segment is kept, from which
it can be run again. All lanes of a `vmap` share the counters: a lane that has finished goes on with steps of length 0,
as a rejected step is written down.

What a loop carries is packed into few arrays: a loop of small steps costs what its number of arrays costs.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .. import _compiler
from . import _lanes
from ._tableau import Tableau, dense_weights, moved, weighted

# What diffrax 0.7.2 begins with where it may choose, whatever the equation: `PIDController` estimates a step only of an
# `ODETerm`, and `diffeqsolve` has wrapped that by then. The same steps give the same derivative. Goes when diffrax's
# own choice works (no upstream issue is known); `tests/test_ode_adaptive.py` compares the states.
FIRST_STEP = 0.01

Field = Callable[[Array, Array], Array]
"""(t, y) -> dy/dt of a state (n,)."""


class Settings(NamedTuple):
    """What is the same in all lanes: the method, its step sizes, and how many blocks a record holds."""

    solver: Any
    method: Tableau
    rtol: Any
    atol: Any
    max_steps: int
    blocks: int

    @property
    def length(self) -> int:
        """Steps of a segment."""
        return self.blocks * _compiler.SOLVE_BLOCK

    @property
    def segments(self) -> int:
        """How many of them max_steps are."""
        return -(-self.max_steps // self.length)


class Point(NamedTuple):
    """Where the solver stands.

    Attributes:
        packed: t, the end of the step to try, the state, and the slope there (if the method has it from its last step).
        steps: that were tried.
    """

    packed: Array
    steps: Array


class Steps(NamedTuple):
    """Steps in the order in which they were tried; a rejected one has t_next = t.

    Attributes:
        t, t_next: (n,).
        y: (n, n_states) before the step.
        slopes: (n, n_stages, n_states); 0 of a rejected one.
    """

    t: Array
    t_next: Array
    y: Array
    slopes: Array


class Run(NamedTuple):
    """The result of `integrate`.

    Attributes:
        saved: (n_times, n_states) at the save times, inf where they were not reached.
        finished: whether the end was reached.
        steps: that were tried.
        tried: the most that any lane has tried.
        record: packed steps (length, ...) of the last segment.
        starts: (segments, ...) of each segment, the point where it begins; None where they are not kept.
    """

    saved: Array
    finished: Array
    steps: Array
    tried: Array
    record: Array
    starts: Point | None


def integrate(settings: Settings, field: Field, y0: Array, ts: Array, first: Array | None, *, keep: bool = True) -> Run:
    """From y0 (n,) at ts[0] to ts[-1].

    Args:
        first: the length of the first step; None is diffrax's choice.
        keep: whether the points at the beginning of segments are kept.
    """
    point = _begin(settings, field, y0, ts, first)
    width = 2 + y0.size * (1 + len(settings.method.b))
    record = jnp.zeros((settings.length, width), y0.dtype)
    empty = lambda x: jnp.zeros((settings.segments, *x.shape), x.dtype)
    starts = jax.tree.map(empty, point) if keep else None
    saved = jnp.full((ts.size, y0.size), jnp.inf, y0.dtype).at[0].set(y0)

    def segment(carry: tuple) -> tuple:
        point, record, count, saved, starts = carry
        if starts is not None:
            starts = _lanes.put(starts, point, count // settings.length)
        return *run_segment(settings, field, point, record, count, ts, saved), starts

    carry = (point, record, jnp.zeros((), jnp.int32), saved, starts)
    going = lambda carry: _going(settings, carry[0], carry[2], ts[-1])
    point, record, count, saved, starts = lax.while_loop(going, segment, carry)
    return Run(saved, point.packed[0] >= ts[-1], point.steps, count, record, starts)


def run_segment(
    settings: Settings,
    field: Field,
    point: Point,
    record: Array,
    count: Array,
    ts: Array,
    saved: Array | None,
    *,
    least: Array | None = None,
) -> tuple[Point, Array, Array, Array | None]:
    """The steps from point, before which `count` were tried, to the end of its segment: (point, record, count, saved).

    Without `saved` only the record is filled; with `least`, whole blocks of at least so many steps are enough.
    """
    least = jnp.asarray(settings.length, count.dtype) if least is None else least.astype(count.dtype)
    attempt, begun = _attempt(settings, field, ts[-1]), count

    def one_block(carry: tuple) -> tuple:
        point, record, count, saved = carry
        first = count

        def one_step(carry: tuple) -> tuple:
            point, record, count = carry
            point, step = attempt(point)
            return point, _lanes.put(record, step, count - begun), count + 1

        here = lambda carry: _going(settings, carry[0], carry[2], ts[-1]) & (carry[2] < first + _compiler.SOLVE_BLOCK)
        point, record, count = lax.while_loop(here, one_step, (point, record, count))
        if saved is not None:
            steps = unpacked(settings, _lanes.rows(record, first - begun, _compiler.SOLVE_BLOCK))
            at = find(steps, count - first, ts)
            saved = jnp.where(at.found[:, None], dense(settings, steps, at, ts), saved)
        return point, record, count, saved

    more = lambda carry: _going(settings, carry[0], carry[2], ts[-1]) & (carry[2] < begun + least)
    return lax.while_loop(more, one_block, (point, record, count, saved))


def _running(packed: Array, end: Array) -> Array:
    """Whether there is more to do; a step that does not change the time would be tried until max_steps."""
    return (packed[0] < end) & (packed[1] > packed[0])


def _going(settings: Settings, point: Point, count: Array, end: Array) -> Array:
    return _lanes.any_lane(_running(point.packed, end)) & (count < settings.max_steps)


def unpacked(settings: Settings, rows: Array) -> Steps:
    """The steps of a record's rows (n, ...)."""
    stages = len(settings.method.b)
    states = (rows.shape[-1] - 2) // (1 + stages)
    slopes = rows[:, 2 + states :].reshape(len(rows), stages, states)
    return Steps(rows[:, 0], rows[:, 1], rows[:, 2 : 2 + states], slopes)


class Found(NamedTuple):
    """Where the save times are in a block: the number (n_times,) of the step, and whether it is one of this block."""

    step: Array
    found: Array


def find(steps: Steps, count: Array, ts: Array) -> Found:
    """The steps of a block, of which the first `count` are filled, that end at or after each save time."""
    filled = jnp.arange(_compiler.SOLVE_BLOCK, dtype=count.dtype) < count
    index = ((steps.t_next[None] < ts[:, None]) & filled[None]).sum(axis=1, dtype=count.dtype)
    return Found(jnp.minimum(index, _compiler.SOLVE_BLOCK - 1), (index < count) & (ts > steps.t[0]))


def dense(settings: Settings, steps: Steps, at: Found, ts: Array) -> Array:
    """States (n_times, n_states) at the save times that were found, by the solver's interpolation; any at others."""
    h, weights = weights_at(settings, steps, at, ts)
    return steps.y[at.step] + h[:, None] * weighted(weights, steps.slopes[at.step])


def weights_at(settings: Settings, steps: Steps, at: Found, ts: Array) -> tuple[Array, Array]:
    """Of each save time the length (n_times,) of its step, and the weights (n_times, n_stages) of the slopes."""
    t = steps.t[at.step]
    h = jnp.where(at.found, steps.t_next[at.step] - t, jnp.ones_like(t))
    theta = jnp.where(at.found, (ts - t) / h, jnp.zeros_like(t))
    return h, jax.vmap(functools.partial(dense_weights, settings.solver, settings.method))(theta)


def points(method: Tableau, steps: Steps) -> tuple[Array, Array]:
    """Where the field was evaluated: times (n, n_stages) and states (n, n_stages, n_states)."""
    h = (steps.t_next - steps.t)[:, None]
    parts = jnp.asarray(method.c, steps.t.dtype)[None]
    times = jnp.where(parts == 1, steps.t_next[:, None], steps.t[:, None] + parts * h)
    lower = np.array([(*row, *[0.0] * (len(method.b) - len(row))) for row in method.a])
    inner = jnp.einsum("jl,nls->njs", jnp.asarray(lower, steps.y.dtype), steps.slopes, precision="highest")
    return times, steps.y[:, None] + h[..., None] * inner


def _attempt(settings: Settings, field: Field, end: Array) -> Callable[[Point], tuple[Point, Array]]:
    """Try one step: (the point afterwards, the step as it is written down)."""
    method, controller = settings.method, _controller(settings)
    order, nearly = _error_order(settings), _hundred_below(end)
    # the controller's own memory only serves its proportional and derivative part, which are switched off
    memory = controller.init(None, end, end, end, end, None, settings.solver.func, order)[1]

    def attempt(point: Point) -> tuple[Point, Array]:
        states = (point.packed.size - 2) // 2
        t, t_next, y, slope = jnp.split(point.packed, [1, 2, 2 + states])
        t, t_next = t[0], t_next[0]
        slopes = _slopes(method, field, t, t_next, y, slope if method.reuses else None)
        after = moved(y, t_next - t, method.b, slopes)
        error = moved(jnp.zeros_like(y), t_next - t, method.error, slopes)
        error = jnp.where(jnp.isnan(error), jnp.full_like(error, jnp.inf), error)
        keep, t_new, t_after, *_ = controller.adapt_step_size(t, t_next, y, after, None, error, order, memory)
        t_new = jnp.minimum(t_new, end)
        t_after = jnp.where(t_after > nearly, jnp.where(keep, end, t_new + 0.5 * (end - t_new)), t_after)
        running = _running(point.packed, end)
        keep &= running
        chosen = lambda new, old: jnp.where(keep, new, old)
        new = jnp.concatenate([t_new[None], t_after[None], chosen(after, y), chosen(slopes[-1], slope)])
        new = jnp.where(running, new, point.packed)
        flat = jnp.concatenate(slopes)
        step = jnp.concatenate([t[None], chosen(t_next, t)[None], y, chosen(flat, jnp.zeros_like(flat))])
        return Point(new, point.steps + running.astype(point.steps.dtype)), step

    return attempt


def _slopes(method: Tableau, field: Field, t: Array, t_next: Array, y: Array, first: Array | None) -> list[Array]:
    """The slopes of all stages of a step; the first one may be known."""
    slopes: list[Array] = [] if first is None else [first]
    for weights, part in list(zip(method.a, method.c, strict=True))[len(slopes) :]:
        time = t_next if part == 1 else t + part * (t_next - t)
        slopes.append(field(time, moved(y, t_next - t, weights, slopes)))
    return slopes


def _begin(settings: Settings, field: Field, y0: Array, ts: Array, first: Array | None) -> Point:
    """The point at ts[0]."""
    first = jnp.full_like(ts[0], FIRST_STEP) if first is None else first
    slope = field(ts[0], y0) if settings.method.reuses else jnp.zeros_like(y0)
    ends = jnp.stack([ts[0], jnp.minimum(ts[0] + first, ts[-1])])
    return Point(jnp.concatenate([ends, y0, slope]), jnp.zeros((), jnp.int32))


def _controller(settings: Settings) -> diffrax.PIDController:
    return diffrax.PIDController(rtol=settings.rtol, atol=settings.atol)


def _error_order(settings: Settings) -> Any:
    return settings.solver.error_order(diffrax.ODETerm(lambda t, y, args: y))


def _hundred_below(t: Array) -> Array:
    """100 floating-point numbers below t: steps that end nearer to the end than that, end there."""
    return lax.fori_loop(0, 100, lambda _, t: jnp.nextafter(t, jnp.full_like(t, -jnp.inf)), t)
