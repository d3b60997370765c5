"""The fractional SIR model of the NPU paper: rates, data, and what counts as recovered.

    dS/dt = -r + eta R    dI/dt = r - alpha I    dR/dt = alpha I - eta R    r = beta sqrt(S I)

Reference:
    Heim, Pevny, Smidl, "Neural Power Units", NeurIPS 2020, section 4.1.
"""

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

ALPHA, BETA, ETA, POWER = 0.05, 0.06, 0.01, 0.5
START, END, SAVED = (100.0, 0.01, 0.0), 200.0, 40
NAMES = ("S", "I", "R")
TERMS = {  # exponents of (S, I, R): coefficients in the equations of S, I and R
    (POWER, POWER, 0.0): (-BETA, BETA, 0.0),
    (0.0, 1.0, 0.0): (0.0, -ALPHA, ALPHA),
    (0.0, 0.0, 1.0): (ETA, 0.0, -ETA),
}


def rates(t: float, y: np.ndarray) -> np.ndarray:
    """dy/dt."""
    infected = BETA * np.sqrt(max(y[0] * y[1], 0.0))
    return np.array([-infected + ETA * y[2], infected - ALPHA * y[1], ALPHA * y[1] - ETA * y[2]])


def data(
    start: tuple[float, ...] = START, *, rtol: float = 1e-11, atol: float = 1e-12
) -> tuple[np.ndarray, np.ndarray]:
    """40 times over [0, 200], both ends included, and the states (40, 3) there, by SciPy."""
    ts = np.linspace(0.0, END, SAVED)
    return ts, solve_ivp(rates, (0.0, END), start, t_eval=ts, rtol=rtol, atol=atol, method="DOP853").y.T


def other_start(seed: int) -> tuple[float, float, float]:
    """An initial state around the published one: S from 50 to 150, I from 0.01 to 1 on a logarithmic scale, no R."""
    susceptible, infected = np.random.default_rng(seed).uniform([50.0, -2.0], [150.0, 0.0])
    return float(susceptible), float(10**infected), 0.0


def noisy(ys: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """ys with normal noise of `noise` standard deviations of each state; the initial state is known."""
    added = noise * ys.std(0) * np.random.default_rng(seed).normal(size=ys.shape)
    added[0] = 0.0
    return ys + added


def recovery(exponents: np.ndarray, coefficients: np.ndarray) -> dict[str, Any]:
    """Whether the structure is that of the model, and the largest errors of exponents and, relative, of rates.

    A term counts as one of the model's where its exponents are nearest to that one's, and within 0.25 of it.
    """
    truth = list(TERMS.items())
    matched = [
        next((i for i, (powers, _) in enumerate(truth) if np.abs(row - powers).max() < 0.25), None) for row in exponents
    ]
    if sorted(m for m in matched if m is not None) != list(range(len(truth))) or None in matched:
        return {"structure": False, "exponent_error": None, "rate_error": None}
    order = [int(m) for m in matched if m is not None]
    expected = np.array([truth[i][1] for i in order])
    powers = np.array([truth[i][0] for i in order])
    structure = bool(((coefficients != 0) == (expected != 0)).all())
    present = expected != 0
    relative = np.abs(coefficients[present] / expected[present] - 1)
    return {
        "structure": structure,
        "exponent_error": float(np.abs(exponents - powers).max()),
        "rate_error": float(relative.max()),
    }
