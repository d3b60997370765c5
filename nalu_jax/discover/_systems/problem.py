"""Trajectories made ready: scaled, laid one after another, and smoothed in several ways.

How noisy data are is not decided here. Splines whose noise is the likeliest, splines that give all states the smallest
ratio of noise that any has, and finer ones are all searched from; what fits decides.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline

from nalu_jax.discover._systems import settings
from nalu_jax.discover._systems.inputs import Inputs
from nalu_jax.discover._systems.library import Kinds
from nalu_jax.discover._systems.smoothing import Smoother, Spline

FEWEST_SMOOTHED = 8  # measurements through which a spline is smoothed; fewer are interpolated


class Known(NamedTuple):
    """The part of the rates that is known, in scaled states: of times (m,) and variables (m, n_variables).

    Attributes:
        rates: (m, n).
        jacobian: (m, n, n), by the states.
    """

    rates: Callable[[np.ndarray, np.ndarray], np.ndarray]
    jacobian: Callable[[np.ndarray, np.ndarray], np.ndarray]


class Curves(NamedTuple):
    """Splines through all states of all trajectories, and the noise of every state."""

    splines: tuple[tuple[Spline, ...], ...]
    noise: np.ndarray

    def states(self, trajectory: int, times: np.ndarray) -> np.ndarray:
        """(..., n_states)."""
        return np.stack([_within(spline.curve, times) for spline in self.splines[trajectory]], -1)

    def rates(self, trajectory: int, times: np.ndarray) -> np.ndarray:
        """Their derivatives."""
        return np.stack([_within(spline.curve.derivative(), times) for spline in self.splines[trajectory]], -1)


@dataclass(frozen=True, eq=False)
class Problem:
    """Trajectories, one below the other. States and inputs are divided by `scale`.

    Variables are the states and, after them, the inputs.

    Attributes:
        times: of each trajectory.
        ys: (N, n_states) measurements, 0 where not seen.
        seen: (N, n_states).
        inputs: what drives the states; None where nothing does.
        scale: (n_variables,) of states their standard deviations, in the units of the data.
        curves: ways in which the trajectories are smoothed.
        known: the known part of the rates.
        exact_starts: whether first measurements have next to no noise.
        noise: that was given, as part of each state's standard deviation.
        kinds: what units say of the variables; None where there are none.
        routes: (n_states, n_equations) what each equation adds to the rates of the states, where sums of them are
            conserved and an equation is what one state hands to others; None where every state has its own.
        equation_scale: (n_equations,) of the rates of the equations, in the units of the data.
    """

    times: tuple[np.ndarray, ...]
    ys: np.ndarray
    seen: np.ndarray
    inputs: Inputs | None
    scale: np.ndarray
    curves: tuple[Curves, ...]
    known: Known | None
    exact_starts: bool
    noise: float | None
    kinds: Kinds | None = None
    routes: np.ndarray | None = None
    equation_scale: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def n_states(self) -> int:
        return self.ys.shape[1]

    @property
    def n_variables(self) -> int:
        return len(self.scale)

    @property
    def n_equations(self) -> int:
        return self.n_states if self.routes is None else self.routes.shape[1]

    @functools.cached_property
    def signed(self) -> list[bool]:
        """Of each variable whether it has negative values, beyond those that noise makes of small ones."""
        noise = np.concatenate([self.curves[0].noise, np.zeros(self.n_variables - self.n_states)])
        below = np.where(noise < settings.EXACT_SPLINE, 0.0, settings.NOISE_BELOW_ZERO * noise)
        return [bool(low < -own) for low, own in zip(self.lowest, below, strict=True)]

    @functools.cached_property
    def lowest(self) -> list[float]:
        """Of each variable the smallest value."""
        return [float(values.min()) for values in self._measured]

    @functools.cached_property
    def _measured(self) -> list[np.ndarray]:
        states = [self.ys[self.seen[:, j], j] for j in range(self.n_states)]
        return [*states, *self.input_samples.T]

    @functools.cached_property
    def input_samples(self) -> np.ndarray:
        """(N, n_inputs)."""
        return np.concatenate([self.inputs_of(i, ts) for i, ts in enumerate(self.times)])

    def variables(self, nodes: np.ndarray) -> np.ndarray:
        """(N, n_variables) of states (N, n_states) at the samples."""
        return np.concatenate([nodes, self.input_samples], 1)

    def inputs_at(self, times: np.ndarray) -> np.ndarray:
        """(I, ..., n_inputs) at times (I, ...) within the intervals."""
        if self.inputs is None:
            return np.zeros((*times.shape, 0))
        found = self._inputs_at(times)
        held = self.inputs.held
        if not held.any():
            return found
        within = self._inputs_within.reshape(len(times), *(1,) * (times.ndim - 1), -1)
        return np.where(held, within, found)

    def _inputs_at(self, times: np.ndarray) -> np.ndarray:
        ends = np.cumsum([len(ts) - 1 for ts in self.times])[:-1]
        return np.concatenate([self.inputs_of(i, part) for i, part in enumerate(np.split(times, ends))])

    @functools.cached_property
    def _inputs_within(self) -> np.ndarray:
        """(I, n_inputs) in the middle of the intervals: what is held jumps at their ends, which belong to two."""
        return self._inputs_at(self.begin_times + self.steps / 2)

    def inputs_of(self, trajectory: int, times: np.ndarray) -> np.ndarray:
        """(..., n_inputs) of one trajectory."""
        return np.zeros((*times.shape, 0)) if self.inputs is None else self.inputs.at(trajectory, times)

    @functools.cached_property
    def firsts(self) -> np.ndarray:
        """Rows in which trajectories begin."""
        return np.cumsum([0, *(len(ts) for ts in self.times)])[:-1]

    @functools.cached_property
    def begins(self) -> np.ndarray:
        """(I,) rows in which intervals between samples begin; they end in the next row."""
        return np.setdiff1d(np.arange(len(self.ys)), self.firsts[1:] - 1)[:-1]

    @functools.cached_property
    def steps(self) -> np.ndarray:
        """(I,) lengths of the intervals."""
        return np.concatenate([np.diff(ts) for ts in self.times])

    @functools.cached_property
    def begin_times(self) -> np.ndarray:
        """(I,) at which they begin."""
        return np.concatenate([ts[:-1] for ts in self.times])

    @functools.cached_property
    def joined(self) -> np.ndarray:
        """(I - 1,) whether an interval begins where the one before it ends."""
        return np.diff(self.begins) == 1

    @functools.cached_property
    def degrees(self) -> np.ndarray:
        """(n_states,) measurements that are not used up by initial states."""
        return np.maximum(self.seen.sum(0) - len(self.times), 1).astype(float)

    @property
    def rows(self) -> float:
        """The same of all states together."""
        return float(self.degrees.sum())

    @functools.cached_property
    def typical_rates(self) -> np.ndarray:
        """(n_equations,) root mean square of the rates of the first curves, without what is known.

        Of what is handed on it is that of the state that changes least by it: no more is seen to pass.
        """
        rates = np.concatenate([self.curves[0].rates(i, ts) for i, ts in enumerate(self.times)])
        if self.known is not None:
            variables = self.variables(self.nodes(self.curves[0]))
            rates = rates - self.known.rates(np.concatenate(self.times), variables)
        sizes = np.sqrt(np.mean(rates**2, 0)) + 1e-300
        if self.routes is None:
            return sizes
        with np.errstate(divide="ignore"):
            return (sizes[:, None] / np.abs(self.routes)).min(0)

    def nodes(self, curves: Curves) -> np.ndarray:
        """(N, n_states) of curves at the samples.

        Known initial states are as they were measured, and a state that is never negative is not below its smallest
        measurement: a spline that passes below 0 is where real powers end, and their slopes leave the numbers.
        """
        nodes = np.concatenate([curves.states(i, ts) for i, ts in enumerate(self.times)])
        if self.exact_starts:
            nodes[self.firsts] = np.where(self.seen[self.firsts], self.ys[self.firsts], nodes[self.firsts])
        for j in range(self.n_states):
            if not self.signed[j]:
                nodes[:, j] = np.maximum(nodes[:, j], max(self.lowest[j], 0.0))
        return nodes

    def deviations(self, sigma: np.ndarray) -> np.ndarray:
        """(N, n_states) standard deviations of measurements whose noise is sigma (n_states,)."""
        unseen = np.minimum(settings.UNSEEN_SPREAD, settings.UNSEEN_RATIO * sigma)
        found = np.where(self.seen, sigma, np.maximum(unseen, sigma))
        if self.exact_starts:
            found[self.firsts] = np.where(self.seen[self.firsts], settings.EXACT_START * sigma, found[self.firsts])
        return found


def problem(
    times: list[np.ndarray],
    ys: list[np.ndarray],
    *,
    known: Known | None = None,
    inputs: Inputs | None = None,
    scale: np.ndarray,
    noise: float | None = None,
    exact_starts: bool = False,
    kinds: Kinds | None = None,
    routes: np.ndarray | None = None,
) -> Problem:
    """The problem of trajectories ys (n_times, n_states) and routes in the units of the data, NaN where not seen."""
    kept = [np.isfinite(y).any(1) | (inputs is not None) for y in ys]
    times = [ts[rows] for ts, rows in zip(times, kept, strict=True)]
    scaled = [y[rows] / scale for y, rows in zip(ys, kept, strict=True)]
    stacked = np.concatenate(scaled)
    seen = np.isfinite(stacked)
    curves = _all_curves(times, scaled, noise)
    routes, equation_scale = (None, scale) if routes is None else _scaled_routes(routes, scale)
    scale = scale if inputs is None else np.concatenate([scale, inputs.scale])
    measured = np.where(seen, stacked, 0.0)
    return Problem(
        tuple(times), measured, seen, inputs, scale, curves, known, exact_starts, noise, kinds, routes, equation_scale
    )


def _scaled_routes(routes: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Routes between scaled states, of which none exceeds 1, and (n_equations,) by which the rates are divided."""
    with np.errstate(divide="ignore"):
        of_equations = (scale[:, None] / np.abs(routes)).min(0)
    return routes * of_equations / scale[:, None], of_equations


