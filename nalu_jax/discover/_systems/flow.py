"""Every interval between two samples, integrated at once: where it ends, and how that moves with its beginning."""

from typing import NamedTuple

import numpy as np
from scipy.integrate._ivp import dop853_coefficients as dop853

from nalu_jax.discover._systems import settings
from nalu_jax.discover._systems.problem import Problem
from nalu_jax.discover._systems.structure import Structure, denominator

BOOLE = np.array([7, 32, 12, 32, 7]) / 90  # weights of the ends of four substeps: Boole's rule


class Flow(NamedTuple):
    """Intervals from given states on.

    Attributes:
        ends: (I, n).
        propagators: (I, n, n) derivatives of the ends by the beginnings.
        path: (I, 5, n_variables) states and inputs at the ends of the substeps.
        times: (I, 5).
        onward: (I, 5, n, n) derivatives of the ends by the states of the path.
    """

    ends: np.ndarray
    propagators: np.ndarray
    path: np.ndarray
    times: np.ndarray
    onward: np.ndarray

    @property
    def usable(self) -> bool:
        """Whether it is finite and no deviation explodes within an interval."""
        finite = np.isfinite(self.ends).all() and np.isfinite(self.onward).all()
        return bool(finite and np.abs(self.propagators).max() < settings.LARGEST_PROPAGATOR)


def flow(problem: Problem, structure: Structure, parameters: np.ndarray, nodes: np.ndarray, level: int) -> Flow:
    """All intervals from nodes (N, n): at level 0 by a method of fourth order, at 1 by one of eighth, at 2 by shorter
    steps of that."""
    states = nodes[problem.begins]
    count, n = states.shape
    spread = np.broadcast_to(np.eye(n), (count, n, n))
    length = problem.steps / settings.SUBSTEPS
    times = problem.begin_times
    moving = _Moving(problem, structure, parameters)
    advance = _dop853 if level else _rk4
    inner = settings.INNER_STEPS if level > 1 else 1
    path, spreads, at = [states], [spread], [times]
    with np.errstate(all="ignore"):  # a candidate that leaves the numbers is dropped
        for _ in range(settings.SUBSTEPS):
            for _ in range(inner):
                states, spread = advance(moving, times, states, spread, length / inner)
                times = times + length / inner
            path.append(states)
            spreads.append(spread)
            at.append(times)
        onward = _onward(np.stack(spreads, 1))
    ends = np.stack(at, 1)
    variables = np.concatenate([np.stack(path, 1), problem.inputs_at(ends)], -1)
    return Flow(states, spread, variables, ends, onward)


def _onward(spreads: np.ndarray) -> np.ndarray:
    try:
        return spreads[:, -1:] @ np.linalg.inv(spreads)
    except np.linalg.LinAlgError:
        return np.full(spreads.shape, np.nan)


class _Moving:
    """Rates of states and of their derivatives by where they began. All that does not change is made ready once."""

    def __init__(self, problem: Problem, structure: Structure, parameters: np.ndarray):
        self.problem, self.columns = problem, structure.columns
        self.powers = structure.powers(parameters)
        self.above, self.below = structure.weights(parameters)
        self.is_rational = structure.is_rational

    def __call__(self, times: np.ndarray, states: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known, n_states = self.problem.known, states.shape[-1]
        variables = states
        if self.problem.inputs is not None:
            variables = np.concatenate([states, self.problem.inputs_at(times)], -1)
        values, gradients = self.columns.gradients(variables, self.powers)
        gradients = gradients[..., :n_states]
        rates, slopes = values @ self.above.T, self.above @ gradients
        if self.is_rational:
            under = denominator(values, self.below)
            rates = rates / under
            slopes = (slopes - rates[..., None] * (self.below @ gradients)) / under[..., None]
        if self.problem.routes is not None:
            rates, slopes = rates @ self.problem.routes.T, self.problem.routes @ slopes
        if known is not None:
            rates = rates + known.rates(times, variables)
            slopes = slopes + known.jacobian(times, variables)
        return rates, slopes @ spread


def _rk4(
    moving: _Moving, times: np.ndarray, states: np.ndarray, spread: np.ndarray, length: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One step of the classical Runge-Kutta method."""
    h, hh = length[:, None], length[:, None, None]
    middle = times + length / 2
    k1, a1 = moving(times, states, spread)
    k2, a2 = moving(middle, states + h / 2 * k1, spread + hh / 2 * a1)
    k3, a3 = moving(middle, states + h / 2 * k2, spread + hh / 2 * a2)
    k4, a4 = moving(times + length, states + h * k3, spread + hh * a3)
    return states + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), spread + hh / 6 * (a1 + 2 * a2 + 2 * a3 + a4)


def _dop853(
    moving: _Moving, times: np.ndarray, states: np.ndarray, spread: np.ndarray, length: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One step of the method of Dormand and Prince of order 8 (Hairer, Norsett, Wanner 1993), 12 stages."""
    h, hh = length[:, None], length[:, None, None]
    slopes, turns = np.zeros((len(dop853.B), *states.shape)), np.zeros((len(dop853.B), *spread.shape))
    for stage in range(len(dop853.B)):
        weights = dop853.A[stage, :stage]
        at = states + h * np.tensordot(weights, slopes[:stage], 1)
        around = spread + hh * np.tensordot(weights, turns[:stage], 1)
        slopes[stage], turns[stage] = moving(times + dop853.C[stage] * length, at, around)
    return states + h * np.tensordot(dop853.B, slopes, 1), spread + hh * np.tensordot(dop853.B, turns, 1)


def integrated(problem: Problem, flowed: Flow, columns: list[np.ndarray]) -> np.ndarray:
    """(I, n, sum of p_i) what columns (I, 5, p_i) in the rate of equation i move the ends by."""
    weights, onward = BOOLE * problem.steps[:, None], _onward_of_equations(problem, flowed)
    parts = [
        np.einsum("iq,iqn,iqp->inp", weights, onward[..., i], column, optimize=True) for i, column in enumerate(columns)
    ]
    return np.concatenate(parts, -1)


def integrated_rates(problem: Problem, flowed: Flow, rates: np.ndarray) -> np.ndarray:
    """(I, n, p) what rates (I, 5, n_equations, p) of all equations move the ends by."""
    weights, onward = BOOLE * problem.steps[:, None], _onward_of_equations(problem, flowed)
    return np.einsum("iq,iqnm,iqmp->inp", weights, onward, rates, optimize=True)


def _onward_of_equations(problem: Problem, flowed: Flow) -> np.ndarray:
    """(I, 5, n, n_equations) derivatives of the ends by what each equation adds to the states of the path."""
    return flowed.onward if problem.routes is None else flowed.onward @ problem.routes
