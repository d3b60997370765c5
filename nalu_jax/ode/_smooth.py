"""States between the times of measurement, by splines, and how noisy the measurements are."""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import make_interp_spline, make_smoothing_spline

from ._data import Data

NODES = 4  # of Gauss-Legendre in every interval
EXACT = 1e-4  # noise, in standard deviations of a state, below which a spline goes through the points


class Smooth(NamedTuple):
    """The data between and at their times. NumPy arrays.

    Attributes:
        ys: (n_trajectories, n_times, n_states) at the times of the data.
        nodes: (n_trajectories, n_times - 1, NODES, n_states) at Gauss's nodes of every interval.
        times: (n_trajectories, n_times - 1, NODES) of the nodes.
        weights: the same shape, of the integral over the interval.
        noise: (n_states,) estimated standard deviation of the measurements, or of the interpolation where that is more.
    """

    ys: np.ndarray
    nodes: np.ndarray
    times: np.ndarray
    weights: np.ndarray
    noise: np.ndarray


def smooth(data: Data) -> Smooth:
    """Splines through the data: smoothing ones, chosen by generalised cross-validation, where the data are noisy."""
    points, weights = np.polynomial.legendre.leggauss(NODES)
    steps = np.diff(data.ts)[..., None]
    times = data.ts[:, :-1, None] + steps * (points + 1) / 2
    noise = np.array([_noise_of_state(data, k) for k in range(data.ys.shape[-1])])
    at, nodes = np.zeros_like(data.ys), np.zeros((*times.shape, data.ys.shape[-1]))
    for i in range(data.ts.shape[0]):
        for k in range(data.ys.shape[-1]):
            seen = data.seen[i, :, k]
            spline = _spline(data.ts[i, seen], data.ys[i, seen, k], noise[k] > EXACT * data.scale[k])
            # beyond the last point that was seen nothing is known, and nothing there is ever used
            low, high = data.ts[i, seen][[0, -1]]
            at[i, :, k] = spline(np.clip(data.ts[i], low, high))
            nodes[i, ..., k] = spline(np.clip(times[i], low, high))
    return Smooth(at, nodes, times, weights * steps / 2, noise)


def _spline(t: np.ndarray, y: np.ndarray, noisy: bool):
    if noisy and t.size >= 5:
        return make_smoothing_spline(t, y)
    degrees = [degree for degree in (7, 5, 3, 1) if degree < t.size]
    return make_interp_spline(t, y, k=degrees[0])


def _noise_of_state(data: Data, k: int) -> float:
    """The least, over how many neighbours predict a point, of the deviation from what they predict."""
    estimates = []
    for neighbours in (2, 4, 6, 8):
        deviations = [
            _deviations(data.ts[i, data.seen[i, :, k]], data.ys[i, data.seen[i, :, k], k], neighbours)
            for i in range(data.ts.shape[0])
        ]
        together = np.concatenate(deviations)
        if together.size:
            estimates.append(float(np.sqrt(np.mean(together**2))))
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