def _all_curves(times: list[np.ndarray], ys: list[np.ndarray], noise: float | None) -> tuple[Curves, ...]:
    smoothers = _Smoothers(times, ys)
    if noise is not None:
        return (smoothers.curves(max(noise, settings.SMALLEST_NOISE)),)
    likeliest = smoothers.curves(None)
    found = [likeliest]
    lowest = max(float(likeliest.noise.min()), settings.SMALLEST_NOISE)
    if likeliest.noise.max() > settings.ALIKE_NOISE * lowest:
        found.append(smoothers.curves(lowest))
    for least, part in settings.FINER_SPLINES.items():
        if lowest > least:
            found.append(smoothers.curves(max(lowest * part, settings.SMALLEST_NOISE)))
    return tuple(found)


class _Smoothers:
    """Of all states of all trajectories; those measured at the same times share one."""

    def __init__(self, times: list[np.ndarray], ys: list[np.ndarray]):
        self.parts = []
        for ts, states in zip(times, ys, strict=True):
            shared: dict[bytes, Smoother | None] = {}
            row = []
            for values in states.T:
                seen = np.isfinite(values)
                if seen.tobytes() not in shared:
                    enough = seen.sum() >= FEWEST_SMOOTHED
                    shared[seen.tobytes()] = Smoother(ts[seen]) if enough else None
                row.append((shared[seen.tobytes()], ts[seen], values[seen]))
            self.parts.append(row)

    def curves(self, noise: float | None) -> Curves:
        splines = tuple(
            tuple(
                _interpolated(ts, values) if smoother is None else smoother.spline(values, noise)
                for smoother, ts, values in row
            )
            for row in self.parts
        )
        squares = np.array([[spline.noise**2 for spline in row] for row in splines])
        counted = np.isfinite(squares)
        mean = np.where(counted, squares, 0).sum(0) / np.maximum(counted.sum(0), 1)
        found = np.where(counted.any(0), np.sqrt(mean), settings.INTERPOLATED_NOISE)
        return Curves(splines, np.maximum(found, settings.SMALLEST_NOISE))


def _interpolated(ts: np.ndarray, values: np.ndarray) -> Spline:
    """Through a few measurements; constant where there is one, and 0 where there is none."""
    if len(ts) < 2:
        level = values[0] if len(ts) else 0.0
        return Spline(BSpline(np.array([0.0, 0.0, 1.0, 1.0]), np.array([level, level]), 1), np.nan)
    curve = make_interp_spline(ts, values, k=min(3, len(ts) - 1))
    return Spline(curve, np.nan)


def _within(curve: BSpline, times: np.ndarray) -> np.ndarray:
    """A curve, constant where it would have to be extrapolated."""
    ends = curve.t[curve.k], curve.t[-curve.k - 1]
    return curve(np.clip(times, *ends))
