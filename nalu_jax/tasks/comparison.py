"""Comparisons of two numbers: is a > b, for all pairs of digits, and then for numbers many magnitudes larger?

    train: all pairs of 1 to 9, 81 rows; for == and != 18, each of 1 to 9 beside itself and beside another of 1 to 10
    test:  for m = 1 to 18 a random whole number a from 10^m to 10^(m+1) - 1 beside a - 5 to a + 5, in both orders,
           21 rows; for == and != the ten that are not a, each beside a and beside itself, 20 rows

y is 1 where the comparison holds, otherwise 0. Full batch, 50,000 steps, mean absolute error, float64, seeds 0 to 9.
All numbers are whole and on the host; y follows from these, x is what float64 keeps of them. Two neighbours above 2^53
can be one float64 number, so rows of magnitudes beyond `EXACT` contradict one another: no model is right there.

In the study of scales the training inputs and the steps from a to a + 5 are times `scale`, a itself is not, and 10^1
alone is looked at.

Deviations: the released code gives its comparisons ten thousand times the first number, which makes nearly all orders
alike, and >= the rows of >; here y is what the names say. Random numbers are NumPy's.

Reference:
    Faber, Wattenhofer, "Neural Status Registers", ICML 2023, https://arxiv.org/abs/2004.07085, and its repository
    neural_status_register.

Example:
    >>> from nalu_jax.tasks import comparison
    >>> x, y = comparison.training_set("ge")
    >>> x.shape, int(y.sum())
    ((81, 2), 45)
    >>> x, y = comparison.held_out("eq", magnitude=3, seed=0)
    >>> x.shape, int(y.sum())
    ((20, 2), 10)
"""

import operator

import numpy as np

from .. import _arguments
from . import _kinds

COMPARISONS = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
}
STEPS = 50_000
RATE = 1e-3  # of Adam
SEEDS = tuple(range(10))
MAGNITUDES = tuple(range(1, 19))
EXACT = 14
"""The last magnitude at which all test inputs are different numbers in float64."""

SCALES = tuple(10.0**power for power in range(-3, 6))
SCALINGS = tuple(10.0**power for power in range(-3, 4))
"""Of the register's tanh, lambda in the paper."""

_DIGITS = range(1, 10)
_STEPS_AWAY = tuple(step for step in range(-5, 6) if step)


@_arguments.checked(
    "comparison.compare",
    comparison=_arguments.choice(*COMPARISONS),
    first=_arguments.array(),
    second=_arguments.array(),
)
def compare(comparison: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1.0 where the comparison holds, otherwise 0.0, of two arrays of one shape.

    Raises:
        ValueError: comparison is none of COMPARISONS, or the shapes differ.
    """
    _kinds.check_alike("comparison.compare", "first", first, "second", second)
    return COMPARISONS[comparison](np.asarray(first), np.asarray(second)).astype(float)


@_arguments.checked(
    "comparison.training_set", comparison=_arguments.choice(*COMPARISONS), seed=_kinds.SEED, scale=_arguments.number()
)
def training_set(comparison: str, *, seed: int = 0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """x (rows, 2) and y (rows, 1), float64: 81 rows, or 18 with == and !=, of which the seed draws nine.

    Raises:
        ValueError: comparison is none of COMPARISONS.
    """
    pairs = [(a, b) for a in _DIGITS for b in _DIGITS]
    if comparison in ("eq", "ne"):
        shifts = np.random.default_rng(seed).integers(1, 10, len(_DIGITS)).tolist()  # 1 to 9 places on, of ten
        others = [(a, 1 + (a - 1 + shift) % 10) for a, shift in zip(_DIGITS, shifts, strict=True)]
        pairs = others + [(a, a) for a in _DIGITS]
    whole = np.array(pairs)
    return scale * whole.astype(float), compare(comparison, whole[:, :1], whole[:, 1:])


@_arguments.checked(
    "comparison.held_out",
    comparison=_arguments.choice(*COMPARISONS),
    magnitude=_arguments.count(MAGNITUDES[0], MAGNITUDES[-1]),
    seed=_kinds.SEED,
    scale=_arguments.number(),
)
def held_out(comparison: str, *, magnitude: int, seed: int = 0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """x (21 or 20, 2) and y (21 or 20, 1), float64, around a number of magnitude + 1 digits drawn by the seed.

    Raises:
        ValueError: comparison is none of COMPARISONS, or magnitude none of MAGNITUDES.
    """
    random = np.random.default_rng([seed, magnitude])
    a = int(random.integers(10**magnitude, 10 ** (magnitude + 1), dtype=np.uint64))
    if comparison in ("eq", "ne"):
        steps = [pair for step in _STEPS_AWAY for pair in ((0, step), (step, step))]
    else:
        steps = [(0, step) for step in (0, *_STEPS_AWAY)] + [(step, 0) for step in _STEPS_AWAY]
    whole = np.array(steps)
    x = [[float(a + step) if scale == 1 else a + scale * step for step in pair] for pair in steps]
    return np.array(x), compare(comparison, whole[:, :1], whole[:, 1:])
