"""What `prune` and `snap` return: every step on the way, and which one was chosen.

>>> from nalu_jax.symbolic import _path
>>> round(_path.bic(1e-4, 0.0, rows=100, complexity=3), 2)
-907.22
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ._problem import Problem, unflatten

Tree = Any


class Step(NamedTuple):
    """One formula on the way. Arrays are NumPy's.

    Attributes:
        params: as those that the path began with, refitted.
        free: the same tree of booleans: True where an entry is fitted, False where it is pinned to a simple number.
        loss: of params on the data.
        complexity: number of free entries.
        bic: n ln(loss + floor) + complexity ln n, the Bayesian information criterion of a mean square of n residuals.
        changed: what was pinned in this step, as text; empty in the first.
    """

    params: Tree
    free: Tree
    loss: float
    complexity: int
    bic: float
    changed: str


class Path(NamedTuple):
    """Steps from the first refit, with everything free, to the simplest formula that was tried.

    Attributes:
        steps: one by one, each with fewer free entries than the one before.
        chosen: the index of the step that the budget or the BIC chose.
    """

    steps: tuple[Step, ...]
    chosen: int

    @property
    def best(self) -> Step:
        """The chosen step: `path.best.params`, `path.best.free`."""
        return self.steps[self.chosen]


class State(NamedTuple):
    """A formula as flat NumPy arrays: theta (p,), free (p,), its loss, and the name of what was pinned last."""

    theta: np.ndarray
    free: np.ndarray
    loss: float
    changed: str


class Move(NamedTuple):
    """An entry of theta, the value that it is pinned to, and how that is told to the user."""

    entry: int
    value: float
    told: str


def bic(loss: float, floor: float, *, rows: int, complexity: int) -> float:
    """n ln(loss + floor) + complexity ln n."""
    return rows * math.log(max(loss + floor, 1e-300)) + complexity * math.log(rows)


def bic_of(problem: Problem, state: State, floor: float) -> float:
    """Of a formula."""
    return bic(state.loss, floor, rows=problem.rows, complexity=int(state.free.sum()))


def step_of(problem: Problem, state: State, floor: float) -> Step:
    """A formula as the user sees it."""
    params, free = (unflatten(problem.structure, array) for array in (state.theta, state.free))
    return Step(params, free, state.loss, int(state.free.sum()), bic_of(problem, state, floor), state.changed)


def floor_of(problem: Problem, pins: np.ndarray, floor: float | None) -> float:
    """The given floor, or the machine epsilon times the loss of params that are all pinned."""
    if floor is not None:
        return floor
    pinned = jnp.asarray(np.where(problem.free, pins, problem.theta))
    losses = [float(problem.programs.loss(theta, problem.data)) for theta in (pinned, jnp.asarray(problem.theta))]
    scale = losses[0] if math.isfinite(losses[0]) and losses[0] > 0 else losses[1]
    return float(np.finfo(problem.theta.dtype).eps) * scale


def refit(
    problem: Problem, states: list[State], moves: list[Move], pinnable: np.ndarray, pins: np.ndarray, floor: float
) -> list[State]:
    """Every state with its move made and the rest refitted, all at once; those that are not finite are left out."""
    thetas, frees = (np.stack([getattr(state, name) for state in states]) for name in ("theta", "free"))
    for row, move in enumerate(moves):
        thetas[row, move.entry], frees[row, move.entry] = move.value, False
    fixed = (jnp.asarray(pinnable), jnp.asarray(pins), jnp.asarray(floor, thetas.dtype))
    fitted = problem.programs.refit(jnp.asarray(thetas), jnp.asarray(frees), *fixed, problem.data)
    thetas, frees, losses = jax.tree.map(np.asarray, fitted)
    names = [f"{problem.structure.names[move.entry]} = {move.told}" for move in moves]
    refitted = [State(t, f, float(x), n) for t, f, x, n in zip(thetas, frees, losses, names, strict=True)]
    return [state for state in refitted if math.isfinite(state.loss)]


def first_fit(problem: Problem, pinnable: np.ndarray, pins: np.ndarray, floor: float, width: int) -> State:
    """The start, refitted as it is, in as many lanes as the later refits have, so that one program does for all."""
    theta, free = (np.stack([array] * width) for array in (problem.theta, problem.free))
    fixed = (jnp.asarray(pinnable), jnp.asarray(pins), jnp.asarray(floor, theta.dtype))
    fitted = problem.programs.refit(jnp.asarray(theta), jnp.asarray(free), *fixed, problem.data)
    theta, free, loss = jax.tree.map(lambda array: np.asarray(array)[0], fitted)
    return State(theta, free, float(loss), "")


def limit_of(caller: str, budget: float | None, factor: float | None, first: State) -> float | None:
    """The largest loss that may be chosen; None leaves it to the BIC.

    Raises:
        ValueError: both a budget and a factor, or one that no loss can meet.
    """
    if budget is not None and factor is not None:
        raise ValueError(f"{caller}: expected budget or factor, got both. budget is a loss, factor multiplies one.")
    if budget is not None and not budget >= 0:
        raise ValueError(f"{caller}: budget must be a loss of at least 0, got {budget}.")
    if factor is not None and not factor >= 1:
        raise ValueError(f"{caller}: factor must be at least 1, got {factor}.")
    return budget if factor is None else factor * first.loss
