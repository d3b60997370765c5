"""The 63 systems of ODEBench: equations and initial states, of `odebench_equations.json`.

`SYSTEMS` are the 37 of them whose right-hand sides are sums of products of powers, `ALL_SYSTEMS` all.

References:
    d'Ascoli, Becker, Mathis, Schwaller, Kilbertus, "ODEFormer: symbolic regression of dynamical systems with
    transformers", ICLR 2024, https://arxiv.org/abs/2310.05573; most systems are from Strogatz, "Nonlinear Dynamics and
    Chaos".
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy
from scipy.integrate import solve_ivp

STATES = ("a", "b", "c", "d")
END, POINTS = 10.0, 150  # as published


class System(NamedTuple):
    """Equations as text in the states a, b, c, d, and two initial states."""

    equations: tuple[str, ...]
    first: tuple[float, ...]
    second: tuple[float, ...]

    def expressions(self) -> list[sympy.Expr]:
        """The equations as expanded SymPy expressions, with floating coefficients."""
        symbols = {name: sympy.Symbol(name, real=True) for name in STATES}
        return [sympy.expand(sympy.parse_expr(text, local_dict=symbols)).evalf() for text in self.equations]

    def simulate(self, start: Sequence[float], ts: np.ndarray) -> np.ndarray:
        """States (n_times, n_states), by SciPy at tolerances of 1e-11."""
        symbols = sympy.symbols(STATES[: len(start)], real=True)
        rates = sympy.lambdify([symbols], self.expressions(), "numpy")
        span = (float(ts[0]), float(ts[-1]))
        method = "Radau" if len(start) == 1 else "DOP853"
        return solve_ivp(
            lambda t, y: np.asarray(rates(y), float), span, start, t_eval=ts, rtol=1e-11, atol=1e-12, method=method
        ).y.T


def _read(system: Mapping[str, Any]) -> System:
    numbers = {f"c_{i}": sympy.Float(value) for i, value in enumerate(system["constants"])}
    states = {f"x_{j}": sympy.Symbol(name, real=True) for j, name in enumerate(STATES)}
    equations = (sympy.parse_expr(text.replace("^", "**"), local_dict=numbers | states) for text in system["equations"])
    return System(tuple(map(str, equations)), *(tuple(map(float, start)) for start in system["starts"]))


_FILE = json.loads(pathlib.Path(__file__).with_name("odebench_equations.json").read_text())
ALL_SYSTEMS = {system["id"]: _read(system) for system in _FILE["systems"]}

OUTSIDE = (4, 7, 10, 13, 14, 15, 18, 19, 20, 21, 22, 23, 28, 33, 34, 35, 36, 42, 43, 44, 46, 47, 48, 51, 53, 62)
"""With functions, quotients or real exponents."""

SYSTEMS = {name: system for name, system in ALL_SYSTEMS.items() if name not in OUTSIDE}
