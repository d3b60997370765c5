"""What a formula does far off: whether it ends, or goes to 0, where an input goes to 0 or to infinity.

>>> import numpy as np
>>> from nalu_jax.discover._engine.search import search
>>> x = np.linspace(1.0, 2.0, 20)[:, None]
>>> [force] = [each for each in search(x, 3 / x[:, 0] ** 2).candidates][:1]
>>> [has_limits(force, (Far(0, zero, infinity, x),)) for zero in (False, True) for infinity in (False, True)]
[False, True, False, True]
"""

from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine.candidate import Candidate, predict

STEPS = (1e120, 1e240)
"""Factors, or their reciprocals, of an input: the twelfth root of the first is 1e10, so that no power is overlooked,
and a logarithm doubles from one to the other."""

LARGEST = 1e250
"""Of a formula: more is infinite (the engine's terms end at 1e299)."""

ZERO = 1e-6
"""Of the formula's size in the table: less, at the first step, is 0."""

SAME = 1.1
"""Ratio of sizes at the two steps from which the formula grows: that of a logarithm is 2, of a wave about 1."""


class Far(NamedTuple):
    """The input's place, whether the limit is 0 (else finite), at infinity (else at 0), and rows (m, n_in) whose other
    inputs it holds beside."""

    input: int
    zero: bool
    infinity: bool
    rows: np.ndarray


def has_limits(candidate: Candidate, limits: tuple[Far, ...]) -> bool:
    """Whether the formula has all of them."""
    return all(_has(candidate, far) for far in limits)


def _has(candidate: Candidate, far: Far) -> bool:
    with np.errstate(all="ignore"):
        here = np.abs(predict(candidate, far.rows))
        sizes = [float(np.abs(predict(candidate, _moved(far, step))).max()) for step in STEPS]
    typical = float(np.median(here[np.isfinite(here)])) if np.isfinite(here).any() else 0.0
    if not max(sizes) < LARGEST:
        return False
    if far.zero:
        return sizes[0] <= ZERO * typical and sizes[1] <= ZERO * typical
    return sizes[1] <= SAME * max(sizes[0], ZERO * typical)


def _moved(far: Far, step: float) -> np.ndarray:
    rows = far.rows.copy()
    rows[:, far.input] = rows[:, far.input] * step if far.infinity else rows[:, far.input] / step
    return rows
