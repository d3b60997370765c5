"""What was measured beside the states and drives them, between the samples.

Whether a forcing is smooth, has steps or is noisy is not asked for: of interpolations of several degrees through every
other sample the one is taken that comes nearest to the samples left out. What a controller holds from one sample to the
next is none of them, and no look at the samples tells it from a forcing that moves: where it may be so, laws are
searched with each of `HELD`, and their evidence decides.

>>> import numpy as np
>>> ts = np.linspace(0.0, 6.0, 40)
>>> switched = np.sign(np.sin(2 * ts))
>>> curve(ts, np.sin(ts)).k, curve(ts, switched).k, curve(ts, switched, FROM_BEGIN).k
(7, 1, 0)
>>> may_be_held([ts], [np.sin(ts)]), may_be_held([ts], [switched])
(False, True)
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline

from nalu_jax.discover._systems import settings

INTERPOLATED = ""
FROM_BEGIN, FROM_END = "from each sample to the next", "up to each sample from the one before"
"""How an input is held between samples: at the value of the sample before, or of the one after."""

HELD = (FROM_BEGIN, FROM_END)


class Inputs(NamedTuple):
    """Of each trajectory the curves of all inputs, and (n_inputs,) by which their values are divided."""

    curves: tuple[tuple[BSpline, ...], ...]
    scale: np.ndarray

    def at(self, trajectory: int, times: np.ndarray) -> np.ndarray:
        """(..., n_inputs) of one trajectory, scaled."""
        return np.stack([each(times) for each in self.curves[trajectory]], -1) / self.scale

    @property
    def held(self) -> np.ndarray:
        """(n_inputs,) whether an input stays as it is between samples."""
        return np.array([each.k == 0 for each in self.curves[0]], bool)


def inputs(times: Sequence[np.ndarray], values: Sequence[np.ndarray], kinds: Sequence[str] = ()) -> Inputs:
    """Of values (n_times, n_inputs) of each trajectory, in the units of the data; `kinds` say how they are held."""
    every = np.concatenate(values)
    spread, size = every.std(0), np.abs(every).max(0)
    scale = np.where(spread > 0, spread, np.where(size > 0, size, 1.0))
    kinds = kinds or (INTERPOLATED,) * every.shape[1]
    curves = tuple(
        tuple(curve(ts, column, kind) for column, kind in zip(own.T, kinds, strict=True))
        for ts, own in zip(times, values, strict=True)
    )
    return Inputs(curves, scale)


def curve(ts: np.ndarray, values: np.ndarray, kind: str = INTERPOLATED) -> BSpline:
    """Through all values (n_times,), or constant between the times."""
    if kind != INTERPOLATED:
        return BSpline(np.asarray(ts, float), values[:-1] if kind == FROM_BEGIN else values[1:], 0)
    errors = _errors(ts, values)
    degree = min(errors, key=errors.__getitem__, default=1)
    return make_interp_spline(ts, values, k=degree)


def may_be_held(times: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> bool:
    """Whether values (n_times,) of each trajectory stay the same over most samples and jump at others, or no
    interpolation foretells them."""
    changes = np.concatenate([np.diff(own) for own in values])
    if not changes.any():
        return False
    if np.mean(changes == 0) > settings.HELD_SAMPLES:
        return True
    errors, spreads = 0.0, 0.0
    for ts, own in zip(times, values, strict=True):
        errors += min(_errors(ts, own).values(), default=0.0)
        spreads += float(np.sum((own[1:-1:2] - own.mean()) ** 2))
    return errors > settings.UNFORETOLD * spreads


def _errors(ts: np.ndarray, values: np.ndarray) -> dict[int, float]:
    """Of each degree the sum of squares by which every other sample is missed."""
    kept, left_out = slice(None, None, 2), slice(1, -1, 2)
    degrees = [degree for degree in settings.INPUT_DEGREES if (len(ts) + 1) // 2 > degree]
    missed = {k: make_interp_spline(ts[kept], values[kept], k=k)(ts[left_out]) - values[left_out] for k in degrees}
    return {degree: float(np.sum(own**2)) for degree, own in missed.items()}
