"""What `prune` and `snap` return: every step on the way, and which one was chosen.

A formula's description length is the negative logarithm of its evidence, in nats: with the mean square `loss` of n
residuals, p free entries, their Jacobian J and prior widths S, and the variance s^2 = n loss / (n - p),

    n / 2 log(loss + floor) + 1/2 log det(I + S J^T J S / s^2) + sum of the prices of all numbers (`nalu_jax._prior`).

The determinant is joint: entries that only their sum determines are not paid for twice. The width of an exponent is
that of its prior; of a coefficient, whose scale is unknown, `SPREAD` times its own size or what one residual tells of
it (the unit information of Kass and Wasserman, JASA 90:928, 1995, on which the BIC rests), whichever is more.

>>> from nalu_jax.symbolic import _path
>>> round(_path.bic(1e-4, 0.0, rows=100, complexity=3), 2)
-907.22
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .. import _prior
from ._problem import Problem, mask_of, unflatten

Tree = Any


class Step(NamedTuple):
    """One formula on the way. Arrays are NumPy's.

    Attributes:
        params: as those that the path began with, refitted.
        free: the same tree of booleans: True where an entry is fitted, False where it is pinned to a simple number.
        loss: of params on the data.
        complexity: number of free entries.
        bic: n ln(loss + floor) + complexity ln n, the Bayesian information criterion of a mean square of n residuals.
        description_length: nats, the negative logarithm of the evidence: what `prune` and `snap` choose by.
        changed: what was pinned in this step, as text; empty in the first.
    """

    params: Tree
    free: Tree
    loss: float
    complexity: int
    bic: float
    description_length: float
    changed: str

    def __repr__(self) -> str:
        return f"<Step {self.complexity} numbers, loss {self.loss:.3g}>"


class Path(NamedTuple):
    """Steps from the first refit, with everything free, to the simplest formula that was tried.

    Attributes:
        steps: one by one, each with fewer free entries than the one before.
        chosen: the index of the step that the budget or the description length chose.
    """

    steps: tuple[Step, ...]
    chosen: int

    @property
    def best(self) -> Step:
        """The chosen step: `path.best.params`, `path.best.free`."""
        return self.steps[self.chosen]

    def __repr__(self) -> str:
        rows = [
            f"{'*' if place == self.chosen else ' '} {step.complexity:>10}  {step.loss:8.2e}  {step.changed}".rstrip()
            for place, step in enumerate(self.steps)
        ]
        return "\n".join(["  complexity  loss      changed (* chosen)", *rows])


class State(NamedTuple):
    """A formula as flat NumPy arrays.

    Attributes:
        theta, free: (p,).
        loss: of theta.
        changed: the name of what was pinned last.
        hessian: (p, p), of the loss.
        description_length: in nats.
    """

    theta: np.ndarray
    free: np.ndarray
    loss: float
    changed: str
    hessian: np.ndarray
    description_length: float


class Move(NamedTuple):
    """An entry of theta, the value that it is pinned to, and how that is told to the user."""

    entry: int
    value: float
    told: str


class Rules(NamedTuple):
    """What may be pinned, and from where on losses are equal.

    Attributes:
        pinnable: (p,) bool.
        pins: (k, p) the values that an entry may be pinned to; where it changes nothing, the first.
        exponents: (p,) bool, entries that are exponents, whose numbers are rounded first.
        floor: of the loss.
    """

    pinnable: np.ndarray
    pins: np.ndarray
    exponents: np.ndarray
    floor: float


def bic(loss: float, floor: float, *, rows: int, complexity: int) -> float:
    """n ln(loss + floor) + complexity ln n."""
    return rows * math.log(max(loss + floor, 1e-300)) + complexity * math.log(rows)


def description_length(
    problem: Problem, rules: Rules, theta: np.ndarray, free: np.ndarray, loss: float, hessian: np.ndarray
) -> float:
    """Nats of one formula, by the equation at the head of this file."""
    rows, loss = problem.rows, max(loss + rules.floor, 1e-300)
    information = hessian.astype(float) * max(rows - int(free.sum()), 1) / (2 * loss)  # J^T J / s^2
    diagonal = np.abs(np.diagonal(information))
    unit = np.sqrt(rows / np.where(diagonal > 0, diagonal, np.inf))
    widths = np.where(rules.exponents, _prior.SPREAD, np.maximum(_prior.SPREAD * np.abs(theta), unit)) * free
    eigenvalues = np.linalg.eigvalsh(widths[:, None] * information * widths)
    accuracy = 0.5 * np.log1p(np.abs(eigenvalues)).sum()
    return rows / 2 * math.log(loss) + float(accuracy) + _names(problem, rules, theta, free)


def _names(problem: Problem, rules: Rules, theta: np.ndarray, free: np.ndarray) -> float:
    """The prices of all numbers that were free at the start."""
    return sum(
        price(float(theta[entry]), exponent=bool(rules.exponents[entry]), free=bool(free[entry]))
        for entry in np.flatnonzero(problem.free)
    )


def price(value: float, *, exponent: bool, free: bool) -> float:
    """Nats that name one number; the accuracy of a free one is not in it."""
    if exponent:
        return _prior.free_exponent_price(value) if free else _prior.exponent_price(value)
    return _prior.free_coefficient_price() if free else _prior.coefficient_price(value)


def step_of(problem: Problem, rules: Rules, state: State) -> Step:
    """`state` as the user sees it."""
    params, free = (unflatten(problem.structure, array) for array in (state.theta, state.free))
    complexity = int(state.free.sum())
    criterion = bic(state.loss, rules.floor, rows=problem.rows, complexity=complexity)
    return Step(params, free, state.loss, complexity, criterion, state.description_length, state.changed)


def rules_of(
    caller: str,
    problem: Problem,
    entries: Tree,
    values: Mapping[str, Sequence[float]],
    exponents: Collection[str],
    floor: float | None,
) -> Rules:
    """The rules of the public arguments. The floor is by default the machine epsilon times the loss of params that are
    all pinned: the mean square of what is to be explained."""
    pinnable = mask_of(caller, "entries", problem.structure, entries)
    pins = _pins_of(problem, values)
    sizes = [math.prod(shape) for shape in problem.structure.shapes]
    powers = np.repeat([name in exponents for name in problem.structure.leaf_names], sizes)
    if floor is not None:
        return Rules(pinnable, pins, powers, floor)
    losses = [
        float(problem.programs.loss(jnp.asarray(theta), problem.data))
        for theta in (np.where(problem.free, pins[0], problem.theta), problem.theta)
    ]
    scale = losses[0] if math.isfinite(losses[0]) and losses[0] > 0 else losses[1]
    return Rules(pinnable, pins, powers, float(np.finfo(problem.theta.dtype).eps) * scale)


def _pins_of(problem: Problem, values: Mapping[str, Sequence[float]]) -> np.ndarray:
    """(k, p) values by leaf name, 0 for leaves without; those with fewer than k have their last one repeated."""
    given = [tuple(values.get(name, (0,))) for name in problem.structure.leaf_names]
    rows = [[each[min(i, len(each) - 1)] for each in given] for i in range(max(map(len, given)))]
    sizes = [math.prod(shape) for shape in problem.structure.shapes]
    return np.stack([np.repeat(np.asarray(row, problem.theta.dtype), sizes) for row in rows])


def first_fit(problem: Problem, rules: Rules, width: int) -> State:
    """The start, refitted as it is, in as many lanes as the later refits have, so that one program does for all."""
    return _fitted(problem, rules, [problem.theta] * width, [problem.free] * width, [""] * width)[0]


def refit(problem: Problem, rules: Rules, states: Sequence[State], moves: Sequence[Move]) -> list[State]:
    """Every state with its move made and the rest refitted, all at once; those that are not finite are left out."""
    thetas, frees = [state.theta.copy() for state in states], [state.free.copy() for state in states]
    for theta, free, move in zip(thetas, frees, moves, strict=True):
        theta[move.entry], free[move.entry] = move.value, False
    names = [f"{problem.structure.names[move.entry]} = {move.told}" for move in moves]
    return [state for state in _fitted(problem, rules, thetas, frees, names) if math.isfinite(state.loss)]


def _fitted(
    problem: Problem,
    rules: Rules,
    thetas: Sequence[np.ndarray],
    frees: Sequence[np.ndarray],
    names: Sequence[str],
) -> list[State]:
    lanes = (jnp.asarray(np.stack(thetas)), jnp.asarray(np.stack(frees)))
    fixed = (jnp.asarray(rules.pinnable), jnp.asarray(rules.pins[0]), jnp.asarray(rules.floor, problem.theta.dtype))
    *fitted, losses = problem.programs.refit(*lanes, *fixed, problem.data)
    hessians = np.asarray(problem.programs.curvature(*fitted, problem.data))
    states = []
    for theta, free, loss, hessian, name in zip(*map(np.asarray, (*fitted, losses)), hessians, names, strict=True):
        usable = math.isfinite(loss) and bool(np.isfinite(hessian).all())
        length = description_length(problem, rules, theta, free, float(loss), hessian) if usable else math.inf
        states.append(State(theta, free, float(loss), name, hessian, length))
    return states


def limit_of(caller: str, budget: float | None, factor: float | None, first: State) -> float | None:
    """The largest loss that may be chosen; None leaves it to the description length.

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
