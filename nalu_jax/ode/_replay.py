"""What the derivative of an adaptive solve replays: its steps again, block by block, with the lengths that they had.

`_pull` goes through them backwards, `_push` forwards. Step lengths count as constants, as in diffrax; the ends of the
first and the last step move with the times.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _compiler
from . import _lanes
from ._adaptive import Field, Run, Settings, Steps, dense, find, run_segment, unpacked
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


def blocks_of(given: Given) -> Array:
    return (given.run.tried + _compiler.SOLVE_BLOCK - 1) // _compiler.SOLVE_BLOCK


def steps_of(replay: Replay, given: Given, record: Array, number: Array) -> tuple[Steps, Array]:
    """The steps of a block, and how many were tried; the others repeat the first state in steps of length 0."""
    rows = _lanes.rows(record, number % replay.settings.blocks * _compiler.SOLVE_BLOCK, _compiler.SOLVE_BLOCK)
    count = jnp.minimum(given.run.tried - number * _compiler.SOLVE_BLOCK, _compiler.SOLVE_BLOCK)
    steps = unpacked(replay.settings, rows)
    filled = jnp.arange(_compiler.SOLVE_BLOCK, dtype=count.dtype) < count
    t = jnp.where(filled, steps.t, steps.t[0])
    return Steps(
        t,
        jnp.where(filled, steps.t_next, t),
        jnp.where(filled[:, None], steps.y, steps.y[0]),
        jnp.where(filled[:, None, None], steps.slopes, jnp.zeros_like(steps.slopes)),
    ), count


def refilled(replay: Replay, given: Given, record: Array, number: Array, *, backwards: bool) -> Array:
    """The record of the segment that contains a block; what other steps are in place of is computed again."""
    settings = replay.settings
    if settings.segments == 1:
        return record
    segment, last = number // settings.blocks, (given.run.tried - 1) // settings.length
    place = number % settings.blocks
    other = (place == settings.blocks - 1) & (segment < last) if backwards else (place == 0) & (last > 0)
    # the last segment is in place of the first steps of the one before, of which the others are still there
    still_there = segment == last - 1 if backwards else (segment == 0) & (last == 1)
    missing = jnp.where(still_there, given.run.tried - last * settings.length, settings.length)
    # without a step to compute, the count is that of a solve that is over
    begun = jnp.where(other, segment * settings.length, settings.max_steps)
    point = _lanes.get(given.run.starts, segment)
    field = replay.field(given.args)
    return run_segment(settings, field, point, record, begun, given.ts, None, least=missing)[1]


def matrices(method: Tableau, dtype: Any) -> tuple[Array, Array]:
    """a (n_stages, n_stages) and b (n_stages,) as arrays."""
    stages = len(method.b)
    a = np.array([(*row, *[0.0] * (stages - len(row))) for row in method.a])
    return jnp.asarray(a, dtype), jnp.asarray(method.b, dtype)


def product(a: Array, b: Array) -> Array:
    """a (m, k) times b (k, n), written out: it fuses with what is around it, which a dot of small matrices does not."""
    return (a[:, :, None] * b[None]).sum(axis=1)


def after(method: Tableau, steps: Steps) -> Array:
    """The states (n, n_states) after the steps."""
    weights = jnp.asarray(method.b, steps.y.dtype)[None, :, None]
    return steps.y + (steps.t_next - steps.t)[:, None] * (weights * steps.slopes).sum(axis=1)


def each_lane(function: Callable[..., Any], axis_size: int, in_batched: Any, *arguments: Any) -> tuple[Any, Any]:
    """A batching rule: function of every lane."""
    axes = jax.tree.map(lambda batched: 0 if batched else None, tuple(in_batched))
    outs = jax.vmap(function, axes, axis_size=axis_size)(*arguments)
    return outs, jax.tree.map(lambda _: True, outs)
