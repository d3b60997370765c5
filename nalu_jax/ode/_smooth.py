"""States between the times of measurement, by splines, and how noisy the measurements are."""

import itertools
from typing import NamedTuple

import numpy as np
from scipy.interpolate import make_interp_spline, make_smoothing_spline
from scipy.ndimage import maximum_filter1d

from .. import _arguments
from ._data import Data

NODES = 4  # of Gauss-Legendre in every interval
EXACT = 1e-4  # noise, in standard deviations of a state, below which a spline goes through the points
NORMAL_MEDIAN = 0.6745  # of the size of a standard normal number
NORMAL_WITHIN_3 = 0.9866  # standard deviation of a standard normal number that lies within 3 of 0


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


@_arguments.checked(
    "ode.smooth",
    data=_arguments.instance("trajectories", "Make them with ode.data(ts, ys).", Data),
    noise=_arguments.optional(_arguments.number(0.0)),
)
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
    """The typical deviation of a point from what its neighbours predict: of as few of them as predict well.

    More neighbours follow the curve better. The least over their numbers would be too small: with few points each is a
    guess. A fewer than the best is taken where its estimate is as good within the errors of both.
    """
    estimates = []
    for neighbours in (2, 4, 6, 8):
        deviations = np.concatenate(
            [
                _deviations(data.ts[i, data.seen[i, :, k]], data.ys[i, data.seen[i, :, k], k], neighbours)
                for i in range(data.ts.shape[0])
            ]
        )
        if deviations.size:
            estimates.append(_typical(deviations))
    if not estimates:
        return 0.0
    alike = min(estimates) * (1 + 2 / np.sqrt(data.seen[..., k].sum()))
    return next(estimate for estimate in estimates if estimate <= alike)


def _typical(deviations: np.ndarray) -> float:
    """The standard deviation of normal deviations among which are others: steep parts, which no neighbours predict.

    It starts from the median, which others hardly move, and then takes all within three of it, which have more to say.
    """
    size = np.abs(deviations)
    estimate = float(np.median(size)) / NORMAL_MEDIAN
    for _ in range(3):
        near = size[size <= 3 * estimate]
        estimate = float(np.sqrt(np.mean(near**2))) / NORMAL_WITHIN_3
    return estimate


def _deviations(t: np.ndarray, y: np.ndarray, neighbours: int) -> np.ndarray:
    """Of each point from the polynomial through its neighbours, in units of the noise that both have."""
    half, found = neighbours // 2, []
    for i in range(half, t.size - half):
        others = np.r_[i - half : i, i + 1 : i + half + 1]
        ratios = (t[i] - t[others])[None] / (t[others][:, None] - t[others][None] + np.eye(others.size))
        lagrange = np.prod(np.where(np.eye(others.size, dtype=bool), 1.0, ratios), axis=1)
        found.append((y[i] - lagrange @ y[others]) / np.sqrt(1 + lagrange @ lagrange))
    return np.array(found)
