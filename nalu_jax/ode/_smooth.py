"""States between the times of measurement, by splines, and how noisy the measurements are."""

import itertools
from typing import NamedTuple

import numpy as np
from scipy.interpolate import make_interp_spline, make_smoothing_spline
from scipy.ndimage import maximum_filter1d

from ._data import Data

NODES = 4  # of Gauss-Legendre in every interval
EXACT = 1e-4  # noise, in standard deviations of a state, below which a spline goes through the points


class Smooth(NamedTuple):
    """The data between and at their times. NumPy arrays.

    Attributes:
        ys: (n_trajectories, n_times, n_states) at the times of the data.
        times: (n_trajectories, n_times - 1, NODES) Gauss's nodes of every interval.
        weights: the same shape, of the integral over the interval.
        nodes: (n_trajectories, n_times - 1, NODES, n_states) states there.
        errors: (n_trajectories, n_times - 1) how far off the nodes of exact data may be, in deviations of a state.
        noise: (n_states,) standard deviation of the measurements; 0 of exact ones.
    """

    ys: np.ndarray
    times: np.ndarray
    weights: np.ndarray
    nodes: np.ndarray
    errors: np.ndarray
    noise: np.ndarray


def smooth(data: Data, noise: float | None = None) -> Smooth:
    """Splines: through exact data, and of noisy ones smoothing splines chosen by generalised cross-validation.

    Args:
        data: the trajectories.
        noise: the standard deviation of the measurements in standard deviations of each state; 0 of exact ones; by
            default it is estimated.
    """
    states = range(data.ys.shape[-1])
    estimated = np.array([_noise_of_state(data, k) for k in states])
    deviations = estimated if noise is None else noise * data.scale
    deviations = np.where(deviations > EXACT * data.scale, deviations, 0.0)
    points, weights = np.polynomial.legendre.leggauss(NODES)
    steps = np.diff(data.ts)[..., None]
    times = data.ts[:, :-1, None] + steps * (points + 1) / 2
    ys, nodes = np.zeros_like(data.ys), np.zeros((*times.shape, len(states)))
    errors = np.zeros(times.shape[:2])
    for i, k in itertools.product(range(data.ts.shape[0]), states):
        seen = data.seen[i, :, k]
        if not seen.any():
            continue  # what another trajectory measured; no row of this one uses it
        t, y = data.ts[i, seen], data.ys[i, seen, k]
        # beyond the last point that was seen nothing is known, and nothing there is ever used
        inside = lambda at, t=t: np.clip(at, t[0], t[-1])
        spline, lower = _splines(t, y, bool(deviations[k] > 0))
        ys[i, :, k], nodes[i, ..., k] = spline(inside(data.ts[i])), spline(inside(times[i]))
        difference = np.abs(spline(inside(times[i])) - lower(inside(times[i]))).max(-1) / data.scale[k]
        errors[i] = np.maximum(errors[i], difference)
    # an error in one interval bends the spline in its neighbours as well
    return Smooth(ys, times, weights * steps / 2, nodes, maximum_filter1d(errors, 5, axis=1), deviations)


def _splines(t: np.ndarray, y: np.ndarray, noisy: bool):
    """The spline to use and one of lower order, whose difference says how good they are."""
    if noisy and t.size >= 5:
        spline = make_smoothing_spline(t, y)
        return spline, spline
    degrees = [degree for degree in (7, 5, 3, 1, 0) if degree < t.size]
    return make_interp_spline(t, y, k=degrees[0]), make_interp_spline(t, y, k=degrees[min(1, len(degrees) - 1)])


def _noise_of_state(data: Data, k: int) -> float:
    """The least, over how many neighbours predict a point, of the typical deviation from what they predict."""
    estimates = []
    for neighbours in (2, 4, 6, 8):
        deviations = [
            _deviations(data.ts[i, data.seen[i, :, k]], data.ys[i, data.seen[i, :, k], k], neighbours)
            for i in range(data.ts.shape[0])
        ]
        together = np.concatenate(deviations)
        if together.size:
            # the median, in units in which it is the standard deviation of a normal distribution: steep parts, which no
            # neighbours predict, are not noise
            estimates.append(float(np.median(np.abs(together)) / 0.6745))
    return min(estimates, default=0.0)


def _deviations(t: np.ndarray, y: np.ndarray, neighbours: int) -> np.ndarray:
    """Of each point from the polynomial through its neighbours, in units of the noise that both have."""
    half, found = neighbours // 2, []
    for i in range(half, t.size - half):
        others = np.r_[i - half : i, i + 1 : i + half + 1]
        ratios = (t[i] - t[others])[None] / (t[others][:, None] - t[others][None] + np.eye(others.size))
        lagrange = np.prod(np.where(np.eye(others.size, dtype=bool), 1.0, ratios), axis=1)
        found.append((y[i] - lagrange @ y[others]) / np.sqrt(1 + lagrange @ lagrange))
    return np.array(found)
