"""Quotients x_0 / x_1 from harder inputs: mixed signs, Benford, truncated normal, wide and small numbers.

The sets of the division papers beside the nine ranges of `single_module`: 25 seeds, flat threshold 1e-5 on the test
error, 50,000 iterations with 2 inputs and 100,000 with 10.

`SETS` maps a name to its training and test distributions, functions (key, shape) -> x. `SMALL` are the ranges of the
small-number tasks: easy ([a] -> 1 / a), medium ([a, b] -> 1 / a), hard ([a, b] -> a / b), where training and test range
are the same and the threshold is the float32 error of the gold weights plus the machine epsilon (`gold_threshold`).

Reference:
    Mistry, Farrahi, Hare, "Exploring the Learning Mechanisms of Neural Division Modules", TMLR 09/2022,
    https://arxiv.org/abs/2110.05177

Example:
    >>> import jax
    >>> from nalu_jax.tasks import division
    >>> division.SETS["benford"].train(jax.random.key(0), (2, 3)).shape
    (2, 3)
    >>> sorted(division.SMALL)[:2]
    ['U[0,0.0001]', 'U[0,0.001]']
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from .. import _arguments
from . import _kinds, draw

Distribution = Callable[..., Array]
"""(key, shape) -> x."""


class Set(NamedTuple):
    """The distributions of training (and validation) and of test inputs."""

    train: Distribution
    test: Distribution


def _columns(first: tuple[float, float], rest: tuple[float, float]) -> Distribution:
    return functools.partial(draw.by_column, bounds=(first, rest))


def _uniform(*intervals: tuple[float, float]) -> Distribution:
    return functools.partial(draw.uniform, bounds=intervals)


def _normal(mean: float, deviation: float, low: float, high: float) -> Distribution:
    return functools.partial(draw.truncated_normal, mean=mean, deviation=deviation, low=low, high=high)


_FAR = ((-6.0, -2.0), (2.0, 6.0))
_FAR_REVERSED = (_FAR[1], _FAR[0])

MIXED_SIGNS = {
    "U[-2,2]": Set(_uniform((-2.0, 2.0)), _uniform(*_FAR)),
    "U[-2,-0.1], U[0.1,2]": Set(_columns((-2.0, -0.1), (0.1, 2.0)), _columns(*_FAR)),
    "U[0.1,2], U[-2,-0.1]": Set(_columns((0.1, 2.0), (-2.0, -0.1)), _columns(*_FAR_REVERSED)),
    "U[-2,-1], U[1,2]": Set(_columns((-2.0, -1.0), (1.0, 2.0)), _columns(*_FAR)),
    "U[1,2], U[-2,-1]": Set(_columns((1.0, 2.0), (-2.0, -1.0)), _columns(*_FAR_REVERSED)),
}
OTHER = {
    "benford": Set(functools.partial(draw.benford, low=10), functools.partial(draw.benford, low=100)),
    "TN(-1,3)": Set(_normal(-1.0, 3.0, -5.0, 10.0), _normal(-10.0, 3.0, -15.0, -5.0)),
    "TN(1,3)": Set(_normal(1.0, 3.0, -10.0, 5.0), _normal(10.0, 3.0, 5.0, 15.0)),
    "TN(0,1)": Set(_normal(0.0, 1.0, -5.0, 5.0), _normal(10.0, 1.0, 5.0, 15.0)),
    "U[-50,50]": Set(_uniform((-50.0, 50.0)), _uniform((-100.0, -50.0), (50.0, 100.0))),
    "U[-100,100]": Set(_uniform((-100.0, 100.0)), _uniform((-200.0, -100.0), (100.0, 200.0))),
}
SETS = MIXED_SIGNS | OTHER

SMALL = {f"U[0,{high:g}]": (0.0, high) for high in (1e-4, 1e-3, 1e-2, 0.1, 1.0)}
SMALL_TASKS = {"easy": 1, "medium": 2, "hard": 2}
"""Small-number task to its number of inputs."""


@_arguments.checked(
    "division.batch",
    key=_kinds.KEY,
    distribution=_kinds.DISTRIBUTION,
    offset=_arguments.count(0),
    n_in=_arguments.count(2),
    rows=_arguments.count(),
)
def batch(key: Array, distribution: Distribution, *, offset: int = 0, n_in: int = 2, rows: int) -> tuple[Array, Array]:
    """x (rows, n_in) of the distribution and the quotient y (rows, 1) of the inputs at offset and offset + 1."""
    _kinds.check_offset("division.batch", offset, 2, n_in)
    x = distribution(key, (rows, n_in))
    return x, x[:, offset : offset + 1] / x[:, offset + 1 : offset + 2]


@_arguments.checked("division.small_target", x=_arguments.array(), task=_arguments.choice(*SMALL_TASKS))
def small_target(x: Array, task: str) -> Array:
    """y (..., 1): 1 / a of the easy and medium tasks, a / b of the hard one; x (..., 1), or (..., 2) of the others."""
    x = _kinds.inputs("division.small_target", x, SMALL_TASKS[task])
    return x[..., :1] / x[..., 1:2] if task == "hard" else 1 / x[..., :1]


@_arguments.checked(
    "division.small_batch",
    key=_kinds.KEY,
    bounds=_kinds.BOUNDS,
    task=_arguments.choice(*SMALL_TASKS),
    rows=_arguments.count(),
)
def small_batch(key: Array, bounds: draw.Bounds, task: str, *, rows: int) -> tuple[Array, Array]:
    """x (rows, 1 or 2) inside bounds, and its target (rows, 1); bounds may be traced."""
    x = draw.uniform(key, (rows, SMALL_TASKS[task]), bounds)
    return x, small_target(x, task)


@_arguments.checked(
    "division.gold_threshold",
    apply=_arguments.function("(params, x) -> y"),
    gold=_arguments.tree(),
    x=_arguments.array(),
    task=_arguments.choice(*SMALL_TASKS),
)
def gold_threshold(apply, gold, x: Array, task: str) -> Array:
    """Mean squared error of the gold weights of a unit on x, plus the machine epsilon of float32; a scalar."""
    error = jnp.mean((apply(gold, x) - small_target(x, task)) ** 2)
    return error + float(jnp.finfo(jnp.float32).eps)
