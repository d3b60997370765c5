"""The 37 systems of ODEBench whose right-hand sides are sums of products of powers: terms and initial states.

Written from the published definitions. A system is one text for each equation, in the states a, b, c, d, and two
initial states.

References:
    d'Ascoli, Becker, Mathis, Schwaller, Kilbertus, "ODEFormer: symbolic regression of dynamical systems with
    transformers", ICLR 2024, https://arxiv.org/abs/2310.05573; most systems are from Strogatz, "Nonlinear Dynamics and
    Chaos".
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import sympy
from scipy.integrate import solve_ivp

STATES = ("a", "b", "c", "d")
END, POINTS = 10.0, 150  # as published


class System(NamedTuple):
    """Equations as text, and two initial states."""

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


def _lorenz(prandtl: str, rayleigh: str, third: str) -> System:
    equations = (f"{prandtl}*(b - a)", f"{rayleigh}*a - b - a*c", f"a*b - {third}*c")
    return System(equations, (2.3, 8.1, 12.4), (10.0, 20.0, 30.0))


def _roessler(parameter: str) -> System:
    equations = ("5*(-b - c)", f"5*(a + ({parameter})*b)", "5*(0.2 + c*(a - 5.7))")
    return System(equations, (2.3, 1.1, 0.8), (-0.1, 4.1, -2.1))


SYSTEMS = {
    1: System(("(0.7 - a/1.2)/2.31",), (10.0,), (3.54,)),
    2: System(("0.23*a",), (4.78,), (0.87,)),
    3: System(("0.79*a*(1 - a/74.3)",), (7.3,), (21.0,)),
    5: System(("9.81 - 0.0021175*a**2",), (0.5,), (73.0,)),
    6: System(("2.1*a - 0.5*a**2",), (0.13,), (2.24,)),
    8: System(("0.14*a*(1 - a/130)*(a/4.4 - 1)",), (6.123,), (2.1,)),
    9: System(("(1 - a)*0.32 - 0.28*a",), (0.14,), (0.55,)),
    11: System(("-a**3",), (3.4,), (1.6,)),
    12: System(("1.8*a - 0.1107*a**2",), (11.0,), (1.3,)),
    16: System(("0.1*a + 0.04*a**3 - 0.001*a**5",), (0.94,), (1.65,)),
    17: System(("0.4*a*(1 - a/100) - 0.3",), (14.3,), (34.2,)),
    24: System(("b", "-2.1*a"), (0.4, -0.03), (0.0, 0.2)),
    25: System(("b", "-4.5*a - 0.43*b"), (0.12, 0.043), (0.0, -0.3)),
    26: System(("a*(3 - a - 2*b)", "b*(2 - a - b)"), (5.0, 4.3), (2.3, 3.6)),
    27: System(("a*(1.84 - 1.45*b)", "-b*(3 - 1.62*a)"), (8.3, 3.4), (0.4, 0.65)),
    29: System(("0.65*a*b", "b**2 - a**2"), (3.2, 1.4), (1.3, 0.2)),
    30: System(("a*(b - 1.61*a*b)", "b*(a - 1.61*a*b)"), (0.3, 0.04), (0.1, 0.21)),
    31: System(("-0.4*a*b", "0.4*a*b - 0.314*b"), (7.2, 0.98), (20.0, 12.4)),
    32: System(("b", "-0.18*b + a - a**3"), (-1.8, -1.8), (5.8, 0.0)),
    37: System(("b", "-a - 0.43*(a**2 - 1)*b"), (2.2, 0.0), (0.1, 3.2)),
    38: System(("3.37*(b - a**3/3 + a)", "-a/3.37"), (0.7, 0.0), (-1.1, -0.7)),
    39: System(("-a + 2.4*b + a**2*b", "0.07 - 2.4*a - a**2*b"), (0.4, 0.31), (0.2, -0.7)),
    40: System(("b", "-a + 0.886*b*(1 - a**2)"), (0.63, -0.03), (0.2, 0.2)),
    41: System(("15.3*(b - a)*(0.001 + a**2) - a", "0.3 - a"), (0.8, 0.3), (0.02, 1.2)),
    45: System(("0.5*(1 - a) - a*b**2", "a*b**2 - 0.02*b"), (1.4, 0.2), (0.32, 0.64)),
    49: System(("1 - 4.03*a + 3.1*a**2*b", "3.03*a - 3.1*a**2*b"), (0.7, -1.4), (2.1, 1.3)),
    50: System(("0.24 - a + a**2*b", "1.43 - a**2*b"), (0.14, 0.6), (1.5, 0.9)),
    52: System(("0.1*(b - a)", "0.21*(a*c - b)", "0.34*(4.1 - c - 3.1*a*b)"), (1.3, 1.1, 0.89), (0.89, 1.3, 1.1)),
    54: _lorenz("5.1", "12", "1.67"),
    55: _lorenz("10", "99.96", "(8/3)"),
    56: _lorenz("10", "28", "(8/3)"),
    57: _roessler("-0.2"),
    58: _roessler("0.1"),
    59: _roessler("0.2"),
    60: System(
        (
            "a*(c - 0.7) - 3.5*b",
            "3.5*a + b*(c - 0.7)",
            "0.65 + 0.95*c - c**3/3 - (a**2 + b**2)*(1 + 0.25*c) + 0.1*c*a**3",
        ),
        (0.1, 0.05, 0.05),
        (-0.3, 0.2, 0.1),
    ),
    61: System(("5*a - b*c", "-10*b + a*c", "-3.8*c + a*b/3"), (15.0, -15.0, -15.0), (8.0, 14.0, -10.0)),
    63: System(
        ("-0.28*a*c", "0.28*a*c - 0.47*b", "0.47*b - 0.3*c", "0.3*c"), (0.6, 0.3, 0.09, 0.01), (0.4, 0.3, 0.25, 0.05)
    ),
}
