"""What was measured beside the states and drives them, between the samples.

Whether a forcing is smooth, has steps or is noisy is not asked for: of interpolations of several degrees through every
other sample the one is taken that comes nearest to the samples left out.

>>> import numpy as np
>>> ts = np.linspace(0.0, 6.0, 40)
>>> curve(ts, np.sin(ts)).k, curve(ts, np.sign(np.sin(2 * ts))).k
(7, 1)
"""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline

from nalu_jax.discover._systems import settings


class Inputs(NamedTuple):
    """Of each trajectory the curves of all inputs, and (n_inputs,) by which their values are divided."""

    curves: tuple[tuple[BSpline, ...], ...]
    scale: np.ndarray

    def at(self, trajectory: int, times: np.ndarray) -> np.ndarray:
        """(..., n_inputs) of one trajectory, scaled."""
        return np.stack([each(times) for each in self.curves[trajectory]], -1) / self.scale


def inputs(times: list[np.ndarray], values: list[np.ndarray]) -> Inputs:
    """Of values (n_times, n_inputs) of each trajectory, in the units of the data."""
    every = np.concatenate(values)
    spread, size = every.std(0), np.abs(every).max(0)
    scale = np.where(spread > 0, spread, np.where(size > 0, size, 1.0))
    curves = tuple(tuple(curve(ts, column) for column in own.T) for ts, own in zip(times, values, strict=True))
    return Inputs(curves, scale)


def curve(ts: np.ndarray, values: np.ndarray) -> BSpline:
    """Through all values (n_times,)."""
    kept, left_out = slice(None, None, 2), slice(1, -1, 2)
    degrees = [degree for degree in settings.INPUT_DEGREES if (len(ts) + 1) // 2 > degree]
    errors = []
    for degree in degrees:
        missed = make_interp_spline(ts[kept], values[kept], k=degree)(ts[left_out]) - values[left_out]
        errors.append(float(np.sum(missed**2)))
    degree = degrees[int(np.argmin(errors))] if degrees else 1
    return make_interp_spline(ts, values, k=degree)
